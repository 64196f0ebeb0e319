"""Which notifications there are to be: made of Events, and of what stays undone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dicom_node.worklist.result import Result, recorded
from storage.database import Database, Transaction
from storage.events import since
from storage.monitoring import gauges, notifications
from storage.monitoring.places import move, place
from storage.records import Cause, Event, EventKind
from storage.worklist.jobs import get_job

RESULT, FAILED, LATE, DOWN = "result", "failed", "late", "destination-down"
_READER = "notifications"
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """What a receiver wants to hear of.

    Parameters
    ----------
    receiver
        Its name.
    severity_percent, growth_points
        Results from that percentage on, or that much more than the film before;
        ``None`` for none.
    failed
        Jobs that failed.
    late_s, destination_down_s
        Jobs not done, and destinations for which results wait, for so long.
    """

    receiver: str
    severity_percent: float | None = None
    growth_points: float | None = None
    failed: bool = False
    late_s: float | None = None
    destination_down_s: float | None = None

    def reasons(self, result: Result) -> list[str]:
        """Say why a result is to be told of; empty when it is not."""
        found = []
        least, growth = self.severity_percent, self.growth_points
        if least is not None and result.severity.total >= least:
            found.append("severity")
        if growth is not None and _grown(result, growth):
            found.append("growth")
        return found


def _grown(result: Result, points: float) -> bool:
    prior = result.prior
    if prior is None or prior.change is None or prior.exceeds_interval is False:
        return False
    return prior.change.total >= points


class Watcher:
    """Makes notifications, each in the transaction that says its Event was read.

    Parameters
    ----------
    database
        Where Events are.
    rules
        Of each receiver.
    clock
        Aware UTC.
    """

    def __init__(
        self, database: Database, rules: Sequence[Rules], clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._rules = tuple(rules)
        self._clock = clock

    def work(self) -> bool:
        """Make what is to be told; tell whether there may be more."""
        now = self._clock()
        with self._database.transaction() as tx:
            found = since(tx, place(tx, _READER), _AT_ONCE)
            for one in found:
                self._tell(tx, one, now)
            if found:
                move(tx, _READER, found[-1].event_id)
            for rules in self._rules:
                for rule, subject, uid, content in _undone(tx, rules, now):
                    notifications.add(
                        tx,
                        rules.receiver,
                        rule=rule,
                        subject=subject,
                        workitem_uid=uid,
                        content=content,
                        now=now,
                    )
        return len(found) == _AT_ONCE

    def _tell(self, tx: Transaction, event: Event, now: datetime) -> None:
        uid = event.workitem_uid
        if uid is None or event.kind not in (EventKind.SETTLED, EventKind.CANCELED):
            return
        for rules in self._rules:
            rule, content = _by_event(tx, event, uid, rules)
            if content is not None:
                notifications.add(
                    tx,
                    rules.receiver,
                    rule=rule,
                    subject=uid,
                    workitem_uid=uid,
                    content=content,
                    now=now,
                )


def _by_event(
    tx: Transaction, event: Event, uid: str, rules: Rules
) -> tuple[str, dict[str, Any] | None]:
    if event.kind is EventKind.CANCELED:
        told = rules.failed and event.details.get("cause") == Cause.FAILURE
        return FAILED, {"code": str(event.details.get("code"))} if told else None
    result = recorded(get_job(tx, uid).workitem)
    reasons = rules.reasons(result) if result else []
    if result is None or not reasons:
        return RESULT, None
    return RESULT, {
        "reasons": reasons,
        "severity_percent": result.severity.total,
        "opacity_score": result.opacity_score,
        "findings": len(result.findings),
    }


def _undone(
    tx: Transaction, rules: Rules, now: datetime
) -> Iterator[tuple[str, str, str | None, dict[str, Any]]]:
    """Find what is late; a destination is told of once a day while it is down."""
    if rules.late_s is not None:
        before = now - timedelta(seconds=rules.late_s)
        for uid, stage in notifications.late(tx, before, _AT_ONCE):
            yield LATE, uid, uid, {"stage": stage}
    if rules.destination_down_s is None:
        return
    before = now - timedelta(seconds=rules.destination_down_s)
    for name, backlog in gauges.backlogs(tx).items():
        if backlog.since is not None and backlog.since < before:
            content = {"destination": name, "waiting": backlog.count}
            yield DOWN, f"{name} {now.date().isoformat()}", None, content
