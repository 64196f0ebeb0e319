"""Refusals on their way to the audit trail, not more of them than anybody reads."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.occasions import Caller
from dicom_node.monitoring.audit.trail import AuditTrail

A_MINUTE = 60
_SPAN_S = 60.0


@dataclass(slots=True)
class Refusals:
    """Records refusals: each, until they come like rain.

    Who knocks a thousand times a second shall not fill the disk: beyond
    :data:`A_MINUTE` they are counted, and the next record says how many there were.

    Parameters
    ----------
    trail, node
        Where to, and who we are.
    seconds
        A clock for durations.
    """

    trail: AuditTrail
    node: str
    seconds: Callable[[], float] = monotonic
    _since: float = field(default=0.0, init=False)
    _told: int = field(default=0, init=False)
    _untold: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def refuse(self, name: str, address: str, why: str) -> None:
        """Tell of somebody who was refused."""
        with self._lock:
            now = self.seconds()
            if now - self._since >= _SPAN_S:
                self._since, self._told = now, 0
            if self._told >= A_MINUTE:
                self._untold += 1
                return
            self._told += 1
            more, self._untold = self._untold, 0
        text = f"{why} (and {more} refusals before that)" if more else why
        caller = Caller(name.strip() or "unknown", address)
        self.trail.record(occasions.refused(caller, self.node, text))
