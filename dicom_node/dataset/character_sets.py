"""Specific Character Set: read whatever is declared, write what the source used.

Headers are decoded into Unicode to build results, and results go back to the source's
character set where that can hold every text (PS3.3 C.12.1.1.2, PS3.5 section 6.1).
"""

import re
from collections.abc import Iterator, Sequence

from pydicom import charset
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import VR

from dicom_node.dataset.quiet import quiet

UNICODE = "ISO_IR 192"
# What may stand alone, and what code extensions may begin with (table C.12-2 to 5).
_ALONE = r"ISO_IR (1(00|01|09|10|13|26|27|38|44|48|66|92)|13|203)|GB18030|GBK"
_FIRST = r"|ISO 2022 IR (6|100|101|109|110|13|126|127|138|144|148|166|203)"
_FURTHER = _FIRST[1:] + r"|ISO 2022 IR (58|87|149|159)"
_TEXT_VRS = {VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UT}
# Each of these resets code extensions (PS3.5 6.1.2.5.3).
_DELIMITERS = set(b"\\^=")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def python_codecs(source: Dataset) -> tuple[str, ...]:
    """Python codecs of Specific Character Set; empty when it says nothing usable."""
    terms = character_set(source)
    if not terms or any(term not in charset.python_encoding for term in terms):
        return ()
    return tuple(charset.python_encoding[term] for term in terms)


def character_set(source: Dataset) -> list[str]:
    """Terms of the source's Specific Character Set (PS3.3 C.12.1.1.2)."""
    if "SpecificCharacterSet" not in source:
        return []
    value = source.get_item("SpecificCharacterSet").value or ""
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    if not isinstance(value, str | Sequence):
        return []  # a number: some other attribute's representation
    terms = value.split("\\") if isinstance(value, str) else list(value)
    stripped = [str(term).strip(" \0") for term in terms]
    return stripped if any(stripped) else []


def decode(value: bytes, encodings: Sequence[str]) -> str:
    """Decode by the declared character set, else as what it most likely is."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    for codecs in filter(None, (encodings, ("utf-8",))):
        try:
            with quiet():
                text = charset.decode_bytes(value, codecs, _DELIMITERS)
        except (UnicodeError, LookupError):
            continue
        if _REPLACEMENT not in text:
            return text
    return value.decode("latin-1")


def restore_character_set(result: Dataset, source: Dataset) -> None:
    """Go back to the source's character set where it can hold every text."""
    terms, codecs = character_set(source), python_codecs(source)
    if not _holds(result, codecs if _is_term(terms) else ()):
        result.SpecificCharacterSet = UNICODE
    elif _is_term(terms):
        result.SpecificCharacterSet = terms[0] if len(terms) == 1 else terms
    else:
        result.pop("SpecificCharacterSet", None)


def holds_every_text(dataset: Dataset) -> bool:
    """Tell whether a data set's own character set can write all of its texts."""
    terms = character_set(dataset)
    return _holds(dataset, python_codecs(dataset) if _is_term(terms) else ())


def _is_term(terms: Sequence[str]) -> bool:
    """Tell whether terms are ones that DICOM knows, in an order that it allows."""
    match terms:
        case []:
            return False
        case [term]:
            return re.fullmatch(f"{_ALONE}|{_FIRST[1:]}", term) is not None
        case [first, *further]:
            begins = re.fullmatch(_FIRST, first) is not None
            return begins and all(re.fullmatch(_FURTHER, term) for term in further)
    return False


def _holds(dataset: Dataset, codecs: Sequence[str]) -> bool:
    # Code extensions start anew in every component (PS3.5 6.1.2.5.3).
    return all(
        _encodable(part, codecs)
        for text in _all_texts(dataset)
        if not text.isascii()
        for part in re.split(r"[\\^=]", text)
    )


def _all_texts(dataset: Dataset) -> Iterator[str]:
    for element in dataset:
        if element.VR == VR.SQ:
            for item in element.value:
                yield from _all_texts(item)
        elif element.VR in _TEXT_VRS and element.value:
            many = isinstance(element.value, MultiValue)
            yield from map(str, element.value if many else [element.value])


def _encodable(text: str, codecs: Sequence[str]) -> bool:
    if not codecs:
        return False
    try:
        with quiet():  # what cannot be encoded comes back as something else
            encoded = charset.encode_string(text, codecs)
            return charset.decode_bytes(encoded, codecs, _DELIMITERS) == text
    except (UnicodeError, LookupError):
        return False
