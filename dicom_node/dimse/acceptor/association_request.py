"""An A-ASSOCIATE-RQ as peers write it, made what the library reads (PS3.8 9.3.2).

The library takes the standard by its letter and refuses what every archive accepts:
titles padded with NUL, long version names, items that it does not know. What decides
nothing is mended or left out here; what has to be refused is named.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dicom_node.dimse.acceptor.messages import Malformed

_FIXED = struct.Struct(">H2x16s16s32x")
_APPLICATION_CONTEXT, _PRESENTATION_CONTEXT, _USER_INFORMATION = 0x10, 0x20, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _IMPLEMENTATION_CLASS, _ROLES, _VERSION_NAME = 0x51, 0x52, 0x54, 0x55
_VERSION_NAME_LENGTH = 16
_UID_LENGTH = 64
_LEAST_PDU_BYTES, _USUAL_PDU_BYTES = 1024, 16 * 1024
NOTHING = "2.25.0"
"""A UID that names nothing: a context that lacks one is refused as one with this is."""


class AssociationRequest(NamedTuple):
    """What a peer asks for, as the library can read it.

    Parameters
    ----------
    body
        The PDU without its type and length.
    version
        Protocol version; one without bit 0 is refused (A-ASSOCIATE-RJ).
    defects
        What is refused of it, in words; the rest may be accepted.
    """

    body: bytes
    version: int
    defects: tuple[str, ...]


def calling_title(body: bytes) -> str:
    """Say who asks, in printable ASCII; ``?`` stands for every other byte."""
    return _title(body[20:36]).decode()


def tidied(body: bytes) -> AssociationRequest:
    """Mend a request as far as it may be mended.

    Raises
    ------
    Malformed
        It cannot be understood; the message names the field.
    """
    if len(body) < _FIXED.size:
        raise Malformed(f"the request ends after {len(body)} bytes")
    version, called, calling = _FIXED.unpack_from(body)
    defects: list[str] = []
    items: list[bytes] = []
    about_user = b""
    for kind, value in _items(body[_FIXED.size :], "the request"):
        if kind == _APPLICATION_CONTEXT:
            items.append(_item(kind, _uid(value)))
        elif kind == _PRESENTATION_CONTEXT:
            items.append(_item(kind, _presentation_context(value, defects)))
        elif kind == _USER_INFORMATION:
            about_user = value
    items.append(_item(_USER_INFORMATION, _user_information(about_user)))
    # Only bit 0 may be tested, PS3.8 Table 9-11.
    told = 1 if version & 1 else version
    head = _FIXED.pack(told, _padded(_title(called)), _padded(_title(calling)))
    return AssociationRequest(head + b"".join(items), version, tuple(defects))


def _presentation_context(value: bytes, defects: list[str]) -> bytes:
    if len(value) < 4:  # noqa: PLR2004  ID and three reserved bytes
        raise Malformed("a presentation context item is cut short")
    number = value[0]
    where = f"presentation context {number}"
    if number % 2 == 0:
        raise Malformed(f"{where}: its ID is not odd")
    abstract, transfer = b"", []
    for kind, content in _items(value[4:], where):
        uid = _uid(content)
        if kind == _ABSTRACT_SYNTAX and not abstract:
            abstract = uid
        elif kind == _TRANSFER_SYNTAX and 0 < len(uid) <= _UID_LENGTH:
            transfer.append(uid)
    if not 0 < len(abstract) <= _UID_LENGTH:
        defects.append(f"{where}: no abstract syntax")
        abstract = NOTHING.encode()
    if not transfer:
        defects.append(f"{where}: no transfer syntax")
        transfer = [NOTHING.encode()]
    syntaxes = b"".join(_item(_TRANSFER_SYNTAX, uid) for uid in transfer)
    return value[:4] + _item(_ABSTRACT_SYNTAX, abstract) + syntaxes


def _user_information(value: bytes) -> bytes:
    """Keep what this node negotiates; the rest is an offer that it may leave open.

    Unknown sub-items, unknown kinds of user identity, asynchronous operations and
    extended negotiation go unanswered, as PS3.7 D.3.3 lets an acceptor do.
    """
    length = _USUAL_PDU_BYTES
    kept: list[bytes] = []
    for kind, content in _items(value, "user information"):
        if kind == _MAXIMUM_LENGTH and len(content) == struct.calcsize(">I"):
            (length,) = struct.unpack(">I", content)
        elif kind == _IMPLEMENTATION_CLASS and 0 < len(_uid(content)) <= _UID_LENGTH:
            kept.append(_item(kind, _uid(content)))
        elif kind == _VERSION_NAME:
            name = _printable(content.rstrip(b"\0 "))[:_VERSION_NAME_LENGTH]
            kept += [_item(kind, name)] if name.strip() else []
        elif kind == _ROLES:
            kept += _roles(content)
    if 0 < length < _LEAST_PDU_BYTES:  # our shortest answers have to fit
        length = _LEAST_PDU_BYTES
    return _item(_MAXIMUM_LENGTH, struct.pack(">I", length)) + b"".join(kept)


def _roles(content: bytes) -> Iterable[bytes]:
    uid, roles = content[2:-2].rstrip(b"\0 "), content[-2:]
    well = len(content) > 4 and struct.unpack_from(">H", content)[0] == len(content) - 4  # noqa: PLR2004  two bytes before the UID, two behind it
    if well and 0 < len(uid) <= _UID_LENGTH and uid.isascii() and max(roles) <= 1:
        yield _item(_ROLES, struct.pack(">H", len(uid)) + uid + roles)


def _items(data: bytes, where: str) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        if offset + 4 > len(data):
            raise Malformed(f"{where}: an item is cut short")
        kind, length = struct.unpack_from(">BxH", data, offset)
        end = offset + 4 + length
        if end > len(data):
            raise Malformed(f"{where}: item 0x{kind:02X} is longer than the rest")
        yield kind, data[offset + 4 : end]
        offset = end


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _uid(value: bytes) -> bytes:
    return _printable(value.strip(b"\0 "))


def _title(value: bytes) -> bytes:
    """Read a title as the C programs do that pad it: what follows a NUL is nothing."""
    return _printable(value.split(b"\0")[0]).strip() or b"?"


def _padded(title: bytes) -> bytes:
    return title.ljust(16)


def _printable(value: bytes) -> bytes:
    return bytes(
        byte if 0x20 <= byte < 0x7F and byte != ord("\\") else ord("?")  # noqa: PLR2004  the range of printable ASCII
        for byte in value
    )
