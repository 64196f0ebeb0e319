"""What the worklist does for other systems, as services: perform, and tell."""

from collections.abc import Callable

from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.services.loops import ENDED, Body, Loop, Loops
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.worklist import (
    make_fetcher,
    make_performer,
    make_reporter,
    make_seeker,
)
from storage.signals import Topic


class WorklistService:
    """Does one thing for those who use the worklist.

    Parameters
    ----------
    name
        Of the service.
    make
        Makes the loop when the service starts.
    topic
        What makes it look.
    role
        Of the processes that do it.
    loops
        What it shares with the other loops.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Body],
        topic: Topic,
        role: Role,
        loops: Loops,
    ) -> None:
        self.name = name
        self.role = role
        self._make = make
        self._topic = topic
        self._loops = loops
        self._loop: Loop | None = None

    def start(self) -> None:
        """Perform, or tell, what waits."""
        self._loop = self._loops.run(self.name, self._make(), self._topic)

    def stop(self, deadline: float) -> None:
        """Finish the image that is being fetched, or the association under way."""
        if self._loop is not None:
            self._loops.finish(self._loop, deadline)

    def trouble(self) -> str | None:
        """Say that nothing is performed, or nobody told, if so."""
        well = self._loop is not None and self._loop.running
        return None if well else ENDED


def worklist_services(
    settings: Settings, parts: Parts, loops: Loops
) -> tuple[WorklistService, ...]:
    """List them: who tells subscribers, performs what others push, and fetches."""

    def tell() -> Body:
        return make_reporter(settings, parts).run

    def perform() -> Body:
        return make_performer(settings, parts).run

    def fetch() -> Body:
        return make_fetcher(settings, parts).run

    def seek() -> Body:
        return make_seeker(settings, parts).run

    seeking = (WorklistService("prior-seeker", seek, Topic.WORK, Role.WORK, loops),)
    return (
        *(seeking if settings.priors.fetch else ()),
        WorklistService("event-reports", tell, Topic.REPORT, Role.DELIVER, loops),
        WorklistService("performer", perform, Topic.STEP, Role.WORK, loops),
        WorklistService("fetcher", fetch, Topic.STEP, Role.WORK, loops),
    )
