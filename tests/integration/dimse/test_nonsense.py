"""A PACS that answers nonsense: the sender says that it cannot be reached."""

import struct

import pytest

from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable
from tests.factories.association_requests import APPLICATION_CONTEXT, item
from tests.fuzz.destination import _HASTE, Nonsense
from tests.fuzz.findings import watching
from tests.peers.receiving import MODALITY

IMPLICIT = item(0x40, b"1.2.840.10008.1.2")
USUAL = struct.pack(">I", 16384)
STRANGE_COMMAND = struct.pack("<HHIH", 0, 0x0110, 2, 1)


def accepting(syntax=IMPLICIT, length=USUAL):
    body = struct.pack(">HH16s16s32s", 1, 0, b"PACS", b"MODALITY1", b"")
    body += item(0x10, APPLICATION_CONTEXT)
    body += item(0x21, bytes([1, 0, 0, 0]) + syntax)
    body += item(0x50, item(0x51, length) + item(0x52, b"1.2.3"))
    return struct.pack(">BBI", 2, 0, len(body)) + body


def data(command):
    value = struct.pack(">IBB", len(command) + 2, 1, 3) + command
    return struct.pack(">BBI", 4, 0, len(value)) + value


ANSWERS = {
    "a context without a transfer syntax": accepting(b""),
    "a syntax without a name": accepting(item(0x40, b"")),
    "one byte at a time": accepting(length=struct.pack(">I", 1)),
    "no length at all": accepting(length=b""),
    "a command that lacks everything": accepting() + data(STRANGE_COMMAND),
    "an abort for no reason": accepting() + struct.pack(">BBIxx", 7, 0, 4) + b"1w",
    "a release at once": accepting() + struct.pack(">BBIxxxx", 6, 0, 4),
    "no DICOM": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.fixture
def pacs(tmp_path):
    pacs = Nonsense(tmp_path)
    yield pacs
    pacs.close()


@pytest.mark.parametrize("answer", ANSWERS)
def test_who_answers_nonsense_is_unreachable(pacs, answer):
    pacs._answer = ANSWERS[answer]
    with watching() as watch, pytest.raises(PeerUnreachable):
        echo(pacs._remote, calling_ae=MODALITY, timeouts=_HASTE)
    watch.raise_what_was_told()
    pacs.is_well()
