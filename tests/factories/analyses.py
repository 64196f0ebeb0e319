"""Analyses and subjects for the encoding tests, measured by the product's quantify."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.evidence.maker import Maker, ModelIdentity, Style
from dicom_node.evidence.past import Earlier
from dicom_node.evidence.subject import Subject
from inference.findings import Analysis, Region
from inference.frame import Frame, Orientation
from inference.quantify import quantify
from inference.tasks.opacity.segment import Opacity, Segmentation
from tests.fakes.runner import scripted_manifest

Mask = NDArray[np.bool_]
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def a_maker(**changes: Any) -> Maker:
    """A node with a model."""
    values: dict[str, Any] = {
        "model": ModelIdentity.of(scripted_manifest()),
        "ae_title": "CXR_NODE",
        "software_version": "0.2.0",
        "serial_number": "CXR_NODE",
    }
    return Maker(**(values | changes))


def a_style(**changes: Any) -> Style:
    """How a site wants results that chose nothing."""
    return Style(**changes)


def a_subject(source: Dataset, **changes: Any) -> Subject:
    """A film in front of the node, at one moment.

    Each change goes to whom it belongs: maker, style, what was earlier, or the subject.
    """

    def of(kind: type) -> dict[str, Any]:
        names = {each.name for each in fields(kind) if each.init}
        return {name: changes.pop(name) for name in names & changes.keys()}

    values: dict[str, Any] = {
        "sha256": "cd" * 32,
        "created_at": NOW,
        "maker": a_maker(**of(Maker)),
        "style": a_style(**of(Style)),
        "earlier": Earlier(**of(Earlier)),
    }
    return Subject.of_image(source, **(values | changes))


def ellipse(rows: int, columns: int, box: Sequence[float]) -> Mask:
    """A filled ellipse; the box is (x, y, width, height) as shares of the film."""
    x, y, width, height = box
    down, across = np.ogrid[:rows, :columns]
    vertical = ((down + 0.5) / rows - y - height / 2) / (height / 2)
    horizontal = ((across + 0.5) / columns - x - width / 2) / (width / 2)
    return np.asarray(vertical**2 + horizontal**2 <= 1)


def two_lungs(rows: int, columns: int) -> tuple[Mask, Mask]:
    """Right and left lung of an upright film."""
    return (
        ellipse(rows, columns, (0.12, 0.12, 0.34, 0.76)),
        ellipse(rows, columns, (0.54, 0.12, 0.34, 0.76)),
    )


def a_frame(
    rows: int = 256,
    columns: int = 200,
    *,
    spacing_mm: tuple[float, float] | None = None,
    orientation: Orientation | None = None,
    remarks: tuple[str, ...] = (),
) -> Frame:
    """An upright film of a smooth grey."""
    ramp = np.linspace(0.1, 0.9, rows * columns, dtype=np.float32)
    return Frame(
        pixels=ramp.reshape(rows, columns),
        pixel_spacing_mm=spacing_mm,
        orientation=orientation or Orientation(),
        remarks=remarks,
    )


def an_analysis(frame: Frame, opacities: Sequence[Mask] | None = None) -> Analysis:
    """What the node would report of these masks on the upright film.

    Without masks: one opacity in each lung.
    """
    rows, columns = frame.rows, frame.columns
    if opacities is None:
        opacities = (
            ellipse(rows, columns, (0.18, 0.5, 0.2, 0.25)),
            ellipse(rows, columns, (0.62, 0.2, 0.15, 0.2)),
        )
    free = np.ones((rows, columns), dtype=np.bool_)
    found = []
    for mask in opacities:
        if region := Region.of(mask & free):
            found.append(region)
            free &= ~mask
    right, left = (Region.of(mask) for mask in two_lungs(rows, columns))
    assert right is not None
    assert left is not None
    scores = np.linspace(0.95, 0.55, max(2, len(found)))
    segmentation = Segmentation(
        rows=rows,
        columns=columns,
        right_lung=right,
        left_lung=left,
        opacities=tuple(
            Opacity(float(score), region)
            for score, region in zip(scores, found, strict=False)
        ),
        opacity_score=0.91 if found else 0.04,
    )
    return quantify(segmentation, frame, scripted_manifest())
