"""The Open Inference Protocol, version 2: requests and answers with binary tensors.

JSON first, whose length a header tells, then the tensors as they lie in memory.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import ModelFailed
from inference.tasks.task import Outputs, Shapes

JSON_LENGTH = "Inference-Header-Content-Length"
_TYPE = "FP32"
_JSON_BYTES = 1 << 20
_ITEM_BYTES = 4


def request_body(
    name: str, batch: NDArray[np.float32], outputs: list[str]
) -> tuple[bytes, int]:
    """Write a request; tell how long its JSON is."""
    content = np.ascontiguousarray(batch, dtype="<f4")
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": name,
                    "shape": list(content.shape),
                    "datatype": _TYPE,
                    "parameters": {"binary_data_size": content.nbytes},
                }
            ],
            "outputs": [
                {"name": one, "parameters": {"binary_data": True}} for one in outputs
            ],
        }
    ).encode()
    return head + content.tobytes(), len(head)


def largest_answer(count: int, shapes: Shapes) -> int:
    """Tell how long an answer about so many images may be."""
    return _JSON_BYTES + count * _ITEM_BYTES * sum(map(math.prod, shapes.values()))


def read_answer(
    body: bytes, json_length: str | None, count: int, shapes: Shapes
) -> list[Outputs]:
    """Read an answer; its names, types and shapes are those that were asked for.

    Raises
    ------
    ModelFailed
        They are not.
    """
    try:
        at = len(body) if json_length is None else int(json_length)
        told = {one["name"]: one for one in json.loads(body[:at])["outputs"]}
        arrays = {}
        for name, one in list(told.items()):
            arrays[name], at = _tensor(one, body, at)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFailed("the engine's answer cannot be read") from error
    for name, shape in shapes.items():
        if name not in arrays:
            raise ModelFailed(f"the engine's answer has no {name!r}")
        if arrays[name].shape != (count, *shape):
            raise ModelFailed(
                f"the engine's {name!r} is {arrays[name].shape}, not {(count, *shape)}"
            )
    return [{name: arrays[name][place] for name in shapes} for place in range(count)]


def check_signature(told: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> None:
    """Compare what an engine tells of a model with what the manifest says.

    Raises
    ------
    ModelFailed
        A tensor is missing, or of another type or shape.
    """
    try:
        found = {
            one["name"]: (one["datatype"], list(map(int, one["shape"])))
            for one in (*told["inputs"], *told["outputs"])
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFailed("the engine's model cannot be understood") from error
    for name, wanted in {**inputs, **outputs}.items():
        if name not in found:
            raise ModelFailed(f"the engine's model has no {name!r}")
        kind, shape = found[name]
        pairs = zip(shape[1:], wanted, strict=False)
        if kind != _TYPE or any(a not in (-1, b) for a, b in pairs):
            raise ModelFailed(
                f"the engine's {name!r} is {kind} {shape[1:]} per image, the manifest"
                f" says {_TYPE} {list(wanted)}"
            )
        if len(shape) != len(wanted) + 1:
            raise ModelFailed(
                f"the engine's {name!r} has {len(shape)} axes, not {len(wanted) + 1}"
            )


def _tensor(
    told: Mapping[str, Any], body: bytes, at: int
) -> tuple[NDArray[np.float32], int]:
    if told["datatype"] != _TYPE:
        raise ModelFailed(f"the engine's {told['name']!r} is {told['datatype']}")
    shape = tuple(map(int, told["shape"]))
    size = (told.get("parameters") or {}).get("binary_data_size")
    if size is None:
        plain = np.array(told["data"], np.float32)
        return plain.reshape(shape), at
    array = np.frombuffer(body, "<f4", int(size) // _ITEM_BYTES, at)
    # A copy: whoever reads an answer may change it.
    return np.array(array.reshape(shape), np.float32), at + int(size)
