"""STOW-RS against a running node: what is answered, and what is kept."""

import http.client
import json
import socket
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, uid

from dicom_node.dataset.pixels import codecs
from dicom_node.node.roles import Role
from dicom_node.phantom.dataset import synthetic_dataset
from tests.factories.nodes import get, scripted_node, settings, wait_until
from tests.peers.ports import free_port

BOUNDARY = "boundary-of-the-test"
DICOM = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
FAILED, STORED, OTHERS = "00081198", "00081199", "0008119A"


def film(number=1, **overrides):
    return synthetic_dataset("CR", number, rows=64, columns=64, **overrides)


def encoded(dataset):
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def part(content, kind="application/dicom"):
    head = (
        f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n"
        if kind
        else f"--{BOUNDARY}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


def body(*contents):
    return b"".join(map(part, contents)) + END


END = f"--{BOUNDARY}--\r\n".encode()


@pytest.fixture
def node(tmp_path):
    limits = {"maximum_parts": 50}
    with scripted_node(
        settings(
            tmp_path / "data", dicomweb=limits, http={"port": 0, "request_timeout_s": 1}
        ),
        Role.WEB,
    ) as node:
        yield node


def post(node, content, path="/dicom-web/studies", kind=DICOM, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=60)
    connection.request("POST", path, content, {"Content-Type": kind, **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else {}


def known(node):
    return {one["sop_instance_uid"] for one in get(node, "/api/v1/instances")["items"]}


def uids(said, tag):
    return [item["00081155"]["Value"][0] for item in said.get(tag, {}).get("Value", [])]


def reasons(said, tag=FAILED):
    return [item["00081197"]["Value"][0] for item in said.get(tag, {}).get("Value", [])]


def left_over(tmp_path):
    return list((tmp_path / "data" / "incoming").iterdir())


def test_hundreds_of_objects_are_stored_by_one_request(node, tmp_path):
    films = [film(number) for number in range(40)]
    status, said = post(node, body(*map(encoded, films)))
    assert status == 200
    assert uids(said, STORED) == [one.SOPInstanceUID for one in films]
    assert FAILED not in said
    first = said[STORED]["Value"][0]
    assert first["00081190"]["Value"][0].endswith(
        f"/dicom-web/studies/{films[0].StudyInstanceUID}/series/"
        f"{films[0].SeriesInstanceUID}/instances/{films[0].SOPInstanceUID}"
    )
    assert known(node) == {one.SOPInstanceUID for one in films}
    assert not left_over(tmp_path)


def test_the_same_object_again_is_stored_already(node):
    content = encoded(film())
    assert post(node, body(content))[0] == 200
    assert post(node, body(content, content))[0] == 200
    assert len(known(node)) == 1


def test_each_object_has_its_own_reason(node):
    good, other_class, other_syntax, bytes_differ = film(1), film(2), film(3), film(1)
    other_class.SOPClassUID = uid.CTImageStorage
    other_class.file_meta.MediaStorageSOPClassUID = uid.CTImageStorage
    bytes_differ.StudyDescription = "another"
    mpeg = encoded(other_syntax).replace(
        b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"
    )
    status, said = post(
        node,
        body(encoded(good), encoded(other_class), mpeg, encoded(bytes_differ), b"junk"),
    )
    assert status == 202
    assert uids(said, STORED) == [good.SOPInstanceUID]
    assert reasons(said) == [0x0122, 0xC122, 0x0111]
    assert reasons(said, OTHERS) == [0xC000]


def test_nothing_that_can_be_stored_is_a_conflict(node):
    assert post(node, body(b"junk", b""))[0] == 409


def test_an_object_of_another_study_is_refused(node):
    mine, others = film(1), film(2)
    path = f"/dicom-web/studies/{mine.StudyInstanceUID}"
    status, said = post(node, body(encoded(mine), encoded(others)), path)
    assert status == 202
    assert reasons(said) == [0xA900]
    assert known(node) == {mine.SOPInstanceUID}


def test_what_the_data_set_says_is_held_against_its_beginning(node):
    honest = film()
    uid_there = honest.SOPInstanceUID.encode()
    lying = encoded(honest).replace(
        uid_there, uid_there[::-1].replace(b".52.", b".25."), 1
    )
    status, said = post(node, body(lying))
    assert (status, reasons(said)) == (409, [0xA900])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_without_a_length_is_taken_as_it_comes(node, size):
    whole = body(encoded(film()))
    pieces = (whole[at : at + size] for at in range(0, len(whole), size))
    assert post(node, pieces, Transfer_Encoding="chunked")[0] == 200


def test_a_boundary_in_the_data_ends_nothing(node):
    tricky = film()
    pixels = f"\r\n--{BOUNDARY}x\r\n--{BOUNDARY[:-1]}".encode()
    tricky.PixelData = pixels + bytes(64 * 64 * 2 - len(pixels))
    assert post(node, body(encoded(tricky)))[0] == 200


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ('multipart/related; type="application/dicom"', b"", 400),
        (f"{DICOM}{'x' * 300}", b"", 400),
        (DICOM, b"", 400),
        (DICOM, b"no boundary at all", 400),
        (DICOM, b"--another\r\n\r\n\r\n--another--", 400),
        (DICOM, END, 400),
        (DICOM, part(b"junk"), 400),
        (DICOM, part(b"junk")[:20], 400),
        (DICOM, b"--" + BOUNDARY.encode() + b"\r\n" + b"x" * 100_000, 400),
        (DICOM, b"--" + BOUNDARY.encode() + b"\r\n" + b"A: b\r\n" * 100 + b"\r\n", 400),
        (DICOM, part(b"", "") * 10_000 + END, 413),
        (DICOM.replace("application/dicom", "application/dicom+xml"), END, 415),
        ("application/dicom", b"junk", 415),
        ("text/plain", b"junk", 415),
        ("nonsense", b"junk", 400),
        ("", b"junk", 415),
    ],
)
def test_a_body_that_is_none_is_refused_and_leaves_nothing(
    node, tmp_path, kind, content, status
):
    assert post(node, content, kind=kind)[0] == status
    assert not left_over(tmp_path)


def test_a_part_of_another_kind_is_refused_alone(node):
    one = film()
    content = part(b"hello", "text/plain") + body(encoded(one))
    status, said = post(node, content)
    assert (status, reasons(said, OTHERS)) == (202, [0xC000])
    assert known(node) == {one.SOPInstanceUID}


def test_what_came_before_the_break_is_kept(node, tmp_path):
    first, second = film(1), film(2)
    content = part(encoded(first)) + part(encoded(second))[:2000]
    assert post(node, content)[0] == 400
    assert known(node) == {first.SOPInstanceUID}
    assert not left_over(tmp_path)


def test_a_client_that_goes_away_leaves_nothing(node, tmp_path):
    whole = body(encoded(film()))
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {DICOM}"
        f"\r\nContent-Length: {len(whole)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", node.http_port)) as connection:
        connection.sendall(head.encode() + whole[:-100])
        assert wait_until(lambda: bool(left_over(tmp_path)))
    assert wait_until(lambda: not left_over(tmp_path))
    assert known(node) == set()


def test_a_body_that_drips_is_cut_off(node, tmp_path):
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {DICOM}"
        "\r\nContent-Length: 1000000\r\n\r\n"
    )
    whole = body(encoded(film()))
    with socket.create_connection(("127.0.0.1", node.http_port)) as connection:
        connection.settimeout(30)
        connection.sendall(head.encode() + whole[:5000])
        assert connection.recv(1) == b""
    assert wait_until(lambda: not left_over(tmp_path))


def json_of(dataset, uri):
    said = dataset.to_json_dict(bulk_data_threshold=1 << 30)
    said["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    return said


JSON = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}'


def json_body(dataset, bulk, kind):
    head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Location: pixels/1\r\n\r\n"
    return (
        part(
            json.dumps([json_of(dataset, "pixels/1")]).encode(),
            "application/dicom+json",
        )
        + head.encode()
        + bulk
        + b"\r\n"
        + END
    )


def stored_at(tmp_path):
    (path,) = (
        one for one in (tmp_path / "data" / "objects").rglob("*") if one.is_file()
    )
    return dcmread(path)


def test_metadata_and_bulk_data_become_an_object(node, tmp_path):
    one = film()
    content = json_body(one, one.PixelData, "application/octet-stream")
    status, said = post(node, content, kind=JSON)
    assert (status, uids(said, STORED)) == (200, [one.SOPInstanceUID])
    kept = stored_at(tmp_path)
    assert kept.PixelData == one.PixelData
    assert kept.PatientName == one.PatientName
    assert not left_over(tmp_path)


def test_compressed_bulk_data_stay_compressed(node, tmp_path):
    one = film()
    geometry = codecs.Geometry(64, 64, 16, 12)
    stream = codecs.encode(one.pixel_array, uid.JPEGLSLossless, geometry)
    assert post(node, json_body(one, stream, "image/jls"), kind=JSON)[0] == 200
    kept = stored_at(tmp_path)
    assert kept.file_meta.TransferSyntaxUID == uid.JPEGLSLossless
    assert (kept.pixel_array == one.pixel_array).all()


def test_json_alone_holds_its_pixels(node, tmp_path):
    one = film()
    text = json.dumps(one.to_json_dict(bulk_data_threshold=1 << 30))
    status, _ = post(node, text.encode(), kind="application/dicom+json")
    assert status == 200
    assert stored_at(tmp_path).PixelData == one.PixelData


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"{", 400),
        (b"[1]", 400),
        (b"[" * 100_000, 400),
        (b"[{}]", 409),
        (b'[{"00080016":{"vr":"UI","Value":[1]}}]', 409),
        (b'[{"0008":1}]', 409),
        (b'[{"7FE00010":{"vr":"OW","BulkDataURI":"file:///etc/passwd"}}]', 409),
    ],
)
def test_metadata_that_are_none_are_refused(node, tmp_path, text, status):
    assert post(node, text, kind="application/dicom+json")[0] == status
    assert not left_over(tmp_path)


def test_xml_answers_are_to_be_had(node):
    connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=60)
    headers = {"Content-Type": DICOM, "Accept": "application/dicom+xml"}
    connection.request("POST", "/dicom-web/studies", body(encoded(film())), headers)
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "application/dicom+xml"
    assert b"ReferencedSOPSequence" in answer.read()
    connection.close()


def test_an_upload_without_a_key_is_refused_unread(tmp_path):
    auth = {"port": 0, "auth": {"api_keys": ["k" * 16]}}
    with scripted_node(settings(tmp_path / "data", http=auth), Role.WEB) as node:
        assert post(node, body(encoded(film())))[0] == 401
        key = {"Authorization": f"Bearer {'k' * 16}"}
        assert post(node, body(encoded(film())), **key)[0] == 200


def test_memory_stays_flat_however_long_a_body_is(tmp_path):
    """A process of its own stores 200 MB, and grows by far less."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.dicomweb", "--serve"]
    with subprocess.Popen(
        [*command, str(tmp_path), str(free_port()), str(port)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout.readline()
            large = synthetic_dataset("CR", 1, rows=64, columns=64)
            large.Rows, large.Columns = 5000, 10_000
            large.PixelData = bytes(100 << 20)
            content = encoded(large)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            small = encoded(film(2))
            connection.request(
                "POST", "/dicom-web/studies", body(small), {"Content-Type": DICOM}
            )
            assert connection.getresponse().read()
            before = memory_of(process.pid)
            whole = body(content, content)
            connection.request(
                "POST", "/dicom-web/studies", whole, {"Content-Type": DICOM}
            )
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
            connection.close()
            assert memory_of(process.pid) - before < 60 << 20
        finally:
            process.kill()


def memory_of(pid):
    """Read the most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
