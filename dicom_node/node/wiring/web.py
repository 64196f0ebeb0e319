"""The HTTP interface: where it listens, and its faces."""

from collections.abc import Callable, Mapping

from dicom_node.node import tls
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.access import (
    make_access,
    make_login,
    refuse_unprotected,
)
from dicom_node.node.wiring.monitoring.audit import patients
from dicom_node.node.wiring.monitoring.metrics import make_exposition, scrapers
from dicom_node.node.wiring.pages import Running, page_parts, sheets
from dicom_node.node.wiring.remotes import certificates
from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.router import api
from dicom_node.web.application import AsPage, create_app
from dicom_node.web.audited import Audited
from dicom_node.web.connections import NO_UPLOADS, HttpLimits, Uploads
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebLimits, DicomwebParts
from dicom_node.web.dicomweb.router import dicomweb
from dicom_node.web.dicomweb.workitems.channel import channel
from dicom_node.web.dicomweb.workitems.router import workitems
from dicom_node.web.metrics import ScrapersEntrance, metrics
from dicom_node.web.pages.router import pages
from dicom_node.web.server import HttpAddress, HttpServer


def make_server(
    settings: Settings,
    parts: Parts,
    conditions: Callable[[], Mapping[str, str | None]],
    doubts: Callable[[], Mapping[str, str]] = dict,
    running: Running | None = None,
) -> HttpServer:
    """Make the HTTP listener with every face.

    Parameters
    ----------
    running
        The configuration and the parts as they are later, where they may change.
    """
    access = make_access(settings, parts.database, parts.clock, parts.audit)
    refuse_unprotected(settings, access)
    asked = ApiParts(parts.database, parts.steps, conditions, parts.clock, doubts)
    hosts = (settings.http.host, *settings.http.allowed_hosts)
    faces = [api(asked), make_login(settings, access, sheets(settings))]
    if settings.dicomweb.enabled:
        faces += [
            workitems(parts.worklist),
            channel(parts.database),
            dicomweb(dicomweb_parts(settings, parts)),
        ]
    as_page: AsPage | None = None
    if settings.pages.enabled:
        now = running or (lambda: (settings, parts))
        shown = pages(page_parts(settings, parts, now, conditions, doubts))
        faces.append(shown.router)
        as_page = shown.as_page
    expose = make_exposition(settings, parts, conditions)
    if settings.metrics.enabled:
        faces.append(metrics(expose))
    app = create_app(faces, access, hosts, uploads(settings), as_page)
    if settings.audit.enabled:
        app.add_middleware(
            Audited,
            trail=parts.audit,
            node=settings.node.ae_title,
            prefix=PREFIX,
            patient_of=patients(parts) if settings.audit.patient_ids else None,
        )
    if settings.metrics.enabled and settings.metrics.allow:
        # The outermost: Prometheus has no key, and may call by any name.
        app.add_middleware(ScrapersEntrance, expose=expose, allow=scrapers(settings))
    return HttpServer(app, http_address(settings), http_limits(settings))


def dicomweb_parts(settings: Settings, parts: Parts) -> DicomwebParts:
    """Say what the origin server works on."""
    section = settings.dicomweb
    limits = DicomwebLimits(
        results=section.maximum_results,
        object_bytes=settings.dimse.maximum_object_bytes,
        parts=section.maximum_parts,
        request_bytes=section.maximum_request_bytes,
    )
    return DicomwebParts(parts.database, parts.store, parts.reception, limits)


def http_address(settings: Settings) -> HttpAddress:
    """Say how the HTTP listener listens."""
    section = settings.http
    files = certificates(section.tls)
    require = section.tls.require_client_certificate
    context = tls.server_context(files, require_client=require) if files else None
    # A proxy on this machine is believed, as is one that says who asks.
    proxies = ("127.0.0.1", "::1", *map(str, section.auth.proxy.addresses))
    return HttpAddress(section.host, section.port, context, proxies)


def http_limits(settings: Settings) -> HttpLimits:
    """Say what clients may cost."""
    section = settings.http
    return HttpLimits(
        section.max_connections,
        section.max_connections_per_address,
        section.request_timeout_s,
        uploads(settings),
    )


def uploads(settings: Settings) -> Uploads:
    """Say where objects are posted."""
    section = settings.dicomweb
    if not section.enabled:
        return NO_UPLOADS
    return Uploads((f"{PREFIX}/studies",), section.maximum_request_bytes)
