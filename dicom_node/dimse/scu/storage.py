"""Storage SCU: sends stored objects as they are (DICOM PS3.4 Annex B).

One association carries many objects; every response status is looked at. Nothing is
tried twice here: the Delivery is what is retried.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom.association import Association

from dicom_node.dataset.quiet import UNREADABLE
from dicom_node.dimse.presentation import (
    MAXIMUM_CONTEXTS,
    UNCOMPRESSED,
    storage_requestor_contexts,
    transfer_syntaxes_of,
)
from dicom_node.dimse.scu.association import (
    RemoteAE,
    Timeouts,
    associate,
)
from dicom_node.dimse.status import Status, is_stored, refusal
from dicom_node.errors import (
    ClassNotAccepted,
    DatasetInvalid,
    NodeError,
    PeerUnreachable,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A Part 10 file and what its File Meta Information says."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    @classmethod
    def read(cls, path: Path) -> "Outgoing":
        """Read the File Meta Information of a file.

        Raises
        ------
        DatasetInvalid
            It is not a DICOM file.
        """
        try:
            meta = read_file_meta_info(path)
            return cls(
                path,
                str(meta.MediaStorageSOPClassUID),
                str(meta.MediaStorageSOPInstanceUID),
                str(meta.TransferSyntaxUID),
            )
        except FileNotFoundError as error:
            raise DatasetInvalid(f"no such file: {path}") from error
        except (InvalidDicomError, OSError, *UNREADABLE) as error:
            raise DatasetInvalid(f"{path.name} is not a DICOM file") from error


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one object.

    Parameters
    ----------
    status
        Of the C-STORE response; ``None`` when there was none.
    error
        Why the peer does not hold the object, else ``None``.
    """

    sop_instance_uid: str
    status: int | None
    error: NodeError | None = None


def send(
    files: Iterable[Path | Outgoing],
    remote: RemoteAE,
    *,
    calling_ae: str,
    timeouts: Timeouts,
) -> Iterator[SendResult]:
    """Send objects and tell, one after the other, what became of each.

    Parameters
    ----------
    files
        Part 10 files; those whose File Meta Information is known need not be read.
    remote
        Where to.
    calling_ae
        Our AE title.
    timeouts
        How long it may take.

    Yields
    ------
        One result for each file, in their order. When the association breaks, it
        and all that follow end as ``PeerUnreachable``.

    Raises
    ------
    DatasetInvalid
        A file is not a DICOM file; nothing was sent.
    PeerUnreachable, PeerBusy
        There was no association.
    """
    outgoing = [
        file if isinstance(file, Outgoing) else Outgoing.read(file) for file in files
    ]
    for batch in _batches(outgoing):
        yield from _send_batch(batch, remote, calling_ae, timeouts)


def _batches(objects: list[Outgoing]) -> Iterator[list[Outgoing]]:
    """Split so that the presentation contexts of each part fit one association."""
    batch: list[Outgoing] = []
    pairs: set[tuple[str, str]] = set()
    for item in objects:
        pair = (item.sop_class_uid, item.transfer_syntax_uid)
        # An uncompressed pair takes two contexts.
        if pair not in pairs and len(pairs) >= MAXIMUM_CONTEXTS // 2:
            yield batch
            batch, pairs = [], set()
        batch.append(item)
        pairs.add(pair)
    if batch:
        yield batch


def _send_batch(
    batch: list[Outgoing], remote: RemoteAE, calling_ae: str, timeouts: Timeouts
) -> Iterator[SendResult]:
    contexts = storage_requestor_contexts(
        (item.sop_class_uid, item.transfer_syntax_uid) for item in batch
    )
    try:
        with associate(
            remote, contexts, calling_ae=calling_ae, timeouts=timeouts
        ) as association:
            for number, item in enumerate(batch):
                result = _send_one(association, item, number % 0xFFFF + 1)
                if isinstance(result.error, PeerUnreachable):
                    # Else the next request, or the release, would wait in vain for
                    # an answer: the library learns late that a peer is gone.
                    association.abort()
                yield result
    except ClassNotAccepted as error:
        for item in batch:
            yield SendResult(item.sop_instance_uid, None, error)


def _send_one(association: Association, item: Outgoing, message_id: int) -> SendResult:
    uid = item.sop_instance_uid
    if not association.is_established:
        return SendResult(uid, None, PeerUnreachable("the association is over"))
    try:
        payload = _payload(association, item)
        response = association.send_c_store(payload, msg_id=message_id)
    except NodeError as error:
        return SendResult(uid, None, error)
    except RuntimeError:  # it ended between our look and the request
        return SendResult(uid, None, PeerUnreachable("the association broke"))
    except (OSError, ValueError, AttributeError) as error:
        logger.warning(
            "An object could not be sent: %s.",
            type(error).__name__,
            extra={"action": "send", "instance": uid},
        )
        return SendResult(uid, None, DatasetInvalid("the object cannot be sent"))
    return _result(uid, response)


def _payload(association: Association, item: Outgoing) -> Path | Dataset:
    """Choose the stored bytes, or else the same object in the other encoding."""
    accepted = transfer_syntaxes_of(association.accepted_contexts, item.sop_class_uid)
    if item.transfer_syntax_uid in accepted:
        return item.path
    if item.transfer_syntax_uid in UNCOMPRESSED and any(
        syntax in accepted for syntax in UNCOMPRESSED
    ):
        return dcmread(item.path)
    raise ClassNotAccepted(
        Status.SOP_CLASS_NOT_SUPPORTED,
        "transfer syntax not accepted" if accepted else "SOP class not accepted",
    )


def _result(uid: str, response: Dataset) -> SendResult:
    if "Status" not in response:
        return SendResult(uid, None, PeerUnreachable("the peer did not answer"))
    status = int(response.Status)
    if is_stored(status):
        if status != Status.SUCCESS:
            logger.warning(
                "The peer stored an object with status 0x%04X.",
                status,
                extra={"action": "send", "instance": uid},
            )
        return SendResult(uid, status)
    comment = str(response.get("ErrorComment", ""))
    return SendResult(uid, status, refusal(status, comment))
