"""Peers that ask this node to commit itself (DICOM PS3.4 Annex J, SCP).

A request is written down before it is answered. What is reported is what the
catalogue and the store say at that moment; a report that is not taken where the
request came is due on an association of ours, for days.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_node.dimse.scu import storage_commitment
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.storage_commitment import CommitmentReport
from dicom_node.dimse.status import Status
from dicom_node.errors import NodeError, PeerUnreachable
from dicom_node.worklist.retry import BackOff, describe
from storage.catalog.custody import held
from storage.database import Database
from storage.errors import ObjectMissing
from storage.objects.protocol import ObjectStore
from storage.outbox import commitment_requests as rows
from storage.records import CommitmentRequest

logger = logging.getLogger(__name__)

REPORTS_AT_ONCE = 20

REASONS = frozenset(
    {
        Status.NO_SUCH_SOP_INSTANCE,
        Status.CLASS_INSTANCE_CONFLICT,
        Status.PROCESSING_FAILURE,
    }
)
"""Why an object is not committed: unknown, of another class, or lost by the store."""


@dataclass(frozen=True, slots=True)
class ReportingPatience:
    """How long peers have for a report.

    Parameters
    ----------
    same_association_s
        To take it on the association of the request, before another one is tried.
    back_off
        Between tries.
    give_up_after_s
        Since the request.
    """

    same_association_s: float
    back_off: BackOff
    give_up_after_s: float


@dataclass(frozen=True, slots=True)
class CalledBack:
    """How peers are called: where those listen that have a port, and how long."""

    remotes: Mapping[str, Callable[[str], RemoteAE]]
    timeouts: Timeouts


class CommitmentRequests:
    """Takes requests, and sees that each is reported on.

    Parameters
    ----------
    database, store
        What this node holds.
    peers
        AE title -> makes how to call it, from the address that it called from.
    patience
        How long peers have.
    clock
        Aware UTC.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        peers: CalledBack,
        patience: ReportingPatience,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._peers = peers
        self._patience = patience
        self._clock = clock

    def receive(
        self,
        transaction_uid: str,
        objects: Sequence[tuple[str, str]],
        *,
        peer: str,
        called_ae: str,
        address: str,
    ) -> CommitmentRequest:
        """Make a request durable.

        Raises
        ------
        DuplicateInstance
            The peer used this Transaction UID for something else.
        """
        now = self._clock()
        after = timedelta(seconds=self._patience.same_association_s)
        with self._database.transaction() as tx:
            return rows.add(
                tx,
                transaction_uid=transaction_uid,
                peer=peer,
                called_ae=called_ae,
                address=address,
                objects=objects,
                now=now,
                report_at=now + after,
            )

    def report_on(self, request: CommitmentRequest) -> CommitmentReport:
        """Look what this node holds of a request, in database and store."""
        with self._database.transaction(read_only=True) as tx:
            found = held(tx, [uid for _, uid in request.objects])
        committed: list[tuple[str, str]] = []
        failed: dict[tuple[str, str], int] = {}
        for one in request.objects:
            reason = self._failure(one, found)
            if reason is None:
                committed.append(one)
            else:
                failed[one] = reason
        return CommitmentReport(request.transaction_uid, tuple(committed), failed)

    def answered(self, request: CommitmentRequest, status: int | None) -> None:
        """Note what a peer said to a report on the association of its request."""
        with self._database.transaction() as tx:
            if status == Status.SUCCESS:
                rows.reported(tx, request.request_id, self._clock())
            else:
                rows.hasten(tx, request.request_id, self._clock())
        if status == Status.SUCCESS:
            self._tell(request)

    def report_due(self) -> None:
        """Report to peers that have no report yet, on associations of ours."""
        now = self._clock()
        until = now + timedelta(seconds=self._patience.back_off.limit_s)
        with self._database.transaction() as tx:
            due = rows.take(tx, limit=REPORTS_AT_ONCE, now=now, until=until)
        for request in due:
            try:
                self._report(request)
            except NodeError as error:
                self._later(request, error)
            else:
                with self._database.transaction() as tx:
                    rows.reported(tx, request.request_id, self._clock())
                self._tell(request)

    def _failure(
        self, one: tuple[str, str], found: Mapping[str, tuple[str, str]]
    ) -> Status | None:
        """Say why an object is not committed; ``None`` when it is."""
        sop_class_uid, uid = one
        if uid not in found:
            return Status.NO_SUCH_SOP_INSTANCE
        known_class, key = found[uid]
        if known_class != sop_class_uid:
            return Status.CLASS_INSTANCE_CONFLICT
        try:
            self._store.stored_at(key)
        except ObjectMissing:
            return Status.PROCESSING_FAILURE
        return None

    def _report(self, request: CommitmentRequest) -> None:
        make = self._peers.remotes.get(request.peer)
        if make is None:
            raise PeerUnreachable("[[dimse.peers]] has no port for it")
        storage_commitment.report(
            make(request.address),
            self.report_on(request),
            calling_ae=request.called_ae,
            timeouts=self._peers.timeouts,
        )

    def _later(self, request: CommitmentRequest, error: NodeError) -> None:
        now, words = self._clock(), describe(error)
        waited_s = (now - request.received_at).total_seconds()
        given_up = waited_s >= self._patience.give_up_after_s
        with self._database.transaction() as tx:
            if given_up:
                rows.give_up(tx, request.request_id, words)
            else:
                after_s = self._patience.back_off.after(request.attempts)
                at = now + timedelta(seconds=after_s)
                rows.try_again(tx, request.request_id, at, words)
        logger.log(
            logging.WARNING if given_up or request.attempts == 1 else logging.DEBUG,
            "A commitment report did not reach %s and is %s: %s.",
            request.peer,
            "given up" if given_up else "tried again",
            words,
            extra={"action": "commitment", "peer": request.peer},
        )

    def _tell(self, request: CommitmentRequest) -> None:
        logger.info(
            "%s has its report on the commitment of %d objects.",
            request.peer,
            len(request.objects),
            extra={"action": "commitment", "peer": request.peer},
        )
