"""Who keeps the audit trail, what goes into it, and who gets it."""

import ssl
from collections.abc import Callable, Iterator

from dicom_node.errors import SettingsInvalid
from dicom_node.injected import clock
from dicom_node.monitoring.audit.follower import AuditFollower
from dicom_node.monitoring.audit.refusals import Refusals
from dicom_node.monitoring.audit.syslog import Forwarder, SyslogReceiver
from dicom_node.monitoring.audit.trail import AuditTrail, KeptTrail, Unrecorded
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.monitoring import SyslogSection
from dicom_node.worklist.retry import BackOff
from storage.database import Database
from storage.errors import StorageError
from storage.monitoring.audited import patient_of

Work = Callable[[], bool]


def make_trail(settings: Settings, database: Database) -> AuditTrail:
    """Make what everybody tells."""
    if not settings.audit.enabled:
        return Unrecorded()
    return KeptTrail(database, settings.node.ae_title, clock)


def tell_rejections(
    settings: Settings, parts: Parts
) -> Callable[[str, str, str], None]:
    """Make what is told of rejected associations."""
    return Refusals(parts.audit, settings.node.ae_title).refuse


def make_auditing(settings: Settings, parts: Parts) -> Iterator[tuple[str, Work]]:
    """Name what goes on for the audit trail: it follows Events, and is sent."""
    if not isinstance(parts.audit, KeptTrail):
        return
    follower = AuditFollower(
        parts.database,
        parts.audit,
        settings.node.ae_title,
        patient_ids=settings.audit.patient_ids,
    )
    yield "audit", follower.work
    section = settings.audit
    back_off = BackOff(section.first_retry_s, section.longest_retry_s)
    for one in section.receivers:
        forwarder = Forwarder(parts.database, _receiver(one), back_off, parts.clock)
        yield f"audit-{one.name}", forwarder.work


def patients(parts: Parts) -> Callable[[str], str]:
    """Make what finds whose study it is."""

    def patient(study_instance_uid: str) -> str:
        try:
            with parts.database.transaction(read_only=True) as tx:
                return patient_of(tx, study_instance_uid)
        except StorageError:
            return ""

    return patient


def _receiver(section: SyslogSection) -> SyslogReceiver:
    context = _context(section) if section.transport == "tls" else None
    return SyslogReceiver(
        section.name,
        section.host,
        section.port,
        section.transport,
        context,
        section.message_id,
    )


def _context(section: SyslogSection) -> ssl.SSLContext:
    """Build the context of a client that knows the receiver by its host's name."""
    try:
        context = ssl.create_default_context(
            cafile=str(section.ca) if section.ca else None
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if section.certificate and section.key:
            context.load_cert_chain(section.certificate, section.key)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsInvalid(f"audit.receivers: {section.name}: {why}") from error
    return context
