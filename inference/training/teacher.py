"""What a trained network outlines on films, for another to learn from.

Self-training (Xie et al., CVPR 2020, arXiv:1911.04252): where no person said whether
a pixel is opacity or lung, the student learns a teacher's probability, at a lower
weight and on pictures that are changed at random. Where a person did, nothing changes.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.errors import TrainingError
from inference.runner import DENSE_CHANNELS, ModelRunner
from inference.training.dataset import ReadFrame, Sample
from inference.training.evaluation.serving import look

Planes = NDArray[np.uint8]

_ABOUT = "teacher.json"
_MOST_BYTES = 255  # of a file's name


def teach(
    runner: ModelRunner, films: Sequence[Sample], read_frame: ReadFrame, folder: Path
) -> None:
    """Write the dense maps of a network, one PNG for each film, to be looked at too.

    Red is opacity, green the right lung, blue the left; 255 is certain.

    Parameters
    ----------
    runner
        The teacher; loaded. It must not have learned from the fold that the student
        will hold out.
    films
        What the student will learn from.
    read_frame
        Reads one picture.
    folder
        Where the maps go, with ``teacher.json``; made when missing.

    Raises
    ------
    TrainingError
        A film is missing, or not of the size that its annotation says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = runner.manifest
    looked_at = look(runner, films, read_frame)
    for seen in tqdm(looked_at, total=len(films), desc="teach", unit="film"):
        red_first = np.rint(seen.prediction.dense * 255).astype(np.uint8)
        path = _place(folder, seen.sample)
        if not cv2.imwrite(str(path), red_first[::-1].transpose(1, 2, 0)):
            raise TrainingError(f"{path}: cannot be written")
    about = {
        "model": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "folds": sorted({film.fold for film in films}),
        "films": len(films),
    }
    (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


class Teacher:
    """Reads what ``teach`` wrote.

    Parameters
    ----------
    folder
        Its output.
    held_out
        The fold that the student must not know.

    Raises
    ------
    TrainingError
        It is no such folder, or its teacher was shown the fold that is held out.
    """

    def __init__(self, folder: Path, held_out: int | None = None) -> None:
        place = folder / _ABOUT
        try:
            about = json.loads(place.read_text(encoding="utf-8"))
            folds = set(about["folds"])
        except OSError as error:
            raise TrainingError(
                f"recipe: data.teacher: {place}: no such file; cxr-node teach makes it"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{place}: not what cxr-node teach writes") from error
        if held_out in folds:
            raise TrainingError(
                f"recipe: data.teacher: {folder} holds films of fold {held_out}, which"
                " is held out"
            )
        self.sha256 = str(about.get("sha256", ""))
        self._folder = folder

    def planes(self, sample: Sample, size_px: int) -> Planes | None:
        """Opacity, right and left lung on the letterboxed square.

        Parameters
        ----------
        sample
            The film.
        size_px
            Side P of the square.

        Returns
        -------
            uint8 (3, P, P), 255 for certain; ``None`` where the teacher was not asked.

        Raises
        ------
        TrainingError
            The file is no picture.
        """
        path = _place(self._folder, sample)
        if not path.is_file():
            return None
        small = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if small is None:
            raise TrainingError(f"{path}: not a readable PNG")
        large = cv2.resize(small, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
        planes = large.transpose(2, 0, 1)[::-1]
        return np.ascontiguousarray(planes[: len(DENSE_CHANNELS)], np.uint8)


def _place(folder: Path, sample: Sample) -> Path:
    name = quote(sample.key, safe=" ") + ".png"
    if len(name) > _MOST_BYTES:
        raise TrainingError(f"{sample.path}: its name is too long for a teacher's file")
    return folder / name
