"""Requests for an association, as peers write them, against a real listener."""

import logging
import struct
from pathlib import Path

import pytest

from dicom_node.dimse.acceptor.admission import Peer
from tests.factories.association_requests import (
    EXPLICIT,
    IMPLEMENTATION,
    IMPLICIT,
    MAXIMUM_LENGTH,
    VERIFICATION,
    Asked,
    item,
    presentation_context,
    user_identity,
)

ACCEPT, REJECT, ABORT = 2, 3, 7
GOOD = presentation_context(1, VERIFICATION, IMPLICIT)
BOTH = MAXIMUM_LENGTH + IMPLEMENTATION
FOLDER = Path(__file__).parents[4] / "shared/cases/association-requests"


def hear_pdu(line):
    kind, _, length = struct.unpack(">BBI", line.hear_some(6))
    return kind, line.hear_some(length)


def results(accepted: bytes) -> dict[int, int]:
    """Context ID -> result, of an A-ASSOCIATE-AC without its first six bytes."""
    found, offset = {}, 68
    while offset < len(accepted):
        kind, length = struct.unpack_from(">BxH", accepted, offset)
        if kind == 0x21:
            found[accepted[offset + 4]] = accepted[offset + 6]
        offset += 4 + length
    return found


def echo_request() -> bytes:
    def element(tag: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, tag, len(value)) + value

    command = (
        element(0x0002, VERIFICATION + b"\0")
        + element(0x0100, struct.pack("<H", 0x0030))
        + element(0x0110, struct.pack("<H", 7))
        + element(0x0800, struct.pack("<H", 0x0101))
    )
    command = element(0x0000, struct.pack("<I", len(command))) + command
    value = struct.pack(">IBB", len(command) + 2, 1, 3) + command
    return struct.pack(">BBI", 4, 0, len(value)) + value


ACCEPTED = {
    "as it should be": Asked(),
    "called title padded with NUL": Asked(called=b"CXR_NODE".ljust(16, b"\0")),
    "calling title padded with NUL": Asked(calling=b"MOD\0"),
    "calling title with rubbish behind a NUL": Asked(calling=b"MOD\0\xcd\xcd\xcd\xcd"),
    "both titles padded with NUL, blanks before": Asked(
        calling=b"  MOD\0\0", called=b" CXR_NODE\0"
    ),
    "calling title in Latin-1": Asked(calling="RÖNTGEN".encode("latin-1")),
    "calling title in UTF-8": Asked(calling="Röntgen 山".encode()),
    "calling title with a backslash": Asked(calling=b"CR\\1"),
    "calling title with control characters": Asked(calling=b"CR\r\n1\x1b"),
    "blank calling title": Asked(calling=b""),
    "calling title of NUL": Asked(calling=bytes(16)),
    "version name of 17 letters": Asked(user=BOTH + item(0x55, b"V" * 17)),
    "version name of 400 letters": Asked(user=BOTH + item(0x55, b"V" * 400)),
    "version name with NUL": Asked(user=BOTH + item(0x55, b"VERS_1\0")),
    "version name not ASCII": Asked(user=BOTH + item(0x55, b"V\xc41")),
    "empty version name": Asked(user=BOTH + item(0x55, b"")),
    "unknown user sub-item": Asked(user=BOTH + item(0x5F, b"abcd")),
    "unknown user sub-items before the others": Asked(
        user=item(0x99, b"") + item(0xFE, b"xyz") + BOTH
    ),
    "unknown item": Asked(more=item(0x77, b"abc")),
    "unknown sub-item of a context": Asked(
        contexts=(
            presentation_context(1, VERIFICATION, IMPLICIT, more=item(0x41, b"x")),
        )
    ),
    "protocol version 3": Asked(version=3),
    "protocol version 0xFFFF": Asked(version=0xFFFF),
    "user identity of kind 1": Asked(user=BOTH + user_identity(1)),
    "user identity of kind 9": Asked(user=BOTH + user_identity(9)),
    "user identity cut short": Asked(user=BOTH + item(0x58, b"\1")),
    "asynchronous operations cut short": Asked(user=BOTH + item(0x53, b"\0")),
    "roles of a strange kind": Asked(
        user=BOTH + item(0x54, struct.pack(">H", 17) + VERIFICATION + b"\7\7")
    ),
    "extended negotiation of nonsense": Asked(user=BOTH + item(0x56, b"\xff\xff1")),
    "no implementation class": Asked(user=MAXIMUM_LENGTH),
    "no maximum length": Asked(user=IMPLEMENTATION),
    "no user information": Asked(user=None),
    "a maximum length of one": Asked(
        user=item(0x51, struct.pack(">I", 1)) + IMPLEMENTATION
    ),
    "no limit of length": Asked(user=item(0x51, bytes(4)) + IMPLEMENTATION),
    "UIDs padded with NUL": Asked(
        contexts=(presentation_context(1, VERIFICATION + b"\0", IMPLICIT + b"\0"),),
        application=b"1.2.840.10008.3.1.1.1\0",
        user=MAXIMUM_LENGTH + item(0x52, b"1.2.3.4\0"),
    ),
    "a transfer syntax without name beside a good one": Asked(
        contexts=(presentation_context(1, VERIFICATION, b"", IMPLICIT, b"9" * 80),)
    ),
}


@pytest.mark.parametrize("asked", ACCEPTED)
def test_what_others_accept_is_accepted_and_served(node, dial, asked):
    line = dial(node.port)
    line.say(ACCEPTED[asked].pdu())
    kind, body = hear_pdu(line)
    assert kind == ACCEPT
    assert results(body) == {1: 0}
    line.say(echo_request())
    kind, body = hear_pdu(line)
    assert kind == 4
    assert struct.pack("<HHIH", 0, 0x0900, 2, 0) in body


BROKEN_CONTEXTS = {
    "no transfer syntax": (3, 4, VERIFICATION),
    "a transfer syntax without a name": (255, 4, VERIFICATION, b""),
    "no abstract syntax": (77, 3, None, IMPLICIT),
}


@pytest.mark.parametrize("broken", BROKEN_CONTEXTS)
def test_a_context_without_a_syntax_is_refused_alone(node, dial, caplog, broken):
    number, result, abstract, *transfer = BROKEN_CONTEXTS[broken]
    broken = presentation_context(number, abstract, *transfer)
    line = dial(node.port)
    line.say(Asked(contexts=(GOOD, broken), calling=b"CR_7\0").pdu())
    kind, body = hear_pdu(line)
    assert (kind, results(body)) == (ACCEPT, {1: 0, number: result})
    (said,) = [record.getMessage() for record in caplog.records]
    assert "'CR_7' at 127.0.0.1" in said
    assert f"presentation context {number}: no " in said


REFUSED = {
    "another called title": (Asked(called=b"SOMEBODY"), REJECT, "called AE title"),
    "no called title": (Asked(called=b""), REJECT, "called AE title"),
    "protocol version 2": (Asked(version=2), REJECT, "protocol version 2"),
    "protocol version 0": (Asked(version=0), REJECT, "protocol version 0"),
    "no application context": (Asked(application=None), REJECT, "application context"),
    "another application": (Asked(application=b"1.2.3"), REJECT, "application context"),
    "a context of an even ID": (
        Asked(contexts=(presentation_context(2, VERIFICATION, IMPLICIT),)),
        ABORT,
        "presentation context 2",
    ),
    "a context cut short": (
        Asked(contexts=(item(0x20, b"\1"),)),
        ABORT,
        "presentation context",
    ),
    "a sub-item longer than its context": (
        Asked(
            contexts=(item(0x20, b"\1\0\0\0" + struct.pack(">BBH", 0x30, 0, 99)),),
        ),
        ABORT,
        "presentation context 1: item 0x30",
    ),
    "a user sub-item longer than the rest": (
        Asked(user=struct.pack(">BBH", 0x55, 0, 99)),
        ABORT,
        "user information: item 0x55",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_names_peer_title_and_field_in_one_line(
    node, dial, caplog, why
):
    asked, answer, field = REFUSED[why]
    line = dial(node.port)
    line.say(asked.pdu())
    assert hear_pdu(line)[0] == answer
    said = [
        record.getMessage()
        for record in caplog.records
        # The library is kept quiet where the node writes its log.
        if record.name.startswith("dicom_node") and record.levelno >= logging.WARNING
    ]
    assert len(said) == 1
    assert "'MODALITY1'" in said[0]
    assert "127.0.0.1" in said[0]
    assert field in said[0]


def test_a_title_that_is_not_ascii_is_listed_as_the_log_writes_it(start, dial, caplog):
    asked = Asked(calling="RÖNTGEN".encode("latin-1")).pdu()
    node = start(accept_unknown_peers=False, peers=(Peer("CT"),))
    line = dial(node.port)
    line.say(asked)
    assert hear_pdu(line)[0] == REJECT
    assert "'R?NTGEN'" in caplog.text
    line = dial(start(accept_unknown_peers=False, peers=(Peer("R?NTGEN"),)).port)
    line.say(asked)
    assert hear_pdu(line)[0] == ACCEPT


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.filterwarnings("ignore:The value length")
def test_no_byte_of_a_request_breaks_the_listener(node, dial, caplog):
    whole = bytearray(
        Asked(
            contexts=(GOOD, presentation_context(3, VERIFICATION, EXPLICIT, IMPLICIT)),
            user=BOTH + item(0x55, b"VERSION") + user_identity(1),
        ).pdu()
    )
    for place in range(6, len(whole), 3):
        damaged = whole[:]
        damaged[place] ^= 0xFF
        line = dial(node.port)
        line.say(bytes(damaged))
        assert hear_pdu(line)[0] in {ACCEPT, REJECT, ABORT}
        line.hang_up()
    assert "Traceback" not in caplog.text


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the cases are not there")
@pytest.mark.parametrize(
    "file", sorted(FOLDER.glob("*.bin")), ids=lambda path: path.stem
)
def test_a_request_from_the_field_is_accepted(node, dial, file):
    line = dial(node.port)
    line.say(file.read_bytes())
    kind, body = hear_pdu(line)
    assert kind == ACCEPT
    assert results(body)[1] == 0
