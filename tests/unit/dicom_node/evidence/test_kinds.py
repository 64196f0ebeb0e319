from io import BytesIO

import pytest
from highdicom.sr import ComprehensiveSR, EnhancedSR
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence.kinds import FALLBACKS, KINDS, encode_all
from dicom_node.evidence.report.classes import CLASSES, under_class
from tests.factories.analyses import a_context, a_frame, an_analysis
from tests.factories.radiographs import synthetic_dataset


def test_the_content_is_a_file_of_the_dataset():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    for item in encode_all(KINDS, source, frame, an_analysis(frame), a_context()):
        read = dcmread(BytesIO(item.content))
        assert read.SOPInstanceUID == item.dataset.SOPInstanceUID
        assert read.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert item.kind in KINDS


def test_a_kind_with_nothing_to_say_yields_no_object():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    analysis = an_analysis(frame, ())
    kinds = ["segmentation", "lung-segmentation"]
    items = encode_all(kinds, source, frame, analysis, a_context())
    assert [item.kind for item in items] == ["lung-segmentation"]


def test_masks_that_do_not_fit_the_source_are_refused():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=90, columns=81)
    with pytest.raises(EvidenceInvalid, match="pixel grid"):
        encode_all(["segmentation"], source, frame, an_analysis(frame), a_context())


@pytest.mark.parametrize(
    ("kind", "reader"),
    [
        ("measurement-report-comprehensive", ComprehensiveSR),
        ("measurement-report-enhanced", EnhancedSR),
    ],
)
def test_a_report_of_another_class_is_the_one_that_stands_in(kind, reader):
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    usual, older = encode_all(
        ["measurement-report", kind], source, frame, an_analysis(frame), a_context()
    )
    uid, content = under_class(BytesIO(usual.content), kind)
    assert (older.dataset.SOPInstanceUID, older.content) == (uid, content)
    assert reader.from_dataset(older.dataset).SOPClassUID == CLASSES[kind]
    assert older.dataset.ContentSequence == usual.dataset.ContentSequence


def test_every_fallback_is_a_kind():
    assert set(FALLBACKS) <= set(KINDS)
    assert {kind for chain in FALLBACKS.values() for kind in chain} <= set(KINDS)
    assert all(kind not in chain for kind, chain in FALLBACKS.items())
