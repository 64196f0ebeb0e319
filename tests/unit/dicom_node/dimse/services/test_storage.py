from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.dimse.services.storage import Arrival
from dicom_node.errors import DatasetInvalid
from storage.errors import StoreFull
from tests.peers.receiving import Receiver, receiver


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as door:
        yield door


def test_fragments_go_to_disk_after_the_header(behind):
    arrival = Arrival(behind.reception, b"head", 100)
    arrival.write(memoryview(b"body"))
    incoming = arrival.hand_over()
    with incoming.open() as stream:
        assert stream.read() == b"headbody"
    arrival.close()
    assert len(behind.half_written()) == 1
    incoming.abort()


def test_what_is_not_handed_over_is_forgotten(behind):
    arrival = Arrival(behind.reception, b"head", 100)
    arrival.write(b"body")
    arrival.close()
    assert behind.half_written() == []


def test_an_object_that_is_too_long_is_read_to_its_end_and_refused(behind):
    arrival = Arrival(behind.reception, b"", 10)
    arrival.write(b"x" * 11)
    assert behind.half_written() == []
    arrival.write(b"x" * 11)
    with pytest.raises(DatasetInvalid, match="larger"):
        arrival.hand_over()


def test_an_object_that_does_not_end_ends_the_association(behind):
    arrival = Arrival(behind.reception, b"", 10)
    for _ in range(4):
        arrival.write(b"x" * 10)
    with pytest.raises(DatasetInvalid, match="end"):
        arrival.write(b"x")


def test_a_full_disk_is_told_at_the_end(tmp_path):
    with receiver(tmp_path, watermark_bytes=1 << 60) as behind:
        arrival = Arrival(behind.reception, b"head", 100)
        arrival.write(b"body")
        with pytest.raises(StoreFull):
            arrival.hand_over()
