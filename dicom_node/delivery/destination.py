"""The seam to a receiver of results; it knows no protocol.

An object is delivered, refused for good (``PeerRefused``) or for now (``PeerBusy``,
``PeerStumbled``), of a class that is not accepted (``ClassNotAccepted``), or its
receiver is unreachable (``PeerUnreachable``). A kind of destination is one file here,
its row where the node is composed, and its entry in the contract suite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicom_node.errors import NodeError
from storage.errors import StorageError


@dataclass(frozen=True, slots=True)
class Parcel:
    """An object to send: the stored bytes, never made again.

    Parameters
    ----------
    uncertain
        Whether a try before ended without an answer: the receiver may have it.
    """

    sop_class_uid: str
    sop_instance_uid: str
    path: Path
    study_instance_uid: str = ""
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Handover:
    """What became of one object.

    Parameters
    ----------
    code
        The receiver's own number for it, kept for people; ``None`` without a
        response.
    error
        Why the receiver does not have it; ``None`` when it does.
    detail
        What the receiver remarked on an object that it took; empty for nothing.
    """

    sop_instance_uid: str
    code: int | None = None
    error: NodeError | StorageError | None = None
    detail: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the receiver has it."""
        return self.error is None


class Destination(Protocol):
    """A receiver of results."""

    def deliver(self, parcels: Sequence[Parcel]) -> Iterable[Handover]:
        """Send objects; one answer for each, as they come, in any order.

        No exception: an unreachable receiver is every object's error.
        """
        ...

    def probe(self) -> None:
        """Ask whether it is there.

        Raises
        ------
        PeerUnreachable
            It is not.
        PeerBusy, PeerRefused
            It is, and would rather not be asked.
        """
        ...
