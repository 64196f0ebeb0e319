"""Query/Retrieve SCP: C-FIND, C-MOVE and C-GET over what is held (PS3.4 Annex C).

Patient Root and Study Root; images within retention, and results. C-MOVE sends to
configured peers only, C-GET to whoever asks, in the contexts that it accepts as SCP.
"""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.presentation import PresentationContext

from dicom_node.dataset.quiet import UNREADABLE, quiet
from dicom_node.dimse.presentation import (
    PATIENT_ROOT_CLASSES,
    STORAGE_CLASSES,
    STUDY_ROOT_CLASSES,
    UNCOMPRESSED,
    acceptor_contexts,
    context,
)
from dicom_node.dimse.retrieval.identifier import (
    PATIENT_ROOT,
    STUDY_ROOT,
    Step,
    find_request_of,
    selected_by,
)
from dicom_node.dimse.retrieval.matches import answers, is_all_supported, is_too_broad
from dicom_node.dimse.retrieval.sending import Retrieval, given, sent
from dicom_node.dimse.retrieval.suboperations import (
    CANCEL,
    DESTINATION_UNKNOWN,
    MOST_SUBOPERATIONS,
    TOO_MANY,
    UNABLE,
    WARNING,
    Responder,
    SubOperations,
)
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.scu.storage import Origin, SendResult
from dicom_node.dimse.service_class import Handler, Roles
from dicom_node.dimse.status import status_of
from dicom_node.errors import DatasetInvalid, NodeError
from dicom_node.evidence.kinds import KINDS
from storage.catalog.query import HeldObject, find_objects
from storage.database import Database
from storage.errors import StorageError
from storage.objects.protocol import ObjectStore

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import C_GET

logger = logging.getLogger(__name__)

MOST_MATCHES = 10_000
"""More than these end a C-FIND with A700."""

RETRIEVED_CLASSES: tuple[UID, ...] = tuple(
    dict.fromkeys(
        facts.sop_class
        for facts in KINDS.values()
        if facts.sop_class not in STORAGE_CLASSES
    )
)
"""Results: accepted, for C-GET, from callers that are their SCP, and from no other."""

_FIND, _MOVE, _GET = zip(PATIENT_ROOT_CLASSES, STUDY_ROOT_CLASSES, strict=True)
_PENDING, _PENDING_WARNING = 0xFF00, 0xFF01
_OUT_OF_RESOURCES, _UNRECOGNISED, _NO_SUCH_CLASS = 0xA700, 0x0211, 0x0118
_COMMENT_LENGTH = 64

STATUSES: Sequence[tuple[int, str, str]] = (
    (0x0000, "all", "Done."),
    (0x0118, "all", "The request names another class than its context."),
    (0x0211, "all", "The class of the context has no such operation."),
    (0x0110, "all", "Anything else; the log has the details."),
    (0xA700, "C-FIND", "More matches than are answered; no database."),
    (TOO_MANY, "C-MOVE, C-GET", f"Over {MOST_SUBOPERATIONS} objects; no database."),
    (UNABLE, "C-MOVE, C-GET", "Every sub-operation failed."),
    (DESTINATION_UNKNOWN, "C-MOVE", "The destination is no peer with a port."),
    (0xA900, "all", "The identifier does not match the information model."),
    (WARNING, "C-MOVE, C-GET", "Some sub-operations failed, or met a warning."),
    (0xC000, "all", "The identifier cannot be read."),
    (CANCEL, "all", "Canceled by the caller."),
    (0xFF00, "all", "Going on."),
    (0xFF01, "C-FIND", "Going on; a key is not known here."),
)
"""Status -> of which operations, and when."""

Find = tuple[Dataset | int, Dataset | None]


class QueryRetrieveSCP:
    """Answers requests of the Query/Retrieve classes.

    Parameters
    ----------
    database, store
        What is held.
    retrieval
        How it is given out.
    """

    def __init__(
        self, database: Database, store: ObjectStore, retrieval: Retrieval
    ) -> None:
        self._database = database
        self._store = store
        self._retrieval = retrieval

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """The information models, and what results are taken by."""
        results = [context(uid, UNCOMPRESSED) for uid in RETRIEVED_CLASSES]
        return [*acceptor_contexts("Query/Retrieve"), *results]

    @property
    def roles(self) -> Mapping[str, Roles]:
        """Callers are SCP of results, never SCU: nobody sends them here."""
        return {str(uid): Roles(scu=False, scp=True) for uid in RETRIEVED_CLASSES}

    @property
    def handlers(self) -> Mapping[evt.EventType, Handler]:
        """The operations; C-MOVE and C-GET send their responses themselves."""
        return {
            evt.EVT_C_FIND: self.find,
            evt.EVT_C_MOVE: self.move,
            evt.EVT_C_GET: self.get,
        }

    def find(self, event: evt.Event) -> Iterator[Find]:
        """C-FIND: give what matches."""
        count = 0
        try:
            for status, answer in self._matching(event):
                if event.is_cancelled:
                    yield CANCEL, None
                    return
                count += 1
                yield status, answer
        except Exception as error:  # noqa: BLE001  the operation's outermost edge
            refusal = Dataset()
            refusal.Status, refusal.ErrorComment = _refusal(event, "C-FIND", error)
            yield refusal, None
            return
        _tell(event, "C-FIND", f"{count} matches")

    def _matching(self, event: evt.Event) -> Iterator[Find]:
        root = _root(event, _FIND)
        with quiet():
            wanted = find_request_of(_identifier(event), root)
        status = _PENDING if is_all_supported(wanted) else _PENDING_WARNING
        title = self._retrieval.ae_title
        for answer in answers(self._database, wanted, title, MOST_MATCHES):
            yield status, answer
        if is_too_broad(self._database, wanted, MOST_MATCHES):
            raise _Unanswerable(_OUT_OF_RESOURCES, "more matches than are answered")

    def move(self, event: evt.Event) -> None:
        """C-MOVE: send what is selected to a peer."""
        request: Any = event.request
        responder = _responder(event)
        try:
            root = _root(event, _MOVE)
            remote = self._destination(event)
            held = self._selected(event, root)
        except Exception as error:  # noqa: BLE001  the operation's outermost edge
            responder.refuse(*_refusal(event, "C-MOVE", error))
            return
        origin = Origin(_caller(event), request.MessageID)
        results = sent(held, self._store, remote, self._retrieval, origin)
        _fulfil(event, "C-MOVE", held, results)

    def get(self, event: evt.Event) -> None:
        """C-GET: send what is selected on the same association."""
        responder = _responder(event)
        try:
            held = self._selected(event, _root(event, _GET))
        except Exception as error:  # noqa: BLE001  the operation's outermost edge
            responder.refuse(*_refusal(event, "C-GET", error))
            return
        message_id = cast("C_GET", event.request).MessageID or 0
        results = given(held, self._store, event.assoc, message_id)
        _fulfil(event, "C-GET", held, results)

    def _destination(self, event: evt.Event) -> RemoteAE:
        request: Any = event.request
        title = str(request.MoveDestination or "").strip()
        find = self._retrieval.destinations.get(title)
        address = str(event.assoc.requestor.address)
        remote = find(_caller(event), address) if find is not None else None
        if remote is None:
            raise _Unanswerable(DESTINATION_UNKNOWN, "the move destination is unknown")
        return remote

    def _selected(self, event: evt.Event, root: Sequence[Step]) -> list[HeldObject]:
        with quiet():
            query = selected_by(_identifier(event), root, most=MOST_SUBOPERATIONS + 1)
        with self._database.transaction(read_only=True) as tx:
            held = find_objects(tx, query)
        if len(held) > MOST_SUBOPERATIONS:
            raise _Unanswerable(TOO_MANY, "more objects than one request may ask for")
        return held


class _Unanswerable(NodeError):
    """What is asked is not done; the status says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _fulfil(
    event: evt.Event,
    operation: str,
    held: Sequence[HeldObject],
    results: Generator[SendResult],
) -> None:
    """Do the sub-operations, and say how far they have come."""
    responder, done = _responder(event), SubOperations(len(held))
    is_cancelled = False
    for result in results:
        done.count(result)
        if not event.assoc.is_established:
            break
        if event.is_cancelled and done.remaining:
            is_cancelled = True
            break
        if done.remaining:
            responder.pending(done)
    results.close()
    if event.assoc.is_established:
        responder.end(done, is_cancelled=is_cancelled)
    _tell(
        event,
        operation,
        f"{done.completed + done.warned} of {len(held)} objects sent, {done.failed}"
        f" failed{', canceled' if is_cancelled else ''}",
    )


def _root(event: evt.Event, classes: tuple[UID, UID]) -> Sequence[Step]:
    """Tell the information model of a request, by its presentation context."""
    request: Any = event.request
    used = UID(str(event.context.abstract_syntax))
    if used not in classes:
        raise _Unanswerable(_UNRECOGNISED, "not an operation of this class")
    if request.AffectedSOPClassUID != used:
        raise _Unanswerable(_NO_SUCH_CLASS, "not the class of its context")
    return PATIENT_ROOT if used == classes[0] else STUDY_ROOT


def _identifier(event: evt.Event) -> Dataset:
    """Read what is asked, every value of it."""
    try:
        identifier = event.identifier
        list(identifier.iterall())
    except UNREADABLE:
        raise DatasetInvalid("the identifier is malformed") from None
    return identifier


def _responder(event: evt.Event) -> Responder:
    request: Any = event.request
    context_id = event.context.context_id
    messages = event.assoc.dimse
    return Responder(
        request,
        lambda response: messages.send_msg(response, context_id),
        is_implicit=event.context.transfer_syntax == ImplicitVRLittleEndian,
    )


def _refusal(event: evt.Event, operation: str, error: Exception) -> tuple[int, str]:
    """Say in a status what went wrong, and once in the log."""
    status = getattr(error, "status", None) or int(status_of(error))
    if status == _OUT_OF_RESOURCES and operation != "C-FIND":
        status = TOO_MANY  # A700 is none of theirs
    text = str(error)
    if isinstance(error, (NodeError, StorageError)):
        logger.warning(
            "Refused %s of '%s' with 0x%04X: %s.",
            operation,
            _caller(event),
            status,
            text,
            extra={"action": "refuse"},
        )
    else:
        logger.error("%s failed.", operation, exc_info=error)
        text = "processing failure"
    plain = text.encode("ascii", "replace").decode().replace("\\", "/")
    return status, plain[:_COMMENT_LENGTH]


def _tell(event: evt.Event, operation: str, outcome: str) -> None:
    logger.info(
        "Answered %s of '%s': %s.",
        operation,
        _caller(event),
        outcome,
        extra={"action": "retrieve"},
    )


def _caller(event: evt.Event) -> str:
    return str(event.assoc.requestor.ae_title).strip()
