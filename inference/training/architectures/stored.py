"""Weights as they lie in files: torch's, or the compact ``.npz`` form."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.errors import TrainingError

_UNREADABLE = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from ``.npz`` or a torch file.

    Raises
    ------
    TrainingError
        The file is missing or unreadable.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: no such weights file")
    try:
        if path.suffix == ".npz":
            return _read_compact(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state.get("ema", state.get("model", state)))
    except _UNREADABLE as error:
        raise TrainingError(f"{path}: not a readable weights file") from error


def _read_compact(path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in map(str, archive["names"]):
            levels = archive[f"{name}.q"].astype(np.float32)
            scale = archive[f"{name}.s"].reshape((-1,) + (1,) * (levels.ndim - 1))
            state[f"{name}.weight"] = torch.from_numpy(levels * scale)
            state[f"{name}.bias"] = torch.from_numpy(archive[f"{name}.b"].copy())
    return state
