"""The node's loops as services: the worker, and one deliverer for each destination."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dicom_node.delivery.route import Route
from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.service import time_left
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.analysis import make_readers, make_worker
from dicom_node.node.wiring.delivery import make_deliverer
from dicom_node.node.wiring.worklist import make_performer, make_reporter
from storage.database import Database
from storage.signals import Topic, Watch

if TYPE_CHECKING:
    from inference.runners.runner import ModelRunner

logger = logging.getLogger(__name__)

ENDED = "it ended"


class Loops:
    """What the loops of a process share: their end, and what makes them look.

    They end together: while one is waited for, none of the others begins anything.

    Parameters
    ----------
    database
        Whose news they follow.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._end = threading.Event()
        self._watches: list[Watch] = []

    def run(
        self,
        name: str,
        loop: Callable[[threading.Event, Watch], None],
        topic: Topic,
    ) -> threading.Thread:
        """Run a loop in a thread of its own."""
        watch = self._database.watch(topic)
        self._watches.append(watch)
        thread = threading.Thread(
            target=loop, args=(self._end, watch), name=name, daemon=True
        )
        thread.start()
        return thread

    def wake(self) -> None:
        """Make every loop look for work."""
        for watch in self._watches:
            watch.notify()

    def finish(self, thread: threading.Thread, deadline: float) -> None:
        """End all loops, and wait for one; what it does not finish is done again."""
        self._end.set()
        self.wake()
        thread.join(time_left(deadline))
        if thread.is_alive():
            logger.warning(
                "The %s did not finish in time; its work starts again later.",
                thread.name,
                extra={"action": "stop"},
            )


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
        self._readers = make_readers(settings)
        self._runner: ModelRunner | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the model, then work."""
        self._readers.warm()
        self._runner = self._parts.runner()
        self._runner.load()
        worker = make_worker(self._settings, self._parts, self._runner, self._readers)
        self._thread = self._loops.run(self.name, worker.run, Topic.WORK)

    def stop(self, deadline: float) -> None:
        """Finish the batch, then end the readers and give the model back."""
        if self._thread is not None:
            self._loops.finish(self._thread, deadline)
        self._readers.close()
        if self._runner is not None:
            self._runner.close()

    def trouble(self) -> str | None:
        """Say why no image is analysed, if so."""
        if self._thread is None:
            return "the model is being loaded"
        return None if self._thread.is_alive() else ENDED


class DeliveryService:
    """Delivers to one destination.

    Parameters
    ----------
    settings, parts
        With how much patience, and what.
    route
        To whom.
    loops
        What it shares with the other loops.
    """

    role = Role.WORK

    def __init__(
        self, settings: Settings, parts: Parts, route: Route, loops: Loops
    ) -> None:
        self.name = f"deliver-{route.destination}"
        self._settings = settings
        self._parts = parts
        self._route = route
        self._loops = loops
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Deliver what waits."""
        deliverer = make_deliverer(self._settings, self._parts, self._route)
        self._thread = self._loops.run(self.name, deliverer.run, Topic.DELIVERY)

    def stop(self, deadline: float) -> None:
        """Finish the association under way."""
        if self._thread is not None:
            self._loops.finish(self._thread, deadline)

    def trouble(self) -> str | None:
        """Say why nothing is delivered, if so; a silent peer is no trouble of ours."""
        well = self._thread is not None and self._thread.is_alive()
        return None if well else ENDED


class ReportService:
    """Tells those who subscribed to Workitems.

    Parameters
    ----------
    settings, parts
        Whom it can call, and what happened.
    loops
        What it shares with the other loops.
    """

    name = "event-reports"
    role = Role.WORK

    def __init__(self, settings: Settings, parts: Parts, loops: Loops) -> None:
        self._settings = settings
        self._parts = parts
        self._loops = loops
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Tell what waits."""
        reporter = make_reporter(self._settings, self._parts)
        self._thread = self._loops.run(self.name, reporter.run, Topic.REPORT)

    def stop(self, deadline: float) -> None:
        """Finish the association under way."""
        if self._thread is not None:
            self._loops.finish(self._thread, deadline)

    def trouble(self) -> str | None:
        """Say that nobody is told, if so."""
        well = self._thread is not None and self._thread.is_alive()
        return None if well else ENDED


class PerformService:
    """Performs Workitems that others push to this node.

    Parameters
    ----------
    settings, parts
        Where images are fetched, and where they go.
    loops
        What it shares with the other loops.
    """

    name = "performer"
    role = Role.WORK

    def __init__(self, settings: Settings, parts: Parts, loops: Loops) -> None:
        self._settings = settings
        self._parts = parts
        self._loops = loops
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Perform what waits."""
        performer = make_performer(self._settings, self._parts)
        self._thread = self._loops.run(self.name, performer.run, Topic.STEP)

    def stop(self, deadline: float) -> None:
        """Finish the image that is being fetched."""
        if self._thread is not None:
            self._loops.finish(self._thread, deadline)

    def trouble(self) -> str | None:
        """Say that nothing is performed, if so."""
        well = self._thread is not None and self._thread.is_alive()
        return None if well else ENDED
