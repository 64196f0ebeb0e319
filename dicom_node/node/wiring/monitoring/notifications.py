"""Who is told what, and how."""

import ssl
from collections.abc import Callable, Iterator

from dicom_node.errors import SettingsInvalid
from dicom_node.monitoring.notifying.channels.fhir import FhirServer
from dicom_node.monitoring.notifying.channels.hl7 import Hl7Receiver
from dicom_node.monitoring.notifying.channels.mail import Mail
from dicom_node.monitoring.notifying.channels.webhook import Webhook
from dicom_node.monitoring.notifying.notifier import Notifier
from dicom_node.monitoring.notifying.rules import Rules, Watcher
from dicom_node.monitoring.notifying.told import NotificationChannel
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.monitoring import NotificationSection
from dicom_node.worklist.retry import BackOff


def make_notifying(
    settings: Settings, parts: Parts
) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Name what goes on for notifications: they are made, and sent."""
    if not settings.notifications:
        return
    rules = [_rules(section) for section in settings.notifications]
    yield "notifications", Watcher(parts.database, rules, parts.clock).work
    patience = settings.delivery
    for section in settings.notifications:
        notifier = Notifier(
            parts.database,
            section.name,
            _channel(settings, parts, section),
            node=settings.node.ae_title,
            back_off=BackOff(patience.first_retry_s, patience.longest_retry_s),
            give_up_after_s=patience.give_up_after_s,
            clock=parts.clock,
        )
        yield f"notify-{section.name}", notifier.work


def _rules(section: NotificationSection) -> Rules:
    return Rules(
        section.name,
        section.severity_percent,
        section.growth_points,
        section.failed,
        section.late_s,
        section.destination_down_s,
    )


def _channel(
    settings: Settings, parts: Parts, section: NotificationSection
) -> NotificationChannel:
    """Make the way to a receiver; one branch for each kind."""
    tls = _context(section)
    match section.kind:
        case "webhook":
            return Webhook(
                section.url, section.key, tls, section.patient_ids, parts.clock
            )
        case "mail":
            return _mail(section, tls)
        case "hl7":
            return Hl7Receiver(
                section.host,
                section.port or 0,
                settings.node.ae_title,
                section.application,
                section.facility,
                None if section.security == "none" else tls,
            )
        case "fhir":
            return FhirServer(
                section.url.rstrip("/"), tls, section.token.get_secret_value()
            )


def _mail(section: NotificationSection, tls: ssl.SSLContext) -> Mail:
    return Mail(
        section.host,
        section.port or 0,
        section.security,
        tls,
        section.sender,
        section.recipients,
        section.patient_ids,
        section.username,
        section.password.get_secret_value(),
    )


def _context(section: NotificationSection) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(
            cafile=str(section.ca) if section.ca else None
        )
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsInvalid(f"notifications: {section.name}: ca: {why}") from error
