"""Phantom films with known truth, and a network that reads them perfectly."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from inference.manifest import ModelManifest
from inference.runners.runner import RunnerDescription
from inference.tasks.opacity.prediction import Prediction
from inference.training.commands.evaluate import measure, write
from inference.training.evaluation.films import read_data

ROWS, COLUMNS, SIZE = 160, 200, 128
LUNGS = {2: (30, 20, 55, 90), 3: (115, 20, 55, 90)}  # x y width height
BODY, LUNG, OPACITY = 0.7, 0.35, 0.12


def polygon(x, y, width, height):
    right, bottom = x + width, y + height
    return [[x, y, right, y, right, bottom, x, bottom]]


def fill(pixels, box, value):
    x, y, width, height = box
    pixels[y : y + height, x : x + width] = value


def opacity_of(k):
    """Film k's opacity: odd films have one, each a little larger."""
    return (36, 40, 20 + 2 * k, 20 + 3 * k) if k % 2 else None


def draw_film(path, opacity):
    pixels = np.full((ROWS, COLUMNS), BODY, np.float32)
    for box in LUNGS.values():
        fill(pixels, box, LUNG)
    if opacity:
        fill(pixels, opacity, OPACITY)
    # the darkest and the brightest, so that normalisation changes nothing
    fill(pixels, (0, 140, 20, 20), 0.0)
    fill(pixels, (180, 140, 20, 20), 1.0)
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path)


def annotation(number, image_id, category, box, **more):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "bbox": list(box),
        "segmentation": polygon(*box),
        "area": box[2] * box[3],
        **more,
    }


def image_record(k):
    opacity = opacity_of(k)
    percent = 100 * opacity[2] * opacity[3] / (55 * 90) if opacity else 0.0
    return {
        "id": k + 1,
        "file_name": f"film{k:02}.png",
        "width": COLUMNS,
        "height": ROWS,
        "patient_id": f"p{k}",
        "split_group": f"g{k // 2}",
        "fold": k % 4 // 2,
        "source": "north" if k < 6 else "south",
        "sex": "F" if k % 3 else None,
        "age": str(10 * k) if k else None,
        "view": "PA",
        "opacity_annotated": True,
        "affected_lung_pct": {"right": percent, "left": 0.0, "total": percent / 2},
        "severity": {"geographic_extent_0_8": 2.0 if opacity else 0.0},
    }


@pytest.fixture(scope="session")
def drawn_films(tmp_path_factory) -> Path:
    """Twelve films in COCO form, every other one with an opacity; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn") / "films"
    (folder / "images").mkdir(parents=True)
    images = [image_record(k) for k in range(12)]
    annotations = []
    for k, image in enumerate(images):
        draw_film(folder / "images" / image["file_name"], opacity_of(k))
        boxes = list(LUNGS.items()) + ([(1, opacity_of(k))] if opacity_of(k) else [])
        for category, box in boxes:
            number = len(annotations) + 1
            annotations.append(annotation(number, image["id"], category, box))
    names = {1: "lung_opacity", 2: "right_lung", 3: "left_lung"}
    table = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in names.items()],
    }
    (folder / "annotations.json").write_text(json.dumps(table))
    return folder


@pytest.fixture
def films(drawn_films, tmp_path: Path) -> Path:
    """The films, to be changed at will."""
    return Path(shutil.copytree(drawn_films, tmp_path / "films"))


@pytest.fixture
def edit(films):
    """Change the annotations of the films in place."""

    def apply(change):
        path = films / "annotations.json"
        table = json.loads(path.read_text())
        change(table)
        path.write_text(json.dumps(table))

    return apply


class PhantomReader:
    """A ModelRunner that reads phantom films by their grey.

    ``sureness`` is the probability that it gives to what it sees; ``blind`` sees
    lungs only.
    """

    def __init__(self, sureness=0.9, *, blind=False):
        self._sureness = sureness
        self._blind = blind
        self.closed = False

    @property
    def manifest(self):
        return ModelManifest(
            name="phantom",
            version="1",
            sha256="0" * 64,
            input_size_px=SIZE,
            max_instances=4,
            intended_use="tests",
            licence="Apache-2.0",
            training_data_digest="",
        )

    def load(self):
        pass

    def describe(self):
        return RunnerDescription("phantom")

    def close(self):
        self.closed = True

    def run(self, batch):
        assert batch.shape[1:] == (1, SIZE, SIZE)
        return [self._read(picture[0]) for picture in batch]

    def _read(self, picture):
        cells = picture.reshape(SIZE // 2, 2, SIZE // 2, 2).mean(axis=(1, 3))
        opacity = (cells > 0.06) & (cells < 0.24) & (not self._blind)
        lung = (cells > 0.06) & (cells < 0.5)
        left = np.arange(cells.shape[1]) >= cells.shape[1] // 2
        dense = np.stack([opacity, lung & ~left, lung & left]) * self._sureness
        low = 1 - self._sureness if self._sureness > 0.5 else 0.05
        dense = np.where(dense > 0, dense, low).astype(np.float32)
        dense[1:] = np.where(dense[1:] == np.float32(self._sureness), 0.9, 0.05)
        boxes, scores, masks = self._instances(opacity)
        # lungs lie in the upper half and fill neither too much nor too little
        middle = ndimage.center_of_mass(lung)[0] if lung.any() else 99
        frontal = middle < 28 and 0.05 < lung.mean() < 0.4
        seen = self._sureness if opacity.sum() > 20 else 0.05
        image = np.array([seen, 0.95 if frontal else 0.05], np.float32)
        return Prediction(boxes, scores, masks, dense, image).outputs

    def _instances(self, opacity):
        boxes = np.zeros((4, 4), np.float32)
        scores = np.zeros(4, np.float32)
        masks = np.ones((4, 28, 28), np.float32)
        labels, _ = ndimage.label(opacity)
        pieces = [p for p in ndimage.find_objects(labels) if p is not None]
        large = [p for p in pieces if min(np.ptp((s.start, s.stop)) for s in p) > 4]
        for k, (rows, columns) in enumerate(large[:4]):
            boxes[k] = [columns.start, rows.start, columns.stop, rows.stop]
            scores[k] = self._sureness
        return boxes * 2, scores, masks


@pytest.fixture
def reader():
    """A reader that sees everything."""
    return PhantomReader()


@pytest.fixture
def blind_reader():
    """A reader that sees lungs only."""
    return PhantomReader(blind=True)


@pytest.fixture
def shy_reader():
    """A reader that sees everything and is never sure of opacity."""
    return PhantomReader(sureness=0.32)


@pytest.fixture(scope="session")
def written(drawn_films, tmp_path_factory) -> Path:
    """A report on the films by a reader that sees everything."""
    cases, strangers = measure(PhantomReader(), *read_data(drawn_films))
    output = tmp_path_factory.mktemp("report") / "out"
    about = {"folds": [0, 1], "sha256": PhantomReader().manifest.sha256}
    write(output, cases, strangers, about, 40)
    return output
