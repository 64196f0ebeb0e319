"""Results that destinations commit themselves to keep (DICOM PS3.4 Annex J, SCU).

A destination is asked after it got its objects, under a Transaction UID that is
written down first. Its report may come on any association, days later; without one
in time it is asked anew, and what it says it has not is sent again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_node.dimse.scu import storage_commitment
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.storage_commitment import (
    FAILURE_REASONS,
    CommitmentReport,
)
from dicom_node.errors import NodeError
from dicom_node.worklist.retry import BackOff, Retry, decide, describe
from storage.database import Database
from storage.outbox import commitments
from storage.outbox.commitments import Persistence, Reported

logger = logging.getLogger(__name__)

OBJECTS_AT_ONCE = 100
"""In one transaction; a report about more makes long data sets."""


@dataclass(frozen=True, slots=True)
class CommitmentPatience:
    """How long and how often destinations are asked.

    Parameters
    ----------
    back_off
        Between tries to ask, and before asking anew.
    report_s
        How long a report is waited for.
    tries
        Transactions without its commitment after which an object has failed.
    listen_s
        How long to stay for a report on the association of the request.
    """

    back_off: BackOff
    report_s: float
    tries: int
    listen_s: float


@dataclass(frozen=True, slots=True)
class Keeper:
    """A destination that is asked to commit itself.

    Parameters
    ----------
    name
        Of the destination.
    remote
        Whom to ask; its reports come under this title.
    calling_ae
        Our AE title.
    """

    name: str
    remote: RemoteAE
    calling_ae: str
    timeouts: Timeouts


class Commitments:
    """Asks for commitment, and takes reports.

    Parameters
    ----------
    database
        Where results and transactions are.
    titles
        Destination -> AE title under which its reports come.
    patience
        How long and how often to ask.
    clock, new_uid
        The time, aware UTC, and new UIDs.
    """

    def __init__(
        self,
        database: Database,
        titles: dict[str, str],
        patience: CommitmentPatience,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._database = database
        self._titles = titles
        self._patience = patience
        self._clock = clock
        self._new_uid = new_uid

    def ask(self, keeper: Keeper) -> bool:
        """Ask a destination about what it got lately; tell whether there was any."""
        transaction_uid, now = self._new_uid(), self._clock()
        with self._database.transaction() as tx:
            objects = commitments.begin(
                tx,
                destination=keeper.name,
                transaction_uid=transaction_uid,
                limit=OBJECTS_AT_ONCE,
                now=now,
                deadline=now + timedelta(seconds=self._patience.report_s),
            )
        if not objects:
            return False
        try:
            storage_commitment.request(
                keeper.remote,
                transaction_uid,
                objects,
                calling_ae=keeper.calling_ae,
                timeouts=keeper.timeouts,
                listen_s=self._patience.listen_s,
                take=lambda report: self.take(report, keeper.remote.ae_title),
            )
        except NodeError as error:
            self._refused(keeper, transaction_uid, error)
        return True

    def take(self, report: CommitmentReport, calling_ae: str) -> Reported:
        """Take a report, whoever sends it; what is none of ours changes nothing."""
        extra = {"action": "commitment"}
        with self._database.transaction() as tx:
            destination = commitments.destination_of(tx, report.transaction_uid)
            if destination is None or self._titles.get(destination) != calling_ae:
                logger.warning(
                    "A commitment report from %s is about no transaction with it: %s.",
                    calling_ae,
                    report.transaction_uid,
                    extra=extra,
                )
                return Reported(is_open=False)
            done = commitments.report(
                tx,
                report.transaction_uid,
                committed=[uid for _, uid in report.committed],
                failed={
                    uid: _words(reason) for (_, uid), reason in report.failed.items()
                },
                persistence=self._persistence(),
                now=self._clock(),
            )
        extra["destination"] = destination
        if not done.is_open:
            logger.info("A commitment report came late or again.", extra=extra)
        else:
            logger.log(
                logging.WARNING if done.sent_again or done.failed else logging.INFO,
                "%d results are committed, %d are sent again, %d have failed.",
                done.committed,
                done.sent_again,
                done.failed,
                extra=extra,
            )
        return done

    def expire(self) -> None:
        """Ask anew where a report did not come in time."""
        with self._database.transaction() as tx:
            ended = commitments.expire(tx, self._persistence(), self._clock())
        if ended.is_open:
            logger.warning(
                "Commitment reports did not come in time; %d results have failed, the"
                " others are asked about again.",
                ended.failed,
                extra={"action": "commitment"},
            )

    def _refused(self, keeper: Keeper, transaction_uid: str, error: NodeError) -> None:
        now = self._clock()
        decision = decide(error, 1, self._patience.back_off)
        again_at = None
        if isinstance(decision, Retry):
            again_at = now + timedelta(seconds=decision.after_s)
        with self._database.transaction() as tx:
            lost = commitments.refused(
                tx,
                transaction_uid,
                error=describe(error),
                again_at=again_at,
                now=now,
            )
        logger.warning(
            "The destination was not asked to commit itself: %s; %d results have"
            " failed.",
            describe(error),
            lost,
            extra={"action": "commitment", "destination": keeper.name},
        )

    def _persistence(self) -> Persistence:
        after_s = self._patience.back_off.after(1)
        return Persistence(
            self._patience.tries, self._clock() + timedelta(seconds=after_s)
        )


def _words(reason: int) -> str:
    known = FAILURE_REASONS.get(reason, "failure")
    return f"not committed: {known} (0x{reason:04X})"
