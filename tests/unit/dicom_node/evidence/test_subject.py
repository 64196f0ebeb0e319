import dataclasses
from io import BytesIO

import highdicom as hd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_node.evidence import kinds as evidence
from dicom_node.evidence.subject import result_uid
from tests.factories.analyses import a_context, a_frame, an_analysis
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
    return objects(a_context())


def objects(context, seed=0):
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", seed=seed, rows=96, columns=81)
    items = evidence.encode_all(KINDS, source, frame, an_analysis(frame), context)
    return {item.kind: dcmread(BytesIO(item.content)) for item in items}


def test_the_same_inputs_give_the_same_bytes():
    frame = a_frame(96, 81)
    source = synthetic_dataset("CR", rows=96, columns=81)
    analysis = an_analysis(frame)
    first, second = (
        evidence.encode_all(KINDS, source, frame, analysis, a_context())
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        assert one.content == other.content, one.kind


def with_other(table, **values):
    manifest = a_context().manifest
    changed = dataclasses.replace(getattr(manifest, table), **values)
    return dataclasses.replace(manifest, **{table: changed})


@pytest.mark.parametrize(
    "change",
    [
        {"source_sha256": "ef" * 32},
        {"config_digest": "other"},
        {"software_version": "0.2.0"},
        {"device_serial_number": "other"},
        {"manifest": dataclasses.replace(a_context().manifest, sha256="12" * 32)},
        {"manifest": dataclasses.replace(a_context().manifest, version="9")},
        {"manifest": with_other("thresholds", opacity=0.123)},
        {"manifest": with_other("calibration", bias=0.123)},
    ],
)
def test_anything_that_changes_a_result_changes_its_uid(change):
    one = result_uid(a_context(), "1.2.3", "a", "pdf")
    changed = a_context(**change)
    digest = "b" if "source_sha256" in change else "a"
    assert result_uid(changed, "1.2.3", digest, "pdf") != one


@pytest.mark.parametrize(
    "root", ["1.2.826.0.1.3680043.8.498", "1.2.826.0.1." + "9" * 40]
)
def test_a_site_root_is_kept_within_the_length_of_a_uid(root):
    uid = result_uid(a_context(uid_root=root), "1.2.3", "a", "pdf")
    assert uid.startswith(root + ".")
    assert UID(uid).is_valid


def test_each_kind_is_one_object_in_a_series_of_its_own(made):
    assert len({item.SOPInstanceUID for item in made.values()}) == len(KINDS)
    assert len({item.SeriesInstanceUID for item in made.values()}) == len(KINDS)
    numbers = [int(item.SeriesNumber) for item in made.values()]
    assert numbers == list(range(9101, 9101 + len(KINDS)))


def test_another_film_gives_other_objects(made):
    other = objects(a_context(), seed=1)
    for kind, item in made.items():
        assert other[kind].SOPInstanceUID != item.SOPInstanceUID
        assert other[kind].StudyInstanceUID != item.StudyInstanceUID


def test_every_object_names_node_model_and_digest(made):
    context = a_context()
    for kind, item in made.items():
        assert item.SeriesDescription.startswith("AI "), kind
        assert item.StationName == "CXR_NODE"
        assert item.Manufacturer == context.manufacturer
        assert context.software_version in item.SoftwareVersions
        own = item.ContributingEquipmentSequence[-1]
        assert own.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert context.manifest.name in own.ContributionDescription
        assert context.manifest.version in own.ContributionDescription
        assert context.manifest.sha256 in own.ContributionDescription
        assert "not for primary diagnosis" in own.ContributionDescription


def test_every_object_names_the_request_that_the_film_was_made_for():
    request = Dataset()
    request.AccessionNumber, request.RequestedProcedureID = "A77", "RP1"
    source = synthetic_dataset(
        "CR", rows=96, columns=81, RequestAttributesSequence=[request]
    )
    frame = a_frame(96, 81)
    items = evidence.encode_all(KINDS, source, frame, an_analysis(frame), a_context())
    assert len(items) == len(KINDS)
    for item in items:
        place = "ReferencedRequestSequence"
        if item.dataset.Modality != "SR":
            place = "RequestAttributesSequence"
        (named,) = item.dataset[place].value
        assert named.AccessionNumber == "A77", item.kind
        assert named.RequestedProcedureID == "RP1", item.kind


def test_segments_and_measurements_name_their_algorithm(made):
    manifest = a_context().manifest
    for kind in ("segmentation", "lung-segmentation"):
        for segment in made[kind].SegmentSequence:
            (named,) = segment.SegmentationAlgorithmIdentificationSequence
            assert named.AlgorithmName == manifest.name
            assert named.AlgorithmVersion == manifest.version
            assert manifest.sha256 in named.AlgorithmParameters
    report = hd.sr.Comprehensive3DSR.from_dataset(made["measurement-report"])
    groups = report.content.get_planar_roi_measurement_groups()
    measurements = [each for group in groups for each in group.get_measurements()]
    assert len(measurements) > len(groups)
    for measurement in measurements:
        said = {
            item.ConceptNameCodeSequence[0].CodeMeaning: item.get("TextValue")
            for item in measurement[0].ContentSequence
        }
        assert said["Algorithm Name"] == manifest.name
        assert said["Algorithm Version"] == manifest.version
        assert manifest.sha256 in said["Algorithm Parameters"]


def test_the_report_is_observed_by_the_node(made):
    context = a_context()
    said = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.get("TextValue")
        or item.get("UID")
        for item in made["measurement-report"].ContentSequence
        if item.RelationshipType == "HAS OBS CONTEXT"
    }
    assert said["Device Observer UID"] == context.device_uid
    assert said["Device Observer Name"] == context.ae_title
    assert context.software_version in said["Device Observer Model Name"]


def test_the_acquiring_device_contributes_too(made):
    for item in made.values():
        first = item.ContributingEquipmentSequence[0]
        assert first.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"


def test_all_dates_are_the_one_moment_of_creation():
    context = a_context()
    items = objects(context)
    moment = context.created_at.astimezone()
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
