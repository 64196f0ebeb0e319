"""A dozen drawn films over two folds, sick and clean, whose columns tell something."""

from pathlib import Path

from tests.unit.inference.training.conftest import (
    CATEGORIES,
    COLUMNS,
    ROWS,
    annotation,
    write_coco,
)

COUNT = 16


def write_films(folder: Path) -> Path:
    """Write them as ``annotations.json`` beside ``images/``; returns the folder."""
    images, annotations = [], []
    for number in range(COUNT):
        sick = number % 2 == 0
        images.append(
            {
                "id": number,
                "file_name": f"{number:02}.png",
                "width": COLUMNS,
                "height": ROWS,
                "fold": number % 4 // 2,
                "patient_id": f"p{number}",
                "source": "one" if number < COUNT // 2 else "two",
                "age": 40 + number,
                "sex": "M" if number % 3 else "F",
                "view": "AP" if number % 5 else "PA",
                "opacity_annotated": True,
            }
        )
        lungs = ((2, (15, 15, 35, 60)), (3, (70, 15, 35, 60)))
        annotations += [
            annotation(100 + 10 * number + part, number, part, box)
            for part, box in lungs
        ]
        if sick:
            box = (18 + number, 30, 24, 24)
            annotations.append(annotation(100 + 10 * number, number, 1, box))
    table = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    path = write_coco(folder / "images", table)
    return path.rename(folder / "annotations.json").parent
