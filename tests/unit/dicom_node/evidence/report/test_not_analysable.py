from dicom_node.evidence import codes
from dicom_node.evidence.encode import check
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.report.not_analysable import encode
from tests.factories.analyses import a_subject
from tests.factories.radiographs import synthetic_dataset
from tests.factories.reports import sentences_of

REASON = codes.not_analysed("NO_LUNGS", "No pair of lungs was found.")


def a_film():
    return a_subject(synthetic_dataset("CR", rows=256, columns=200))


def test_an_image_that_cannot_be_analysed_gets_a_coded_reason():
    subject = a_film()
    dataset = encode(subject, REASON, "No lungs were found.")
    check(EvidenceKind.MEASUREMENT_REPORT, dataset, subject)
    assert "Image not analysed: No lungs were found." in sentences_of(dataset)
    evaluations = next(
        item
        for item in dataset.ContentSequence
        if item.get("RelationshipType") == "CONTAINS"
    )
    first, second, *_ = evaluations.ContentSequence
    assert first.TextValue == "Image not analysed: No lungs were found."
    assert second.ConceptCodeSequence[0].CodeValue == "NO_LUNGS"


def test_it_says_so_in_its_series_and_credits_no_model():
    dataset = encode(a_film(), REASON, "No lungs were found.")
    assert dataset.SeriesDescription == "AI: film not analysed"
    words = str(dataset.ContentSequence) + str(dataset.ContributingEquipmentSequence)
    assert "scripted" not in words
    assert "SHA-256" not in words
    assert "scripted" not in str(dataset.SoftwareVersions)


def test_it_stands_in_the_way_of_no_other_report_of_the_image():
    subject = a_film()
    other = codes.not_analysed("NOT_FRONTAL", "It is not a frontal film.")
    named = {encode(subject, one, "Why.").SOPInstanceUID for one in (REASON, other)}
    assert len(named | {subject.uid(EvidenceKind.MEASUREMENT_REPORT)}) == 3
