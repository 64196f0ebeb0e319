"""Makes audit messages of Events: what came, what went, what was called back."""

from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.message import AuditMessage
from dicom_node.monitoring.audit.occasions import AuditedStudy, Caller
from dicom_node.monitoring.audit.trail import KeptTrail
from storage.database import Database
from storage.events import since
from storage.monitoring.audited import AUDITED, Movement, movements
from storage.monitoring.places import move, place, seen_by
from storage.records import EventKind

_READER = "audit"
_AT_ONCE = 500


class AuditFollower:
    """Writes down what Events say, once, in the transaction that says it was read.

    Parameters
    ----------
    database
        Where Events are.
    trail
        Where messages go.
    node
        Who we are: an AE title.
    patient_ids
        Whether messages name the patient by ID.
    """

    def __init__(
        self, database: Database, trail: KeptTrail, node: str, *, patient_ids: bool
    ) -> None:
        self._database = database
        self._trail = trail
        self._node = node
        self._patient_ids = patient_ids

    def work(self) -> bool:
        """Write down what happened since; tell whether there may be more."""
        if not self._is_news():
            return False
        with self._database.transaction() as tx:
            found = since(tx, place(tx, _READER), _AT_ONCE)
            told = [one for one in found if one.kind in AUDITED]
            for one in movements(tx, told):
                self._trail.add(tx, self._message(one))
            if found:
                move(tx, _READER, found[-1].event_id)
        return len(found) == _AT_ONCE

    def _is_news(self) -> bool:
        """Look without keeping writers waiting."""
        with self._database.transaction(read_only=True) as tx:
            seen = seen_by(tx, _READER)
            return seen is None or bool(since(tx, seen, 1))

    def _message(self, one: Movement) -> AuditMessage:
        patient_id = one.patient_id if self._patient_ids else ""
        about = AuditedStudy(one.study_instance_uid, patient_id, dict(one.sop_classes))
        us, peer = Caller(self._node), Caller(one.peer or "unknown")
        match one.kind:
            case EventKind.RECEIVED:
                return occasions.transferred(peer, us, about, received=True)
            case EventKind.DELIVERY_SENT:
                return occasions.transferred(us, peer, about, received=False)
            case _:
                return occasions.recalled(Caller("administrator"), self._node, about)
