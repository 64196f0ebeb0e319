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
from dicom_node.evidence.wording.sentences import headline
from inference.findings import Call, Interval, Intervals, Zone
from tests.factories.analyses import (
    NOW,
    a_frame,
    a_maker,
    a_subject,
    an_analysis,
    two_lungs,
)
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


def a_spacing(rows, columns):
    """Spacing at which the lungs of the factory measure 200 square centimetres."""
    share = np.pi / 4 * 0.34 * 0.76
    step = float(np.sqrt(20_000 / (share * rows * columns)))
    return (step, step)


@settings(max_examples=10, deadline=None)
@given(film=films(), calibrated=st.booleans())
def test_numbers_and_outlines_come_back_as_they_went_in(film, calibrated):
    rows, columns, opacities = film
    frame = a_frame(
        rows, columns, spacing_mm=a_spacing(rows, columns) if calibrated else None
    )
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
    assert total.get("Extent score (0-8)", 0) == severity.extent_score
    for side, value in (("Right", severity.right), ("Left", severity.left)):
        lung = numbers_of(groups[f"AI {side.lower()} lung"])
        assert lung[f"{side} opacity"] == pytest.approx(value, abs=0.005)
    for zone in Zone:
        assert total.get(f"Opacity of {zone.value} zone", 0) == pytest.approx(
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
        assert (finding.area_mm2 is not None) is calibrated
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


def test_a_finding_says_its_side_and_every_zone_of_it():
    analysis = an_analysis(a_frame())
    groups = groups_of(encode(a_subject(a_source()), analysis))
    finding = analysis.findings[0]
    lung, *zones = groups["AI opacity 1"].finding_sites
    assert lung.value.meaning == "Right lung"
    assert finding.zones == (Zone.RIGHT_MIDDLE, Zone.RIGHT_LOWER)
    assert [zone.value for zone in zones] == [codes.ZONES[z] for z in finding.zones]
    assert {zone.laterality for zone in zones} == {codes.LATERALITY[finding.side]}


def test_a_finding_of_the_whole_lung_names_no_zone():
    mask = two_lungs(256, 200)[0]
    groups = groups_of(encode(a_subject(a_source()), an_analysis(a_frame(), [mask])))
    (site,) = groups["AI opacity 1"].finding_sites
    assert site.value.meaning == "Right lung"


def evaluations_of(dataset):
    """The qualitative evaluations of the whole film: name and value or text."""
    (container,) = [
        item
        for item in dataset.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Qualitative Evaluations"
    ]
    return [
        (
            item.ConceptNameCodeSequence[0].CodeMeaning,
            item.TextValue
            if item.ValueType == "TEXT"
            else item.ConceptCodeSequence[0].CodeMeaning,
        )
        for item in container.ContentSequence
    ]


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (Call.OPACITY, "Present"),
        (Call.POSSIBLE, "Indeterminate"),
        (Call.NONE, "Absent"),
    ],
)
def test_the_call_is_coded_beside_its_sentence(call, value):
    shown = None if call is not Call.NONE else ()
    analysis = dataclasses.replace(an_analysis(a_frame(), shown), call=call)
    dataset = encode(a_subject(a_source()), analysis)
    first, second, *_ = evaluations_of(dataset)
    assert first == ("Conclusion", headline(analysis))
    assert second == ("Opacity", value)


def test_the_conclusion_comes_before_every_number():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame()))
    contained = [
        item.ConceptNameCodeSequence[0].CodeMeaning
        for item in dataset.ContentSequence
        if item.RelationshipType == "CONTAINS"
    ]
    assert contained[:2] == ["Qualitative Evaluations", "Imaging Measurements"]


def codes_named(dataset, name):
    """Values of every CODE item of a name, anywhere in the tree."""
    found = []
    for item in dataset.get("ContentSequence", ()):
        if item.ValueType == "CODE" and (
            item.ConceptNameCodeSequence[0].CodeMeaning == name
        ):
            found.append(item.ConceptCodeSequence[0].CodeMeaning)
        found += codes_named(item, name)
    return found


def test_a_finding_is_named_where_one_is_and_nowhere_else():
    usual = an_analysis(a_frame())
    subject = a_subject(a_source())
    assert codes_named(encode(subject, usual), "Finding") == ["Opacity", "Opacity"]
    possible = dataclasses.replace(usual, call=Call.POSSIBLE)
    assert codes_named(encode(subject, possible), "Finding") == []
    assert codes_named(encode(subject, possible), "Opacity") == ["Indeterminate"] * 3
    normal = encode(subject, an_analysis(a_frame(), ()))
    assert codes_named(normal, "Finding") == []
    assert not any(name == "Finding" for name, _ in evaluations_of(normal))


def test_no_opacity_is_said_in_words_and_numbers():
    dataset = encode(a_subject(a_source()), an_analysis(a_frame(), ()))
    groups = groups_of(dataset)
    assert set(groups) == {"AI both lungs", "AI right lung", "AI left lung"}
    assert numbers_of(groups["AI both lungs"])["Total opacity"] == 0
    assert "No opacity found (probability 4 %, operating point 50 %)." in sentences_of(
        dataset
    )


def test_what_is_free_of_opacity_stands_before_the_zeros():
    # OHIF prints five numbers and leaves a zero's value out
    dataset = encode(a_subject(a_source()), an_analysis(a_frame(), ()))
    groups = groups_of(dataset)
    assert list(numbers_of(groups["AI both lungs"]).items()) == [
        ("Total opacity-free", 100),
        ("Total opacity", 0),
        ("Probability", 4),
        ("Operating point", 50),
    ]
    right = list(numbers_of(groups["AI right lung"]).items())
    assert right == [("Right opacity-free", 100), ("Right opacity", 0)]


def test_the_zones_come_after_the_numbers_that_a_viewer_prints():
    groups = groups_of(encode(a_subject(a_source()), an_analysis(a_frame())))
    names = list(numbers_of(groups["AI both lungs"]))
    assert names[:4] == [
        "Total opacity",
        "Probability",
        "Operating point",
        "Extent score (0-8)",
    ]
    assert len([name for name in names[4:] if name.endswith("zone")]) == 6


def test_intervals_are_numbers_of_their_own():
    ranges = Intervals(0.9, Interval(1, 2.5), Interval(3, 4), Interval(5, 6))
    analysis = dataclasses.replace(an_analysis(a_frame()), intervals=ranges)
    groups = groups_of(encode(a_subject(a_source()), analysis))
    total = numbers_of(groups["AI both lungs"])
    assert total["Total opacity, low end"] == 1
    assert total["Total opacity, high end"] == 2.5
    assert total["Left opacity, high end"] == 6
    assert not any(" end" in name for name in list(total)[:5])


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


def test_the_procedure_is_the_requests_and_the_sources():
    def coded(value):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = value, "99SITE"
        item.CodeMeaning = f"Chest {value}"
        return item

    request = Dataset()
    request.RequestedProcedureID = "P1"
    request.RequestedProcedureCodeSequence = [coded("ASKED")]
    source = a_source(
        RequestAttributesSequence=[request],
        ProcedureCodeSequence=[coded("DONE"), coded("ASKED")],
    )
    dataset = encode(a_subject(source), an_analysis(a_frame()))
    assert codes_named(dataset, "Procedure reported") == ["Chest ASKED", "Chest DONE"]
    assert dataset.ProcedureCodeSequence[0].CodeValue == "DONE"
    plain = encode(a_subject(a_source()), an_analysis(a_frame()))
    assert codes_named(plain, "Procedure reported") == ["Plain chest X-ray"]


def test_the_image_library_lists_every_film_with_what_is_known_of_it():
    bare = a_source(PixelSpacing=None, ImagerPixelSpacing=None, PatientOrientation=None)
    for source in (a_source(), bare):
        dataset = encode(a_subject(source), an_analysis(a_frame()))
        library = dataset.ContentSequence[-1]
        assert library.ConceptNameCodeSequence[0].CodeMeaning == "Image Library"
        (entry,) = library.ContentSequence[0].ContentSequence
        (reference,) = entry.ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert codes_named(entry, "Image View") == ["postero-anterior"]


def test_remarks_and_the_disclaimer_are_comments():
    frame = a_frame(remarks=("The film is rotated.",))
    texts = sentences_of(encode(a_subject(a_source()), an_analysis(frame)))
    assert "Image quality: The film is rotated." in texts
    digest = a_maker().model.sha256
    last = [text for text in texts if "not for primary diagnosis" in text]
    assert len(last) == 1
    assert digest[:12] in last[0]


def test_the_change_since_the_prior_film_is_measured_and_referenced():
    prior = Prior(NOW - timedelta(days=3), 50.0, 60.0, 40.0, OTHER)
    analysis = an_analysis(a_frame())
    dataset = encode(a_subject(a_source(), prior=prior), analysis)
    values = numbers_of(groups_of(dataset)["AI both lungs"])
    assert values["Total change"] == pytest.approx(
        analysis.severity.total - 50, abs=0.005
    )
    compared = [each for each in sentences_of(dataset) if each.startswith("Compared")]
    assert len(compared) == 1
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
    assert named[0] == source.SOPInstanceUID
    assert named[-1] == OTHER.sop_instance_uid


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
        for name in list(numbers_of(group))[:4]
        if name != "Certainty of Finding" and not name.endswith(" end")
    ]
    assert len(shown) >= 8
    assert all(len(name) <= 18 for name in shown)


def codes_in(value):
    """Every code of a constant: a mapping's or a tuple's values, or itself."""
    if isinstance(value, dict):
        return [code for each in value.values() for code in codes_in(each)]
    return list(value) if type(value) is tuple else [value]


def test_codes_of_the_own_scheme_are_valid_and_differ():
    own = [
        code
        for value in vars(codes).values()
        for code in codes_in(value)
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
