"""The seam of everything that runs in the node: one life, told in four words.

Whoever runs services knows no more of them than this; ``node.node`` holds the one list
of them, in the order in which they start.
"""

from time import monotonic
from typing import Protocol, runtime_checkable

from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings

LEAST_S = 0.1
"""What a service has for its end even when the time is over."""


class Service(Protocol):
    """Something that runs from the node's start to its end."""

    @property
    def name(self) -> str:
        """For logs and health checks."""
        ...

    @property
    def role(self) -> Role:
        """The processes that run it: those whose role includes this part."""
        ...

    def start(self) -> None:
        """Run; return when it does, or raise why it cannot."""
        ...

    def stop(self, deadline: float) -> None:
        """Finish what runs by the deadline (``time.monotonic``), then end.

        Harmless before a start, after one that failed half-way, and once more.
        """
        ...

    def trouble(self) -> str | None:
        """Say in a sentence what is wrong; ``None`` when nothing is.

        Something is, before the start and after the end.
        """
        ...


@runtime_checkable
class Reloads(Protocol):
    """A service that can take over part of a new configuration while it runs."""

    def reload(self, settings: Settings, parts: Parts) -> None:
        """Take over what may change; what is under way goes on as it began."""
        ...


@runtime_checkable
class Doubts(Protocol):
    """A service that may want somebody to look although it does its work."""

    def doubt(self) -> str | None:
        """Say in a sentence what to look at; ``None`` when there is nothing."""
        ...


def time_left(deadline: float) -> float:
    """Seconds until a deadline, never quite none."""
    return max(LEAST_S, deadline - monotonic())
