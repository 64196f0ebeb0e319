"""Keeps claims alive while the model runs, and learns which of them were lost."""

import logging
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from dicom_node.worklist.procedure_step import ProcedureSteps
from storage.errors import DatabaseUnavailable, LeaseLost
from storage.records import Workitem

logger = logging.getLogger(__name__)


class Leases:
    """A context in which the leases of a batch are renewed by a thread.

    Parameters
    ----------
    steps
        Where heartbeats go.
    lease_s
        Renewed three times in this period, so that one slow commit loses nothing.
    """

    def __init__(self, steps: ProcedureSteps, lease_s: float) -> None:
        self._steps = steps
        self._held: dict[str, Workitem] = {}
        self._lease_s = lease_s
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._renew, name="heartbeat", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def hold(self, claimed: Sequence[Workitem]) -> None:
        """Renew these from now on."""
        with self._lock:
            self._held |= {workitem.workitem_uid: workitem for workitem in claimed}

    def release(self, workitem: Workitem) -> bool:
        """Stop renewing one: its end is being written; tell whether it was held."""
        with self._lock:
            return self._held.pop(workitem.workitem_uid, None) is not None

    def _renew(self) -> None:
        while not self._done.wait(self._lease_s / 3):
            with self._lock:
                held = tuple(self._held.values())
            for workitem in held:
                self._beat(workitem)

    def _beat(self, workitem: Workitem) -> None:
        extra = {"action": "heartbeat", "workitem": workitem.workitem_uid}
        try:
            self._steps.heartbeat(workitem, lease_s=self._lease_s)
        except LeaseLost:
            # Not a loss when the workitem has ended while this beat was under way.
            if self.release(workitem):
                logger.warning("Another worker took over.", extra=extra)
        except DatabaseUnavailable:
            logger.warning("The database did not take a heartbeat.", extra=extra)
