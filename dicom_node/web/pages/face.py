"""From a view model to a page: templates, words, headers, and refusals as pages."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dicom_node import __version__
from dicom_node.web.pages.assets import Assets
from dicom_node.web.pages.parts import PageParts
from dicom_node.web.pages.wording import ago, clock_time, duration, moment, size

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none';"
        " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAVIGATION = (
    ("today", "/"),
    ("worklist", "/worklist"),
    ("refusals", "/not-eligible"),
    ("destinations", "/destinations"),
    ("models", "/models"),
    ("devices", "/devices"),
    ("settings", "/settings"),
)
_PROGRAMS = ("/api/", "/dicom-web", "/health/", "/static/", "/metrics")


class Face:
    """Writes pages.

    Parameters
    ----------
    parts
        What they work on.
    assets
        What they are made with.
    """

    def __init__(self, parts: PageParts, assets: Assets) -> None:
        self._parts = parts
        self._environment = Environment(
            loader=PackageLoader("dicom_node.web.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            t=parts.texts, asset=assets.address, version=__version__, nav=NAVIGATION
        )
        self._environment.filters.update(
            moment=moment, clock=clock_time, duration=duration, size=size
        )

    def page(
        self,
        request: Request,
        template: str,
        view: Mapping[str, Any],
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        """Write a page.

        Parameters
        ----------
        view
            What the template shows; ``active`` is the entry of the navigation.
        """
        now = self._parts.clock()
        common = {
            "site": self._parts.site().title,
            "principal": getattr(request.state, "principal", None),
            "now": now,
            "ago": lambda at: ago(at, now),
            "here": _here(request),
            "active": "",
            "wall": False,
        }
        text = self._environment.get_template(template).render(common | dict(view))
        return Response(text, status, SECURITY, "text/html")

    def as_page(
        self, request: Request, status: HTTPStatus, detail: str
    ) -> Response | None:
        """Say a refusal as a page, where a browser asks for one."""
        accepts = request.headers.get("accept", "")
        path = request.url.path
        if "text/html" not in accepts or path.startswith(_PROGRAMS):
            return None
        view = {"status": status.value, "phrase": status.phrase, "detail": detail}
        return self.page(request, "problem.html", view, status)


def safe(svg: str) -> Markup:
    """Mark what :mod:`drawing` made as markup; every text in it was escaped there."""
    return Markup(svg)  # noqa: S704  numbers and escaped words only


def today_of(now: datetime) -> datetime:
    """Tell when the day began, by the clock of the machine."""
    return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def _here(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")
