import pytest

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import codes
from dicom_node.evidence import encode as evidence
from dicom_node.evidence.kinds import KINDS, EvidenceKind
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.rejection_note import encode
from dicom_node.evidence.subject import Subject
from tests.factories.analyses import NOW, a_frame, a_maker, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset


@pytest.fixture(scope="module")
def results():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    kinds = ["segmentation", "measurement-report", "secondary-capture"]
    items = evidence.encode_all(kinds, a_subject(source), frame, an_analysis(frame))
    return [item.dataset for item in items]


def a_study(example):
    return Subject.of_study(example, sha256="", created_at=NOW, maker=a_maker())


def references(datasets):
    return [
        ObjectReference(
            each.SOPClassUID,
            each.SOPInstanceUID,
            each.SeriesInstanceUID,
            each.StudyInstanceUID,
        )
        for each in datasets
    ]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_note_names_every_rejected_object(results, index):
    study = a_study(results[index])
    note = encode(study, references(results), "Recalled.")
    known = [each.SOPInstanceUID for each in results]
    evidence.check(EvidenceKind.REJECTION_NOTE, note, study, known)
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert named == {result.SOPInstanceUID for result in results}
    listed = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in note.ContentSequence
        if "ReferencedSOPSequence" in item
    ]
    assert listed == [result.SOPInstanceUID for result in results]


def test_a_note_says_why(results):
    note = encode(
        a_study(results[0]),
        references(results),
        "The model was recalled.",
        codes.REJECTED_FOR_SAFETY,
    )
    title = note.ConceptNameCodeSequence[0]
    assert title.CodeMeaning == "Rejected for Patient Safety Reasons"
    texts = [item.get("TextValue") for item in note.ContentSequence]
    assert "The model was recalled." in texts


def test_objects_of_two_studies_need_two_notes(results):
    other = ObjectReference("1.2.840.10008.5.1.4.1.1.66.4", "1.2.3", "1.2.4", "1.2.5")
    with pytest.raises(EvidenceInvalid, match="its one study"):
        encode(a_study(results[0]), [*references(results), other], "Recalled.")
    with pytest.raises(EvidenceInvalid, match="its one study"):
        encode(a_study(results[0]), [], "Recalled.")


def test_a_note_that_is_encoded_whole_is_checked_and_named_as_what_it_is(results):
    note = evidence.encode_rejection_note(
        a_study(results[0]), references(results), "Recalled."
    )
    assert note.kind is EvidenceKind.REJECTION_NOTE
    assert note.dataset.SOPClassUID == KINDS[note.kind].sop_class
