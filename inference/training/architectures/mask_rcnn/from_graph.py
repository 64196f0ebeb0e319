"""A served model's weights, read back out of its graph: to go on learning from them.

The exporter keeps the names of all parameters but those of group norms, which become a
product and a sum, and stores equal values once, under another's name; both are found by
their nodes. Weights stored as float16 come back as the float32 that is served.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.errors import InferenceError, ModelNotFound, TrainingError
from inference.manifest import FILE_NAME, read_manifest
from inference.models import find_model, verify

PREFIX = "model:"
_HALF = ".fp16"  # what export adds to the name of a weight that it halves
_OWN = "net."  # BatchedNet's name for the network


def model_of(reference: Path) -> Path | None:
    """Folder of the model that a recipe's ``weights`` name, if it is a model.

    Parameters
    ----------
    reference
        ``model:NAME`` for one that comes with the node, or a path.

    Raises
    ------
    TrainingError
        There is no model of that name.
    """
    text = str(reference)
    if text.startswith(PREFIX):
        try:
            return find_model(text.removeprefix(PREFIX))
        except ModelNotFound as error:
            raise TrainingError(f"recipe: network.weights: {error}") from error
    return reference if (reference / FILE_NAME).is_file() else None


def load_model(net: nn.Module, folder: Path) -> None:
    """Put the weights of a model folder into a network of its shape.

    Raises
    ------
    TrainingError
        The model is not what its manifest means, is 8-bit, or is of another shape.
    """
    state = read_graph(net, folder)
    for name, value in net.state_dict().items():
        if state[name].shape != value.shape:
            raise TrainingError(
                f"{folder}: {name} is {tuple(state[name].shape)}, the recipe's network"
                f" wants {tuple(value.shape)}"
            )
    net.load_state_dict(state)


def read_graph(net: nn.Module, folder: Path) -> dict[str, Tensor]:
    """Read the parameters of a network out of a model folder's graph.

    Parameters
    ----------
    net
        Says which parameters there are.
    folder
        The model folder.

    Raises
    ------
    TrainingError
        The model is not what its manifest means, or has not all of them.
    """
    import onnx  # noqa: PLC0415  only when starting from a model

    try:
        manifest = read_manifest(folder)
        verify(folder, manifest)
    except InferenceError as error:
        raise TrainingError(str(error)) from error
    if manifest.precision == "int8":
        raise TrainingError(f"{folder}: 8-bit weights cannot be trained on")
    graph = onnx.load(str(folder / manifest.file)).graph
    stored = {one.name.removesuffix(_HALF): one for one in graph.initializer}
    scaled = {node.name: node for node in graph.node if node.op_type in {"Mul", "Add"}}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    state = {}
    for module, (key, name) in _parameters(net):
        found = _stored_as(module, key, name, scaled)
        if found not in stored:
            raise TrainingError(f"{folder}: its graph has no {key}: another network")
        values = onnx.numpy_helper.to_array(stored[found]).astype(np.float32)
        shape = (-1,) if isinstance(module, nn.GroupNorm) else values.shape
        state[key] = torch.from_numpy(values.reshape(shape).copy())
    return state


def _parameters(net: nn.Module) -> Iterator[tuple[nn.Module, tuple[str, str]]]:
    for path, module in net.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            yield module, (f"{path}.{name}", name)


def _stored_as(
    module: nn.Module,
    key: str,
    name: str,
    scaled: dict[str, Any],
) -> str:
    """Name of the initialiser that holds a parameter; perhaps of none."""
    if isinstance(module, nn.GroupNorm):
        # "dense_head.refine.1.weight" is used by "/dense_head/refine/refine.1/Mul"
        place = key.rsplit(".", 1)[0].partition(".")[2]
        operation = "Mul" if name == "weight" else "Add"
        ends = f"/{place}/{operation}"
        named = [node for each, node in scaled.items() if each.endswith(ends)]
        return str(named[0].input[1]) if named else ""
    return _OWN + key
