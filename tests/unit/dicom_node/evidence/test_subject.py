from io import BytesIO

import highdicom as hd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.evidence import encode as evidence
from tests.factories.analyses import a_frame, a_maker, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

KINDS = [
    "segmentation",
    "lung-segmentation",
    "measurement-report",
    "presentation-state",
    "secondary-capture",
    "pdf",
]


@pytest.fixture(scope="module")
def made():
    return objects(a_film())


def a_film(seed=0):
    return a_subject(synthetic_dataset("CR", seed=seed, rows=96, columns=81))


def objects(subject):
    frame = a_frame(96, 81)
    items = evidence.encode_all(KINDS, subject, frame, an_analysis(frame))
    return {item.kind: dcmread(BytesIO(item.content)) for item in items}


def test_the_same_inputs_give_the_same_bytes():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    analysis = an_analysis(frame)
    first, second = (
        evidence.encode_all(KINDS, a_subject(source), frame, analysis) for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        assert one.content == other.content, one.kind


def test_each_kind_is_one_object_in_a_series_of_its_own(made):
    assert len({item.SOPInstanceUID for item in made.values()}) == len(KINDS)
    assert len({item.SeriesInstanceUID for item in made.values()}) == len(KINDS)
    numbers = [int(item.SeriesNumber) for item in made.values()]
    assert numbers == list(range(9101, 9101 + len(KINDS)))


def test_another_film_gives_other_objects(made):
    other = objects(a_film(seed=1))
    for kind, item in made.items():
        assert other[kind].SOPInstanceUID != item.SOPInstanceUID
        assert other[kind].StudyInstanceUID != item.StudyInstanceUID


def test_every_object_names_node_model_and_digest(made):
    maker = a_maker()
    for kind, item in made.items():
        assert item.SeriesDescription.startswith("AI "), kind
        assert item.StationName == "CXR_NODE"
        assert item.Manufacturer == maker.manufacturer
        assert maker.software_version in item.SoftwareVersions
        own = item.ContributingEquipmentSequence[-1]
        assert own.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert maker.model.name in own.ContributionDescription
        assert maker.model.version in own.ContributionDescription
        assert maker.model.sha256 in own.ContributionDescription
        assert "not for primary diagnosis" in own.ContributionDescription


def test_every_object_names_the_request_that_the_film_was_made_for():
    request = Dataset()
    request.AccessionNumber, request.RequestedProcedureID = "A77", "RP1"
    source = synthetic_dataset(
        "CR", rows=96, columns=81, RequestAttributesSequence=[request]
    )
    frame = a_frame(96, 81)
    items = evidence.encode_all(KINDS, a_subject(source), frame, an_analysis(frame))
    assert len(items) == len(KINDS)
    for item in items:
        place = "ReferencedRequestSequence"
        if item.dataset.Modality != "SR":
            place = "RequestAttributesSequence"
        (named,) = item.dataset[place].value
        assert named.AccessionNumber == "A77", item.kind
        assert named.RequestedProcedureID == "RP1", item.kind


def test_segments_and_measurements_name_their_algorithm(made):
    model = a_maker().model
    for kind in ("segmentation", "lung-segmentation"):
        for segment in made[kind].SegmentSequence:
            (named,) = segment.SegmentationAlgorithmIdentificationSequence
            assert named.AlgorithmName == model.name
            assert named.AlgorithmVersion == model.version
            assert model.sha256 in named.AlgorithmParameters
    report = hd.sr.Comprehensive3DSR.from_dataset(made["measurement-report"])
    groups = report.content.get_planar_roi_measurement_groups()
    assert groups
    for group in groups:
        said = [
            (item.ConceptNameCodeSequence[0].CodeMeaning, item.get("TextValue"))
            for item in group[0].ContentSequence
        ]
        assert said.count(("Algorithm Name", model.name)) == 1
        assert said.count(("Algorithm Version", model.version)) == 1
        for measurement in group.get_measurements():
            named = [
                item.ConceptNameCodeSequence[0].CodeMeaning
                for item in measurement[0].get("ContentSequence", ())
            ]
            assert not any(name.startswith("Algorithm") for name in named)


def test_the_report_is_observed_by_the_node(made):
    maker = a_maker()
    said = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.get("TextValue")
        or item.get("UID")
        for item in made["measurement-report"].ContentSequence
        if item.RelationshipType == "HAS OBS CONTEXT"
    }
    assert said["Device Observer UID"] == maker.device_uid
    assert said["Device Observer Name"] == maker.ae_title
    assert maker.software_version in said["Device Observer Model Name"]


def test_the_acquiring_device_contributes_too(made):
    for item in made.values():
        first = item.ContributingEquipmentSequence[0]
        assert first.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"


def test_all_dates_are_the_one_moment_of_creation():
    subject = a_film()
    items = objects(subject)
    moment = subject.created_at.astimezone()
    for item in items.values():
        assert item.InstanceCreationDate == f"{moment:%Y%m%d}"
        assert item.InstanceCreationTime == f"{moment:%H%M%S}"
        for keyword in ("ContentTime", "PresentationCreationTime", "SeriesTime"):
            assert item.get(keyword, f"{moment:%H%M%S}") == f"{moment:%H%M%S}"


def test_the_masks_and_the_report_share_their_tracking_uids(made):
    tracked = {
        segment.TrackingUID
        for kind in ("segmentation", "lung-segmentation")
        for segment in made[kind].SegmentSequence
    }
    text = made["measurement-report"].to_json()
    assert len(tracked) == 4
    assert all(uid in text for uid in tracked)
