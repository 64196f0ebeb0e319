"""What a wall clock that is set does to what was written by it, mended.

A clock that was ahead leaves times in the database that lie days away: nothing is
due before them. One that jumps ahead makes every lease look expired.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dicom_node.errors import SettingsInvalid
from dicom_node.node.maintenance import reap
from storage.database import Database
from storage.outbox import clock as others
from storage.outbox import deliveries
from storage.worklist import attempts

logger = logging.getLogger(__name__)

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
JUMP_S = 30.0
"""More than a time service moves a clock at once while it runs."""
# Others write by a clock that was read later than ours, or on another machine.
_SLACK = timedelta(seconds=JUMP_S)


def refuse_impossible(now: datetime) -> None:
    """Refuse to work by a clock that was never set: reports would carry its date.

    Raises
    ------
    SettingsInvalid
        It is before this software was made, or far ahead.
    """
    if not EARLIEST <= now < LATEST:
        raise SettingsInvalid(
            f"the clock of this machine says {now:%Y-%m-%d}: set it, by NTP"
        )


class ClockWatch:
    """Notices when the wall clock is set.

    Parameters
    ----------
    clock
        The wall clock.
    monotonic
        Seconds that no one can set.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._at, self._at_s = clock(), monotonic()

    def jump_s(self) -> float:
        """Tell by how much the clock was set since the last look, and log it once."""
        at, at_s = self._clock(), self._monotonic()
        jump_s = (at - self._at).total_seconds() - (at_s - self._at_s)
        self._at, self._at_s = at, at_s
        if abs(jump_s) < JUMP_S:
            return 0.0
        logger.warning(
            "The clock of this machine was set %s by %.0f s.",
            "forward" if jump_s > 0 else "back",
            abs(jump_s),
            extra={"action": "clock"},
        )
        return jump_s


@dataclass(frozen=True, slots=True)
class Pauses:
    """The longest that anything waits; what lies further away is an error.

    Parameters
    ----------
    claim, claim_lease
        Until a Workitem is tried again, or taken over.
    delivery, delivery_lease
        The same of a Delivery; whatever else is sent waits no longer.
    commitment
        Until a destination has to have said whether it keeps our results.
    """

    claim: timedelta
    claim_lease: timedelta
    delivery: timedelta
    delivery_lease: timedelta
    commitment: timedelta


def bring_near(database: Database, pauses: Pauses, now: datetime) -> int:
    """Make due what waits longer than anything waits, and count it."""
    with database.transaction() as tx:
        changed = attempts.bring_near(
            tx,
            now,
            pause=pauses.claim,
            lease=pauses.claim_lease,
            slack=_SLACK,
        )
        changed += deliveries.bring_near(
            tx,
            now,
            pause=pauses.delivery,
            lease=pauses.delivery_lease,
            slack=_SLACK,
        )
        changed += others.bring_near(
            tx,
            now,
            pause=max(pauses.delivery, pauses.delivery_lease),
            commitment_pause=pauses.commitment,
            slack=_SLACK,
        )
    if changed:
        logger.warning(
            "%d jobs, deliveries and reports waited for a time that lies too far"
            " away: the clock was ahead. They are due now.",
            changed,
            extra={"action": "clock"},
        )
    return changed


class Reaper:
    """Queues again what silent workers had claimed, whatever the clock does.

    Parameters
    ----------
    database
        Where claims are.
    pauses
        The longest that anything waits.
    clock, monotonic
        The wall clock, and seconds that no one can set.
    """

    def __init__(
        self,
        database: Database,
        pauses: Pauses,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._pauses = pauses
        self._clock = clock
        self._monotonic = monotonic
        self._watch = ClockWatch(clock, monotonic)
        self._wait_until_s = monotonic()

    def run(self) -> None:
        """Mend what the clock did, then reap."""
        if jump_s := self._watch.jump_s():
            # Each worker that lives prolongs its leases by the new time meanwhile.
            lease_s = self._pauses.claim_lease.total_seconds()
            self._wait_until_s = self._monotonic() + lease_s
            self._prolong_patience(jump_s)
        bring_near(self._database, self._pauses, self._clock())
        if self._monotonic() >= self._wait_until_s:
            reap(self._database, self._clock)

    def _prolong_patience(self, jump_s: float) -> None:
        """Give no delivery up for days that did not pass."""
        if jump_s > 0:
            with self._database.transaction() as tx:
                deliveries.prolong_patience(
                    tx, timedelta(seconds=jump_s), self._clock()
                )
