"""The seam of everything that runs in the node: one life, told in four words.

Whoever runs services knows no more of them than this; ``node.node`` holds the one list
of them, in the order in which they start.
"""

from time import monotonic
from typing import Protocol

from dicom_node.node.roles import Role

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

        Harmless after a start that failed half-way.
        """
        ...

    def trouble(self) -> str | None:
        """Say in a sentence what is wrong; ``None`` when nothing is."""
        ...


def time_left(deadline: float) -> float:
    """Seconds until a deadline, never quite none."""
    return max(LEAST_S, deadline - monotonic())
