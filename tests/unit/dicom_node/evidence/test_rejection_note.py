import pytest

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import codes
from dicom_node.evidence import kinds as evidence
from dicom_node.evidence.check.objects import check
from dicom_node.evidence.rejection_note import encode
from dicom_node.evidence.subject import ObjectReference
from tests.factories.analyses import a_context, a_frame, an_analysis
from tests.factories.radiographs import synthetic_dataset


@pytest.fixture(scope="module")
def results():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    kinds = ["segmentation", "measurement-report", "secondary-capture"]
    items = evidence.encode_all(kinds, source, frame, an_analysis(frame), a_context())
    return [item.dataset for item in items]


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
    note = encode(results[index], references(results), "Recalled.", a_context())
    check(note, results[index], known=[each.SOPInstanceUID for each in results])
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
        results[0],
        references(results),
        "The model was recalled.",
        a_context(),
        codes.REJECTED_FOR_SAFETY,
    )
    title = note.ConceptNameCodeSequence[0]
    assert title.CodeMeaning == "Rejected for Patient Safety Reasons"
    texts = [item.get("TextValue") for item in note.ContentSequence]
    assert "The model was recalled." in texts


def test_objects_of_two_studies_need_two_notes(results):
    other = ObjectReference("1.2.840.10008.5.1.4.1.1.66.4", "1.2.3", "1.2.4", "1.2.5")
    with pytest.raises(EvidenceInvalid, match="its one study"):
        encode(results[0], [*references(results), other], "Recalled.", a_context())
    with pytest.raises(EvidenceInvalid, match="its one study"):
        encode(results[0], [], "Recalled.", a_context())
