import gc
import struct
import threading
import tracemalloc
import zlib

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.transport import AddressInformation

from dicom_node.dimse.presentation import STORAGE_CLASSES, context
from dicom_node.dimse.scu.storage import send
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable
from tests.factories.nodes import wait_until
from tests.peers.receiving import MODALITY, NODE, PATIENT, encoded, radiograph, written

CR = STORAGE_CLASSES[0]
ABORT, ACCEPT = 0x07, 0x02
NO_DATA_SET, DATA_SET = 0x0101, 0x0000


def associate_request(syntax=ExplicitVRLittleEndian) -> bytes:
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = MODALITY, NODE
    request.calling_presentation_address = AddressInformation("127.0.0.1", 1)
    request.called_presentation_address = AddressInformation("127.0.0.1", 1)
    wanted = context(CR, [syntax])
    wanted.context_id = 1
    request.presentation_context_definition_list = [wanted]
    length, implementation = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
    )
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = "1.2.3"
    request.user_information = [length, implementation]
    return A_ASSOCIATE_RQ(request).encode()


def data_pdu(control: int, data: bytes, context_id: int = 1) -> bytes:
    value = struct.pack(">IBB", len(data) + 2, context_id, control) + data
    return struct.pack(">BBI", 4, 0, len(value)) + value


def store_request(uid: str, number: int = 1, data_set: int = DATA_SET) -> bytes:
    def element(tag: int, value: bytes) -> bytes:
        value += bytes(len(value) % 2)
        return struct.pack("<HHI", 0, tag, len(value)) + value

    body = (
        element(0x0002, CR.encode())
        + element(0x0100, struct.pack("<H", 0x0001))
        + element(0x0110, struct.pack("<H", number))
        + element(0x0700, struct.pack("<H", 0))
        + element(0x0800, struct.pack("<H", data_set))
        + element(0x1000, uid.encode())
    )
    return element(0x0000, struct.pack("<I", len(body))) + body


def pieces(data: bytes, uid: str) -> bytes:
    said = data_pdu(3, store_request(uid))
    for start in range(0, len(data), 60_000):
        last = 2 if start + 60_000 >= len(data) else 0
        said += data_pdu(last, data[start : start + 60_000])
    return said


def open_line(dial, node, syntax=ExplicitVRLittleEndian):
    line = dial(node.port)
    line.say(associate_request(syntax))
    (kind, _, length) = struct.unpack(">BBI", line.hear_some(6))
    assert kind == ACCEPT
    line.hear_some(length)
    return line


def status_heard(line) -> int:
    _, _, length = struct.unpack(">BBI", line.hear_some(6))
    body = line.hear_some(length)
    at = body.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
    return struct.unpack("<H", body[at : at + 2])[0]


def answers(node) -> bool:
    try:
        echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    except PeerUnreachable:
        return False
    return True


def serves(node, tmp_path) -> bool:
    """Tell whether the node takes the next image as if nothing had happened."""
    path = tmp_path / "good.dcm"
    path.write_bytes(written(radiograph(99)))
    results = send([path], node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    return [result.status for result in results] == [0]


GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "a request of four gigabytes": struct.pack(">BBI", 1, 0, 0xFFFFFFFF),
    "a request of nonsense": struct.pack(">BBI", 1, 0, 500) + b"\xfe" * 500,
    "data before the association": data_pdu(3, b"x" * 100),
    "data of a gigabyte before it": struct.pack(">BBI", 4, 0, 1 << 30),
    "an abort of a megabyte": struct.pack(">BBI", 7, 0, 1 << 20),
    "a release without association": struct.pack(">BBIxxxx", 5, 0, 4),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_on_the_port_is_aborted_and_disturbs_nobody(
    node, dial, tmp_path, garbage
):
    line = dial(node.port)
    line.say(GARBAGE[garbage])
    heard = line.hear()
    assert heard == b"" or heard[0] == ABORT
    assert serves(node, tmp_path)


BROKEN = {
    "data of a gigabyte": struct.pack(">BBI", 4, 0, 1 << 30),
    "a value longer than its PDU": struct.pack(">BBIIBB", 4, 0, 6, 1 << 20, 1, 3),
    "a value without control header": struct.pack(">BBIIBB", 4, 0, 6, 1, 1, 3),
    "a command of nonsense": data_pdu(3, b"\xfe" * 200),
    "an empty command": data_pdu(3, b""),
    "data without command": data_pdu(2, b"x" * 100),
    "a context that was not accepted": data_pdu(3, store_request("1.2.3"), 77)
    + data_pdu(2, b"x" * 100, 77),
    "an instance UID that is none": data_pdu(3, store_request("1." * 50 + "1"))
    + data_pdu(2, b"x" * 100),
    "a command within a data set": data_pdu(3, store_request("1.2.3"))
    + data_pdu(3, store_request("1.2.3")),
    "a second request for association": associate_request(),
}


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_conversation_is_aborted_and_disturbs_nobody(
    node, dial, tmp_path, broken
):
    line = open_line(dial, node)
    line.say(BROKEN[broken])
    heard = line.hear()
    assert heard == b"" or bytes([ABORT, 0, 0, 0, 0, 4]) in heard
    assert serves(node, tmp_path)
    assert node.receiver.half_written() == []


def test_a_caller_who_does_not_wait_for_his_answers_is_cut_off(node, dial, tmp_path):
    image = radiograph(1)
    flood = b"".join(
        data_pdu(3, store_request(f"1.2.{number}", number, NO_DATA_SET))
        for number in range(2, 50)
    )
    line = open_line(dial, node)
    # While another writes, the first image waits for its commit, the rest for it.
    with node.receiver.database.transaction():
        line.say(pieces(encoded(image), image.SOPInstanceUID) + flood)
        assert bytes([ABORT, 0, 0, 0, 0, 4]) in line.hear()
    assert serves(node, tmp_path)
    assert node.receiver.half_written() == []


def test_a_request_without_data_set_cannot_be_understood(node, dial):
    line = open_line(dial, node)
    line.say(data_pdu(3, store_request("1.2.3", data_set=NO_DATA_SET)))
    assert status_heard(line) in {0xC000, 0x0110}


def without(request: bytes, tag: int, value: bytes | None = None) -> bytes:
    """A command set less one element, or with another value of the same length."""
    at = 12
    while struct.unpack_from("<HH", request, at)[1] != tag:
        at += 8 + struct.unpack_from("<I", request, at + 4)[0]
    (length,) = struct.unpack_from("<I", request, at + 4)
    new = b"" if value is None else request[at : at + 8] + value
    body = request[12:at] + new + request[at + 8 + length :]
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


@pytest.mark.parametrize("data_set", [NO_DATA_SET, DATA_SET])
@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (0x0002, "AffectedSOPClassUID"),
        (0x1000, "AffectedSOPInstanceUID"),
        (0x0110, "MessageID"),
    ],
)
def test_a_request_that_lacks_what_names_it_ends_at_once(
    node, dial, caplog, tag, name, data_set
):
    line = open_line(dial, node)
    line.say(data_pdu(3, without(store_request("1.2.3", 1, data_set), tag)))
    assert bytes([ABORT, 0, 0, 0, 0, 4]) in line.hear()
    assert f"of '{MODALITY}' at 127.0.0.1: a request has no {name}" in caplog.text
    assert node.receiver.half_written() == []


@pytest.mark.parametrize("priority", [3, 0xFFFF])
def test_a_priority_that_means_nothing_is_none_of_ours(node, dial, priority):
    image = radiograph(1)
    uid = image.SOPInstanceUID
    request = without(store_request(uid), 0x0700, struct.pack("<H", priority))
    line = open_line(dial, node)
    line.say(data_pdu(3, request) + data_pdu(2, encoded(image)))
    assert status_heard(line) == 0
    assert node.receiver.knows(uid)


def test_a_sender_that_hangs_up_in_the_middle_leaves_nothing(node, dial, tmp_path):
    line = open_line(dial, node)
    said = pieces(encoded(radiograph(1, PixelData=bytes(500_000))), "1.2.3")
    line.say(said[: len(said) // 2])
    assert wait_until(lambda: node.receiver.half_written() != [])
    line.hang_up()
    assert wait_until(lambda: node.entity.associations == 0)
    assert wait_until(lambda: node.receiver.half_written() == [])
    assert serves(node, tmp_path)


@pytest.mark.parametrize("start_of", [b"", associate_request()[:20]])
def test_a_caller_who_never_finishes_his_request_is_cut_off(start, dial, start_of):
    node = start(association_timeout_s=0.5)
    line = dial(node.port)
    line.say(start_of)
    assert line.hear() == b""


def test_a_caller_who_falls_silent_is_cut_off(start, dial):
    node = start(network_timeout_s=0.5)
    idle, halfway = open_line(dial, node), open_line(dial, node)
    halfway.say(data_pdu(3, store_request("1.2.3"))[:-10])
    assert idle.hear()[:1] in {b"", bytes([ABORT])}
    assert halfway.hear()[:1] in {b"", bytes([ABORT])}
    assert wait_until(lambda: node.entity.associations == 0)


def test_connections_beyond_all_measure_are_closed_at_once(start, dial):
    node = start(max_associations=1)
    lines = [dial(node.port) for _ in range(40)]
    heard: list[bytes] = []
    listeners = [
        threading.Thread(target=lambda line=line: heard.append(line.hear()))
        for line in lines[20:]
    ]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join(180)
    assert heard == [b""] * 20
    for line in lines:
        line.hang_up()
    assert wait_until(lambda: answers(node))


def test_a_deflate_bomb_is_refused_in_bounded_memory(node, dial, tmp_path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(struct.pack("<HH2sHI", 9, 0x1001, b"UN", 0, 0x7FFFFFF0))
    for _ in range(200):
        bomb += packer.compress(bytes(1_000_000))
    bomb += packer.flush()
    line = open_line(dial, node, DeflatedExplicitVRLittleEndian)
    tracemalloc.start()
    line.say(pieces(bomb, "1.2.3"))
    assert status_heard(line) == 0xC000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert serves(node, tmp_path)


SEQUENCE = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
DATA_SETS = {
    "deep sequences": (SEQUENCE + ITEM) * 50_000,
    "endless items": SEQUENCE + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 500_000,
    "a length beyond the end": struct.pack("<HH2sHI", 8, 0x1140, b"UN", 0, 1 << 31),
    "a web page": b"<!DOCTYPE html><html><body>not found</body></html>" * 50,
    "nothing but zeros": bytes(100_000),
}


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_a_lying_data_set_is_refused_on_a_living_association(node, dial, data_set):
    line = open_line(dial, node)
    tracemalloc.start()
    line.say(pieces(DATA_SETS[data_set], "1.2.3"))
    assert status_heard(line) == 0xC000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000
    good = radiograph(1)
    line.say(pieces(encoded(good), good.SOPInstanceUID))
    assert status_heard(line) == 0x0000
    assert node.receiver.half_written() == []


def test_rows_and_columns_without_pixels_are_no_burden(node, dial):
    line = open_line(dial, node)
    lie = radiograph(1, Rows=65535, Columns=65535, PixelData=None)
    tracemalloc.start()
    line.say(pieces(encoded(lie), lie.SOPInstanceUID))
    assert status_heard(line) in {0x0000, 0xC000}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_large_image_is_not_held_in_memory(node, dial):
    image = radiograph(1, PixelData=bytes(30_000_000))
    said = pieces(encoded(image), image.SOPInstanceUID)
    line = open_line(dial, node)
    gc.collect()
    tracemalloc.start()
    line.say(said)
    assert status_heard(line) == 0x0000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000


def test_the_node_still_answers(node):
    echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)


def request_of(kind: int, sop_class: str) -> bytes:
    """A request of any kind, for an instance of a class."""
    request = without(store_request("1.2.3", 1, NO_DATA_SET), 0x0002)
    request = without(request, 0x0100, struct.pack("<H", kind))
    name = sop_class.encode() + bytes(len(sop_class) % 2)
    body = struct.pack("<HHI", 0, 0x0002, len(name)) + name + request[12:]
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


N_CREATE, C_ECHO_KIND, C_FIND = 0x0140, 0x0030, 0x0020


@pytest.mark.parametrize("kind", [N_CREATE, C_ECHO_KIND, C_FIND])
def test_a_request_that_no_service_answers_ends_the_association_in_a_line(
    node, dial, caplog, tmp_path, kind
):
    line = open_line(dial, node)
    line.say(data_pdu(3, request_of(kind, CR)))
    assert bytes([ABORT, 0, 0, 0, 0, 4]) in line.hear()
    assert not any(record.exc_info for record in ours(caplog))
    assert serves(node, tmp_path)


@pytest.mark.parametrize("last", [b"\x31\x77", b"\x00\xff", b"\x02\x09"])
def test_an_abort_for_a_reason_that_is_none_is_an_abort(node, dial, caplog, last):
    line = open_line(dial, node)
    line.say(struct.pack(">BBIxx", ABORT, 0, 4) + last)
    line.hear()
    assert wait_until(lambda: node.entity.associations == 0)
    assert not any(record.exc_info for record in ours(caplog))


def test_an_answer_that_comes_too_late_is_no_error(node, dial, caplog, tmp_path):
    image = radiograph(1)
    for _ in range(30):
        line = dial(node.port)
        line.say(associate_request() + struct.pack(">BBIxxxx", ABORT, 0, 4))
        line.hang_up()
        line = open_line(dial, node)
        line.say(pieces(encoded(image), image.SOPInstanceUID))
        line.hang_up()
    assert wait_until(lambda: node.entity.associations == 0)
    assert not any(record.exc_info for record in ours(caplog))
    assert serves(node, tmp_path)


def ours(caplog):
    """What this node says; the library's own log is off in a node."""
    return [one for one in caplog.records if one.name.startswith("dicom_node")]
