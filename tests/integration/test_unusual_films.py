"""Films whose pixels, way up or lungs are not the usual: through the shipped model.

A film says the same however it is stored: with pixels twice as tall as wide, turned, or
mirrored with a header that says so. Of a lung that is not there nothing is made up.
"""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from dicom_node.dataset import frames
from dicom_node.evidence.encode import encode_all
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.phantom.dataset import synthetic_dataset
from inference.errors import UnsuitableImage
from inference.findings import Analysis, Side
from inference.frame import Frame
from inference.models import find_model
from inference.preprocess import preprocess
from inference.quantify import quantify
from inference.runners.onnx import OnnxModelRunner
from inference.tasks.opacity.prediction import Prediction
from inference.tasks.opacity.segment import segment
from tests.factories.analyses import a_subject

SIDE = 512
SPACING = 0.7
SHAPED = {
    "2:1 by spacing": {"PixelSpacing": [2 * SPACING, SPACING]},
    "2:1 by the detector's": {
        "PixelSpacing": None,
        "ImagerPixelSpacing": [2 * SPACING, SPACING],
    },
    "2:1 by ratio": {
        "PixelSpacing": None,
        "ImagerPixelSpacing": None,
        "PixelAspectRatio": ["2", "1"],
    },
}


@pytest.fixture(scope="module")
def runner() -> Iterator[OnnxModelRunner]:
    with closing(OnnxModelRunner(find_model("default"), "cpu", 1)) as runner:
        runner.load()
        yield runner


def a_film(change=None, seed=0, **header):
    """A synthetic film whose pixels were changed before it was stored."""
    film = synthetic_dataset("CR", seed=seed, rows=SIDE, columns=SIDE, opacities=2)
    pixels = np.frombuffer(film.PixelData, "<u2").reshape(SIDE, SIDE)
    stored = pixels if change is None else change(pixels)
    film.Rows, film.Columns = stored.shape
    film.PixelData = np.ascontiguousarray(stored).tobytes()
    for keyword, value in header.items():
        if value is not None:
            setattr(film, keyword, value)
        elif keyword in film:
            delattr(film, keyword)
    return film


def analysed(runner: OnnxModelRunner, film) -> tuple[Frame, Analysis]:
    _, frame = frames.read(film)
    square, letterbox = preprocess(frame, runner.manifest.input_size_px)
    (answer,) = runner.run(square[None])
    found = segment(Prediction.of(answer), letterbox, frame, runner.manifest)
    return frame, quantify(found, frame, runner.manifest)


def halved(pixels):
    """Rows two by two, as a detector with pixels twice as tall gives them."""
    return pixels.reshape(-1, 2, pixels.shape[1]).mean(axis=1).astype("<u2")


def alike(one: Analysis, other: Analysis) -> None:
    assert one.call is other.call
    for name in ("total", "right", "left"):
        values = getattr(one.severity, name), getattr(other.severity, name)
        assert values[0] == pytest.approx(values[1], abs=3), name


@pytest.fixture(scope="module")
def usual(runner) -> Analysis:
    _, analysis = analysed(runner, a_film())
    assert analysis.severity.total > 3
    return analysis


@pytest.mark.parametrize("how", SHAPED)
def test_pixels_twice_as_tall_as_wide_give_the_same_result(runner, usual, how):
    frame, analysis = analysed(runner, a_film(halved, **SHAPED[how]))
    assert frame.aspect == 2
    alike(analysis, usual)
    whole = [lung.region.area_px for lung in usual.lungs]
    half = [lung.region.area_px for lung in analysis.lungs]
    assert half == pytest.approx([area / 2 for area in whole], rel=0.06)


@pytest.mark.parametrize("how", SHAPED)
def test_no_result_of_such_a_film_is_drawn_squashed(runner, how):
    film = a_film(halved, **SHAPED[how])
    frame, analysis = analysed(runner, film)
    kinds = [
        EvidenceKind.LUNG_SEGMENTATION,
        EvidenceKind.PRESENTATION_STATE,
        EvidenceKind.SECONDARY_CAPTURE,
    ]
    made = encode_all(kinds, a_subject(film), frame, analysis)
    seg, state, capture = (one.dataset for one in made)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.PixelSpacing[0] == pytest.approx(2 * measures.PixelSpacing[1])
    (area,) = state.DisplayedAreaSelectionSequence
    down, across = area.PresentationPixelAspectRatio
    assert down == 2 * across
    # the film itself is a square: half as many rows, twice as tall
    shown = np.frombuffer(capture.PixelData, np.uint8)
    shown = shown.reshape(capture.Rows, capture.Columns, -1)
    busy = np.ptp(shown.max(axis=2)[: capture.Columns], axis=1) > 60
    assert busy.sum() > 0.8 * min(capture.Rows, capture.Columns)


TURNS = {
    "upside down": (lambda pixels: pixels[::-1], ["L", "H"]),
    "mirrored": (lambda pixels: pixels[:, ::-1], ["R", "F"]),
    "half a turn": (lambda pixels: pixels[::-1, ::-1], ["R", "H"]),
    "transposed": (lambda pixels: pixels.T, ["F", "L"]),
    "quarter left": (np.rot90, ["F", "R"]),
    "quarter right": (lambda pixels: np.rot90(pixels, -1), ["H", "L"]),
    "transposed across": (lambda pixels: np.rot90(pixels, 2).T, ["H", "R"]),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_or_mirrored_film_gives_the_same_result_where_it_lies(
    runner, usual, turn
):
    change, orientation = TURNS[turn]
    _, analysis = analysed(runner, a_film(change, PatientOrientation=orientation))
    alike(analysis, usual)
    size = (analysis.rows, analysis.columns)
    for lung, before in zip(analysis.lungs, usual.lungs, strict=True):
        expected = change(before.region.full(SIDE, SIDE))
        found = lung.region.full(*size)
        assert (found & expected).sum() > 0.95 * (found | expected).sum()


def test_a_turned_film_of_pixels_that_are_not_square_gives_the_same_result(
    runner, usual
):
    film = a_film(
        lambda pixels: np.rot90(halved(pixels)),
        PatientOrientation=["F", "R"],
        PixelSpacing=[SPACING, 2 * SPACING],
    )
    frame, analysis = analysed(runner, film)
    assert frame.aspect == 2
    alike(analysis, usual)


def whitened(side: Side, share: float, lungs):
    """White from below up to a share of a lung's height: fluid that leaves no air."""

    def change(pixels):
        lung = next(each for each in lungs if each.side is side).region
        first = lung.row + round((1 - share) * lung.mask.shape[0])
        white = np.percentile(pixels, 97)
        changed = pixels.astype(float)
        left, width = lung.column - 12, lung.mask.shape[1] + 24
        noise = np.random.default_rng(0).normal(0, 12, (SIDE - first, width))
        changed[first:, left : left + width] = white + noise
        return np.clip(changed, 0, pixels.max()).astype("<u2")

    return change


@pytest.mark.parametrize("share", [0.8, 1.0])
@pytest.mark.parametrize("side", list(Side))
def test_a_film_of_one_lung_is_refused_and_the_other_is_named(
    runner, usual, side, share
):
    film = a_film(whitened(side, share, usual.lungs))
    with pytest.raises(UnsuitableImage, match=f"Of the {side.value} lung") as caught:
        analysed(runner, film)
    assert caught.value.code == "NO_LUNGS"


@pytest.mark.parametrize("side", list(Side))
def test_half_a_lung_is_said_to_be_a_part(runner, usual, side):
    film = a_film(whitened(side, 0.6, usual.lungs))
    _, analysis = analysed(runner, film)
    assert any(f"{side.value} lung only a part" in each for each in analysis.remarks)
