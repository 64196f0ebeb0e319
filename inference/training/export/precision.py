"""Smaller graphs: half-precision weights on disk, or an 8-bit trunk for the CPU.

fp16 halves the file; ONNX Runtime widens the weights when it loads them, so that the
arithmetic stays float32. int8 is static quantisation (QDQ, per channel) of the trunk,
where most of the time goes; pyramid and heads stay float32.
"""

import logging
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from tqdm import tqdm

from inference.errors import TrainingError
from inference.manifest import INPUTS

# Below this the cast costs more than the bytes.
_LEAST_VALUES = 1024
_TRUNK = "/backbone/"
# The first layers see 16-bit films: 8 bits would show there. Leaving the first block
# out costs a tenth of the time and takes a fifth off the mean error of the dense map.
_EXACT = ("/backbone/conv1/", "/backbone/layer1/layer1.0/")


def rounded(net: nn.Module) -> nn.Module:
    """Copy a network with the weights that its half-precision file will hold."""
    copy = deepcopy(net)
    with torch.no_grad():
        for weight in copy.parameters():
            if weight.numel() >= _LEAST_VALUES:
                weight.copy_(weight.half().float())
    return copy


def halve_weights(path: Path) -> None:
    """Store weights as float16, widened in the graph; in place.

    Raises
    ------
    TrainingError
        A weight is too large for float16.
    """
    model = onnx.load(str(path))
    casts = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _LEAST_VALUES:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise TrainingError(f"{tensor.name}: a weight is too large for fp16")
        narrow = f"{tensor.name}.fp16"
        casts.append(
            helper.make_node("Cast", [narrow], [tensor.name], to=TensorProto.FLOAT)
        )
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), narrow))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class _Films(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds films to the calibration, one at a time."""

    def __init__(self, films: Sequence[NDArray[np.float32]]) -> None:
        self._waiting: Iterator[NDArray[np.float32]] = iter(
            tqdm(films, desc="calibrate", unit="film")
        )

    def get_next(self) -> dict[str, Any] | None:
        """Give the next film, then ``None``."""
        film = next(self._waiting, None)
        return None if film is None else {INPUTS[0]: film[None]}


def quantise(path: Path, films: Sequence[NDArray[np.float32]]) -> None:
    """Make the trunk's convolutions 8-bit, store the rest as float16; in place.

    Parameters
    ----------
    path
        A graph whose arithmetic is float32.
    films
        float32 (1, S, S) each: what the ranges are measured on.

    Raises
    ------
    TrainingError
        There is no film to measure on, or no trunk of ours.
    """
    if not films:
        raise TrainingError("int8 wants films to calibrate on; none were given")
    graph = onnx.load(str(path), load_external_data=False).graph
    trunk = [
        node.name
        for node in graph.node
        if node.op_type == "Conv"
        and node.name.startswith(_TRUNK)
        and not node.name.startswith(_EXACT)
    ]
    if not trunk:
        raise TrainingError(f"{path}: no convolution under {_TRUNK} to make 8-bit")
    level = logging.getLogger().level
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(path),
            _Films(films),
            quant_format=quantization.QuantFormat.QDQ,
            nodes_to_quantize=trunk,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True},
        )
    logging.getLogger().setLevel(level)
    halve_weights(path)
