from io import BytesIO

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    Arriving,
    part10_header,
)
from tests.peers.receiving import encoded, radiograph


def test_the_file_meta_information_is_valid_and_names_the_sender():
    header = part10_header(
        Arriving(
            sop_class_uid=SecondaryCaptureImageStorage,
            sop_instance_uid="1.2.3",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            calling_ae="MOD1",
        )
    )
    meta = dcmread(BytesIO(header + encoded(radiograph(1)))).file_meta
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert meta.MediaStorageSOPClassUID == SecondaryCaptureImageStorage
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.SourceApplicationEntityTitle == "MOD1"
    assert IMPLEMENTATION_CLASS_UID.is_valid
