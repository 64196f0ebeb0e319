"""What follows delivery, as services: commitment asked and reported, peers told."""

import threading
from collections.abc import Callable
from functools import partial

from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.services.loops import ENDED, Loop, Loops
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.outbox import (
    make_availability,
    make_commitments,
    make_keepers,
    make_requests,
)
from dicom_node.worklist.turns import Turns
from storage.signals import Topic, Watch

IDLE_S = 60.0
"""A look without a wake-up; the poll gives them much more often."""


class OutboxService:
    """Does one thing for peers whenever there is news.

    Parameters
    ----------
    name
        Of the service.
    work
        What to do; tells whether there may be more at once.
    loops
        What it shares with the other loops.
    """

    role = Role.DELIVER

    def __init__(self, name: str, work: Callable[[], bool], loops: Loops) -> None:
        self.name = name
        self._work = work
        self._loops = loops
        self._loop: Loop | None = None

    def start(self) -> None:
        """Ask, report, or tell."""
        self._loop = self._loops.run(self.name, self._run, Topic.DELIVERY)

    def stop(self, deadline: float) -> None:
        """Finish the association under way."""
        if self._loop is not None:
            self._loops.finish(self._loop, deadline)

    def trouble(self) -> str | None:
        """Say that nobody is asked, if so; a silent peer is no trouble of ours."""
        well = self._loop is not None and self._loop.running
        return None if well else ENDED

    def _run(self, stop: threading.Event, watch: Watch) -> None:
        turns = Turns("Work for peers failed", {"action": self.name})
        while not stop.is_set():
            try:
                worked = self._work()
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if not worked and not stop.is_set():
                watch.wait(IDLE_S)


def outbox_services(
    settings: Settings, parts: Parts, loops: Loops
) -> tuple[OutboxService, ...]:
    """List them: who is asked to commit himself, who is reported to, who is told."""
    commitments = make_commitments(settings, parts)
    requests = make_requests(settings, parts)

    def report() -> bool:
        commitments.expire()
        requests.report_due()
        return False

    asking = [
        OutboxService(
            f"commitment-{keeper.name}",
            partial(commitments.ask, keeper),
            loops,
        )
        for keeper in make_keepers(settings)
    ]
    reporting = OutboxService("commitment-reports", report, loops)
    availability = make_availability(settings, parts)
    if availability is None:
        return (*asking, reporting)
    return (*asking, reporting, OutboxService("availability", availability.tell, loops))
