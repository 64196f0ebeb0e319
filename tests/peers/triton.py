"""A real NVIDIA Triton server, from PyPI's nvidia-pytriton, with its Python backend.

It needs Debian's own Python and NumPy 1, so that it has an environment of its own,
which scripts/install-test-engine makes: .cache/triton.
"""

import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from inference.manifest import ModelManifest
from inference.runners.remote import engine_name
from tests.factories.nodes import wait_until
from tests.factories.tiny_model import INSTANCES, SIZE_PX, write_tiny_model
from tests.peers.ports import free_port

PYTHON = Path(__file__).resolve().parents[2] / ".cache" / "triton" / "bin" / "python"
_START_S = 300.0
_SERVER = """import sys
import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

name, path, size, count, http, grpc, metrics = sys.argv[1:]
size, count = int(size), int(count)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
shapes = {"boxes": (count, 4), "scores": (count,), "masks": (count, 28, 28),
          "dense": (3, size // 2, size // 2), "image": (2,)}

@batch
def infer(images):
    rows = [session.run(list(shapes), {"images": images[at:at + 1]})
            for at in range(len(images))]
    return {one: np.concatenate([row[at] for row in rows])
            for at, one in enumerate(shapes)}

ports = TritonConfig(
    http_port=int(http), grpc_port=int(grpc), metrics_port=int(metrics))
with Triton(config=ports) as triton:
    triton.bind(
        model_name=name, infer_func=infer,
        inputs=[Tensor(name="images", dtype=np.float32, shape=(1, size, size))],
        outputs=[Tensor(name=one, dtype=np.float32, shape=shape)
                 for one, shape in shapes.items()],
        config=ModelConfig(max_batch_size=16, batcher=DynamicBatcher(
            max_queue_delay_microseconds=2000)),
    )
    triton.serve()
"""


@pytest.fixture(scope="session")
def triton_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tiny model; skips where Triton is not installed."""
    if not PYTHON.exists():
        pytest.skip("Triton is not installed (scripts/install-test-engine)")
    folder = tmp_path_factory.mktemp("triton")
    manifest = write_tiny_model(folder / "tiny")
    (folder / "server.py").write_text(_SERVER)
    ports = [free_port() for _ in range(3)]
    log = (folder / "log").open("wb")
    words = (
        engine_name(manifest),
        folder / "tiny" / "model.onnx",
        SIZE_PX,
        INSTANCES,
        *ports,
    )
    with log:
        server = subprocess.Popen(
            [str(PYTHON), str(folder / "server.py"), *map(str, words)],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            assert wait_until(lambda: _serves(ports[0], manifest), _START_S)
            yield f"http://127.0.0.1:{ports[0]}"
        finally:
            server.terminate()
            server.wait()


def _serves(port: int, manifest: ModelManifest) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"/v2/models/{engine_name(manifest)}/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
