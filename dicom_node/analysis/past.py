"""What was said before: of the patient's earlier film, and of this very image.

Percentages are compared within one model only. An analysis that runs again, by the
same model and settings, repeats what was said the first time, word for word.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dicom_node.evidence.kinds import REPORTS
from dicom_node.evidence.maker import Maker
from dicom_node.evidence.past import Earlier, ObjectReference, Prior
from inference.findings import Severity
from storage.records import DeliveryState, Evidence, Instance, Job

_ON_ITS_WAY = (DeliveryState.SENT, DeliveryState.COMMITTED, DeliveryState.PENDING)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """What a result says about earlier ones.

    Parameters
    ----------
    prior, uncompared
        The film before, analysed by the same model, or by another.
    predecessor
        The report of this image that a new one replaces.
    repeated
        The job that gave this image's results the first time, by the same model and
        settings.
    """

    prior: Prior | None = None
    uncompared: Prior | None = None
    predecessor: ObjectReference | None = None
    repeated: Job | None = None

    @property
    def earlier(self) -> Earlier:
        """As much of it as results name."""
        return Earlier(self.prior, self.uncompared, self.predecessor)

    def json(self, severity: Severity) -> Json:
        """Describe it for people; see ``read_prior`` for the way back."""
        earlier = self.prior or self.uncompared
        replaced = self.predecessor
        return {
            "prior": _describe(earlier, severity, compared=self.prior is not None)
            if earlier
            else None,
            "predecessor": replaced.sop_instance_uid if replaced else None,
        }


def look_back(earlier: Sequence[Job], priors: Sequence[Job], maker: Maker) -> Past:
    """Decide what of the past belongs into an image's results.

    Parameters
    ----------
    earlier
        The image's jobs before this one, newest first.
    priors
        Analyses of the patient's film before this one, newest first.
    maker
        Who analyses now.
    """
    same = [job for job in earlier if _result(job).get("maker") == maker.fingerprint]
    others = [job for job in earlier if job not in same]
    repeated = same[-1] if same else None
    if repeated is None:
        compared, uncompared = _split(_prior(priors, maker), maker)
    else:
        before = repeated.workitem.scheduled_at
        others = [job for job in others if job.workitem.scheduled_at < before]
        compared, uncompared = _split(read_prior(_result(repeated)), maker)
    return Past(compared, uncompared, _predecessor(others), repeated)


def read_prior(result: Mapping[str, Any]) -> Prior | None:
    """Read the film before back from what was recorded of an analysis."""
    value = result.get("prior")
    if value is None:
        return None
    severity, report = value["severity"], value["report"]
    return Prior(
        acquired_at=_local(datetime.fromisoformat(value["acquired_at"])),
        total=severity["total"],
        right=severity["right"],
        left=severity["left"],
        report=ObjectReference(**report) if report else None,
        image=ObjectReference(**value["image"]),
        model=value["model"],
    )


def _describe(prior: Prior, now: Severity, *, compared: bool) -> Json:
    change = {
        name: round(getattr(now, name) - getattr(prior, name), 2)
        for name in ("total", "right", "left")
    }
    return {
        "acquired_at": prior.acquired_at.astimezone(UTC).isoformat(),
        "image": _fields(prior.image) if prior.image else None,
        "report": _fields(prior.report) if prior.report else None,
        "model": prior.model,
        "severity": {name: getattr(prior, name) for name in change},
        "change": change if compared else None,
    }


def _fields(reference: ObjectReference) -> Json:
    return {name: getattr(reference, name) for name in reference.__slots__}


def _split(prior: Prior | None, maker: Maker) -> tuple[Prior | None, Prior | None]:
    if prior is not None and prior.model != maker.model.words:
        return None, prior
    return prior, None


def _prior(jobs: Sequence[Job], maker: Maker) -> Prior | None:
    """Take the analysis by the same model where there is one, else the newest."""
    found = [prior for job in jobs if (prior := _as_prior(job)) is not None]
    same = [prior for prior in found if prior.model == maker.model.words]
    return next(iter((*same, *found)), None)


def _as_prior(job: Job) -> Prior | None:
    result, film = _result(job), job.instance
    severity, model = result.get("severity"), result.get("model")
    if severity is None or model is None:
        return None
    return Prior(
        acquired_at=_local(film.acquired_at or film.received_at),
        total=severity["total"],
        right=severity["right"],
        left=severity["left"],
        report=_report(job),
        image=_image(film),
        model=f"{model['name']} {model['version']} (SHA-256 {model['sha256'][:12]})",
    )


def _local(moment: datetime) -> datetime:
    """Tell a moment by this machine's clock, as people date their films."""
    return moment.astimezone()


def _image(film: Instance) -> ObjectReference:
    return ObjectReference(
        film.sop_class_uid,
        film.sop_instance_uid,
        film.series_instance_uid,
        film.study_instance_uid,
    )


def _predecessor(jobs: Iterable[Job]) -> ObjectReference | None:
    reports = (_report(job) for job in jobs)
    return next((report for report in reports if report is not None), None)


def _report(job: Job) -> ObjectReference | None:
    """Find the report that somebody has or will have; any where nobody gets one."""
    reports = [one for one in job.evidence if one.kind in REPORTS]
    states = {
        one.sop_instance_uid: [
            row.state
            for row in job.deliveries
            if row.sop_instance_uid == one.sop_instance_uid
        ]
        for one in reports
    }
    for state in _ON_ITS_WAY:
        for one in reports:
            if state in states[one.sop_instance_uid]:
                return _reference(one)
    if any(states.values()):
        return None
    return next((_reference(one) for one in reports), None)


def _reference(one: Evidence) -> ObjectReference:
    return ObjectReference(
        one.sop_class_uid,
        one.sop_instance_uid,
        one.series_instance_uid,
        one.study_instance_uid,
    )


def _result(job: Job) -> Mapping[str, Any]:
    return job.workitem.result or {}
