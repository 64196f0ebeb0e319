from io import BytesIO

import pytest
from highdicom.sr import ComprehensiveSR, EnhancedSR
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence.encode import MAKING, Making, check, encode_all, encode_each
from dicom_node.evidence.kinds import KINDS, ON_REQUEST
from dicom_node.evidence.report.classes import under_class
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset


def test_the_content_is_a_file_of_the_dataset():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    for item in encode_all(MAKING, a_subject(source), frame, an_analysis(frame)):
        read = dcmread(BytesIO(item.content))
        assert read.SOPInstanceUID == item.dataset.SOPInstanceUID
        assert read.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert item.kind in KINDS


def test_a_kind_with_nothing_to_say_yields_no_object():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    analysis = an_analysis(frame, ())
    kinds = ["segmentation", "lung-segmentation"]
    items = encode_all(kinds, a_subject(source), frame, analysis)
    assert [item.kind for item in items] == ["lung-segmentation"]


def broken(*_):
    raise ValueError("the value of PatientName is odd")


def unfit(*_):
    return Dataset()


@pytest.mark.parametrize("making", [broken, unfit])
def test_a_kind_that_fails_withholds_no_other_and_says_why(monkeypatch, making):
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    kinds = ["segmentation", "presentation-state", "measurement-report"]
    arguments = (kinds, a_subject(source), frame, an_analysis(frame))
    whole = {item.kind: item.content for item in encode_all(*arguments)}
    row = Making(making, MAKING["presentation-state"].check)
    monkeypatch.setitem(MAKING, "presentation-state", row)
    made = encode_each(*arguments)
    assert {item.kind: item.content for item in made.evidence} == {
        kind: content for kind, content in whole.items() if kind != kinds[1]
    }
    (failed,) = made.failed
    assert failed.kind == "presentation-state"
    assert failed.reason
    assert "PatientName" not in failed.reason


def test_where_nothing_can_be_made_the_first_error_is_raised(monkeypatch):
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    row = Making(broken, MAKING["segmentation"].check)
    monkeypatch.setitem(MAKING, "segmentation", row)
    with pytest.raises(ValueError, match="odd"):
        encode_each(["segmentation"], a_subject(source), frame, an_analysis(frame))


def test_masks_that_do_not_fit_the_source_are_refused():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=90, columns=81)
    with pytest.raises(EvidenceInvalid, match="pixel grid"):
        encode_all(["segmentation"], a_subject(source), frame, an_analysis(frame))


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
        ["measurement-report", kind], a_subject(source), frame, an_analysis(frame)
    )
    uid, content = under_class(BytesIO(usual.content), kind)
    assert (older.dataset.SOPInstanceUID, older.content) == (uid, content)
    assert reader.from_dataset(older.dataset).SOPClassUID == KINDS[kind].sop_class
    assert older.dataset.ContentSequence == usual.dataset.ContentSequence


def test_every_kind_that_may_be_asked_for_can_be_made_and_no_other():
    assert set(MAKING) == set(ON_REQUEST)


def test_each_kind_is_of_the_class_that_its_row_says():
    frame = a_frame(96, 81)
    subject = a_subject(synthetic_dataset("CR", rows=96, columns=81))
    for item in encode_all(MAKING, subject, frame, an_analysis(frame)):
        assert item.dataset.SOPClassUID == KINDS[item.kind].sop_class
        number = subject.style.series_number(item.kind)
        assert item.dataset.SeriesNumber == number


def test_the_header_is_as_it_was_when_all_is_made():
    frame = a_frame(96, 81)
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 12], b"\0\0\1\0\2\0\3\0"
    request = Dataset()
    request.AccessionNumber = "A77"
    source = synthetic_dataset(
        "CR",
        rows=96,
        columns=81,
        VOILUTSequence=[table],
        RequestAttributesSequence=[request],
    )
    subject = a_subject(source)
    before = subject.clean.to_json()
    encode_all(MAKING, subject, frame, an_analysis(frame))
    assert subject.clean.to_json() == before


@pytest.mark.parametrize("kind", MAKING)
def test_an_object_of_somebody_else_is_refused_and_nobody_else_becomes_him(kind):
    frame = a_frame(96, 81)
    subject = a_subject(synthetic_dataset("CR", rows=96, columns=81))
    patient = str(subject.clean.PatientID)
    dataset = MAKING[kind].encode(subject.apart(), frame, an_analysis(frame))
    dataset.PatientID, dataset.StudyInstanceUID = "SOMEBODY ELSE", "1.2.3"
    with pytest.raises(EvidenceInvalid, match="PatientID is not the source's"):
        check(kind, dataset, subject, {subject.uid(each) for each in MAKING})
    assert subject.clean.PatientID == patient
