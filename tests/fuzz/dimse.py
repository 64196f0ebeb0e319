"""A live acceptor, and callers who know the protocol well enough to abuse it."""

import itertools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dicom_node.dimse.presentation import STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.dimse.scu.storage import send
from tests.factories.association_requests import (
    IMPLEMENTATION,
    MAXIMUM_LENGTH,
    VERIFICATION,
    Asked,
    item,
    presentation_context,
    user_identity,
)
from tests.factories.nodes import wait_until
from tests.fuzz.films import films
from tests.fuzz.findings import Finding
from tests.fuzz.mutators import mutated
from tests.fuzz.target import PATIENCE_S, converse
from tests.peers.receiving import (
    MODALITY,
    NODE,
    PATIENT,
    Listening,
    listening,
    radiograph,
    written,
)

_RELEASE = struct.pack(">BBIxxxx", 5, 0, 4)
_RELEASED = struct.pack(">BBIxxxx", 6, 0, 4)
_ABORT = struct.pack(">BBIxxxx", 7, 0, 4)
_ECHO, _STORE, _CANCEL = 0x0030, 0x0001, 0x0FFF
_COMMANDS = (_ECHO, _STORE, _CANCEL, 0x0020, 0x0021, 0x0100, 0x0110, 0x0140, 0x8001)
_META_BYTES = 144
_SYNTAXES = [uid.encode() for uid in TRANSFER_SYNTAXES]
_CLASSES = [uid.encode() for uid in STORAGE_CLASSES]


class Acceptor:
    """Conversations with a listening node, each on a connection of its own."""

    def __init__(self, node: Listening, folder: Path) -> None:
        self._node = node
        self._folder = folder
        self._numbers = itertools.count(1_000)

    def make(self, chance: Random) -> bytes:
        """Write a conversation down, and change what was written."""
        said = [_request(chance)]
        said += [_message(chance) for _ in range(chance.choice((1, 1, 2, 4)))]
        said.append(chance.choice((_RELEASE, _RELEASE, _ABORT, b"")))
        which = chance.randrange(-1, len(said))
        if which >= 0 and chance.random() < 0.7:
            said[which] = mutated(said[which], chance, said)
        elif chance.random() < 0.2:
            chance.shuffle(said)
        return b"".join(said)

    def take(self, data: bytes) -> None:
        """Say it all, and hear the node out."""
        converse(self._node.port, data, _RELEASED)

    def is_well(self) -> None:
        """Send a good film, and see that nothing is left of the callers."""
        film = radiograph(next(self._numbers))
        path = self._folder / "good.dcm"
        path.write_bytes(written(film))
        (result,) = send(
            [path], self._node.remote, calling_ae=MODALITY, timeouts=PATIENT
        )
        if result.status != 0 or not self._node.receiver.knows(film.SOPInstanceUID):
            raise Finding("a good film is not taken any more")
        entity, receiver = self._node.entity, self._node.receiver
        if not wait_until(lambda: entity.associations == 0, PATIENCE_S):
            raise Finding("associations stay that nobody holds")
        if not wait_until(lambda: receiver.half_written() == [], PATIENCE_S):
            raise Finding("half-written objects stay")


def _request(chance: Random) -> bytes:
    """An association request, more or less well-formed."""
    contexts = [presentation_context(1, _CLASSES[0], _SYNTAXES[0])]
    contexts += [
        presentation_context(
            chance.choice((number, number, 1, 2, 255)),
            chance.choice((*_CLASSES, VERIFICATION, b"1.2.3", None)),
            *chance.sample(_SYNTAXES, chance.randrange(3)),
        )
        for number in range(3, 3 + 2 * chance.randrange(4), 2)
    ]
    user = [MAXIMUM_LENGTH, IMPLEMENTATION]
    if chance.random() < 0.3:
        user.append(user_identity(chance.randrange(7), chance.randbytes(9)))
    if chance.random() < 0.3:
        user.append(item(chance.randrange(0x50, 0x60), chance.randbytes(8)))
    calling = chance.choice((b"MODALITY1", b"MODALITY1\0x", "Ä".encode(), b""))
    return Asked(
        calling=calling,
        called=NODE.encode(),
        contexts=tuple(contexts),
        user=b"".join(user),
        more=item(chance.randrange(256), b"??") if chance.random() < 0.1 else b"",
    ).pdu()


def _message(chance: Random) -> bytes:
    """A DIMSE message in one or more PDUs, mutated within its frame perhaps."""
    kind = chance.choice((_STORE, _STORE, _STORE, _ECHO, *_COMMANDS))
    film = chance.choice(films())
    command = _command(chance, kind, film)
    if chance.random() < 0.4:
        command = mutated(command, chance)
    context = chance.choice((1, 1, 1, 1, 3, 2, 77))
    said = _pdu(3, command, context)
    if kind == _STORE:
        data = _data_set(film)
        if chance.random() < 0.6:
            data = mutated(data, chance)
        size = chance.choice((50_000, 50_000, 1_000, 60))
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        pieces = pieces[:60]
        last = len(pieces) - 1
        said += b"".join(
            _pdu(2 if number == last else 0, piece, context)
            for number, piece in enumerate(pieces)
        )
    return said


def _command(chance: Random, kind: int, film: bytes) -> bytes:
    class_uid, instance_uid = _identity(film)
    elements = [
        (0x0002, VERIFICATION if kind == _ECHO else class_uid),
        (0x0100, struct.pack("<H", kind)),
        (0x0110, struct.pack("<H", chance.randrange(1 << 16))),
        (0x0700, struct.pack("<H", chance.choice((0, 1, 2, 7)))),
        (0x0800, struct.pack("<H", 0x0000 if kind == _STORE else 0x0101)),
        (0x1000, instance_uid),
    ]
    if chance.random() < 0.2:
        elements.pop(chance.randrange(len(elements)))
    if chance.random() < 0.1:
        elements.append((chance.randrange(1 << 16), chance.randbytes(6)))
    body = b"".join(_element(number, value) for number, value in elements)
    return _element(0, struct.pack("<I", len(body))) + body


def _element(number: int, value: bytes) -> bytes:
    value += bytes(len(value) % 2)
    return struct.pack("<HHI", 0, number, len(value)) + value


def _pdu(control: int, data: bytes, context: int) -> bytes:
    value = struct.pack(">IBB", len(data) + 2, context, control) + data
    return struct.pack(">BBI", 4, 0, len(value)) + value


def _identity(film: bytes) -> tuple[bytes, bytes]:
    """SOP class and instance UID, as File Meta Information has them."""
    found = []
    for number in (2, 3):
        at = film.index(struct.pack("<HH2s", 2, number, b"UI"), 128)
        (length,) = struct.unpack_from("<H", film, at + 6)
        found.append(film[at + 8 : at + 8 + length].rstrip(b"\0"))
    return found[0], found[1]


def _data_set(film: bytes) -> bytes:
    (length,) = struct.unpack_from("<I", film, _META_BYTES - 4)
    return film[_META_BYTES + length :]


@contextmanager
def acceptor(folder: Path) -> Iterator[Acceptor]:
    """A node that listens and has little patience."""
    with listening(
        folder, association_timeout_s=5, network_timeout_s=5, message_timeout_s=5
    ) as node:
        yield Acceptor(node, folder)
