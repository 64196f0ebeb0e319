"""Has an inference engine run a model, by the Open Inference Protocol, version 2.

The manifest is the local folder's: thresholds, calibration, digest. On the engine the
model's name ends with the digest, so that no other can answer for it.
"""

import logging
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from inference.errors import ModelFailed, ModelUnreachable
from inference.manifest import ModelManifest, read_manifest
from inference.runners import wire
from inference.runners.engine import EngineClient, EnginePlace
from inference.runners.runner import RunnerDescription, check_batch
from inference.tasks.table import task_of
from inference.tasks.task import Outputs, Shapes

logger = logging.getLogger(__name__)

_DIGEST_DIGITS = 12  # enough that no two models of a site have the same name


def engine_name(manifest: ModelManifest) -> str:
    """Tell by which name an engine serves a model."""
    return f"{manifest.name}-{manifest.sha256[:_DIGEST_DIGITS]}"


class RemoteModelRunner:
    """A ModelRunner over an engine elsewhere.

    Parameters
    ----------
    folder
        The model folder; its manifest is read at once, and its graph not at all.
    place
        Where the engines are.

    Raises
    ------
    ModelNotFound, ManifestInvalid
        The folder holds no valid manifest.
    """

    def __init__(self, folder: Path, place: EnginePlace) -> None:
        self._manifest = read_manifest(folder)
        self._client = EngineClient(place)
        self._path = f"/v2/models/{quote(engine_name(self._manifest), safe='')}"
        self._is_wanted = False
        self._engine = ""

    @property
    def manifest(self) -> ModelManifest:
        """The model's manifest."""
        return self._manifest

    def describe(self) -> RunnerDescription:
        """Name the engine; on nothing while it does not answer."""
        return RunnerDescription(
            engine=self._engine or "Open Inference Protocol",
            devices=("engine",) if self._engine else (),
        )

    def load(self) -> None:
        """Ask for the model, compare its shapes and warm it up.

        An engine that does not answer is asked again by ``run``.
        """
        task_of(self._manifest)
        self._is_wanted = True
        if not self._engine:
            self._meet()

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer a batch; see ``ModelRunner.run``."""
        if not self._is_wanted:
            raise ModelFailed("the model is not loaded")
        wrong = check_batch(batch, self._manifest.input_size_px)
        if wrong is not None:
            raise ModelFailed(wrong)
        if not self._engine:
            self._meet()
        try:
            return self._infer(batch)
        except ModelUnreachable:
            # Who comes back may be another: it is looked at again first.
            self._engine = ""
            raise

    def close(self) -> None:
        """Close the connections; the engine goes on without us."""
        self._is_wanted, self._engine = False, ""
        self._client.close()

    @property
    def _shapes(self) -> Shapes:
        return task_of(self._manifest).shapes(self._manifest)

    def _meet(self) -> None:
        """See that the engine serves this model, and no other."""
        self._client.ask("GET", "/v2/health/ready")
        told = self._client.ask("GET", self._path).json()
        size = self._manifest.input_size_px
        inputs = {self._manifest.inputs[0]: (1, size, size)}
        wire.check_signature(told, inputs, self._shapes)
        self._infer(np.zeros((1, 1, size, size), dtype=np.float32))
        server = self._client.ask("GET", "/v2").json()
        name, version = server.get("name", "engine"), server.get("version", "")
        self._engine = f"{name} {version}".strip()[:64]
        logger.info(
            "Model %s %s is served by %s",
            self._manifest.name,
            self._manifest.version,
            self._engine,
            extra={"action": "model-loaded", "model": self._manifest.name},
        )

    def _infer(self, batch: NDArray[np.float32]) -> list[Outputs]:
        shapes = self._shapes
        body, json_length = wire.request_body(
            self._manifest.inputs[0], batch, list(shapes)
        )
        answer = self._client.ask(
            "POST",
            f"{self._path}/infer",
            body,
            {
                wire.JSON_LENGTH: str(json_length),
                "Content-Type": "application/octet-stream",
            },
            wire.largest_answer(len(batch), shapes),
        )
        lowered = {name.lower(): value for name, value in answer.headers.items()}
        length = lowered.get(wire.JSON_LENGTH.lower())
        return wire.read_answer(answer.body, length, len(batch), shapes)
