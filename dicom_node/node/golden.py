"""Drawn films that every model must answer before a node may use it.

A model whose file is whole may still have learned nothing, or want other films than the
node makes: it would refuse every patient. Here that is found before it is put to use.
"""

from contextlib import closing
from pathlib import Path

import numpy as np

from dicom_node.phantom.dataset import synthetic_radiograph
from inference.errors import InferenceError, UnsuitableImage
from inference.frame import Frame
from inference.preprocess import preprocess
from inference.quantify import quantify
from inference.runners.onnx import OnnxModelRunner
from inference.tasks.opacity.prediction import Prediction
from inference.tasks.opacity.segment import segment

_PATIENTS = range(3)
_BITS = 12


class GoldenFilmRefused(InferenceError):
    """A model does not take a drawn radiograph for one."""


def try_model(folder: Path) -> int:
    """Ask a model about drawn films, as the node would.

    Returns
    -------
        How many it analysed: all of them.

    Raises
    ------
    InferenceError
        It cannot be loaded or run, or refuses a film.
    """
    with closing(OnnxModelRunner(folder, "cpu", 1)) as runner:
        runner.load()
        manifest = runner.manifest
        for patient in _PATIENTS:
            film, _ = synthetic_radiograph(patient, bits_stored=_BITS)
            frame = Frame(film.astype(np.float32) / (2**_BITS - 1))
            square, letterbox = preprocess(frame, manifest.input_size_px)
            (answer,) = runner.run(square[None])
            try:
                found = segment(Prediction.of(answer), letterbox, frame, manifest)
                quantify(found, frame, manifest)
            except UnsuitableImage as refusal:
                raise GoldenFilmRefused(
                    f"{manifest.name} {manifest.version} refuses drawn radiograph"
                    f" {patient} ({refusal.code}): it would refuse patients' films too"
                ) from refusal
    return len(_PATIENTS)
