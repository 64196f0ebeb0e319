"""The rows, as values: Instance Workitem Attempt Evidence Delivery Event.

A Workitem is a Unified Procedure Step (DICOM PS3.4 Annex CC). Records know no
database; every datetime is aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from storage.descriptions import Description


class ProcedureStepState(StrEnum):
    """Procedure Step State (0074,1000), PS3.4 CC.1.1."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[ProcedureStepState, frozenset[ProcedureStepState]] = {
    ProcedureStepState.SCHEDULED: frozenset(
        {ProcedureStepState.IN_PROGRESS, ProcedureStepState.CANCELED}
    ),
    ProcedureStepState.IN_PROGRESS: frozenset(
        {ProcedureStepState.COMPLETED, ProcedureStepState.CANCELED}
    ),
    ProcedureStepState.COMPLETED: frozenset(),
    ProcedureStepState.CANCELED: frozenset(),
}
"""Table CC.1.1-2 of PS3.4; an administrator's retry makes a *new* Workitem."""


class Priority(IntEnum):
    """Scheduled Procedure Step Priority (0074,1200); the greater goes first."""

    LOW = -1
    MEDIUM = 0
    HIGH = 1


class Stage(StrEnum):
    """Where a Workitem stands in the queue; people see ``InstanceState``."""

    QUEUED = "queued"
    ANALYZING = "analyzing"
    DELIVERING = "delivering"
    DONE = "done"
    CANCELED = "canceled"


class InstanceState(StrEnum):
    """Where a received image and its job stand; see ``storage.states``."""

    QUEUED = "queued"
    ANALYZING = "analyzing"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    NOT_ELIGIBLE = "not eligible"
    FAILED = "failed"
    CANCELED = "canceled"
    QUARANTINED = "quarantined"
    COMMITTED = "committed"
    COMMITMENT_FAILED = "commitment failed"


class DeliveryState(StrEnum):
    """Life of one object on its way to one destination."""

    PENDING = "PENDING"
    SENT = "SENT"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    CANCELED = "CANCELED"
    COMMITMENT_FAILED = "COMMITMENT FAILED"


class CommitmentState(StrEnum):
    """Life of one Storage Commitment transaction that this node began."""

    ASKED = "ASKED"
    REPORTED = "REPORTED"
    EXPIRED = "EXPIRED"
    REFUSED = "REFUSED"


class NoticeState(StrEnum):
    """Life of one notice to one peer."""

    PENDING = "PENDING"
    SENT = "SENT"
    GIVEN_UP = "GIVEN UP"


class RequestState(StrEnum):
    """Life of one Storage Commitment request that a peer made."""

    PENDING = "PENDING"
    REPORTED = "REPORTED"
    GIVEN_UP = "GIVEN UP"


class AttemptOutcome(StrEnum):
    """How a try at a Workitem ended."""

    SETTLED = "settled"
    RETRY = "retry"
    CANCELED = "canceled"
    LEASE_EXPIRED = "lease expired"
    """Its worker fell silent, for whatever reason: the image is not to blame."""
    PROCESS_LOST = "process lost"
    """Reading this image, and nothing else, ended the process that did."""


class EventKind(StrEnum):
    """What happened that others may want to know."""

    RECEIVED = "received"
    NOT_ELIGIBLE = "not eligible"
    QUARANTINED = "quarantined"
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    RETRIED_LATER = "retried later"
    LEASE_EXPIRED = "lease expired"
    SETTLED = "settled"
    CANCELED = "canceled"
    COMPLETED = "completed"
    REPLACED = "replaced"
    RECALLED = "recalled"
    CANCEL_REQUESTED = "cancel requested"
    DELIVERY_SENT = "delivery sent"
    DELIVERY_FAILED = "delivery failed"
    DELIVERY_SUPERSEDED = "delivery superseded"
    DELIVERY_COMMITTED = "delivery committed"
    COMMITMENT_FAILED = "commitment failed"


class Cause(StrEnum):
    """Whose doing it was that a Workitem ended without results."""

    IMAGE = "image"
    """The image is none that can be analysed: *not eligible*, no alarm."""
    FAILURE = "failure"
    """Something broke: *failed*, and an administrator should look."""
    REQUEST = "request"
    """Somebody asked for it: *canceled*."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a short stable code and one sentence without patient data."""

    code: str
    text: str
    cause: Cause = Cause.FAILURE


GIVEN_UP = "DELIVERY_GIVEN_UP"
"""Code of the Reason of a Workitem one of whose required deliveries was given up."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One received SOP Instance.

    Parameters
    ----------
    object_key
        Where the object store holds its bytes.
    size_bytes, sha256
        Of the stored file.
    calling_ae
        Who sent it.
    not_eligible
        Why there is no Workitem, else ``None``.
    object_removed_at
        When retention deleted the bytes; the row stays.
    issuer_of_patient_id
        Who gave the Patient ID; two patients may have the same one.
    acquired_at
        When the film was taken, where it says so.
    duplicates, duplicate_at
        How often the same bytes came again, and when last.
    description
        What a search finds it by, as it arrives; not read back with the row.
    called_ae
        Which of our titles it was sent to.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    object_key: str
    size_bytes: int
    sha256: str
    received_at: datetime
    calling_ae: str = ""
    patient_id: str = ""
    accession_number: str = ""
    modality: str = ""
    not_eligible: Reason | None = None
    object_removed_at: datetime | None = None
    issuer_of_patient_id: str = ""
    acquired_at: datetime | None = None
    duplicates: int = 0
    duplicate_at: datetime | None = None
    description: Description | None = field(default=None, compare=False, repr=False)
    called_ae: str = ""


@dataclass(frozen=True, slots=True)
class ModelName:
    """Which model: what it is called, and the digest of its files."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Workitem:
    """A Unified Procedure Step: analyse one Instance and deliver the results.

    Parameters
    ----------
    sop_instance_uid
        The image that it is about.
    inputs
        SOP Instance UIDs of all it looks at: that image first, and nothing else
        unless it is said.
    result
        What was found, as those who analyse put it; not looked into here.
    model, maker
        Whose results these are, and the fingerprint of all that shows in them: the
        model, its thresholds, the software and the settings.
    not_before
        A queued Workitem may not be claimed earlier.
    replaced_by
        The Workitem that an administrator's retry made instead of this one.
    recalled_at, recall_reason
        When its results were called back, and why: ``quality`` or ``safety``.
    rejection_note_uid
        The note that says so to those who had received them.
    """

    workitem_uid: str
    sop_instance_uid: str
    state: ProcedureStepState
    stage: Stage
    scheduled_at: datetime
    priority: int = 0
    transaction_uid: str | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    not_before: datetime | None = None
    attempts: int = 0
    started_at: datetime | None = None
    analyzed_at: datetime | None = None
    ended_at: datetime | None = None
    reason: Reason | None = None
    cancel_requested: bool = False
    result: Mapping[str, Any] | None = None
    replaced_by: str | None = None
    recalled_at: datetime | None = None
    recall_reason: str | None = None
    rejection_note_uid: str | None = None
    inputs: tuple[str, ...] = ()
    model: ModelName | None = None
    maker: str | None = None

    def __post_init__(self) -> None:
        if not self.inputs:
            object.__setattr__(self, "inputs", (self.sop_instance_uid,))
        if self.inputs[0] != self.sop_instance_uid:
            raise ValueError("the first input is the image that a Workitem is about")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a Workitem."""

    workitem_uid: str
    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: AttemptOutcome | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One result object, stored before it is sent; these very bytes are sent again.

    Parameters
    ----------
    description
        What a search finds it by, when it is made; not read back with the row.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    workitem_uid: str
    kind: str
    object_key: str
    size_bytes: int
    sha256: str
    created_at: datetime
    object_removed_at: datetime | None = None
    description: Description | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One Evidence that shall go to one destination.

    Parameters
    ----------
    commitment
        Whether the destination shall commit itself to keep it.
    """

    destination: str
    sop_instance_uid: str
    required: bool = True
    commitment: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One Evidence to one destination (a row of the outbox).

    Parameters
    ----------
    commitment
        Whether the destination shall commit itself to keep it.
    commitment_uid
        Transaction UID under which it is asked now.
    commitment_due_at
        When it is to be asked next; ``None`` while it is being asked, or need not be.
    commitment_tries
        How many transactions ended without its commitment.
    """

    delivery_id: int
    workitem_uid: str
    sop_instance_uid: str
    destination: str
    required: bool
    state: DeliveryState
    attempts: int = 0
    created_at: datetime | None = None
    next_try_at: datetime | None = None
    sent_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None
    lease_until: datetime | None = None
    superseded_by: str | None = None
    commitment: bool = False
    commitment_uid: str | None = None
    commitment_due_at: datetime | None = None
    commitment_tries: int = 0
    committed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """A peer's request that this node commits itself to keep objects.

    Parameters
    ----------
    peer, address
        Who asked, and from where.
    called_ae
        By which of our titles.
    objects
        (SOP Class UID, SOP Instance UID) of each.
    """

    request_id: int
    transaction_uid: str
    peer: str
    called_ae: str
    address: str
    objects: tuple[tuple[str, str], ...]
    state: RequestState
    received_at: datetime
    next_try_at: datetime
    attempts: int = 0
    reported_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AvailabilityNotice:
    """That a peer is to be told that results can be retrieved.

    Parameters
    ----------
    sop_instance_uid
        Of the notice itself, the same at every try.
    """

    workitem_uid: str
    peer: str
    sop_instance_uid: str
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A leased row of the outbox and the object it is about."""

    delivery: Delivery
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Job:
    """A Workitem with everything that is known about it."""

    workitem: Workitem
    instance: Instance
    attempts: tuple[Attempt, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    visible_state: InstanceState = InstanceState.QUEUED


class InstanceStatus(NamedTuple):
    """A received Instance, its one visible state, and its current Workitem."""

    instance: Instance
    state: InstanceState
    workitem: Workitem | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Other bytes that came under a SOP Instance UID already known."""

    quarantine_id: int
    sop_instance_uid: str
    object_key: str
    size_bytes: int
    sha256: str
    calling_ae: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """That something happened, written with the change itself.

    Parameters
    ----------
    event_id
        Grows in the order in which changes became visible.
    sop_instance_uid
        The image, or the result object that a delivery is about.
    details
        A few words more, never of a patient.
    """

    event_id: int
    at: datetime
    kind: EventKind
    workitem_uid: str | None = None
    sop_instance_uid: str | None = None
    destination: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a listing and the cursor of the next one."""

    items: tuple[Any, ...]
    next_cursor: str | None = field(default=None)
