"""What the node says about a film: one value, and the only place that knows its JSON.

The same words in the database, in the HTTP interface and in ``result.json``. Keys are
only ever added: rows of earlier versions are read back, and keys that this version
does not know are passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from dicom_node.evidence.kinds import EvidenceKind, FailedEvidence
from dicom_node.evidence.maker import ModelIdentity
from dicom_node.evidence.past import ObjectReference
from inference.findings import (
    Analysis,
    Call,
    Finding,
    Interval,
    Intervals,
    Severity,
    Side,
    Zone,
    place,
)
from inference.manifest import ModelManifest
from storage.records import ModelName, Workitem

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """One opacity, in numbers.

    Parameters
    ----------
    label
        The manifest's label.
    score
        Certainty in [0, 1], to four decimals; never above the film's probability.
    side, zone
        Where most of it lies.
    zones
        Every zone in which it has a real share; all three are the whole lung.
    box
        ``(x, y, width, height)`` in source pixels.
    area_px
        Its pixels.
    area_mm2
        To one decimal; only with calibrated Pixel Spacing.
    percent_of_lung
        Its area inside that lung, in percent of that lung's area.
    """

    label: str
    score: float
    side: Side
    zone: Zone
    box: tuple[int, int, int, int]
    area_px: int
    area_mm2: float | None
    percent_of_lung: float
    zones: tuple[Zone, ...]

    @property
    def place(self) -> str:
        """Where it lies, in words."""
        return place(self.side, self.zones)

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Describe a finding."""
        area = finding.area_mm2
        return cls(
            label=finding.label,
            score=round(finding.score, 4),
            side=finding.side,
            zone=finding.zone,
            box=finding.region.box,
            area_px=finding.region.area_px,
            area_mm2=None if area is None else round(area, 1),
            percent_of_lung=finding.percent_of_lung,
            zones=finding.zones,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back."""
        x, y, width, height = value["box"]
        return cls(
            label=value["label"],
            score=value["score"],
            side=Side(value["side"]),
            zone=Zone(value["zone"]),
            box=(x, y, width, height),
            area_px=value["area_px"],
            area_mm2=value["area_mm2"],
            percent_of_lung=value["percent_of_lung"],
            zones=tuple(map(Zone, value.get("zones", (value["zone"],)))),
        )

    def to_json(self) -> Json:
        """Write it."""
        return asdict(self) | {
            "side": str(self.side),
            "zone": str(self.zone),
            "zones": [str(zone) for zone in self.zones],
            "box": list(self.box),
        }


@dataclass(frozen=True, slots=True)
class LungPercentages:
    """Percent of lung area covered by opacity; of a change, percentage points."""

    total: float
    right: float
    left: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read them back."""
        return cls(value["total"], value["right"], value["left"])

    def change_to(self, now: Severity) -> "LungPercentages":
        """Subtract these from what was measured later, to two decimals."""
        return LungPercentages(
            total=round(now.total - self.total, 2),
            right=round(now.right - self.right, 2),
            left=round(now.left - self.left, 2),
        )


@dataclass(frozen=True, slots=True)
class EarlierFilm:
    """What is said about the patient's film before.

    Parameters
    ----------
    acquired_at
        When it was taken or, where it does not say, received; aware.
    image, report
        The film, and what was reported of it.
    model
        Which model read it, in words.
    severity
        Of that film.
    change
        Since then; ``None`` when another model read that film.
    interval
        Of both lungs' percentage then, where it was stated.
    view
        How that film was taken, in words.
    exceeds_interval
        Whether the change of both lungs is more than error; ``None`` where that is
        not known.
    """

    acquired_at: datetime
    image: ObjectReference | None
    report: ObjectReference | None
    model: str
    severity: LungPercentages
    change: LungPercentages | None
    interval: Interval | None = None
    view: str = ""
    exceeds_interval: bool | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back."""
        change = value["change"]
        return cls(
            acquired_at=datetime.fromisoformat(value["acquired_at"]),
            image=_reference(value["image"]),
            report=_reference(value["report"]),
            model=value["model"],
            severity=LungPercentages.from_json(value["severity"]),
            change=None if change is None else LungPercentages.from_json(change),
            interval=_interval(value.get("interval")),
            view=value.get("view", ""),
            exceeds_interval=value.get("exceeds_interval"),
        )

    def to_json(self) -> Json:
        """Write it."""
        moment = self.acquired_at.astimezone(UTC)
        return asdict(self) | {
            "acquired_at": moment.isoformat(),
            "interval": _ends(self.interval),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """Everything the node says about a film.

    Parameters
    ----------
    severity
        Percent of lung area covered by opacity.
    findings
        Highest score first.
    opacity_score
        Calibrated probability in [0, 1] of any opacity, to four decimals.
    remarks
        Sentences about the quality of the image.
    model
        Who says so; what two models say is not comparable.
    prior
        The patient's film before, where one is known.
    predecessor
        UID of the report that this result's report replaces.
    evidence_failed
        Kinds of result object that could not be made, and why.
    call
        What the film is called; rows of version 0.1 do not say.
    operating_point
        Probability from which on a film is called opacity.
    intervals
        Of the severity's percentages, where they are stated.
    view
        How the film was taken, in words; empty where it does not say.
    other_films
        Frontal films of the same study beside this one.
    """

    severity: Severity
    findings: tuple[ReportedFinding, ...]
    opacity_score: float
    remarks: tuple[str, ...]
    model: ModelName
    prior: EarlierFilm | None = None
    predecessor: str | None = None
    evidence_failed: tuple[FailedEvidence, ...] = ()
    call: Call | None = None
    operating_point: float | None = None
    intervals: Intervals | None = None
    view: str = ""
    other_films: int = 0

    @classmethod
    def of(
        cls,
        analysis: Analysis,
        model: ModelName,
        prior: EarlierFilm | None = None,
        predecessor: str | None = None,
        evidence_failed: tuple[FailedEvidence, ...] = (),
    ) -> Self:
        """Put an analysis, and what was said before, into numbers and words."""
        return cls(
            severity=analysis.severity,
            findings=tuple(ReportedFinding.of(one) for one in analysis.findings),
            opacity_score=round(analysis.opacity_score, 4),
            remarks=analysis.remarks,
            model=model,
            prior=prior,
            predecessor=predecessor,
            evidence_failed=evidence_failed,
            call=analysis.call,
            operating_point=round(analysis.operating_point, 4),
            intervals=analysis.intervals,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back; rows from before there were follow-ups lack the past."""
        prior, call = value.get("prior"), value.get("call")
        return cls(
            severity=_severity(value["severity"]),
            findings=tuple(map(ReportedFinding.from_json, value["findings"])),
            opacity_score=value["opacity_score"],
            remarks=tuple(value["remarks"]),
            model=_model(value["model"]),
            prior=None if prior is None else EarlierFilm.from_json(prior),
            predecessor=value.get("predecessor"),
            evidence_failed=tuple(
                FailedEvidence(EvidenceKind(one["kind"]), one["reason"])
                for one in value.get("evidence_failed", ())
            ),
            call=None if call is None else Call(call),
            operating_point=value.get("operating_point"),
            intervals=_intervals(value["severity"].get("interval")),
            view=value.get("view", ""),
            other_films=value.get("other_films", 0),
        )

    def to_json(self) -> Json:
        """Write it."""
        return self.film_to_json() | {
            "prior": self.prior.to_json() if self.prior else None,
            "predecessor": self.predecessor,
        }

    def film_to_json(self) -> Json:
        """Write what is said of the film alone, where no past was looked up."""
        said: Json = {
            "call": None if self.call is None else str(self.call),
            "operating_point": self.operating_point,
            "severity": _severity_to_json(self.severity)
            | {"interval": _to_json(self.intervals)},
            "findings": [one.to_json() for one in self.findings],
            "opacity_score": self.opacity_score,
            "remarks": list(self.remarks),
            "view": self.view,
            "other_films": self.other_films,
            "model": model_to_json(self.model),
        }
        if self.evidence_failed:
            said["evidence_failed"] = [asdict(one) for one in self.evidence_failed]
        return said


def recorded(workitem: Workitem) -> Result | None:
    """Read what was said of a Workitem's film; ``None`` before it is analysed."""
    return Result.from_json(workitem.result) if workitem.result else None


def model_name(model: ModelManifest | ModelIdentity) -> ModelName:
    """Name a model as it is recorded."""
    return ModelName(model.name, model.version, model.sha256)


def model_to_json(model: ModelName) -> Json:
    """Write which model it was."""
    return {"name": model.name, "version": model.version, "sha256": model.sha256}


def _model(value: Mapping[str, Any]) -> ModelName:
    return ModelName(value["name"], value["version"], value["sha256"])


def _severity(value: Mapping[str, Any]) -> Severity:
    return Severity(
        total=value["total"],
        right=value["right"],
        left=value["left"],
        zones={Zone(name): share for name, share in value["zones"].items()},
        extent_score=value["extent_score"],
    )


def _severity_to_json(severity: Severity) -> Json:
    return {
        "total": severity.total,
        "right": severity.right,
        "left": severity.left,
        "zones": {str(zone): share for zone, share in severity.zones.items()},
        "extent_score": severity.extent_score,
    }


def _reference(value: Mapping[str, Any] | None) -> ObjectReference | None:
    if value is None:
        return None
    return ObjectReference(
        value["sop_class_uid"],
        value["sop_instance_uid"],
        value["series_instance_uid"],
        value["study_instance_uid"],
    )


def _interval(value: Sequence[float] | None) -> Interval | None:
    return None if value is None else Interval(*value)


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _intervals(value: Mapping[str, Any] | None) -> Intervals | None:
    if value is None:
        return None
    return Intervals(
        coverage=value["coverage"],
        total=Interval(*value["total"]),
        right=Interval(*value["right"]),
        left=Interval(*value["left"]),
    )


def _to_json(intervals: Intervals | None) -> Json | None:
    if intervals is None:
        return None
    return {
        "coverage": intervals.coverage,
        "total": _ends(intervals.total),
        "right": _ends(intervals.right),
        "left": _ends(intervals.left),
    }
