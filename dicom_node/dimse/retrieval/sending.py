"""The sub-operations of C-MOVE and C-GET: held objects sent, one after the other."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pynetdicom.association import Association

from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.storage import Origin, Outgoing, SendResult, send, send_one
from dicom_node.errors import DatasetInvalid, NodeError, PeerBusy, PeerUnreachable
from storage.catalog.query import HeldObject
from storage.errors import StorageError
from storage.objects.protocol import ObjectStore

_PER_ASSOCIATION = 32
_MESSAGE_IDS = 0xFFFF

Destinations = Mapping[str, Callable[[str, str], RemoteAE | None]]
"""AE title -> from a caller's title and address to where it listens, if it is known."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How objects are given out.

    Parameters
    ----------
    ae_title
        Of this node.
    destinations
        Where C-MOVE may send.
    timeouts
        How long they may take.
    """

    ae_title: str
    destinations: Destinations
    timeouts: Timeouts


def sent(
    held: Sequence[HeldObject],
    store: ObjectStore,
    remote: RemoteAE,
    retrieval: Retrieval,
    origin: Origin,
) -> Generator[SendResult]:
    """Send objects to a peer, some on one association.

    Parameters
    ----------
    held, store
        What, and where it lies.
    remote
        Where to.
    retrieval
        As whom, and how patiently.
    origin
        Who asked.
    """
    for first in range(0, len(held), _PER_ASSOCIATION):
        with ExitStack() as stack:
            outgoing = []
            for one in held[first : first + _PER_ASSOCIATION]:
                try:
                    outgoing.append(_outgoing(one, store, stack))
                except (NodeError, StorageError, OSError) as error:
                    yield _failed(one, error)
            waiting = dict.fromkeys(one.sop_instance_uid for one in outgoing)
            try:
                for result in send(
                    outgoing,
                    remote,
                    calling_ae=retrieval.ae_title,
                    timeouts=retrieval.timeouts,
                    origin=origin,
                ):
                    waiting.pop(result.sop_instance_uid, None)
                    yield result
            except (PeerUnreachable, PeerBusy) as error:
                for uid in waiting:
                    yield SendResult(uid, None, error)


def given(
    held: Sequence[HeldObject],
    store: ObjectStore,
    association: Association,
    message_id: int,
) -> Generator[SendResult]:
    """Send objects on the association of the request.

    Parameters
    ----------
    held, store
        What, and where it lies.
    association
        Its caller is the SCP of what it takes.
    message_id
        Of the request; those of the sub-operations follow it.
    """
    for number, one in enumerate(held, message_id):
        with ExitStack() as stack:
            try:
                outgoing = _outgoing(one, store, stack)
            except (NodeError, StorageError, OSError) as error:
                yield _failed(one, error)
                continue
            yield send_one(
                association, outgoing, number % _MESSAGE_IDS + 1, may_decompress=True
            )


def _outgoing(one: HeldObject, store: ObjectStore, stack: ExitStack) -> Outgoing:
    path = stack.enter_context(store.local(one.object_key))
    if not one.transfer_syntax_uid:
        return Outgoing.read(path)
    return Outgoing(
        path, one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid
    )


def _failed(one: HeldObject, error: Exception) -> SendResult:
    reason = error if isinstance(error, NodeError) else DatasetInvalid(str(error))
    return SendResult(one.sop_instance_uid, None, reason)
