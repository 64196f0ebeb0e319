"""A network that gives the outputs of the task as one batch, written as ONNX."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.manifest import INPUTS
from inference.tasks.opacity.prediction import MASK_SIZE_PX, OUTPUTS
from inference.tasks.task import Outputs
from inference.training.architectures.architecture import Graph, ParameterGroup

# RoiAlign changed its signature in opset 16; ONNX Runtime's CUDA kernels of every
# supported release know the older one.
OPSET = 15
_LAID, _TRUNK = "/net", "/backbone/"


def silence(images: Tensor) -> dict[str, Tensor]:
    """Say nothing: every output of the task as zeros, one instance that is padding.

    Made of the images, so that the batch size stays free in the graph.
    """
    nothing = images * 0
    few = nothing[:, 0, 0]
    return {
        "boxes": few[:, None, :4],
        "scores": few[:, :1],
        "masks": nothing[:, :, :MASK_SIZE_PX, :MASK_SIZE_PX],
        "dense": nothing[:, :, ::2, ::2].repeat(1, 3, 1, 1),
        "image": few[:, :2],
    }


class Laid(nn.Module):
    """A network whose answers are laid out as its graph gives them.

    A network gives by ``forward`` what it can say, as a batch; it fills the rest with
    ``silence``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give the outputs in the order of the task."""
        said = silence(images) | self.net(images)
        return tuple(said[name] for name in OUTPUTS)


def asked(net: nn.Module, images: Tensor) -> list[Outputs]:
    """Ask a network eagerly, laid out as its graph."""
    said = [value.float().cpu().numpy() for value in Laid(net)(images)]
    return [
        {
            name: np.asarray(value[place], np.float32)
            for name, value in zip(OUTPUTS, said, strict=True)
        }
        for place in range(images.shape[0])
    ]


def grouped(
    net: nn.Module, pretrained: nn.Module, factor: float
) -> list[ParameterGroup]:
    """Split the parameters that learn into those of a part and the others."""
    inside = {id(parameter) for parameter in pretrained.parameters()}
    learning = [one for one in net.parameters() if one.requires_grad]
    first = [one for one in learning if id(one) in inside]
    others = [one for one in learning if id(one) not in inside]
    return [
        {"params": first, "factor": factor, "pretrained": True},
        {"params": others, "factor": 1.0, "pretrained": False},
    ]


def write_laid(net: nn.Module, path: Path, size_px: int, instances: int) -> Graph:
    """Write a network whose answers are laid out by ``Laid``."""
    write_graph(Laid(net).eval(), path, size_px, instances)
    return Graph(instances=instances, opset=OPSET)


def write_graph(net: nn.Module, path: Path, size_px: int, instances: int) -> None:
    """Write the ONNX file, checked.

    Parameters
    ----------
    net
        Gives every output of the task as one batch.
    path
        The file.
    size_px
        Side S of the input.
    instances
        K.
    """
    import onnx  # noqa: PLC0415  only when exporting

    example = torch.zeros(2, 1, size_px, size_px)
    with warnings.catch_warnings(), torch.inference_mode():
        # Python numbers in the trace are meant: every size but N is static.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (example,),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "N"} for name in (*INPUTS, *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.name.startswith(_LAID + _TRUNK):
            node.name = node.name.removeprefix(_LAID)
    _name_shapes(model, size_px, instances)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _name_shapes(model: Any, size_px: int, count: int) -> None:
    """State the static sizes that the exporter lost track of."""
    half = size_px // 2
    sizes = {
        "boxes": (count, 4),
        "scores": (count,),
        "masks": (count, MASK_SIZE_PX, MASK_SIZE_PX),
        "dense": (3, half, half),
        "image": (2,),
    }
    for output in model.graph.output:
        dims = output.type.tensor_type.shape.dim
        for dim, size in zip(dims[1:], sizes[output.name], strict=True):
            dim.dim_value = size
