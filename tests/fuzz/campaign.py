"""Inputs without end, for a while: which targets there are, and what is kept of them.

An input follows from seed, target and number alone; the bytes of one that finds
something are kept in a file, which ``python -m tests.fuzz --replay FILE`` takes.
"""

import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.destination import nonsense
from tests.fuzz.dimse import acceptor
from tests.fuzz.findings import Finding, Watch, resident_bytes, watching
from tests.fuzz.reading import headers, pixels
from tests.fuzz.target import Target
from tests.fuzz.web import servers

TARGETS: Mapping[str, Callable[[Path], AbstractContextManager[Target]]] = {
    "headers": headers,
    "pixels": pixels,
    "acceptor": acceptor,
    "servers": servers,
    "destination": nonsense,
}
_AT_A_TIME = 40
_WELL_AFTER = 2_000
_KEPT = 4
_GROWTH_BYTES = 400 << 20


@dataclass
class Campaign:
    """What is done to one target, and what came of it.

    Parameters
    ----------
    name, seed
        Which target, and which inputs.
    keep_in
        Where the inputs go that found something.
    """

    name: str
    seed: int
    keep_in: Path
    number: int = 0
    findings: list[tuple[Path, str]] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator["Running"]:
        """Start the target, and see that it is well at the end."""
        with (
            tempfile.TemporaryDirectory(prefix="cxr-fuzz-") as folder,
            watching() as watch,
            TARGETS[self.name](Path(folder)) as target,
        ):
            running = Running(self, target, watch)
            running.check()
            yield running
            running.check()

    def keep(self, inputs: Mapping[int, bytes], finding: BaseException) -> None:
        """Keep the last inputs; only the newest one if it alone is to blame."""
        self.keep_in.mkdir(parents=True, exist_ok=True)
        for number, data in inputs.items():
            path = self.keep_in / f"{self.name}-{self.seed}-{number}.bin"
            path.write_bytes(data)
        self.findings.append((path, f"{type(finding).__name__}: {finding}"))


class Running:
    """A target that is being attacked."""

    def __init__(self, campaign: Campaign, target: Target, watch: Watch) -> None:
        self._campaign = campaign
        self._target = target
        self._watch = watch
        self._last: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._resident_bytes = 0

    def some(self, count: int = _AT_A_TIME, until: float = float("inf")) -> None:
        """Give it the next inputs."""
        for _ in range(count):
            if time.monotonic() > until:
                return
            number = self._campaign.number
            self._campaign.number += 1
            chance = random.Random(self._name_of(number))  # noqa: S311  no secrets
            self.take(self._target.make(chance), number)
            if self._campaign.number % _WELL_AFTER == 0:
                self.check()

    def _name_of(self, number: int) -> str:
        return f"{self._campaign.seed}/{self._campaign.name}/{number}"

    def take(self, data: bytes, number: int = 0) -> None:
        """Give it one input; what it should not do is kept."""
        self._last.append((number, data))
        try:
            self._target.take(data)
            self._watch.raise_what_was_told()
        except Exception as error:  # noqa: BLE001  whatever leaves the product is one
            self._campaign.keep(dict(self._last), error)

    def check(self) -> None:
        """See that it is well, and as large as before."""
        try:
            self._target.is_well()
            self._watch.raise_what_was_told()
            self._measure()
        except Exception as error:  # noqa: BLE001  whatever leaves the product is one
            self._campaign.keep(dict(self._last) or {0: b""}, error)

    def _measure(self) -> None:
        taken = resident_bytes()
        self._resident_bytes = self._resident_bytes or taken
        if taken > self._resident_bytes + _GROWTH_BYTES:
            raise Finding(f"memory grew from {self._resident_bytes} to {taken} bytes")
