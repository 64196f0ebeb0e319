"""A model's runner whose runs are counted."""

import logging
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from inference.manifest import ModelManifest
from inference.runners.runner import ModelRunner, RunnerDescription
from inference.tasks.task import Outputs
from storage.database import Database
from storage.errors import StorageError
from storage.monitoring import tallies
from storage.monitoring.tallies import MODEL_SECONDS, Counts

logger = logging.getLogger(__name__)


class MeasuredRunner:
    """Runs another runner and writes down how long it took for how many images.

    Parameters
    ----------
    runner
        Who runs the network.
    database
        Where runs are counted.
    seconds
        A clock for durations.
    """

    def __init__(
        self,
        runner: ModelRunner,
        database: Database,
        seconds: Callable[[], float] = perf_counter,
    ) -> None:
        self._runner = runner
        self._database = database
        self._seconds = seconds

    @property
    def manifest(self) -> ModelManifest:
        """The model's manifest."""
        return self._runner.manifest

    def load(self) -> None:
        """Make ready to run."""
        self._runner.load()

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer a batch, in its order; a run that fails is not counted."""
        began = self._seconds()
        answers = self._runner.run(batch)
        self._count(len(batch), self._seconds() - began)
        return answers

    def describe(self) -> RunnerDescription:
        """Say where the network runs."""
        return self._runner.describe()

    def close(self) -> None:
        """Give everything back."""
        self._runner.close()

    def _count(self, images: int, seconds: float) -> None:
        counts: Counts = {
            ("model_images", ()): images,
            ("model_batches", ()): 1,
            ("model_seconds", (tallies.bucket(seconds, MODEL_SECONDS),)): 1,
            ("model_seconds_sum", ()): seconds,
        }
        try:
            with self._database.transaction() as tx:
                tallies.add(tx, counts)
        except StorageError as error:
            # An image is not given up because its run could not be counted.
            logger.warning(
                "A run was not counted: %s.", error, extra={"action": "measure"}
            )
