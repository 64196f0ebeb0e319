"""What others are told of the node's life, as services."""

from dicom_node.node.parts import Parts
from dicom_node.node.services.loops import Loops
from dicom_node.node.services.outbox import OutboxService
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.monitoring.audit import make_auditing
from dicom_node.node.wiring.monitoring.notifications import make_notifying


def monitoring_services(
    settings: Settings, parts: Parts, loops: Loops
) -> tuple[OutboxService, ...]:
    """List them: the audit trail, kept and sent; notifications, made and sent."""
    works = (*make_auditing(settings, parts), *make_notifying(settings, parts))
    return tuple(OutboxService(name, work, loops) for name, work in works)
