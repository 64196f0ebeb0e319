"""Tells one receiver what waits for it, patiently."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from dicom_node.errors import NodeError, PeerRefused
from dicom_node.monitoring.notifying.told import NotificationChannel, ToldNotification
from dicom_node.worklist.retry import BackOff
from storage.database import Database
from storage.errors import UnknownRecord
from storage.monitoring import notifications
from storage.monitoring.notifications import Notification
from storage.records import Job
from storage.worklist.jobs import get_job

logger = logging.getLogger(__name__)
_LEASE = timedelta(minutes=5)


class Notifier:
    """Empties the outbox of one receiver.

    Parameters
    ----------
    database
        Where it is.
    receiver, channel
        Its name, and the way there.
    node
        Who we are: makes keys unlike those of other nodes.
    back_off, give_up_after_s
        Between tries, and since the notification was made.
    clock
        Aware UTC.
    """

    def __init__(  # noqa: PLR0913  the composition root passes all of them
        self,
        database: Database,
        receiver: str,
        channel: NotificationChannel,
        *,
        node: str,
        back_off: BackOff,
        give_up_after_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._receiver = receiver
        self._channel = channel
        self._node = node
        self._back_off = back_off
        self._give_up_after_s = give_up_after_s
        self._clock = clock

    def work(self) -> bool:
        """Tell what is due first; tell whether there was anything."""
        now = self._clock()
        with self._database.transaction() as tx:
            found = notifications.take(tx, self._receiver, now=now, until=now + _LEASE)
        if found is None:
            return False
        try:
            self._channel.tell(
                ToldNotification(
                    f"{self._node}-{found.notification_id}", found, self._job(found)
                )
            )
        except NodeError as error:
            self._later(found, error)
        else:
            with self._database.transaction() as tx:
                notifications.sent(tx, found.notification_id, self._clock())
        return True

    def _job(self, found: Notification) -> Job | None:
        if found.workitem_uid is None:
            return None
        with self._database.transaction(read_only=True) as tx:
            try:
                return get_job(tx, found.workitem_uid)
            except UnknownRecord:
                return None

    def _later(self, found: Notification, error: NodeError) -> None:
        now, words = self._clock(), str(error)
        waited_s = (now - found.created_at).total_seconds()
        hopeless = isinstance(error, PeerRefused) or waited_s > self._give_up_after_s
        at = now + timedelta(seconds=self._back_off.after(found.attempts))
        with self._database.transaction() as tx:
            if hopeless:
                notifications.give_up(tx, found.notification_id, words)
            else:
                notifications.try_again(tx, found.notification_id, at=at, error=words)
        logger.warning(
            "A notification did not arrive and is %s: %s.",
            "given up" if hopeless else "tried again",
            words,
            extra={"action": "notify", "destination": self._receiver},
        )
