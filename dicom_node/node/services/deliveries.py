"""The deliverers as a service: a loop for each destination, so that none waits."""

from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.services.loops import ENDED, Loop, Loops
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import make_deliverer, routes
from storage.signals import Topic


class DeliveryService:
    """Delivers to every destination.

    Parameters
    ----------
    settings, parts
        To whom, with how much patience, and what.
    loops
        What it shares with the other loops.
    """

    name = "deliver"
    role = Role.DELIVER

    def __init__(self, settings: Settings, parts: Parts, loops: Loops) -> None:
        self._settings = settings
        self._parts = parts
        self._loops = loops
        self._lines: dict[str, Loop] = {}
        self._former: list[Loop] = []
        self._started = False

    def start(self) -> None:
        """Deliver what waits."""
        deliverers = [
            make_deliverer(self._settings, self._parts, route)
            for route in routes(self._settings)
        ]
        for one in deliverers:
            self._lines[one.name] = self._loops.run(
                f"{self.name}-{one.name}", one.run, Topic.DELIVERY
            )
        self._started = True

    def reload(self, settings: Settings, parts: Parts) -> None:
        """Deliver to the destinations of now.

        All of them anew, for their certificates may be others; who is under way
        finishes his association, whose objects are leased.
        """
        former = list(self._lines.values())
        self._lines = {}
        for loop in former:
            loop.end()
        self._former = [one for one in self._former if one.running] + former
        self._settings, self._parts = settings, parts
        if self._started:
            self.start()

    def stop(self, deadline: float) -> None:
        """Finish the associations under way."""
        for loop in (*self._lines.values(), *self._former):
            self._loops.finish(loop, deadline)
        self._started = False

    def trouble(self) -> str | None:
        """Say where nothing is delivered; a silent peer is no trouble of ours."""
        if not self._started:
            return ENDED
        ended = [name for name, loop in self._lines.items() if not loop.running]
        return f"to {', '.join(ended)}: {ENDED}" if ended else None
