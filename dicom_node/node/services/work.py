"""The worker as a service."""

import logging
from typing import TYPE_CHECKING

from dicom_node.monitoring.measured import MeasuredRunner
from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.services.loops import ENDED, Loop, Loops
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.analysis import make_analyzer, make_readers, make_worker
from dicom_node.node.wiring.delivery import routes
from inference.errors import ModelUnreachable
from storage.signals import Topic

if TYPE_CHECKING:
    from dicom_node.analysis.pool import ReaderPool
    from dicom_node.analysis.worker import Worker
    from inference.runners.runner import ModelRunner

logger = logging.getLogger(__name__)


class WorkService:
    """Analyses images; loads the model first.

    Parameters
    ----------
    settings, parts
        How to work, and with what.
    loops
        What it shares with the other loops.
    """

    name = "worker"
    role = Role.WORK

    def __init__(self, settings: Settings, parts: Parts, loops: Loops) -> None:
        self._settings = settings
        self._parts = parts
        self._loops = loops
        self._readers: ReaderPool | None = None
        self._runner: ModelRunner | None = None
        self._worker: Worker | None = None
        self._loop: Loop | None = None

    def start(self) -> None:
        """Load the model, then work."""
        self._readers = make_readers(self._settings)
        self._readers.warm()
        self._runner = MeasuredRunner(self._parts.runner(), self._parts.database)
        _load(self._runner)
        self._worker = make_worker(
            self._settings, self._parts, self._runner, self._readers
        )
        self._loop = self._loops.run(self.name, self._worker.run, Topic.WORK)

    def reload(self, settings: Settings, parts: Parts) -> None:
        """Make from now on what the receivers of now want."""
        del parts
        if self._worker is not None and self._runner is not None and self._readers:
            analyzer = make_analyzer(settings, self._runner, readers=self._readers)
            self._worker.change(analyzer, routes(settings))

    def stop(self, deadline: float) -> None:
        """Finish the batch, then end the readers and give the model back."""
        if self._loop is not None:
            self._loops.finish(self._loop, deadline)
        if self._readers is not None:
            self._readers.close()
        if self._runner is not None:
            self._runner.close()

    def trouble(self) -> str | None:
        """Say why no image is analysed, if so."""
        if self._loop is None:
            return "the model is being loaded"
        if self._runner is not None and not self._runner.describe().devices:
            return "the inference engine does not answer, so that images wait"
        return None if self._loop.running else ENDED


def _load(runner: "ModelRunner") -> None:
    """Load the model; an engine that is away is asked again while images wait."""
    try:
        runner.load()
    except ModelUnreachable as error:
        logger.warning(
            "Images wait until the model can be reached: %s.",
            error,
            extra={"action": "model-unreachable"},
        )
