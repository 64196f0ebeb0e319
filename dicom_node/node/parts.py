"""What the services of a node work with, as one value; tests pass another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dicom_node.delivery.destination import Destination
from dicom_node.monitoring.audit.trail import AuditTrail, Unrecorded
from dicom_node.node.bond import Bond
from dicom_node.worklist.adoption import Adoption
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.reception import Reception
from dicom_node.worklist.unified.unified_worklist import UnifiedWorklist
from inference.runners.runner import ModelRunner
from storage.database import Database
from storage.objects.protocol import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that services share.

    Parameters
    ----------
    store, database
        What the node remembers.
    steps, worklist
        The worklist, for this node and for others.
    reception
        The door for images.
    bond, adoption
        Hold store and database together, and take in what the database lacks.
    runner
        Makes the model's runner; called, and the model loaded, only where there is
        work.
    destinations
        Name -> makes the way there; called only where results are delivered.
    audit
        Who is told what somebody did.
    clock, new_uid
        The time, aware UTC, and new UIDs.
    """

    store: ObjectStore
    database: Database
    steps: ProcedureSteps
    worklist: UnifiedWorklist
    reception: Reception
    bond: Bond
    adoption: Adoption
    runner: Callable[[], ModelRunner]
    destinations: Mapping[str, Callable[[], Destination]]
    clock: Callable[[], datetime]
    new_uid: Callable[[], str]
    audit: AuditTrail = field(default_factory=Unrecorded)
