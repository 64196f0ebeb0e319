"""How slow a peer may be while something that it began is under way."""

from time import monotonic


class Pace:
    """The least that a peer has to send, from a beginning to an end.

    Only the time that is spent waiting for the peer counts, not what this node takes
    to store what came.

    Parameters
    ----------
    grace_s
        What is waited in any case.
    bytes_per_s
        What has to come on the average beyond that.
    """

    __slots__ = ("_bytes_per_s", "_grace_s", "_received", "_waited_s")

    def __init__(self, grace_s: float, bytes_per_s: float) -> None:
        self._grace_s = grace_s
        self._bytes_per_s = bytes_per_s
        self._received = 0
        self._waited_s = 0.0

    def restart(self) -> None:
        """Begin anew: what was begun is complete."""
        self._received, self._waited_s = 0, 0.0

    def took(self, count: int, since: float) -> None:
        """Count bytes that came, waited for since an instant of ``monotonic``."""
        self._received += count
        self._waited_s += monotonic() - since

    def left_s(self) -> float:
        """Seconds until the peer is too slow."""
        return self._grace_s + self._received / self._bytes_per_s - self._waited_s
