"""What was said before: of the patient's earlier film, and of this very image.

Percentages are compared within one model only. An analysis that runs again, by the
same model and settings, repeats what was said the first time, word for word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_node.evidence.kinds import REPORTS
from dicom_node.evidence.maker import Maker
from dicom_node.evidence.past import Earlier, ObjectReference, Prior, Superseded
from dicom_node.evidence.wording.sentences import beyond_error
from dicom_node.worklist.result import (
    EarlierFilm,
    LungPercentages,
    Result,
    model_name,
    recorded,
)
from inference.findings import Analysis
from storage.records import DeliveryState, Evidence, Instance, Job, ModelName

_ON_ITS_WAY = (
    DeliveryState.SENT,
    DeliveryState.COMMITTED,
    DeliveryState.COMMITMENT_FAILED,
    DeliveryState.PENDING,
)


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
    superseded
        When the predecessor was made, and by what.
    other_films
        Frontal films of the same study beside this one.
    """

    prior: Prior | None = None
    uncompared: Prior | None = None
    predecessor: ObjectReference | None = None
    repeated: Job | None = None
    superseded: Superseded | None = None
    other_films: int = 0

    @property
    def earlier(self) -> Earlier:
        """As much of it as results name."""
        return Earlier(
            self.prior,
            self.uncompared,
            self.predecessor,
            self.superseded,
            self.other_films,
        )

    def earlier_film(self, analysis: Analysis) -> EarlierFilm | None:
        """Tell of the film before, and of the change to this one."""
        before = self.prior or self.uncompared
        if before is None:
            return None
        percentages = LungPercentages(before.total, before.right, before.left)
        return EarlierFilm(
            acquired_at=before.acquired_at,
            image=before.image,
            report=before.report,
            model=before.model,
            severity=percentages,
            change=percentages.change_to(analysis.severity) if self.prior else None,
            interval=before.interval,
            view=before.view,
            exceeds_interval=beyond_error(analysis, before) if self.prior else None,
        )


def look_back(
    earlier: Sequence[Job],
    priors: Sequence[Job],
    maker: Maker,
    other_films: int = 0,
) -> Past:
    """Decide what of the past belongs into an image's results.

    Parameters
    ----------
    earlier
        The image's jobs before this one, newest first.
    priors
        Analyses of the patient's film before this one, newest first.
    maker
        Who analyses now.
    other_films
        Frontal films of the same study beside this one, as far as they have come.
    """
    same = [job for job in earlier if job.workitem.maker == maker.fingerprint]
    others = [job for job in earlier if job not in same]
    repeated = same[-1] if same else None
    if repeated is None:
        compared, uncompared = _choose(priors, model_name(maker.model))
    else:
        before = repeated.workitem.scheduled_at
        others = [job for job in others if job.workitem.scheduled_at < before]
        compared, uncompared = _told(repeated)
        said = recorded(repeated.workitem)
        other_films = said.other_films if said else 0
    predecessor, superseded = _predecessor(others)
    return Past(compared, uncompared, predecessor, repeated, superseded, other_films)


def _choose(jobs: Sequence[Job], model: ModelName) -> tuple[Prior | None, Prior | None]:
    """Take the analysis by this model, else the newest, which is not comparable."""
    analysed = [(job, said) for job in jobs if (said := recorded(job.workitem))]
    for job, said in analysed:
        if said.model == model:
            return _as_prior(job, said), None
    return None, next((_as_prior(*one) for one in analysed), None)


def _told(job: Job) -> tuple[Prior | None, Prior | None]:
    """Take the film before as a result told of it: compared if it tells a change."""
    said = recorded(job.workitem)
    if said is None or said.prior is None:
        return None, None
    film = said.prior
    prior = Prior(
        acquired_at=_local(film.acquired_at),
        total=film.severity.total,
        right=film.severity.right,
        left=film.severity.left,
        report=film.report,
        image=film.image,
        model=film.model,
        interval=film.interval,
        view=film.view,
    )
    return (None, prior) if film.change is None else (prior, None)


def _as_prior(job: Job, said: Result) -> Prior:
    film, severity, model = job.instance, said.severity, said.model
    return Prior(
        acquired_at=_local(film.acquired_at or film.received_at),
        total=severity.total,
        right=severity.right,
        left=severity.left,
        report=_report(job),
        image=_image(film),
        model=_words(model),
        interval=said.intervals.total if said.intervals else None,
        view=said.view,
    )


def _words(model: ModelName) -> str:
    return f"{model.name} {model.version} (SHA-256 {model.sha256[:12]})"


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


def _predecessor(
    jobs: Sequence[Job],
) -> tuple[ObjectReference | None, Superseded | None]:
    """Find the newest report of this image that somebody has, and when it was made."""
    reported = [(job, report) for job in jobs if (report := _report(job)) is not None]
    if not reported:
        return None, None
    job, report = reported[0]
    step = job.workitem
    made_at = step.started_at or step.scheduled_at
    model = f"{step.model.name} {step.model.version}" if step.model else ""
    return report, Superseded(made_at, model, len(reported))


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
