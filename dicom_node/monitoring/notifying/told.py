"""What a receiver is told: a notification with the job that it is about."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from dicom_node.worklist.result import Result, recorded
from storage.monitoring.notifications import Notification
from storage.records import Job


@dataclass(frozen=True, slots=True)
class ToldNotification:
    """Everything that a message may be made of.

    Parameters
    ----------
    key
        The same at each try, so that receivers can tell a repetition.
    job
        What it is about; ``None`` when it is about no image.
    """

    key: str
    notification: Notification
    job: Job | None

    @property
    def result(self) -> Result | None:
        """What was said of the film."""
        return recorded(self.job.workitem) if self.job else None

    @property
    def at(self) -> datetime:
        """When it became true."""
        return self.notification.created_at

    def plain(self, *, patient_ids: bool) -> dict[str, Any]:
        """Give it as plain values.

        Parameters
        ----------
        patient_ids
            Whether the patient is named by ID, and the order by Accession Number.
        """
        said: dict[str, Any] = dict(self.notification.content)
        if self.job is not None:
            instance = self.job.instance
            said |= {
                "job": self.job.workitem.workitem_uid,
                "study_instance_uid": instance.study_instance_uid,
                "sop_instance_uid": instance.sop_instance_uid,
            }
            if patient_ids:
                said["patient_id"] = instance.patient_id
                said["accession_number"] = instance.accession_number
        return said


class NotificationChannel(Protocol):
    """A way to somebody who is told."""

    def tell(self, told: ToldNotification) -> None:
        """Tell it; return when the receiver has taken it.

        Raises
        ------
        PeerUnreachable, PeerBusy
            It may work later.
        PeerRefused
            It never will.
        """
        ...
