"""Every step of a job in order, each with how long it took."""

from dataclasses import dataclass
from datetime import datetime

from dicom_node.web.pages.texts import Texts
from storage.records import AttemptOutcome, Delivery, DeliveryState, Job

_SETTLED = {AttemptOutcome.SETTLED}


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """Something that happened.

    Parameters
    ----------
    took_s
        From its beginning to its end, where it has both.
    tone
        ``good``, ``bad`` or nothing.
    """

    at: datetime
    name: str
    detail: str = ""
    took_s: float | None = None
    tone: str = ""


def timeline(shown: Job, t: Texts) -> list[TimelineStep]:
    """List what happened to a job, the first first."""
    workitem, instance = shown.workitem, shown.instance
    steps = [
        TimelineStep(
            instance.received_at,
            t("timeline.received"),
            t("timeline.from", ae=instance.calling_ae or "—"),
        ),
        TimelineStep(workitem.scheduled_at, t("timeline.scheduled")),
    ]
    for attempt in shown.attempts:
        outcome = str(attempt.outcome) if attempt.outcome else t("timeline.running")
        detail = f"{outcome}: {attempt.error}" if attempt.error else outcome
        tone = "good" if attempt.outcome in _SETTLED else "bad"
        steps.append(
            TimelineStep(
                attempt.started_at,
                t("timeline.attempt", number=attempt.number),
                detail,
                _between(attempt.started_at, attempt.ended_at),
                tone if attempt.outcome else "",
            )
        )
    if workitem.analyzed_at is not None:
        steps.append(TimelineStep(workitem.analyzed_at, t("timeline.analysed")))
    for delivery in shown.deliveries:
        steps.extend(_delivered(delivery, t))
    if workitem.recalled_at is not None:
        steps.append(
            TimelineStep(workitem.recalled_at, t("timeline.recalled"), tone="bad")
        )
    if workitem.ended_at is not None:
        steps.append(
            TimelineStep(
                workitem.ended_at,
                t("timeline.ended"),
                str(workitem.state),
                _between(instance.received_at, workitem.ended_at),
            )
        )
    return sorted(steps, key=lambda step: step.at)


def _delivered(delivery: Delivery, t: Texts) -> list[TimelineStep]:
    steps = []
    if delivery.sent_at is not None:
        steps.append(
            TimelineStep(
                delivery.sent_at,
                t("timeline.sent", destination=delivery.destination),
                delivery.sop_instance_uid,
                _between(delivery.created_at, delivery.sent_at),
                "bad" if delivery.state is DeliveryState.COMMITMENT_FAILED else "good",
            )
        )
    if delivery.committed_at is not None:
        steps.append(
            TimelineStep(
                delivery.committed_at,
                t("timeline.committed", destination=delivery.destination),
                delivery.sop_instance_uid,
                _between(delivery.sent_at, delivery.committed_at),
                "good",
            )
        )
    return steps


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return (end - start).total_seconds()
