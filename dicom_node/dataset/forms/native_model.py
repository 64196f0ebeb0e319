"""The DICOM JSON Model -> the Native DICOM Model, its form in XML.

DICOM PS3.18 Annex F says what comes in, PS3.19 A.1 what goes out.
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from pydicom.datadict import keyword_for_tag

_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_FORMS = ("Alphabetic", "Ideographic", "Phonetic")
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def native_model(attributes: Mapping[str, Any]) -> bytes:
    """Write a data set as XML.

    Parameters
    ----------
    attributes
        In the DICOM JSON Model.
    """
    root = Element("NativeDicomModel", {"xmlns": _NAMESPACE, "xml:space": "preserve"})
    _write(root, attributes)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _write(parent: Element, attributes: Mapping[str, Any]) -> None:
    for tag, attribute in sorted(attributes.items()):
        named = {"tag": tag, "vr": str(attribute["vr"])}
        if keyword := keyword_for_tag(int(tag, 16)):
            named["keyword"] = keyword
        element = SubElement(parent, "DicomAttribute", named)
        if "BulkDataURI" in attribute:
            SubElement(element, "BulkData", {"uri": attribute["BulkDataURI"]})
        elif "InlineBinary" in attribute:
            SubElement(element, "InlineBinary").text = attribute["InlineBinary"]
        for number, value in enumerate(attribute.get("Value", ()), start=1):
            _write_value(element, str(attribute["vr"]), value, {"number": str(number)})


def _write_value(parent: Element, vr: str, value: Any, number: dict[str, str]) -> None:
    if vr == "SQ":
        _write(SubElement(parent, "Item", number), value or {})
    elif vr == "PN":
        _write_name(SubElement(parent, "PersonName", number), value or {})
    else:
        SubElement(parent, "Value", number).text = _text(value)


def _write_name(parent: Element, name: Mapping[str, str]) -> None:
    for form in _FORMS:
        if form in name:
            element = SubElement(parent, form)
            for part, text in zip(_PARTS, name[form].split("^"), strict=False):
                if text:
                    SubElement(element, part).text = _text(text)


def _text(value: Any) -> str:
    """Write a value; what XML has no letter for is left out."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _NO_XML.sub("", str(value))
