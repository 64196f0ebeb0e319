"""The next best object for a receiver that does not accept an object's SOP class."""

from dataclasses import replace
from io import BytesIO

from dicom_node.delivery.route import Route
from dicom_node.evidence.kinds import KINDS, REWRITTEN, EvidenceKind
from dicom_node.evidence.report.classes import under_class
from storage.database import Database
from storage.objects.protocol import ObjectStore
from storage.records import DeliveryState, DueDelivery, Evidence
from storage.worklist.jobs import get_job


class StandIns:
    """Finds stand-ins among a job's results, or makes them.

    Parameters
    ----------
    route
        What may stand in for what.
    database, store
        A job's results: rows and bytes.
    """

    def __init__(self, route: Route, database: Database, store: ObjectStore) -> None:
        self._route = route
        self._database = database
        self._store = store

    def for_(self, item: DueDelivery) -> Evidence | None:
        """Find the best stand-in that this receiver has not refused yet."""
        with self._database.transaction(read_only=True) as tx:
            job = get_job(tx, item.delivery.workitem_uid)
        refused = {
            row.sop_instance_uid
            for row in job.deliveries
            if row.destination == self._route.destination
            and row.state in (DeliveryState.FAILED, DeliveryState.SUPERSEDED)
        }
        at_hand = {one.kind: one for one in job.evidence}
        for kind in self._route.stand_ins(EvidenceKind(item.evidence.kind)):
            other = at_hand.get(kind)
            if other is None and kind in REWRITTEN:
                other = self._under_class(item.evidence, kind)
            if other is not None and other.sop_instance_uid not in refused:
                return other
        return None

    def _under_class(self, report: Evidence, kind: EvidenceKind) -> Evidence:
        """Store the same report under another SOP class."""
        with self._store.open(report.object_key) as stream:
            uid, content = under_class(stream, kind)
        stored = self._store.put(BytesIO(content))
        return replace(
            report,
            sop_instance_uid=uid,
            sop_class_uid=str(KINDS[kind].sop_class),
            kind=kind,
            object_key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )
