import pytest
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.dimse.scu.storage import Outgoing
from dicom_node.errors import DatasetInvalid
from tests.peers.receiving import radiograph, written


def test_a_file_says_what_it_is(tmp_path):
    path = tmp_path / "a.dcm"
    dataset = radiograph(1)
    path.write_bytes(written(dataset))
    assert Outgoing.read(path) == Outgoing(
        path,
        str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID),
        ExplicitVRLittleEndian,
    )


@pytest.mark.parametrize("content", [b"", b"<html>", bytes(500)])
def test_another_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "page.dcm"
    path.write_bytes(content)
    with pytest.raises(DatasetInvalid, match=r"page\.dcm"):
        Outgoing.read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DatasetInvalid, match=r"no such file: .*missing\.dcm"):
        Outgoing.read(tmp_path / "missing.dcm")
