"""What became of the objects of a request (DICOM PS3.18 10.5.3 and Annex I)."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Response

from dicom_node.dataset.forms.native_model import native_model
from dicom_node.dimse.status import STATUS, status_of
from dicom_node.errors import NodeError
from dicom_node.web.dicomweb.accept import DICOM_JSON, DICOM_XML
from dicom_node.web.dicomweb.searching.answers import address, tag_of
from dicom_node.worklist.reception import Custody, Receipt
from storage.errors import DuplicateInstance, StorageError

logger = logging.getLogger(__name__)

SYNTAX_NOT_SUPPORTED = 0xC122
"""Referenced Transfer Syntax not supported (PS3.18 table I.2-2)."""

_RESOURCES = 0xA7


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of one object.

    Parameters
    ----------
    reason
        Failure Reason (0008,1197), and 0 for what is stored.
    receipt
        What is known of a stored one.
    """

    sop_class_uid: str
    sop_instance_uid: str
    reason: int
    receipt: Receipt | None = None


def stored(sop_class_uid: str, sop_instance_uid: str, receipt: Receipt) -> StoreOutcome:
    """Say what became of an object that was received."""
    quarantined = receipt.custody is Custody.QUARANTINED
    reason = int(STATUS[DuplicateInstance]) if quarantined else 0
    return StoreOutcome(sop_class_uid, sop_instance_uid, reason, receipt)


def failed(sop_class_uid: str, sop_instance_uid: str, error: Exception) -> StoreOutcome:
    """Say why an object was not received; a bug is logged."""
    if not isinstance(error, NodeError | StorageError):
        logger.error("STOW-RS failed.", exc_info=error, extra={"action": "refuse"})
    return StoreOutcome(sop_class_uid, sop_instance_uid, int(status_of(error)))


def status_of_all(outcomes: Sequence[StoreOutcome]) -> HTTPStatus:
    """Choose the status of the whole (PS3.18 table 10.5.3-1).

    Where nothing was stored for want of room only, the client should come again.
    """
    reasons = [outcome.reason for outcome in outcomes]
    if not any(reasons):
        return HTTPStatus.OK
    if not all(reasons):
        return HTTPStatus.ACCEPTED
    if all(reason >> 8 == _RESOURCES for reason in reasons):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.CONFLICT


def report(outcomes: Sequence[StoreOutcome], root: str, media_type: str) -> Response:
    """Write the Store Instances Response Module."""
    said = _module(outcomes, root)
    if refusals := Counter(one.reason for one in outcomes if one.reason):
        reasons = ", ".join(f"{number} x {it:04X}" for it, number in refusals.items())
        logger.warning(
            "Refused objects by STOW-RS: %s.", reasons, extra={"action": "refuse"}
        )
    status = status_of_all(outcomes)
    if media_type == DICOM_XML:
        return Response(native_model(said), status, media_type=DICOM_XML)
    text = json.dumps(said, separators=(",", ":"))
    return Response(text, status, media_type=DICOM_JSON)


def _module(outcomes: Sequence[StoreOutcome], root: str) -> dict[str, Any]:
    good = [one for one in outcomes if not one.reason]
    bad = [one for one in outcomes if one.reason and one.sop_instance_uid]
    unknown = [one for one in outcomes if one.reason and not one.sop_instance_uid]
    studies = {
        one.receipt.study_instance_uid for one in good if one.receipt is not None
    }
    said: dict[str, Any] = {}
    if len(studies) == 1:
        said |= _text("RetrieveURL", "UR", address(root, *studies))
    said |= _sequence("FailedSOPSequence", map(_failure, bad))
    said |= _sequence("ReferencedSOPSequence", (_reference(one, root) for one in good))
    said |= _sequence("OtherFailuresSequence", map(_reason, unknown))
    return dict(sorted(said.items()))


def _reference(one: StoreOutcome, root: str) -> dict[str, Any]:
    place = one.receipt
    uids = (
        (place.study_instance_uid, place.series_instance_uid, one.sop_instance_uid)
        if place is not None
        else ()
    )
    return _identity(one) | _text("RetrieveURL", "UR", address(root, *uids))


def _failure(one: StoreOutcome) -> dict[str, Any]:
    return _identity(one) | _reason(one)


def _identity(one: StoreOutcome) -> dict[str, Any]:
    return _text("ReferencedSOPClassUID", "UI", one.sop_class_uid) | _text(
        "ReferencedSOPInstanceUID", "UI", one.sop_instance_uid
    )


def _reason(one: StoreOutcome) -> dict[str, Any]:
    return {tag_of("FailureReason"): {"vr": "US", "Value": [one.reason]}}


def _text(keyword: str, vr: str, value: str) -> dict[str, Any]:
    return {tag_of(keyword): {"vr": vr, "Value": [value]}}


def _sequence(keyword: str, items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found = list(items)
    return {tag_of(keyword): {"vr": "SQ", "Value": found}} if found else {}
