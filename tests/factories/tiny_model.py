"""A model folder small enough to make in a test: answers follow the mean grey."""

from pathlib import Path

import onnx
from onnx import parser

from inference.manifest import ModelManifest, write_manifest
from inference.models import sha256_of
from tests.fakes.runner import scripted_manifest

SIZE_PX = 32
INSTANCES = 2

_GRAPH = """
<ir_version: 8, opset_import: ["" : 15]>
tiny (float[N,1,32,32] images) => (
  float[N,2,4] boxes, float[N,2] scores, float[N,2,28,28] masks,
  float[N,3,16,16] dense, float[N,2] image
) {
  half = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(images)
  dense = Concat<axis = 1>(half, half, half)
  mean = ReduceMean<axes = [1, 2, 3], keepdims = 1>(images)
  flat = Flatten<axis = 1>(mean)
  image = Concat<axis = 1>(flat, flat)
  scores = Identity(image)
  box_shape = Constant<value = int64[3] {1, 2, 4}>()
  corners = Constant<value = float[8] {0, 0, 16, 16, 8, 8, 32, 32}>()
  places = Reshape(corners, box_shape)
  axis = Constant<value = int64[1] {2}>()
  column = Unsqueeze(flat, axis)
  zero = Constant<value = float {0}>()
  zeros = Mul(column, zero)
  boxes = Add(places, zeros)
  mask_shape = Constant<value = int64[4] {1, 2, 28, 28}>()
  ones = ConstantOfShape<value = float[1] {1}>(mask_shape)
  masks = Mul(mean, ones)
}
"""


# A bright film asks for an element that is not there.
_FRAGILE = """
  places_of = Constant<value = float[2] {0, 0}>()
  hundred = Constant<value = float {100}>()
  hundredfold = Mul(flat, hundred)
  number = Cast<to = 7>(hundredfold)
  nothing = Gather<axis = 0>(places_of, number)
  scores = Add(image, nothing)
"""


def write_tiny_model(
    folder: Path, *, fragile: bool = False, **changes
) -> ModelManifest:
    """Write model.onnx and manifest.toml; ``changes`` go into the manifest.

    A ``fragile`` model fails on bright films.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    text = _GRAPH
    if fragile:
        text = text.replace("  scores = Identity(image)\n", _FRAGILE)
    onnx.save(parser.parse_model(text), str(path))
    values = {
        "name": "tiny",
        "sha256": sha256_of(path),
        "input_size_px": SIZE_PX,
        "max_instances": INSTANCES,
    }
    manifest = scripted_manifest(**(values | changes))
    write_manifest(folder, manifest)
    return manifest
