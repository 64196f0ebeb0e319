"""What is written fast is, byte for byte, what the library writes."""

from copy import deepcopy
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGLSLossless

from dicom_node.evidence.encode import MAKING, encode_all
from dicom_node.evidence.part10_writer import part_10
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

VALUES = {
    "PatientName": st.sampled_from(["", "A^B", "Müller^Jörg"]),
    "PatientID": st.text("abc12", max_size=9),
    "PatientComments": st.sampled_from(["", "x", "Länge", "a\\b"]),
    "StudyInstanceUID": st.sampled_from(["1.2", "1.2.3", ""]),
    "SliceThickness": st.sampled_from([None, "1.5", "0.10"]),
    "PixelSpacing": st.sampled_from([None, ["0.1", "0.20"]]),
    "ImageType": st.sampled_from([None, ["ORIGINAL", "PRIMARY"], "DERIVED"]),
    "Rows": st.sampled_from([0, 7]),
    "StudyDate": st.sampled_from(["", "20260102"]),
    "RescaleSlope": st.sampled_from([None, "1"]),
    "GraphicData": st.sampled_from([[1.5, 2.0], [3.0, 4.0, 5.0, 6.0]]),
    "TextValue": st.sampled_from(["", "ä" * 70_000, "b" * 70_001]),
    "PixelPaddingValue": st.integers(0, 9),
    "EncapsulatedDocument": st.binary(min_size=2, max_size=8),
}
LEAVES = st.fixed_dictionaries({}, optional=VALUES)


def saved(dataset):
    stream = BytesIO()
    deepcopy(dataset).save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["CR", "DX", "SC"])
def test_every_kind_of_result_is_written_as_the_library_writes_it(kind):
    frame = a_frame(128, 100)
    header = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Jörg"}
    source = synthetic_dataset(kind, rows=128, columns=100, **header)
    made = encode_all(MAKING, a_subject(source), frame, an_analysis(frame))
    assert {item.kind for item in made} == set(MAKING)
    for item in made:
        assert item.content == saved(item.dataset)


@settings(max_examples=40)
@given(LEAVES, LEAVES, LEAVES, st.sampled_from(["ISO_IR 192", "ISO_IR 100"]))
def test_any_tree_is_written_as_the_library_writes_it(outer, inner, last, characters):
    dataset, item = filled(outer), filled(inner)
    item.ConceptNameCodeSequence = Sequence([filled(last)])
    dataset.ContentSequence = Sequence([item, filled(last), Dataset()])
    dataset.ReferencedSeriesSequence = Sequence([])
    named(dataset, characters)
    assert part_10(dataset) == saved(dataset)


def test_another_transfer_syntax_is_left_to_the_library():
    dataset = filled({"PatientID": "7", "Rows": 3})
    named(dataset, "ISO_IR 100")
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    assert part_10(dataset) == saved(dataset)


def filled(values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if "PixelPaddingValue" in dataset:
        dataset.PixelRepresentation = 0
    return dataset


def named(dataset, characters):
    dataset.SpecificCharacterSet = characters
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.34"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
