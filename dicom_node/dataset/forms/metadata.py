"""A stored object's attributes in the DICOM JSON Model, large values by address.

DICOM PS3.18 Annex F.2.6, and 10.4.1.1.2 for bulk data. The address of a value is the
way to it: a tag, or tags and places of items between them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node.dataset.forms.whole import Pixels
from dicom_node.dataset.quiet import MALFORMED, quiet

_INLINE_BYTES = 1024
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_GROUP_LENGTH = 0x0000
_META_GROUP = 0x0002
_DEEPEST = 32

Address = Callable[[Sequence[str]], str]
"""From the way to a value to where it may be had."""


def metadata(
    dataset: Dataset, pixels: Pixels | None, address: Address
) -> dict[str, Any]:
    """Write the attributes; what cannot be read is left out.

    Parameters
    ----------
    dataset
        Without pixel data.
    pixels
        What they were.
    address
        Says where large values may be had.
    """
    with quiet():
        written = _written(dataset, address, ())
        syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    if syntax:
        written["00083002"] = {"vr": "UI", "Value": [str(syntax)]}
    if "00080005" in written:
        written["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    if pixels is not None:
        tag = f"{pixels.tag:08X}"
        written[tag] = {"vr": pixels.vr, "BulkDataURI": address((tag,))}
    return dict(sorted(written.items()))


def bulk_value(dataset: Dataset, way: Sequence[str]) -> bytes | None:
    """Follow the way to a large value; ``None`` where there is none."""
    if not way or len(way) > 2 * _DEEPEST:
        return None
    try:
        with quiet():
            for tag, place in zip(way[:-1:2], way[1::2], strict=False):
                dataset = dataset[int(tag, 16)].value[int(place) - 1]
            found = dataset[int(way[-1], 16)].value
    except MALFORMED:
        return None
    return bytes(found) if isinstance(found, bytes | bytearray) else None


def _written(
    dataset: Dataset, address: Address, way: tuple[str, ...]
) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for tag in list(dataset.keys()):
        if tag.element == _GROUP_LENGTH or tag.group == _META_GROUP:
            continue
        name = f"{int(tag):08X}"
        try:
            written[name] = _attribute(dataset[tag], address, (*way, name))
        except MALFORMED:
            continue
    return written


def _attribute(
    element: DataElement, address: Address, way: tuple[str, ...]
) -> dict[str, Any]:
    if element.VR == "SQ":
        if len(way) > 2 * _DEEPEST:
            raise ValueError("sequences are nested too deeply")
        items = [
            _written(item, address, (*way, str(place)))
            for place, item in enumerate(element.value, start=1)
        ]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    value = element.value
    if (
        element.VR in _BINARY
        and isinstance(value, bytes)
        and len(value) > _INLINE_BYTES
    ):
        return {"vr": str(element.VR), "BulkDataURI": address(way)}
    return dict(element.to_json_dict(None, 1 << 30))
