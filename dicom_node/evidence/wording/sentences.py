"""The sentences of a result: what was found, how sure, against what, on which film.

Plain English, ASCII, opacity and never a diagnosis. The call comes first, and its doubt
with it.
"""

from dicom_node.evidence.maker import Maker
from dicom_node.evidence.past import Prior
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from dicom_node.evidence.wording.moments import elapsed, stamp
from dicom_node.evidence.wording.numbers import (
    beside,
    measured,
    percent,
    points,
    probability,
)
from inference.findings import Analysis, Call, Finding, Intervals, Severity
from inference.judgement import exceeds

BEHIND_THE_HEART = "The left lung's outline includes what lies behind the heart."
CALLS = {
    Call.OPACITY: "Opacity",
    Call.POSSIBLE: "Possible opacity",
    Call.NONE: "No opacity found",
}
NOT_OUTLINED = "nothing could be outlined"


def doubt(analysis: Analysis) -> str:
    """Say how sure the call is: "probability 32 %, operating point 31 %"."""
    film, point = beside(analysis.opacity_score, analysis.operating_point)
    return f"probability {film}, operating point {point}"


def amount(severity: Severity, intervals: Intervals | None) -> str:
    """Say how much: "14 % (6-31) of both lungs, right 23 % (9-44), left 6 % (0-22)"."""
    total, right, left = (
        (intervals.total, intervals.right, intervals.left) if intervals else (None,) * 3
    )
    return (
        f"{measured(severity.total, total)} of both lungs, right"
        f" {measured(severity.right, right)}, left {measured(severity.left, left)}"
    )


def headline(analysis: Analysis) -> str:
    """Say in one sentence what the film is called, how surely, and how much."""
    called = f"{CALLS[analysis.call]} ({doubt(analysis)})"
    if analysis.call is Call.NONE:
        return f"{called}."
    if not analysis.findings:
        return f"{called}: {NOT_OUTLINED}."
    return f"{called}: {amount(analysis.severity, analysis.intervals)}."


def noun(call: Call) -> str:
    """Name what a finding on such a film is."""
    return "Opacity" if call is Call.OPACITY else "Possible opacity"


def finding_line(number: int, finding: Finding, call: Call) -> str:
    """Say of one finding where it is, how much, how surely."""
    return (
        f"{noun(call)} {number}: {finding.place}, {percent(finding.percent_of_lung)} of"
        f" the {finding.side.value} lung, certainty {probability(finding.score)}."
    )


def finding_lines(analysis: Analysis) -> list[str]:
    """Say it of every finding."""
    return [
        finding_line(number, finding, analysis.call)
        for number, finding in enumerate(analysis.findings, start=1)
    ]


def comparison(analysis: Analysis, subject: Subject) -> str | None:
    """Say how this film compares with the one before it, if there is one."""
    earlier = subject.earlier
    if earlier.prior is not None:
        return change(analysis, earlier.prior, subject)
    if earlier.uncompared is not None:
        return not_compared(earlier.uncompared, subject)
    return None


def change(analysis: Analysis, prior: Prior, subject: Subject) -> str:
    """Difference to an earlier film, and whether it is more than error."""
    now = analysis.severity
    text = (
        f"Compared with {_when(prior, subject)}: both lungs"
        f" {points(now.total - prior.total)} percentage points (right"
        f" {points(now.right - prior.right)}, left {points(now.left - prior.left)})"
    )
    beyond = beyond_error(analysis, prior)
    if beyond is not None:
        text += (
            ", more than the error of the measurement"
            if beyond
            else ", within the error of the measurement"
        )
    return f"{text}. {_views(prior, subject)}".rstrip()


def beyond_error(analysis: Analysis, prior: Prior) -> bool | None:
    """Tell whether the change of both lungs exceeds the intervals."""
    return exceeds(
        (prior.total, prior.interval),
        (
            analysis.severity.total,
            analysis.intervals.total if analysis.intervals else None,
        ),
    )


def not_compared(prior: Prior, subject: Subject) -> str:
    """Say why there is no difference to an earlier film."""
    return (
        f"An earlier film of {_when(prior, subject)} was read by {prior.model}, "
        "another model: its numbers are not compared with these."
    )


def _when(prior: Prior, subject: Subject) -> str:
    before = subject.local(prior.acquired_at)
    taken = subject.taken_at
    gap = elapsed(before, taken) if taken is not None else ""
    notes = ", ".join(part for part in (gap, prior.view) if part)
    return f"{stamp(before)} ({notes})" if notes else stamp(before)


def _views(prior: Prior, subject: Subject) -> str:
    here = subject.projection.words
    if not (prior.view and here) or prior.view == here:
        return ""
    return (
        f"The views differ ({prior.view} then, {here} here): that alone changes the"
        " percentages."
    )


def film_line(subject: Subject) -> str:
    """Say which film is read: its time, number and view."""
    taken, number = subject.taken_at, subject.clean.get("InstanceNumber")
    parts = [
        f"of {stamp(taken)}" if taken is not None else "of unknown date",
        f"image {number}" if number not in {None, ""} else "",
        f"view {subject.projection.words or 'not stated'}",
    ]
    return f"Film {', '.join(part for part in parts if part)}."


def context(subject: Subject) -> list[str]:
    """Say which film this is, what else the study holds, what is replaced."""
    lines = [film_line(subject)]
    if others := subject.earlier.other_films:
        films = (
            "another frontal film" if others == 1 else f"{others} other frontal films"
        )
        lines.append(f"The study holds {films}; this report is of this one alone.")
    if (line := replacement(subject)) is not None:
        lines.append(line)
    return lines


def replacement(subject: Subject) -> str | None:
    """Say which report is replaced, if one is."""
    earlier = subject.earlier
    if earlier.predecessor is None:
        return None
    made = earlier.superseded
    if made is None:
        return "Replaces an earlier report of this film."
    by = f" by model {made.model}" if made.model else ""
    return f"Replaces the report of {stamp(subject.local(made.made_at))}{by}."


def quality(remarks: tuple[str, ...]) -> list[str]:
    """Say what limits the reading."""
    return [f"Image quality: {remark}" for remark in remarks]


def explanations(analysis: Analysis) -> list[str]:
    """Say how outlines and ranges are to be read."""
    lines = [BEHIND_THE_HEART]
    if analysis.intervals is not None and analysis.findings:
        share = round(100 * analysis.intervals.coverage)
        lines.append(
            f"Ranges in brackets hold the true percentage on about {share} of 100 films"
            " that show opacity."
        )
    return lines


def notes(analysis: Analysis, subject: Subject) -> list[str]:
    """Say everything beside what was found, but for what made it."""
    return [
        *context(subject),
        *quality(analysis.remarks),
        *explanations(analysis),
    ]


def made_by(maker: Maker, *, model: bool = True) -> str:
    """Name what made the result; a film that was not read credits no model."""
    credit = f" Model {maker.model.words}." if model else ""
    return f"{DISCLAIMER}.{credit}"
