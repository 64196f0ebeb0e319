import pytest

from dicom_node.delivery.destination import Parcel
from dicom_node.delivery.dimse import DimseDestination
from dicom_node.dimse.scu.association import RemoteAE
from tests.peers.pacs import PACS
from tests.peers.receiving import NODE, PATIENT, radiograph, written


@pytest.fixture
def parcel(tmp_path):
    image = radiograph(1, "SC")
    path = tmp_path / "1.dcm"
    path.write_bytes(written(image))
    return Parcel(str(image.SOPClassUID), str(image.SOPInstanceUID), path)


def handed_over(parcel, status):
    pacs = PACS([parcel.sop_class_uid], lambda _: status)
    with pacs.listening() as port:
        remote = RemoteAE("PACS", "127.0.0.1", port)
        (handover,) = DimseDestination(remote, NODE, PATIENT).deliver([parcel])
    return handover


@pytest.mark.parametrize("status", [0xB000, 0x0111])
def test_a_warning_is_told_as_its_status(parcel, status):
    handover = handed_over(parcel, status)
    assert handover.accepted
    assert (handover.code, handover.detail) == (status, f"status 0x{status:04X}")


def test_a_refusal_is_told_by_its_error_alone(parcel):
    handover = handed_over(parcel, 0xA700)
    assert not handover.accepted
    assert (handover.code, handover.detail) == (0xA700, "")
    assert "A700" in str(handover.error)


def test_a_file_that_is_no_dicom_object_is_that_objects_error(parcel):
    parcel.path.write_bytes(b"<html>")
    assert not handed_over(parcel, 0x0000).accepted
