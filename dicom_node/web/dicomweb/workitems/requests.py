"""Reading UPS-RS requests: bodies, matching keys, and names that editions changed."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import Request
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from starlette.exceptions import HTTPException

from dicom_node.dataset.quiet import UNREADABLE, quiet
from dicom_node.web.dicomweb.workitems.answers import JSON
from dicom_node.worklist.unified.workitem_content import is_uid, read_json
from dicom_node.worklist.unified.workitem_rules import Fault, refuse

TRANSACTION = frozenset({"transaction", "transaction-uid", "transactionuid"})
"""``transaction`` (2014c), ``transaction-uid`` (2019b), ``Transaction-uid`` (2025e)."""
WORKITEM = frozenset(
    {"workitem", "affectedsopinstanceuid", "sopinstanceuid", "00001000", "00080018"}
)
"""``AffectedSOPInstanceUID`` (2014c), ``workitem`` (since)."""
NOT_KEYS = frozenset(
    {"accept", "accept-charset", "charset", "limit", "offset", "includefield"}
    | {"fuzzymatching", "deletionlock", "filter"}
)
_READABLE = ("*/*", "application/*", JSON, "application/json")
_AFFECTED = "00001000"
_TITLE_LENGTH = 16
_TAG_LENGTH = 8
_PATH_LENGTH = 6
_LIMIT, _MOST = 200, 1000


async def body(request: Request) -> bytes:
    """Read the body; the door has seen to its length."""
    return await request.body()


def content(request: Request, sent: bytes) -> tuple[Dataset, str | None]:
    """Read the data set of a body, and the UID that it may give the Workitem.

    Raises
    ------
    WorkitemRefused
        It is no data set.
    HTTPException
        It is of another media type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, "application/json"):
        text = f"A Workitem comes as {JSON}."
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)
    try:
        read = json.loads(sent)
    except (ValueError, RecursionError):
        raise refuse(Fault.INVALID_VALUE, "The body is not JSON.") from None
    affected = _pop_affected(read)
    found = read_json(read)
    named = affected or str(found.get("SOPInstanceUID") or "") or None
    return found, named


def optional_content(request: Request, sent: bytes) -> Dataset:
    """Read the data set of a body that may be empty."""
    return content(request, sent)[0] if sent.strip() else Dataset()


def check_accept(request: Request) -> None:
    """Refuse who reads no JSON.

    Raises
    ------
    HTTPException
        406.
    """
    asked = request.query_params.get("accept") or request.headers.get("accept", "*/*")
    kinds = [one.partition(";")[0].strip().lower() for one in asked.split(",")]
    if not any(kind in _READABLE for kind in kinds):
        text = f"Workitems are given as {JSON}."
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, text)


def uid_parameter(
    request: Request, names: frozenset[str], *others: str | None
) -> str | None:
    """Find a UID that may stand under several names, alone, or in the body.

    Raises
    ------
    WorkitemRefused
        It is said twice, differently.
    """
    found = {other for other in others if other}
    for key, value in request.query_params.multi_items():
        if key.lower() in names:
            found.add(value.strip())
        elif not value and is_uid(key):
            found.add(key)
    if len(found) > 1:
        raise refuse(Fault.INVALID_VALUE, "A UID is said in two ways.")
    return found.pop() if found else None


def ae_title(text: str) -> str:
    """Check an AE title of a path.

    Raises
    ------
    WorkitemRefused
        It is none.
    """
    title = text.strip()
    fits = 0 < len(title) <= _TITLE_LENGTH and "\\" not in title
    if not (fits and title.isascii() and title.isprintable()):
        raise refuse(Fault.INVALID_VALUE, "That is no AE title.")
    return title


def matching_keys(pairs: Iterable[tuple[str, str]]) -> Dataset:
    """Read matching keys: keywords, tags, and dotted paths of either.

    Raises
    ------
    WorkitemRefused
        One is no attribute, or stands twice.
    """
    keys = Dataset()
    for name, value in pairs:
        tags = [_tag(part) for part in name.split(".")]
        if len(tags) > _PATH_LENGTH:
            raise refuse(Fault.INVALID_KEYS, "A path is too long.")
        try:
            with quiet():
                _put(keys, tags, value)
        except UNREADABLE:
            raise refuse(Fault.INVALID_KEYS, "A key cannot be read.") from None
    return keys


def query_keys(request: Request) -> Dataset:
    """Read the matching keys of a query."""
    pairs = request.query_params.multi_items()
    return matching_keys(pair for pair in pairs if pair[0].lower() not in NOT_KEYS)


def filter_keys(request: Request) -> Dataset:
    """Read the keys of a filtered subscription: ``filter=a=b,c=d``, or ``a=b``.

    Raises
    ------
    WorkitemRefused
        They cannot be understood.
    """
    return matching_keys(_filter_pairs(request))


def _filter_pairs(request: Request) -> Iterator[tuple[str, str]]:
    for key, value in request.query_params.multi_items():
        if key.lower() == "filter":
            for part in value.split(","):
                name, _, wanted = part.partition("=")
                yield name.strip(), wanted.strip()
        elif key.lower() not in NOT_KEYS:
            yield key, value


def window(request: Request) -> tuple[int, int]:
    """Read limit and offset.

    Raises
    ------
    WorkitemRefused
        One is no number.
    """
    limit = _number(request, "limit", _LIMIT)
    return min(limit, _MOST), _number(request, "offset", 0)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > _TAG_LENGTH:
        raise refuse(Fault.INVALID_KEYS, f"{name} is no number.")
    return int(text)


def _pop_affected(read: Any) -> str | None:
    """Take the Affected SOP Instance UID out, which belongs to no data set."""
    item = read[0] if isinstance(read, list) and len(read) == 1 else read
    element = item.pop(_AFFECTED, None) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else None
    return first if isinstance(first, str) else None


def _tag(name: str) -> int:
    tag = tag_for_keyword(name)
    if tag is None and len(name) == _TAG_LENGTH:
        try:
            tag = int(name, 16)
            dictionary_VR(tag)
        except (ValueError, KeyError):
            tag = None
    if tag is None or tag >> 16 == 0:
        raise refuse(Fault.INVALID_KEYS, "There is no such attribute.")
    return tag


def _put(keys: Dataset, path: list[int], value: str) -> None:
    tag, *rest = path
    vr = dictionary_VR(tag).split(" ")[0]
    if rest:
        if vr != "SQ":
            raise refuse(Fault.INVALID_KEYS, "A path leads through no sequence.")
        if tag not in keys:
            keys.add(DataElement(tag, "SQ", [Dataset()]))
        _put(keys[tag].value[0], rest, value)
        return
    if tag in keys:
        raise refuse(Fault.INVALID_KEYS, "A key stands twice.")
    if vr == "SQ":
        keys.add(DataElement(tag, vr, []))
    elif vr == "UI":
        keys.add(DataElement(tag, vr, value.replace(",", "\\").split("\\")))
    else:
        keys.add(DataElement(tag, vr, value))
