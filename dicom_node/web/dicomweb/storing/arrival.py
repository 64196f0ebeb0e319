"""Objects as parts: each streams through the door while it arrives.

What a Part 10 file says of itself stands before its data set (DICOM PS3.10 7.1); as
soon as that is here the object has a place on disk, and the rest goes there.
"""

import struct
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from io import BytesIO
from threading import BoundedSemaphore

from starlette.exceptions import HTTPException

from dicom_node.dataset.part10 import Arriving, part10_header, read_file_meta
from dicom_node.dataset.part10_file import skip_meta
from dicom_node.dimse.presentation import STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.dimse.status import Status
from dicom_node.errors import ClassNotAccepted, DatasetInvalid, PeerRefused
from dicom_node.web.dicomweb.accept import DICOM, parse
from dicom_node.web.dicomweb.storing.outcomes import (
    SYNTAX_NOT_SUPPORTED,
    StoreOutcome,
    failed,
    stored,
)
from dicom_node.worklist.reception import Receipt, Reception
from storage.objects.protocol import Incoming

SENDER = "DICOMWEB"
"""Who sent it, where nobody has an AE title."""

_AT_ONCE = 4
"""Objects of one request that are made durable together: a disk syncs them as one."""

_HEAD_BYTES = 144  # preamble, prefix, and the group length
_META_BYTES = 64 * 1024
_PREFIX, _META_GROUP = b"DICM", b"\x02\x00"
_GROUP_LENGTH = struct.pack("<HH", 2, 0) + b"UL\x04\0"


class ObjectParts:
    """Takes ``application/dicom`` parts.

    Parameters
    ----------
    reception
        The door.
    study_instance_uid
        The study that all of them belong to; empty for any.
    maximum_bytes
        Of one object.
    """

    def __init__(
        self, reception: Reception, study_instance_uid: str, maximum_bytes: int
    ) -> None:
        self._reception = reception
        self._study = study_instance_uid
        self._maximum_bytes = maximum_bytes
        self._settled: list[Future[StoreOutcome]] = []
        self._latest: dict[str, Future[StoreOutcome]] = {}
        self._settling = ThreadPoolExecutor(_AT_ONCE, "stow")
        self._room = BoundedSemaphore(_AT_ONCE)
        self._head = bytearray()
        self._received_bytes = 0
        self._arriving: Arriving | None = None
        self._incoming: Incoming | None = None
        self._failure: Exception | None = None

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin an object."""
        self._head = bytearray()
        self._received_bytes = 0
        self._arriving = self._incoming = self._failure = None
        try:
            media_type = parse(headers.get("content-type", DICOM))[0]
        except HTTPException:
            media_type = ""
        if media_type != DICOM:
            self._fail(DatasetInvalid("the part is no application/dicom"))

    def data(self, piece: memoryview) -> None:
        """Take a piece of it; after an error the rest goes by."""
        if self._failure is not None:
            return
        try:
            self._take(piece)
        except Exception as error:  # noqa: BLE001  the other objects are not to blame
            self._fail(error)

    def end(self) -> None:
        """Let it be received while the next one arrives, a few at the same time."""
        try:
            if self._failure is None and self._incoming is None:
                self._open()
        except Exception as error:  # noqa: BLE001  the other objects are not to blame
            self._fail(error)
        self._room.acquire()
        uid = self._arriving.sop_instance_uid if self._arriving else ""
        begun = (self._incoming, self._arriving, self._failure)
        self._incoming = None
        settled = self._settling.submit(self._settle, *begun, self._latest.get(uid))
        self._settled.append(settled)
        if uid:
            self._latest[uid] = settled

    @property
    def outcomes(self) -> list[StoreOutcome]:
        """What became of the objects, once all of it is durable."""
        return [settled.result() for settled in self._settled]

    def abort(self) -> None:
        """Forget an object that does not end; wait for those that have."""
        self._forget()
        self._settling.shutdown()

    def _forget(self) -> None:
        if self._incoming is not None:
            self._incoming.abort()
            self._incoming = None

    def _take(self, piece: memoryview) -> None:
        self._received_bytes += len(piece)
        if self._received_bytes > self._maximum_bytes:
            raise DatasetInvalid("larger than this node accepts")
        if self._incoming is not None:
            self._incoming.write(piece)
            return
        self._head += piece
        if len(self._head) >= self._meta_ends_at():
            self._open()

    def _meta_ends_at(self) -> int:
        """Tell how much is needed to read the File Meta Information."""
        head = self._head
        if len(head) < _HEAD_BYTES:
            return _HEAD_BYTES
        if head[132:140] != _GROUP_LENGTH:
            return _META_BYTES
        length = int(struct.unpack_from("<I", head, 140)[0])
        return _HEAD_BYTES + min(length, _META_BYTES)

    def _open(self) -> None:
        """Read what the object says of itself, and let it in."""
        arriving, dataset_at = read_start(bytes(self._head))
        self._arriving = replace(
            arriving, calling_ae=SENDER, study_instance_uid=self._study
        )
        check(self._arriving)
        self._incoming = self._reception.incoming()
        self._incoming.write(part10_header(self._arriving))
        self._incoming.write(memoryview(self._head)[dataset_at:])
        self._head = bytearray()

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._head = bytearray()
        self._forget()

    def _received(
        self,
        incoming: Incoming | None,
        said: Arriving | None,
        failure: Exception | None,
    ) -> Receipt:
        if failure is not None:
            raise failure
        if incoming is None or said is None:
            raise DatasetInvalid("there is no data set")
        return self._reception.receive(incoming, said)

    def _settle(
        self,
        incoming: Incoming | None,
        said: Arriving | None,
        failure: Exception | None,
        before: Future[StoreOutcome] | None,
    ) -> StoreOutcome:
        """Receive an object; only then may anybody be told that it is stored.

        After one of the same UID that came before it: of two, the first stays.
        """
        if before is not None:
            wait([before])
        sop_class, uid = (
            (said.sop_class_uid, said.sop_instance_uid) if said else ("", "")
        )
        try:
            return stored(sop_class, uid, self._received(incoming, said, failure))
        except PeerRefused as error:
            return StoreOutcome(sop_class, uid, error.status)
        except Exception as error:  # noqa: BLE001  the other objects are not to blame
            return failed(sop_class, uid, error)
        finally:
            self._room.release()


def check(arriving: Arriving) -> None:
    """Accept by HTTP what is accepted by DIMSE.

    Raises
    ------
    ClassNotAccepted
        Another SOP class, or another transfer syntax; with the reason to be told.
    """
    if arriving.sop_class_uid not in STORAGE_CLASSES:
        raise ClassNotAccepted(Status.SOP_CLASS_NOT_SUPPORTED)
    if arriving.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise ClassNotAccepted(SYNTAX_NOT_SUPPORTED)


def read_start(head: bytes) -> tuple[Arriving, int]:
    """Read the beginning of a Part 10 file.

    Returns
    -------
        What it says of itself, and where its data set begins.

    Raises
    ------
    DatasetInvalid
        It is none.
    """
    # Some libraries write no preamble where the object never was a file.
    missing = 0 if head[128:132] == _PREFIX or head[:2] != _META_GROUP else 132
    head = bytes(128)[:missing] + _PREFIX[:missing] + head
    stream = BytesIO(head)
    end = skip_meta(stream)
    stream.seek(0)
    if head[132:140] == _GROUP_LENGTH:
        return read_file_meta(stream), end - missing
    meta = head[132:end]
    mended = head[:132] + _GROUP_LENGTH + struct.pack("<I", len(meta)) + meta
    return read_file_meta(BytesIO(mended)), end - missing
