"""Runs a model folder's graph with ONNX Runtime, on CUDA when there, else the CPU.

The only importer of onnxruntime. On the CPU a batch is run film by film: more at a
time are no faster there, and the memory arena keeps the most it ever saw.
"""

import contextlib
import io
import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from inference.errors import ModelFailed, OutOfMemory
from inference.manifest import ModelManifest, read_manifest
from inference.models import verify
from inference.runners.runner import RunnerDescription, check_batch
from inference.tasks.table import task_of
from inference.tasks.task import Outputs

Device = Literal["auto", "cpu", "cuda"]

logger = logging.getLogger(__name__)

_CPU_CHUNK = 1
_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
# ONNX Runtime's exceptions have no common base but Exception.
_ERRORS: tuple[type[BaseException], ...] = (
    *(
        kind
        for kind in vars(ort_errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
    RuntimeError,
    ValueError,
    MemoryError,
)
_MEMORY_WORDS = (
    "failed to allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "cudnn_status_alloc_failed",
    "cublas_status_alloc_failed",
)


class OnnxModelRunner:
    """A ModelRunner over an ONNX file.

    Parameters
    ----------
    folder
        The model folder; its manifest is read at once, its graph by ``load``.
    device
        ``auto`` takes CUDA when it works and the CPU otherwise; ``cuda`` insists.
    threads
        Of one run on the CPU; 0 takes one per physical core.

    Raises
    ------
    ModelNotFound, ManifestInvalid
        The folder holds no valid manifest.
    """

    def __init__(self, folder: Path, device: Device = "auto", threads: int = 0) -> None:
        self._folder = folder
        self._device = device
        self._threads = threads
        self._manifest = read_manifest(folder)
        self._session: onnxruntime.InferenceSession | None = None

    @property
    def manifest(self) -> ModelManifest:
        """The model's manifest."""
        return self._manifest

    def describe(self) -> RunnerDescription:
        """Name ONNX Runtime and its execution providers in use."""
        return RunnerDescription(
            engine=f"ONNX Runtime {onnxruntime.__version__}",
            devices=tuple(
                name.removesuffix("ExecutionProvider") for name in self._providers()
            ),
            threads=self._threads,
        )

    def _providers(self) -> tuple[str, ...]:
        return tuple(self._session.get_providers()) if self._session else ()

    def load(self) -> None:
        """Check the digest, build the session, check its shapes and warm it up."""
        if self._session is not None:
            return
        verify(self._folder, self._manifest)
        self._session = self._open()
        try:
            self._check_signature(self._session)
            size = self._manifest.input_size_px
            self.run(np.zeros((1, 1, size, size), dtype=np.float32))
        except ModelFailed:
            self._session = None
            raise
        logger.info(
            "Model %s %s is loaded on %s",
            self._manifest.name,
            self._manifest.version,
            self._providers()[0],
            extra={"action": "model-loaded", "model": self._manifest.name},
        )

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer a batch; see ``ModelRunner.run``."""
        if self._session is None:
            raise ModelFailed("the model is not loaded")
        wrong = check_batch(batch, self._manifest.input_size_px)
        if wrong is not None:
            raise ModelFailed(wrong)
        step = len(batch) if self._providers()[0] == _CUDA else _CPU_CHUNK
        return [
            answer
            for start in range(0, len(batch), step)
            for answer in self._answer(self._session, batch[start : start + step])
        ]

    def close(self) -> None:
        """Drop the session and its memory."""
        self._session = None

    def _answer(
        self, session: onnxruntime.InferenceSession, batch: NDArray[np.float32]
    ) -> list[Outputs]:
        names, feed = list(self._manifest.outputs), {self._manifest.inputs[0]: batch}
        try:
            outputs = session.run(names, feed)
        except _ERRORS as error:
            raise translated(error, "the model failed") from error
        return [
            dict(zip(names, parts, strict=True)) for parts in zip(*outputs, strict=True)
        ]

    def _open(self) -> onnxruntime.InferenceSession:
        at_hand = onnxruntime.get_available_providers()
        if self._device == "cuda" and _CUDA not in at_hand:
            raise ModelFailed("device cuda was asked for, but ONNX Runtime has no CUDA")
        if self._device != "cpu" and _CUDA in at_hand:
            session = self._cuda_session()
            if session is not None:
                return session
        return self._start([_CPU])

    def _cuda_session(self) -> onnxruntime.InferenceSession | None:
        """Open on CUDA; ``None`` where ``auto`` may fall back to the CPU."""
        options = {
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": "HEURISTIC",
        }
        _load_cuda_libraries()
        try:
            session = self._start([(_CUDA, options), _CPU])
        except ModelFailed as error:
            if self._device == "cuda":
                raise
            logger.warning(
                "CUDA cannot be used, the CPU takes over: %s",
                error,
                extra={"action": "model-fallback"},
            )
            return None
        if self._device == "cuda" and _CUDA not in session.get_providers():
            raise ModelFailed("device cuda was asked for, but CUDA did not start")
        return session

    def _start(self, providers: list[Any]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # Threads that wait by spinning take the cores that receive and encode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        path = str(self._folder / self._manifest.file)
        try:
            return onnxruntime.InferenceSession(path, options, providers=providers)
        except _ERRORS as error:
            raise translated(error, "the model cannot be loaded") from error

    def _check_signature(self, session: onnxruntime.InferenceSession) -> None:
        size = self._manifest.input_size_px
        expected = {
            self._manifest.inputs[0]: (1, size, size),
            **task_of(self._manifest).shapes(self._manifest),
        }
        found = {
            item.name: list(item.shape[1:])
            for item in (*session.get_inputs(), *session.get_outputs())
        }
        for name, shape in expected.items():
            if name not in found:
                raise ModelFailed(f"the graph has no {name!r}")
            pairs = zip(found[name], shape, strict=False)
            dynamic_or_equal = all(not isinstance(a, int) or a == b for a, b in pairs)
            if len(found[name]) != len(shape) or not dynamic_or_equal:
                raise ModelFailed(
                    f"{name!r} is {found[name]} per image,"
                    f" the manifest says {list(shape)}"
                )


def _load_cuda_libraries() -> None:
    """Load what CUDA needs from NVIDIA's Python packages, or else the system's.

    ONNX Runtime's own search does not look into Python packages, where a container
    has them.
    """
    said = io.StringIO()  # it prints, on standard output
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls(directory="")
    for line in said.getvalue().splitlines():
        logger.warning("CUDA: %s", line, extra={"action": "model-cuda"})


def translated(error: BaseException, sentence: str) -> ModelFailed:
    """Turn what ONNX Runtime raised into an error of this package."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    lowered = str(error).lower()
    if isinstance(error, MemoryError) or any(w in lowered for w in _MEMORY_WORDS):
        return OutOfMemory(f"{sentence} for want of memory: {text}")
    return ModelFailed(f"{sentence}: {text}")
