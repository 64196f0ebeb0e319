"""A PACS that answers nonsense, called by the node."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.storage import send
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import NodeError
from tests.factories.association_requests import APPLICATION_CONTEXT, item
from tests.fuzz.films import good_film
from tests.fuzz.findings import Finding
from tests.fuzz.mutators import mutated
from tests.fuzz.target import PATIENCE_S
from tests.peers.pacs import PACS
from tests.peers.receiving import MODALITY

_HASTE = Timeouts(connection_s=5, association_s=2, message_s=2, network_s=2)
_EXPLICIT, _IMPLICIT = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"
_CR = b"1.2.840.10008.5.1.4.1.1.1"
_LISTEN_S = 0.5


class Nonsense:
    """What a PACS answers to one association, PDU by PDU."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "film.dcm"
        self._path.write_bytes(good_film())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def _remote(self) -> RemoteAE:
        return RemoteAE("PACS", "127.0.0.1", self._listener.getsockname()[1])

    def make(self, chance: Random) -> bytes:
        """An acceptance and an answer, and what becomes of them."""
        said = [_accepting(chance), _stored(chance), _released(chance)]
        which = chance.randrange(len(said))
        said[which] = mutated(said[which], chance, said)
        return b"".join(said)

    def take(self, data: bytes) -> None:
        """Send a film there, or ask by C-ECHO."""
        self._answer = data
        began = time.monotonic()
        with suppress(NodeError):
            if data and data[-1] % 4 == 0:
                echo(self._remote, calling_ae=MODALITY, timeouts=_HASTE)
            else:
                list(
                    send(
                        [self._path],
                        self._remote,
                        calling_ae=MODALITY,
                        timeouts=_HASTE,
                    )
                )
        if time.monotonic() - began > PATIENCE_S:
            raise Finding("a destination's answer held the sender up")

    def is_well(self) -> None:
        """Send the film to a PACS that has its wits."""
        pacs = PACS((_CR.decode(),))
        with pacs.listening() as port:
            remote = RemoteAE("PACS", "127.0.0.1", port)
            patient = Timeouts(PATIENCE_S, PATIENCE_S, PATIENCE_S, PATIENCE_S)
            (result,) = send(
                [self._path], remote, calling_ae=MODALITY, timeouts=patient
            )
        if result.status != 0:
            raise Finding("a good PACS is not served any more")

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                with line, suppress(OSError):
                    line.settimeout(_LISTEN_S)
                    line.recv(65536)
                    line.sendall(self._answer)
                    line.shutdown(socket.SHUT_WR)
                    while line.recv(65536):
                        pass


def _accepting(chance: Random) -> bytes:
    """An A-ASSOCIATE-AC for the first contexts (PS3.8 9.3.3)."""
    contexts = b"".join(
        item(
            0x21,
            bytes([number, 0, chance.choice((0, 0, 0, 0, 3, 9)), 0])
            + item(0x40, chance.choice((_EXPLICIT, _EXPLICIT, _IMPLICIT, b""))),
        )
        for number in range(1, 2 + 2 * chance.randrange(4), 2)
    )
    user = item(0x51, struct.pack(">I", chance.choice((16384, 0, 1, 2**32 - 1))))
    user += item(0x52, b"1.2.3.4")
    body = struct.pack(">HH16s16s32s", 1, 0, b"PACS", MODALITY.encode(), b"")
    body += item(0x10, APPLICATION_CONTEXT) + contexts + item(0x50, user)
    return struct.pack(">BBI", 2, 0, len(body)) + body


def _stored(chance: Random) -> bytes:
    """A C-STORE-RSP, or one to C-ECHO."""
    body = b"".join(
        struct.pack("<HHI", 0, number, len(value)) + value
        for number, value in (
            (0x0002, _CR + b"\0"),
            (0x0100, struct.pack("<H", chance.choice((0x8001, 0x8001, 0x8030, 0)))),
            (0x0120, struct.pack("<H", chance.choice((1, 1, 1, 0, 7)))),
            (0x0800, struct.pack("<H", chance.choice((0x0101, 0x0101, 0)))),
            (0x0900, struct.pack("<H", chance.choice((0, 0xA700, 0xB000, 0xFFFF)))),
            (0x0902, chance.choice((b"why\0", b"\xff\n", b""))),
        )
    )
    command = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    value = struct.pack(">IBB", len(command) + 2, 1, 3) + command
    return struct.pack(">BBI", 4, 0, len(value)) + value


def _released(chance: Random) -> bytes:
    kind = chance.choice((6, 6, 5, 7, 3))
    return struct.pack(">BBIxxxx", kind, 0, 4)


@contextmanager
def nonsense(folder: Path) -> Iterator[Nonsense]:
    """A PACS without its wits."""
    target = Nonsense(folder)
    try:
        yield target
    finally:
        target.close()
