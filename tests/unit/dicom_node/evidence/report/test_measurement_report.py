import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.evidence import codes
from dicom_node.evidence.encode import check, encode_all
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import simplified
from dicom_node.evidence.past import ObjectReference, Prior
from dicom_node.evidence.report.measurement_report import encode
from inference.findings import Zone
from tests.factories.analyses import NOW, a_frame, a_maker, a_subject, an_analysis
from tests.factories.films import films
from tests.factories.radiographs import synthetic_dataset
from tests.factories.reports import sentences_of

OTHER = ObjectReference("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3.5", "1.2.3")


def a_source(rows=256, columns=200, **changes):
    return synthetic_dataset("CR", rows=rows, columns=columns, **changes)


def groups_of(dataset):
    """Tracking identifier -> measurement group, as highdicom reads it."""
    read = Comprehensive3DSR.from_dataset(dataset)
    return {
        group.tracking_identifier: group
        for group in read.content.get_planar_roi_measurement_groups()
    }


def numbers_of(group):
    return {item.name.meaning: item.value for item in group.get_measurements()}


@settings(max_examples=10, deadline=None)
@given(film=films(), calibrated=st.booleans())
def test_numbers_and_outlines_come_back_as_they_went_in(film, calibrated):
    rows, columns, opacities = film
    frame = a_frame(rows, columns, spacing_mm=(0.2, 0.3) if calibrated else None)
    analysis = an_analysis(frame, opacities)
    source = a_source(rows, columns)
    subject = a_subject(source)
    dataset = encode(subject, analysis)
    check(EvidenceKind.MEASUREMENT_REPORT, dataset, subject)
    groups = groups_of(dataset)
    assert len(groups) == 3 + len(analysis.findings)
    total = numbers_of(groups["AI both lungs"])
    severity = analysis.severity
    assert total["Total opacity"] == pytest.approx(severity.total, abs=0.005)
    assert total["Extent score (0-8)"] == severity.extent_score
    for side, value in (("Right", severity.right), ("Left", severity.left)):
        lung = numbers_of(groups[f"AI {side.lower()} lung"])
        assert lung[f"{side} opacity"] == pytest.approx(value, abs=0.005)
        assert total[f"{side} opacity"] == lung[f"{side} opacity"]
    for zone in Zone:
        assert total[f"Opacity of {zone.value} zone"] == pytest.approx(
            severity.zones[zone], abs=0.005
        )
    for number, finding in enumerate(analysis.findings, start=1):
        group = groups[f"AI opacity {number}"]
        values = numbers_of(group)
        assert values["Certainty of Finding"] == pytest.approx(
            100 * finding.score, abs=0.005
        )
        assert values["Share of lung"] == pytest.approx(
            finding.percent_of_lung, abs=0.005
        )
        if calibrated:
            assert values["Area"] == pytest.approx(finding.area_mm2, abs=0.005)
        else:
            assert "Area" not in values
        assert np.allclose(group.roi.value, simplified(finding.region))


def test_every_outline_is_a_closed_polyline_on_the_film():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame()))
    for group in groups_of(dataset).values():
        assert group.roi.graphic_type.value == "POLYLINE"
        assert group.roi.value[0].tolist() == group.roi.value[-1].tolist()
        assert len(group.roi.value) <= 201


def test_a_finding_says_its_side_and_zone():
    analysis = an_analysis(a_frame())
    groups = groups_of(encode(a_subject(a_source()), analysis))
    lung, zone = groups["AI opacity 1"].finding_sites
    assert lung.value.meaning == "Right lung"
    assert zone.value == codes.ZONES[analysis.findings[0].zone]
    assert zone.laterality == codes.LATERALITY[analysis.findings[0].side]


def test_no_opacity_is_said_in_words_and_numbers():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame(), ()))
    groups = groups_of(dataset)
    assert set(groups) == {"AI both lungs", "AI right lung", "AI left lung"}
    assert numbers_of(groups["AI both lungs"])["Total opacity"] == 0
    assert (
        "No lung opacity found: 0.0 % of both lungs (right 0.0 %, left 0.0 %)."
        in sentences_of(dataset)
    )


def test_what_is_free_of_opacity_stands_before_the_zeros():
    # OHIF prints five numbers and leaves a zero's value out
    dataset = encode(a_subject(a_source()), an_analysis(a_frame(), ()))
    groups = groups_of(dataset)
    first = list(numbers_of(groups["AI both lungs"]).items())[:4]
    assert first == [
        ("Total opacity-free", 100),
        ("Right opacity-free", 100),
        ("Left opacity-free", 100),
        ("Probability", 4),
    ]
    right = list(numbers_of(groups["AI right lung"]).items())
    assert right == [("Right opacity-free", 100), ("Right opacity", 0)]


def test_the_zones_come_after_the_five_numbers_that_a_viewer_prints():
    groups = groups_of(encode(a_subject(a_source()), an_analysis(a_frame())))
    names = list(numbers_of(groups["AI both lungs"]))
    assert names[:5] == [
        "Total opacity",
        "Right opacity",
        "Left opacity",
        "Probability",
        "Extent score (0-8)",
    ]
    assert len([name for name in names[5:] if name.endswith("zone")]) == 6


def test_every_zone_says_where_it_is():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame()))
    found = {}
    for item in groups_of(dataset)["AI both lungs"].get_measurements():
        if item.name in codes.ZONE_OPACITY.values():
            (site,) = item.finding_sites
            found[item.name.meaning] = (site.value, site.laterality)
    assert found == {
        name.meaning: (codes.ZONES[zone], codes.LATERALITY[zone.side])
        for zone, name in codes.ZONE_OPACITY.items()
    }


def test_remarks_and_the_disclaimer_are_comments():
    frame = a_frame(remarks=("The film is rotated.",))
    texts = sentences_of(encode(a_subject(a_source()), an_analysis(frame)))
    assert "Image quality: The film is rotated." in texts
    digest = a_maker().model.sha256
    assert any("not for primary diagnosis" in text for text in texts)
    assert f"SHA-256={digest}" in texts


def test_the_change_since_the_prior_film_is_measured_and_referenced():
    prior = Prior(NOW - timedelta(days=3), 50.0, 60.0, 40.0, OTHER)
    analysis = an_analysis(a_frame())
    dataset = encode(a_subject(a_source(), prior=prior), analysis)
    values = numbers_of(groups_of(dataset)["AI both lungs"])
    assert values["Total change"] == pytest.approx(
        analysis.severity.total - 50, abs=0.005
    )
    assert any("Compared with 2026-03-01" in text for text in sentences_of(dataset))
    (study,) = dataset.PertinentOtherEvidenceSequence
    reference = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == OTHER.sop_instance_uid


def test_a_prior_of_the_same_study_is_evidence_beside_the_source():
    source = a_source()
    same = dataclasses.replace(OTHER, study_instance_uid=source.StudyInstanceUID)
    prior = Prior(NOW, 1.0, 1.0, 1.0, same)
    dataset = encode(a_subject(source, prior=prior), an_analysis(a_frame()))
    assert "PertinentOtherEvidenceSequence" not in dataset
    (study,) = dataset.CurrentRequestedProcedureEvidenceSequence
    named = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in study.ReferencedSeriesSequence
    ]
    assert named == [source.SOPInstanceUID, OTHER.sop_instance_uid]


def test_a_report_names_the_one_it_replaces():
    dataset = encode(a_subject(a_source(), predecessor=OTHER), an_analysis(a_frame()))
    (study,) = dataset.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == OTHER.study_instance_uid


def test_a_report_is_complete_preliminary_and_unverified():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame()))
    assert dataset.CompletionFlag == "COMPLETE"
    assert dataset.PreliminaryFlag == "PRELIMINARY"
    assert dataset.VerificationFlag == "UNVERIFIED"


def test_requests_and_performed_steps_of_the_source_are_referenced():
    request, step = Dataset(), Dataset()
    request.AccessionNumber = "A1"
    request.RequestedProcedureID = "P1"
    step.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.3"
    step.ReferencedSOPInstanceUID = "1.2.3.9"
    source = a_source(
        RequestAttributesSequence=[request],
        ReferencedPerformedProcedureStepSequence=[step],
    )
    dataset = encode(a_subject(source), an_analysis(a_frame()))
    (reference,) = dataset.ReferencedRequestSequence
    assert reference.AccessionNumber == "A1"
    assert reference.RequestedProcedureID == "P1"
    assert reference.StudyInstanceUID == source.StudyInstanceUID
    assert reference["FillerOrderNumberImagingServiceRequest"].is_empty
    assert dataset.ReferencedPerformedProcedureStepSequence[0] == step


def test_the_source_is_the_evidence():
    source = a_source()
    dataset = encode(a_subject(source), an_analysis(a_frame()))
    (study,) = dataset.CurrentRequestedProcedureEvidenceSequence
    reference = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_meanings_fit_beside_an_outline():
    groups = groups_of(encode(a_subject(a_source()), an_analysis(a_frame())))
    shown = [
        name
        for group in groups.values()
        for name in list(numbers_of(group))[:5]
        if name != "Certainty of Finding"
    ]
    assert len(shown) >= 9
    assert all(len(name) <= 18 for name in shown)


def test_codes_of_the_own_scheme_are_valid_and_differ():
    own = [
        code
        for value in vars(codes).values()
        for code in (value.values() if isinstance(value, dict) else [value])
        if getattr(code, "scheme_designator", "") == codes.OWN_SCHEME
    ]
    assert len(own) >= 18
    assert len({code.value for code in own}) == len(own)
    assert all(len(code.value) <= 16 for code in own)


def test_no_sentence_names_a_diagnosis():
    prior = Prior(NOW, 1.0, 1.0, 1.0)
    frame = dataclasses.replace(a_frame(), remarks=())
    words = " ".join(
        sentences_of(encode(a_subject(a_source(), prior=prior), an_analysis(frame)))
    )
    for diagnosis in ("pneumonia", "consolidation", "infiltrate", "edema", "covid"):
        assert diagnosis not in words.lower()


def test_regions_may_be_segments_of_the_images_own_segs():
    source, analysis = a_source(), an_analysis(a_frame())
    (opacities, lungs, report) = (
        item.dataset
        for item in encode_all(
            ["segmentation", "lung-segmentation", "measurement-report"],
            a_subject(source, report_regions="segmentation"),
            a_frame(),
            analysis,
        )
    )
    groups = groups_of(report)
    wanted = {"AI right lung": (lungs, 1), "AI left lung": (lungs, 2)}
    for number in range(1, len(analysis.findings) + 1):
        wanted[f"AI opacity {number}"] = (opacities, number)
    for name, (seg, number) in wanted.items():
        segment = groups[name].referenced_segmentation_frame
        assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert segment[0].referenced_segment_numbers == [number]
        described = seg.SegmentSequence[number - 1]
        assert described.TrackingUID == groups[name].tracking_uid
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    listed = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in study.ReferencedSeriesSequence
    }
    assert listed == {
        source.SOPInstanceUID,
        opacities.SOPInstanceUID,
        lungs.SOPInstanceUID,
    }


def test_the_numbers_of_the_whole_film_may_stand_without_a_region():
    analysis = an_analysis(a_frame())
    usual = encode(a_subject(a_source()), analysis)
    dataset = encode(a_subject(a_source(), image_level="tid1501"), analysis)
    read = Comprehensive3DSR.from_dataset(dataset)
    (group,) = read.content.get_image_measurement_groups()
    assert group.tracking_identifier == "AI both lungs"
    assert numbers_of(group) == numbers_of(groups_of(usual)["AI both lungs"])
    assert set(groups_of(dataset)) == set(groups_of(usual)) - {"AI both lungs"}


def test_every_container_is_a_list_of_named_items():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame()))

    def continuity(item):
        if item.ValueType == "CONTAINER":
            yield item.ContinuityOfContent
        for child in item.get("ContentSequence", ()):
            yield from continuity(child)

    assert set(continuity(dataset)) == {"SEPARATE"}
