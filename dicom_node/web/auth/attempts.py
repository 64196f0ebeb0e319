"""How often somebody may try to sign in: per name, and per address.

Tries are counted when they begin, so that many at once are not one. It is forgotten
when the process ends, and the oldest when there are too many to remember.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Tries within a time, for one name and from one address."""

    per_name: int
    per_address: int
    within_s: float


class LoginAttempts:
    """The tries of late.

    Parameters
    ----------
    limits
        How many are too many.
    now
        Seconds that only grow.
    """

    def __init__(
        self, limits: AttemptLimits, now: Callable[[], float] = monotonic
    ) -> None:
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def take(self, name: str, address: str) -> float:
        """Count a try; say in how many seconds it may be made, zero for now."""
        limits = self._limits
        with self._lock:
            waits = [
                self._waits(("name", name), limits.per_name),
                self._waits(("address", address), limits.per_address),
            ]
            if not any(waits):
                self._count(("name", name))
                self._count(("address", address))
        return max(waits)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the tries of a name whose password was right."""
        with self._lock:
            self._counts.pop(("name", name), None)
            count, since = self._counts.get(("address", address), (0, 0.0))
            if count > 1:
                self._counts[("address", address)] = count - 1, since
            else:
                self._counts.pop(("address", address), None)

    def _waits(self, key: tuple[str, str], most: int) -> float:
        count, since = self._counts.get(key, (0, 0.0))
        left = since + self._limits.within_s - self._now()
        return max(left, 0.0) if count >= most else 0.0

    def _count(self, key: tuple[str, str]) -> None:
        now = self._now()
        count, since = self._counts.pop(key, (0, now))
        if now - since >= self._limits.within_s:
            count, since = 0, now
        self._counts[key] = count + 1, since
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
