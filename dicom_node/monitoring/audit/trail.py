"""The port through which anything is written to the audit trail."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from dicom_node.monitoring.audit.message import AuditMessage, to_xml
from storage.database import Database, Transaction
from storage.errors import StorageError
from storage.monitoring import audit_trail
from storage.signals import Topic

logger = logging.getLogger(__name__)


class AuditTrail(Protocol):
    """One verb."""

    def record(self, message: AuditMessage) -> None:
        """Keep what happened; never the reason why something else fails."""
        ...


class Unrecorded:
    """The trail of a site that keeps none."""

    def record(self, message: AuditMessage) -> None:
        """Forget it."""


class KeptTrail:
    """The audit trail in the database.

    Parameters
    ----------
    database
        Where it is kept.
    source_id
        Who says so: this node's AE title.
    clock
        Aware UTC.
    """

    def __init__(
        self, database: Database, source_id: str, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._source_id = source_id
        self._clock = clock

    def record(self, message: AuditMessage) -> None:
        """Keep what happened; what cannot be kept is a line of the log."""
        try:
            with self._database.transaction() as tx:
                self.add(tx, message)
        except StorageError as error:
            logger.error(  # noqa: TRY400  foreseen: one line
                "The audit trail could not be written (%s): %s.",
                message.event.meaning,
                error,
                extra={"action": "audit"},
            )

    def add(self, tx: Transaction, message: AuditMessage) -> None:
        """Keep what happened, in a transaction of the caller's."""
        at = self._clock()
        xml = to_xml(message, at, self._source_id)
        audit_trail.append(tx, message.event.meaning, xml, at)
        tx.announce(Topic.REPORT)
