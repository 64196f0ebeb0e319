"""Writes model folders as a repository that an NVIDIA Triton server reads.

Each model under the name by which it is asked for, which carries its digest: another
model never takes its place, and several releases of one lie side by side.
"""

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.manifest import ModelManifest, read_manifest
from inference.models import verify
from inference.runners.remote import engine_name
from inference.tasks.table import task_of

_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Serving:
    """How an engine shall serve a model.

    Parameters
    ----------
    largest_batch
        Images in one run.
    batch_wait_ms
        How long it waits for a fuller batch.
    instances
        Copies of the model on each device.
    kind
        ``KIND_AUTO`` takes GPUs where there are any, ``KIND_CPU`` none.
    """

    largest_batch: int = 8
    batch_wait_ms: float = 2.0
    instances: int = 1
    kind: str = "KIND_AUTO"


def write_repository(
    folders: Sequence[Path], target: Path, serving: Serving
) -> list[Path]:
    """Write models that are not there yet, each as a whole; tell where all are.

    Raises
    ------
    ModelNotFound, ManifestInvalid, DigestMismatch
        A folder holds no model as its manifest says; what was written before stays.
    """
    target.mkdir(parents=True, exist_ok=True)
    return [_write(folder, target, serving) for folder in folders]


def configuration(manifest: ModelManifest, serving: Serving) -> str:
    """Write Triton's description of a model, a ModelConfig in text format."""
    size = manifest.input_size_px
    inputs = _tensor(manifest.inputs[0], (1, size, size))
    shapes = task_of(manifest).shapes(manifest).items()
    outputs = ",\n  ".join(_tensor(name, shape) for name, shape in shapes)
    wait_us = round(serving.batch_wait_ms * 1000)
    return f"""\
name: "{engine_name(manifest)}"
backend: "onnxruntime"
default_model_filename: "{manifest.file}"
max_batch_size: {serving.largest_batch}
input [
  {inputs}
]
output [
  {outputs}
]
dynamic_batching {{
  preferred_batch_size: [ {serving.largest_batch} ]
  max_queue_delay_microseconds: {wait_us}
}}
instance_group [
  {{ count: {serving.instances}, kind: {serving.kind} }}
]
model_warmup [
  {{
    name: "blank"
    batch_size: 1
    inputs {{
      key: "{manifest.inputs[0]}"
      value: {{ data_type: TYPE_FP32, dims: [ 1, {size}, {size} ], zero_data: true }}
    }}
  }}
]
version_policy: {{ latest {{ num_versions: 1 }} }}
"""


def _write(folder: Path, target: Path, serving: Serving) -> Path:
    manifest = read_manifest(folder)
    verify(folder, manifest)
    place = target / engine_name(manifest)
    # A server that polls its repository never sees half of a model.
    fresh = target.parent / f".{place.name}-{uuid.uuid4().hex}"
    try:
        (fresh / _VERSION).mkdir(parents=True)
        for path in folder.glob(f"{manifest.file}*"):  # and its external weights
            shutil.copyfile(path, fresh / _VERSION / path.name)
        text = configuration(manifest, serving)
        (fresh / "config.pbtxt").write_text(text, encoding="ascii")
        if place.exists():
            shutil.copyfile(fresh / "config.pbtxt", place / "config.pbtxt")
        else:
            fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def _tensor(name: str, shape: tuple[int, ...]) -> str:
    dims = ", ".join(map(str, shape))
    return f'{{ name: "{name}", data_type: TYPE_FP32, dims: [ {dims} ] }}'
