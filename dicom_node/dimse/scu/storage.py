"""Storage SCU: sends stored objects as they are (DICOM PS3.4 Annex B).

One association carries many objects; every response status is looked at. Nothing is
tried twice here: the Delivery is what is retried.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom.association import Association

from dicom_node.dataset.forms.whole import read_whole
from dicom_node.dataset.pixels.transcoding import transcoded
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
MAXIMUM_PIXELS = 100_000_000
"""Of an object that is decompressed to be sent."""


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
class Origin:
    """Whose C-MOVE request is fulfilled (PS3.7 9.1.1.1.5, 9.1.1.1.6).

    Parameters
    ----------
    ae_title
        Of who asked.
    message_id
        Of the request.
    """

    ae_title: str
    message_id: int


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
    origin: Origin | None = None,
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
    origin
        Whose C-MOVE request is fulfilled so; a peer that does not take a compressed
        form is then sent the plain one.

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
        yield from _send_batch(batch, remote, calling_ae, timeouts, origin)


def _batches(objects: list[Outgoing]) -> Iterator[list[Outgoing]]:
    """Split so that the presentation contexts of each part fit one association."""
    batch: list[Outgoing] = []
    pairs: set[tuple[str, str]] = set()
    for item in objects:
        pair = (item.sop_class_uid, item.transfer_syntax_uid)
        # A pair takes two contexts, or three where it may be decompressed.
        if pair not in pairs and len(pairs) >= MAXIMUM_CONTEXTS // 3:
            yield batch
            batch, pairs = [], set()
        batch.append(item)
        pairs.add(pair)
    if batch:
        yield batch


def _send_batch(
    batch: list[Outgoing],
    remote: RemoteAE,
    calling_ae: str,
    timeouts: Timeouts,
    origin: Origin | None,
) -> Iterator[SendResult]:
    pairs = [(item.sop_class_uid, item.transfer_syntax_uid) for item in batch]
    if origin is not None:
        pairs += [(item.sop_class_uid, UNCOMPRESSED[0]) for item in batch]
    contexts = storage_requestor_contexts(pairs)
    try:
        with associate(
            remote, contexts, calling_ae=calling_ae, timeouts=timeouts
        ) as association:
            for number, item in enumerate(batch):
                result = send_one(association, item, number % 0xFFFF + 1, origin=origin)
                if isinstance(result.error, PeerUnreachable):
                    # Else the next request, or the release, would wait in vain for
                    # an answer: the library learns late that a peer is gone.
                    association.abort()
                yield result
    except ClassNotAccepted as error:
        for item in batch:
            yield SendResult(item.sop_instance_uid, None, error)


def send_one(
    association: Association,
    item: Outgoing,
    message_id: int,
    *,
    origin: Origin | None = None,
    may_decompress: bool = False,
) -> SendResult:
    """Send one object on an association, and tell what became of it.

    Parameters
    ----------
    origin
        As above.
    may_decompress
        Whether the plain form will do where the stored one is not accepted.
    """
    uid = item.sop_instance_uid
    if not association.is_established:
        return SendResult(uid, None, PeerUnreachable("the association is over"))
    is_free = may_decompress or origin is not None
    try:
        payload = _payload(association, item, may_decompress=is_free)
        response = association.send_c_store(
            payload,
            msg_id=message_id,
            originator_aet=origin.ae_title if origin else None,
            originator_id=origin.message_id if origin else None,
        )
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


def _payload(
    association: Association, item: Outgoing, *, may_decompress: bool
) -> Path | Dataset:
    """Choose the stored bytes, or else the same object in another encoding."""
    ours = [one for one in association.accepted_contexts if one.as_scu]
    accepted = transfer_syntaxes_of(ours, item.sop_class_uid)
    if item.transfer_syntax_uid in accepted:
        return item.path
    plain = next((syntax for syntax in UNCOMPRESSED if syntax in accepted), None)
    if plain is not None and item.transfer_syntax_uid in UNCOMPRESSED:
        return dcmread(item.path)
    if plain is not None and may_decompress:
        with item.path.open("rb") as stream:
            dataset = read_whole(stream)
        return dcmread(BytesIO(transcoded(dataset, plain, MAXIMUM_PIXELS)))
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
