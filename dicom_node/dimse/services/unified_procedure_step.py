"""Unified Procedure Step SCP: the worklist over DIMSE (DICOM PS3.4 Annex CC).

Push, Pull, Watch and Query; each class allows its own operations (Tables CC.2-1 to 5).
Reports go out on associations of this node's (``delivery.event_reports``).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.presentation import PresentationContext

from dicom_node.dataset.quiet import UNREADABLE, quiet
from dicom_node.dimse.presentation import acceptor_contexts
from dicom_node.dimse.service_class import Handler, Roles
from dicom_node.dimse.status import Status, status_of
from dicom_node.errors import NodeError, WorkitemRefused
from dicom_node.worklist.unified.subscription import Wish
from dicom_node.worklist.unified.unified_worklist import Outcome, UnifiedWorklist
from dicom_node.worklist.unified.workitem_content import UPS_PUSH, checked
from dicom_node.worklist.unified.workitem_rules import (
    Fault,
    Notice,
    refuse,
    wanted_state,
)
from storage.errors import StorageError
from storage.worklist.pushed import FILTERED
from storage.worklist.subscriptions import Channel

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import N_ACTION, N_CREATE, N_GET

logger = logging.getLogger(__name__)
UPS_WATCH = UID("1.2.840.10008.5.1.4.34.6.2")
UPS_PULL = UID("1.2.840.10008.5.1.4.34.6.3")
UPS_QUERY = UID("1.2.840.10008.5.1.4.34.6.5")

STATUS: Mapping[Fault, int] = {
    Fault.NO_SUCH_WORKITEM: 0xC307,
    Fault.NO_SUBSCRIPTION: 0xC307,
    Fault.ALREADY_EXISTS: 0x0111,
    Fault.NOT_SCHEDULED: 0xC309,
    Fault.MISSING_ATTRIBUTE: 0x0120,
    Fault.MISSING_VALUE: 0x0121,
    Fault.INVALID_VALUE: 0x0106,
    Fault.NOT_ALLOWED: 0x0106,
    Fault.INVALID_UID: 0x0117,
    Fault.INVALID_KEYS: 0xC000,
    Fault.TOO_BROAD: 0xA700,
    Fault.MISSING_TRANSACTION: 0xC301,
    Fault.WRONG_TRANSACTION: 0xC301,
    Fault.ALREADY_IN_PROGRESS: 0xC302,
    Fault.NOT_IN_PROGRESS: 0xC310,
    Fault.SCHEDULED_BY_CREATION: 0xC303,
    Fault.ENDED: 0xC300,
    Fault.FINAL_STATE_UNMET: 0xC304,
    Fault.ALREADY_COMPLETED: 0xC311,
    Fault.PERFORMER_UNREACHABLE: 0xC312,
    Fault.UNKNOWN_RECEIVER: 0xC308,
    Fault.NOT_APPROPRIATE: 0xC314,
    Fault.NO_SUCH_ACTION: 0x0123,
    Fault.NOT_AUTHORISED: 0x0124,
}
"""Every Fault -> the status of its answer (PS3.4 CC.2, PS3.7 Annex C)."""

WARNINGS: Mapping[Notice, int] = {
    Notice.CREATED_WITH_MODIFICATIONS: 0xB300,
    Notice.OPTIONAL_NOT_SUPPORTED: 0x0001,
    Notice.ALREADY_CANCELED: 0xB304,
    Notice.ALREADY_COMPLETED: 0xB306,
}
"""Every Notice -> the status of a success with a warning."""

CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)
ACTIONS: Mapping[int, frozenset[UID]] = {
    CHANGE_STATE: frozenset({UPS_PULL}),
    REQUEST_CANCEL: frozenset({UPS_PUSH, UPS_WATCH}),
    SUBSCRIBE: frozenset({UPS_WATCH}),
    UNSUBSCRIBE: frozenset({UPS_WATCH}),
    SUSPEND: frozenset({UPS_WATCH}),
}
"""Action Type ID -> the classes under which it may be asked for."""
OPERATIONS: Mapping[str, frozenset[UID]] = {
    "N-CREATE": frozenset({UPS_PUSH}),
    "N-GET": frozenset({UPS_PUSH, UPS_PULL, UPS_WATCH}),
    "N-SET": frozenset({UPS_PULL}),
    "N-ACTION": frozenset({UPS_PUSH, UPS_PULL, UPS_WATCH}),
    "C-FIND": frozenset({UPS_PULL, UPS_WATCH, UPS_QUERY}),
}
"""Operation -> the classes that have it."""

_SUCCESS, _PENDING, _CANCEL = 0x0000, 0xFF00, 0xFE00
_UNRECOGNISED, _NO_SUCH_CLASS = 0x0211, 0x0118
_COMMENT_LENGTH = 64
_ALWAYS = ("SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet")

Answer = tuple[Dataset | int, Dataset | None]


class UnifiedProcedureStepSCP:
    """Answers requests of the Unified Procedure Step classes.

    Parameters
    ----------
    worklist
        What is asked.
    """

    def __init__(self, worklist: UnifiedWorklist) -> None:
        self._worklist = worklist
        self._actions: Mapping[int, Callable[[str, Dataset, str], Outcome]] = {
            CHANGE_STATE: self._change_state,
            REQUEST_CANCEL: worklist.request_cancel,
            SUBSCRIBE: self._subscribe,
            UNSUBSCRIBE: lambda uid, said, _: worklist.unsubscribe(_title(said), uid),
            SUSPEND: lambda uid, said, _: worklist.suspend(_title(said), uid),
        }

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """The classes that others use."""
        return acceptor_contexts("Unified Procedure Step")

    @property
    def roles(self) -> Mapping[str, Roles]:
        """None: callers are SCU."""
        return {}

    @property
    def handlers(self) -> Mapping[evt.EventType, Handler]:
        """Every operation of the classes but the report."""
        return {
            evt.EVT_N_CREATE: self.create,
            evt.EVT_N_GET: self.get,
            evt.EVT_N_SET: self.set,
            evt.EVT_N_ACTION: self.act,
            evt.EVT_C_FIND: self.find,
        }

    def create(self, event: evt.Event) -> Answer:
        """N-CREATE: take in a Workitem."""
        return _answered(event, "N-CREATE", self._create)

    def get(self, event: evt.Event) -> Answer:
        """N-GET: give attributes of a Workitem."""
        return _answered(event, "N-GET", self._get)

    def set(self, event: evt.Event) -> Answer:
        """N-SET: set attributes of a Workitem."""
        return _answered(event, "N-SET", self._set)

    def act(self, event: evt.Event) -> Answer:
        """N-ACTION: change a state, ask for a cancellation, subscribe."""
        return _answered(event, "N-ACTION", self._act)

    def find(self, event: evt.Event) -> Iterator[Answer]:
        """C-FIND: give the Workitems that meet keys."""
        try:
            _check_class(event, "C-FIND")
            keys = _dataset(lambda: event.identifier)
            for content in self._worklist.search(keys):
                if event.is_cancelled:
                    yield _CANCEL, None
                    return
                yield _PENDING, _chosen(content, [element.tag for element in keys])
        except Exception as error:  # noqa: BLE001  the operation's outermost edge
            yield _refusal(event, "C-FIND", error), None

    def _create(self, event: evt.Event) -> Answer:
        content = _dataset(lambda: event.attribute_list)
        named = cast("N_CREATE", event.request).AffectedSOPInstanceUID
        outcome = self._worklist.create(
            str(named) if named else None, content, _asker(event)
        )
        if named:
            return _status(outcome.notices), None
        reply = Dataset()
        reply.AffectedSOPInstanceUID = outcome.workitem_uid
        return _SUCCESS, reply

    def _get(self, event: evt.Event) -> Answer:
        content = self._worklist.retrieve(_uid(event))
        wanted = list(event.attribute_identifiers)
        if not wanted:
            return _SUCCESS, content
        there = Dataset()
        there.update({tag: content[tag] for tag in wanted if tag in content})
        if len(there) == len(set(wanted)):
            return _SUCCESS, there
        return WARNINGS[Notice.OPTIONAL_NOT_SUPPORTED], there

    def _set(self, event: evt.Event) -> Answer:
        changes = _dataset(lambda: event.modification_list)
        outcome = self._worklist.update(_uid(event), changes, None)
        return _status(outcome.notices), None

    def _act(self, event: evt.Event) -> Answer:
        action = event.action_type or 0
        if action not in ACTIONS or _context(event) not in ACTIONS[action]:
            raise refuse(Fault.NO_SUCH_ACTION)
        said = Dataset()
        if cast("N_ACTION", event.request).ActionInformation is not None:
            said = _dataset(lambda: event.action_information)
        outcome = self._actions[action](_uid(event), said, _asker(event))
        return _status(outcome.notices), None

    def _change_state(self, uid: str, said: Dataset, asker: str) -> Outcome:
        if not said.get("ProcedureStepState"):
            raise refuse(Fault.MISSING_ATTRIBUTE, "ProcedureStepState")
        wanted = wanted_state(str(said.ProcedureStepState))
        transaction = str(said.get("TransactionUID") or "") or None
        return self._worklist.change_state(uid, wanted, transaction, asker)

    def _subscribe(self, uid: str, said: Dataset, _asker: str) -> Outcome:
        lock = str(said.get("DeletionLock") or "FALSE").upper()
        if lock not in ("TRUE", "FALSE"):
            raise refuse(Fault.INVALID_VALUE, "DeletionLock")
        title = _title(said)
        keys = Dataset()
        if uid == FILTERED:
            keys.update(said)
            for keyword in ("ReceivingAE", "DeletionLock", "SpecificCharacterSet"):
                if keyword in keys:
                    delattr(keys, keyword)
        wish = Wish(title, uid, Channel.DIMSE, deletion_lock=lock == "TRUE", keys=keys)
        return self._worklist.subscribe(wish)


def _answered(
    event: evt.Event, operation: str, answer: Callable[[evt.Event], Answer]
) -> Answer:
    """Answer a request, whatever becomes of it."""
    try:
        _check_class(event, operation)
        with quiet():
            return answer(event)
    except Exception as error:  # noqa: BLE001  the operation's outermost edge
        return _refusal(event, operation, error), None


def _check_class(event: evt.Event, operation: str) -> None:
    context = _context(event)
    if context not in OPERATIONS[operation]:
        raise _Unrecognised(_UNRECOGNISED, "not an operation of this class")
    request: Any = event.request
    named = getattr(request, "RequestedSOPClassUID", None)
    if named is None:
        named = request.AffectedSOPClassUID
    # Every Workitem is of the Push class; a search names the class of its context.
    if named not in (UPS_PUSH, context):
        raise _Unrecognised(_NO_SUCH_CLASS, "not a class of the worklist")


class _Unrecognised(NodeError):
    """What is asked is no operation on Workitems; the status says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _dataset(read: Callable[[], Dataset]) -> Dataset:
    try:
        with quiet():
            return checked(read())
    except UNREADABLE:
        raise refuse(Fault.INVALID_VALUE, "The data set is malformed.") from None


def _chosen(content: Dataset, tags: Sequence[int]) -> Dataset:
    """Give what was asked for, and what names the Workitem."""
    chosen = Dataset()
    with quiet():
        for tag in tags:
            if tag in content:
                chosen[tag] = content[tag]
        for keyword in _ALWAYS:
            if keyword in content:
                chosen[keyword] = content[keyword]
    return chosen


def _status(notices: Sequence[Notice]) -> int:
    return WARNINGS[notices[0]] if notices else _SUCCESS


def _refusal(event: evt.Event, operation: str, error: Exception) -> Dataset:
    """Say in a status what went wrong, and once in the log."""
    answer = Dataset()
    text = str(error)
    if isinstance(error, WorkitemRefused):
        answer.Status = STATUS[Fault(error.fault)]
    elif isinstance(error, _Unrecognised):
        answer.Status = error.status
    else:
        answer.Status = _status_of(operation, error)
    if not isinstance(error, (NodeError, StorageError)):
        logger.error("%s failed.", operation, exc_info=error)
        text = "processing failure"
    else:
        logger.warning(
            "Refused %s of %s with 0x%04X: %s",
            operation,
            _asker(event),
            answer.Status,
            text,
            extra={"action": "refuse"},
        )
    plain = text.encode("ascii", "replace").decode().replace("\\", "/")
    answer.ErrorComment = plain[:_COMMENT_LENGTH]
    return answer


def _status_of(operation: str, error: Exception) -> int:
    """Find the status of an error that is not the worklist's."""
    status = status_of(error)
    if status is Status.OUT_OF_RESOURCES and operation != "C-FIND":
        return Status.RESOURCE_LIMITATION  # A700 is not of the N-services, PS3.7 C
    return status


def _context(event: evt.Event) -> UID:
    return UID(str(event.context.abstract_syntax))


def _uid(event: evt.Event) -> str:
    return str(cast("N_GET", event.request).RequestedSOPInstanceUID)


def _asker(event: evt.Event) -> str:
    return str(event.assoc.requestor.ae_title).strip()


def _title(said: Dataset) -> str:
    title = str(said.get("ReceivingAE") or "").strip()
    if not title:
        raise refuse(Fault.MISSING_ATTRIBUTE, "ReceivingAE")
    return title
