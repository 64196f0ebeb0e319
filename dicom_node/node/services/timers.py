"""What happens by the clock, as a service."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.timers import make_timers

if TYPE_CHECKING:
    from dicom_node.node.maintenance import Maintenance


class TimerService:
    """Polls, leases of silent workers, the outbox, retention.

    Parameters
    ----------
    settings, parts
        How often, and on what.
    wake
        Makes the loops look for work.
    """

    name = "timers"
    role = Role.WORK

    def __init__(
        self, settings: Settings, parts: Parts, wake: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._wake = wake
        self._timers: Maintenance | None = None

    def start(self) -> None:
        """Run every timer."""
        self._timers = make_timers(self._settings, self._parts, self._wake)
        self._timers.start()

    def stop(self, deadline: float) -> None:
        """Run nothing more; what runs is short and is waited for."""
        del deadline
        if self._timers is not None:
            self._timers.stop()

    def trouble(self) -> str | None:
        """Say that nothing happens by the clock, if so."""
        well = self._timers is not None and self._timers.running
        return None if well else "no timer runs"

    def doubt(self) -> str | None:
        """Name the timers that fail: each has its next turn all the same."""
        failing = self._timers.failing if self._timers is not None else ()
        return f"failing: {', '.join(failing)}; see the log" if failing else None
