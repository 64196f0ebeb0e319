"""DIMSE statuses: which one an error is answered with, and what a peer's means.

Every error that can reach a service has its row in ``STATUS``; a test holds that.
Status codes: DICOM PS3.7 Annex C, and PS3.4 B.2.3 for the Storage Service.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

from dicom_node import errors as node
from storage import errors as storage


class Status(IntEnum):
    """The status codes that this node sends or tells apart."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    INVALID_ARGUMENT_VALUE = 0x0115
    CLASS_INSTANCE_CONFLICT = 0x0119
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION_TYPE = 0x0123
    NOT_AUTHORISED = 0x0124
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    DOES_NOT_MATCH_SOP_CLASS = 0xA900
    COERCED = 0xB000
    ELEMENTS_DISCARDED = 0xB006
    MISMATCH_WARNING = 0xB007
    CANNOT_UNDERSTAND = 0xC000


REACHED_FROM: Sequence[str] = (
    "dicom_node.dimse.services",
    "dicom_node.worklist.reception",
    "dicom_node.dataset.header",
    "storage.catalog",
    "storage.database",
    "storage.objects",
)
"""Packages and modules whose errors may end at a service's handler."""

STATUS: Mapping[type[Exception], Status] = {
    storage.StoreFull: Status.OUT_OF_RESOURCES,
    storage.StoreUnavailable: Status.OUT_OF_RESOURCES,
    # The sender keeps the image and tries again, as it does for a full disk.
    storage.DatabaseUnavailable: Status.OUT_OF_RESOURCES,
    storage.SchemaOutdated: Status.OUT_OF_RESOURCES,
    storage.DatabaseUnfit: Status.OUT_OF_RESOURCES,
    storage.StoreMismatch: Status.OUT_OF_RESOURCES,
    storage.DuplicateInstance: Status.DUPLICATE_SOP_INSTANCE,
    storage.ObjectMissing: Status.PROCESSING_FAILURE,
    storage.ObjectCorrupt: Status.PROCESSING_FAILURE,
    storage.QueryInvalid: Status.DOES_NOT_MATCH_SOP_CLASS,
    storage.UnknownRecord: Status.NO_SUCH_SOP_INSTANCE,
    node.DatasetInvalid: Status.CANNOT_UNDERSTAND,
    node.PixelsUndecodable: Status.CANNOT_UNDERSTAND,
    node.DatasetMismatch: Status.DOES_NOT_MATCH_SOP_CLASS,
    node.ClassNotAccepted: Status.SOP_CLASS_NOT_SUPPORTED,
}


def status_of(error: BaseException) -> Status:
    """Find the status that an error is answered with.

    The nearest class in the table decides; anything unknown is a processing
    failure.
    """
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return Status.PROCESSING_FAILURE


_STORED = frozenset(
    {
        Status.SUCCESS,
        Status.COERCED,
        Status.ELEMENTS_DISCARDED,
        Status.MISMATCH_WARNING,
        # Our UIDs are ours alone: the peer has this very object already.
        Status.DUPLICATE_SOP_INSTANCE,
    }
)
_OUT_OF_RESOURCES_GROUP = 0xA7
_CANNOT_UNDERSTAND_GROUP = 0xC


def is_stored(status: int) -> bool:
    """Tell whether the peer holds the object after this C-STORE status."""
    return status in _STORED


def refusal(status: int, comment: str = "") -> node.NodeError:
    """Turn a peer's failure status into the error it means.

    Parameters
    ----------
    status
        Status of a C-STORE or C-ECHO response that is not a success.
    comment
        Error Comment (0000,0902) of the response.

    References
    ----------
    DICOM PS3.4 Table B.2-1; PS3.7 Annex C.
    """
    if status >> 8 == _OUT_OF_RESOURCES_GROUP or status == Status.RESOURCE_LIMITATION:
        return node.PeerBusy(f"status 0x{status:04X} {comment}".rstrip())
    if status == Status.SOP_CLASS_NOT_SUPPORTED:
        return node.ClassNotAccepted(status, comment)
    if status == Status.PROCESSING_FAILURE or status >> 12 == _CANNOT_UNDERSTAND_GROUP:
        return node.PeerStumbled(status, comment)
    return node.PeerRefused(status, comment)
