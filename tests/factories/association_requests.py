"""A-ASSOCIATE-RQ PDUs byte for byte, as peers write them and as they should not."""

import struct
from dataclasses import dataclass

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT = b"1.2.840.10008.1.2"
EXPLICIT = b"1.2.840.10008.1.2.1"


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def presentation_context(
    number: int, abstract: bytes | None, *transfer: bytes, more: bytes = b""
) -> bytes:
    syntaxes = b"".join(item(0x40, syntax) for syntax in transfer)
    named = b"" if abstract is None else item(0x30, abstract)
    return item(0x20, bytes([number, 0, 255, 0]) + named + syntaxes + more)


def user_identity(kind: int, primary: bytes = b"somebody") -> bytes:
    said = struct.pack(">BBH", kind, 1, len(primary)) + primary + b"\0\0"
    return item(0x58, said)


MAXIMUM_LENGTH = item(0x51, struct.pack(">I", 16384))
IMPLEMENTATION = item(0x52, b"1.2.3.4.5")


@dataclass(frozen=True)
class Asked:
    """What a request says; titles are written as they are, padded with blanks."""

    calling: bytes = b"MODALITY1"
    called: bytes = b"CXR_NODE"
    version: int = 1
    application: bytes | None = APPLICATION_CONTEXT
    contexts: tuple[bytes, ...] = (presentation_context(1, VERIFICATION, IMPLICIT),)
    user: bytes | None = MAXIMUM_LENGTH + IMPLEMENTATION
    more: bytes = b""

    def pdu(self) -> bytes:
        items = b"" if self.application is None else item(0x10, self.application)
        items += b"".join(self.contexts) + self.more
        items += b"" if self.user is None else item(0x50, self.user)
        body = struct.pack(
            ">HH16s16s32s",
            self.version,
            0,
            self.called.ljust(16),
            self.calling.ljust(16),
            b"",
        )
        return struct.pack(">BBI", 1, 0, len(body + items)) + body + items
