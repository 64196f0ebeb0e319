"""Search for thresholds and calibration on validation films.

The rule that turns probabilities into masks is ``inference.tasks.opacity.segment``;
this only finds the numbers that it runs with, one at a time, by running that very
rule. Films are looked at with at most 512 pixels a side, which moves no result by much
and costs a quarter.
"""

from collections.abc import Sequence
from dataclasses import replace

from inference.errors import TrainingError
from inference.manifest import ModelManifest
from inference.training.evaluation.serving import Look
from inference.training.evaluation.tuning.calibration import (
    film_calibration,
    film_points,
    finding_calibration,
    frontal_point,
)
from inference.training.evaluation.tuning.rule import with_thresholds
from inference.training.evaluation.tuning.search import (
    CHALLENGE,
    LUNGS,
    OUTLINES,
    search,
)
from inference.training.evaluation.tuning.studies import Study

_SICK_CALLED = 0.9
# What is faint is outlined below the operating point too, with a low score: fewer sick
# films without any outline, for a few more findings on clean ones.
_SICK_OUTLINED = 0.95


def tune(
    studies: Sequence[Study],
    strangers: Sequence[Look],
    manifest: ModelManifest,
    *,
    outlines: bool = True,
) -> ModelManifest:
    """Fix thresholds and calibration on these films.

    ``minimum_area`` and ``core`` stay: they say what is worth telling, and searching
    for them on some dozens of outlined films only chased noise.

    Parameters
    ----------
    studies
        Frontal validation films: never those that the model is judged on.
    strangers
        Pictures that must be refused.
    manifest
        Where to start from.
    outlines
        False keeps the thresholds that draw outlines and fixes only calibration,
        operating point, clear and frontal threshold.

    Raises
    ------
    TrainingError
        The films show only one of opacity and no opacity.
    """
    if {one.positive for one in studies} < {True, False}:
        raise TrainingError("tuning wants films with opacity and films without")
    found = manifest
    if outlines:
        found = search(found, ("lung",), studies, LUNGS)
    # which films are outlined, and from which probability, hangs on the film's score
    found = replace(found, calibration=film_calibration(studies, found))
    called, outlined = film_points(studies, found, (_SICK_CALLED, _SICK_OUTLINED))
    found = with_thresholds(
        found,
        any_opacity=called,
        clear=outlined,
        frontal=frontal_point(studies, strangers),
    )
    if outlines:
        found = search(found, ("opacity", "opacity_slope"), studies, OUTLINES)
        found = search(found, ("score",), studies, CHALLENGE)
    # what these outlines' percentages are worth, nobody has measured yet
    return replace(
        found,
        calibration=finding_calibration(studies, found),
        severity_intervals=None,
    )
