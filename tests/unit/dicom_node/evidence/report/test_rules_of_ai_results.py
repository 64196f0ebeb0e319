"""What IHE AI Results (AIR) asks of a report, rule by rule, on several films.

The rules are those that public text states: the profile's pages and its content tests
(AIR_Content_*), and the DICOM templates that they name (PS3.16).
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from dicom_node.evidence import codes
from dicom_node.evidence.encode import encode_all, encode_not_analysable
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.past import ObjectReference, Prior
from tests.factories.analyses import NOW, a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

ROWS, COLUMNS = 256, 200
CODES_PAGE = Path(__file__).resolve().parents[5] / "docs" / "codes.md"
UNSPACED = {"PixelSpacing": None, "ImagerPixelSpacing": None}
PRIOR = Prior(
    acquired_at=NOW - timedelta(days=1),
    total=12.0,
    right=4.0,
    left=20.0,
    report=ObjectReference(
        "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3.5", "1.2"
    ),
    image=ObjectReference("1.2.840.10008.5.1.4.1.1.1", "1.2.4.4", "1.2.4.5", "1.2"),
    model="scripted 1 (SHA-256 000000000000)",
)


def _source(header):
    return synthetic_dataset("CR", rows=ROWS, columns=COLUMNS, **header)


def _objects(header, opacities=None, spacing=(1.4, 1.4), **changes):
    frame = a_frame(ROWS, COLUMNS, spacing_mm=spacing)
    analysis = an_analysis(frame, opacities)
    kinds = [
        EvidenceKind.MEASUREMENT_REPORT,
        EvidenceKind.SEGMENTATION,
        EvidenceKind.LUNG_SEGMENTATION,
    ]
    subject = a_subject(_source(header), **changes)
    return {
        str(one.kind): one.dataset
        for one in encode_all(kinds, subject, frame, analysis)
    }


def _not_analysed():
    reason = codes.not_analysed("NO_LUNGS", "No pair of lungs was found.")
    text = "No pair of lungs was found."
    made = encode_not_analysable(a_subject(_source({})), reason, text)
    return {str(made.kind): made.dataset}


MAKERS = {
    "opacities": lambda: _objects({}),
    "nothing found": lambda: _objects({}, ()),
    "a follow-up": lambda: _objects({}, prior=PRIOR),
    "no spacing": lambda: _objects(UNSPACED, spacing=None),
    "regions in the SEG": lambda: _objects({}, report_regions="segmentation"),
    "not analysed": _not_analysed,
}
FILMS = tuple(MAKERS)
ANALYSED = tuple(film for film in FILMS if film != "not analysed")
WITH_FINDINGS = tuple(film for film in ANALYSED if film != "nothing found")


@cache
def objects_of(film: str) -> dict[str, Dataset]:
    """The objects of a film by kind."""
    return MAKERS[film]()


def report_of(film: str) -> Dataset:
    return objects_of(film)["measurement-report"]


def code_of(items) -> tuple[str, str]:
    (item,) = items
    return item.CodeValue, item.CodingSchemeDesignator


def name_of(item: Dataset) -> tuple[str, str]:
    return code_of(item.ConceptNameCodeSequence)


def walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from walk(child)


def named(item: Dataset, value: str, scheme: str = "DCM") -> list[Dataset]:
    """Content items directly below that are called so."""
    below = item.get("ContentSequence", ())
    return [child for child in below if name_of(child) == (value, scheme)]


def groups_of(film: str) -> list[Dataset]:
    (measurements,) = named(report_of(film), "126010")
    return named(measurements, "125007")


def all_codes(item: Dataset) -> Iterator[Code]:
    for element in item:
        if element.VR != "SQ":
            continue
        for below in element.value:
            if "CodeValue" in below:
                designator = below.CodingSchemeDesignator
                yield Code(below.CodeValue, designator, below.CodeMeaning)
            yield from all_codes(below)


@pytest.mark.parametrize("film", FILMS)
def test_the_root_is_an_imaging_measurement_report_of_tid_1500(film):
    report = report_of(film)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"  # Comprehensive 3D SR
    assert name_of(report) == ("126000", "DCM")
    (template,) = report.ContentTemplateSequence
    assert template.TemplateIdentifier == "1500"
    assert template.MappingResource == "DCMR"


@pytest.mark.parametrize("film", FILMS)
def test_language_and_procedure_are_said_at_the_root(film):
    report = report_of(film)
    (language,) = named(report, "121049")
    assert code_of(language.ConceptCodeSequence) == ("en", "RFC5646")
    assert named(report, "121058")


@pytest.mark.parametrize("film", FILMS)
def test_the_observer_is_a_device_by_uid_name_maker_model_and_serial_number(film):
    report = report_of(film)
    (kind,) = named(report, "121005")
    assert code_of(kind.ConceptCodeSequence) == ("121007", "DCM")
    for value in ("121012", "121013", "121014", "121015", "121016"):
        (item,) = named(report, value)
        assert item.RelationshipType == "HAS OBS CONTEXT"
        assert item.get("UID") or item.get("TextValue")


@pytest.mark.parametrize("film", FILMS)
def test_no_person_is_named_as_observer_and_nobody_has_verified(film):
    report = report_of(film)
    assert not named(report, "121008")
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.CompletionFlag == "COMPLETE"


@pytest.mark.parametrize("film", FILMS)
def test_the_image_library_is_always_there_and_lists_the_film(film):
    report = report_of(film)
    (library,) = named(report, "111028")
    groups = named(library, "126200")
    assert groups
    images = [item for group in groups for item in group.ContentSequence]
    listed = {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in images}
    assert _source({}).SOPInstanceUID in listed


def test_without_spacing_the_image_library_says_less_and_is_not_left_out():
    def said_of_the_film(film):
        (library,) = named(report_of(film), "111028")
        entry = named(library, "126200")[0].ContentSequence[0]
        return {name_of(item)[0] for item in entry.get("ContentSequence", ())}

    spacings = {"111026", "111066"}
    assert spacings <= said_of_the_film("opacities")
    less = said_of_the_film("no spacing")
    assert less == said_of_the_film("opacities") - spacings
    assert "121139" in less  # modality


@pytest.mark.parametrize("film", FILMS)
def test_every_image_that_the_tree_points_to_is_listed_as_evidence(film):
    report = report_of(film)
    listed = {
        one.ReferencedSOPInstanceUID
        for keyword in (
            "CurrentRequestedProcedureEvidenceSequence",
            "PertinentOtherEvidenceSequence",
        )
        for study in report.get(keyword, ())
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    pointed_to = {
        one.ReferencedSOPInstanceUID
        for item in walk(report)
        for one in item.get("ReferencedSOPSequence", ())
    }
    assert pointed_to
    assert pointed_to <= listed


@pytest.mark.parametrize("film", FILMS)
def test_results_lie_in_the_study_of_the_film_in_series_of_their_own(film):
    source = _source({})
    made = objects_of(film).values()
    assert {one.StudyInstanceUID for one in made} == {source.StudyInstanceUID}
    series = [one.SeriesInstanceUID for one in made]
    assert len(set(series)) == len(series)
    assert source.SeriesInstanceUID not in series


@pytest.mark.parametrize("film", ANALYSED)
def test_every_measurement_group_is_tracked_by_identifier_and_uid(film):
    groups = groups_of(film)
    assert len(groups) >= 3
    identifiers, uids = set(), set()
    for group in groups:
        (identifier,) = named(group, "112039")
        (uid,) = named(group, "112040")
        identifiers.add(identifier.TextValue)
        uids.add(uid.UID)
    assert len(identifiers) == len(uids) == len(groups)


@pytest.mark.parametrize("film", ANALYSED)
def test_a_region_of_the_report_and_its_segment_are_tracked_alike(film):
    tracked = {
        (named(group, "112039")[0].TextValue, named(group, "112040")[0].UID)
        for group in groups_of(film)
    }
    segments = [
        (segment.TrackingID, segment.TrackingUID)
        for kind, one in objects_of(film).items()
        if kind != "measurement-report"
        for segment in one.SegmentSequence
    ]
    assert len(segments) >= 2
    assert set(segments) <= tracked


@pytest.mark.parametrize("film", ANALYSED)
def test_every_group_says_by_which_algorithm_and_version_of_it(film):
    for group in groups_of(film):
        numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
        # once in the group, or on each number of it
        for holder in [group] if named(group, "111001") else numbers:
            (name,) = named(holder, "111001")
            (version,) = named(holder, "111003")
            assert name.TextValue
            assert version.TextValue
        assert numbers


@pytest.mark.parametrize("film", ANALYSED)
def test_every_measurement_has_a_coded_name_a_value_and_a_ucum_unit(film):
    numbers = [item for item in walk(report_of(film)) if item.ValueType == "NUM"]
    assert numbers
    for item in numbers:
        assert name_of(item)
        (measured,) = item.MeasuredValueSequence
        assert re.fullmatch(r"-?\d+(\.\d+)?", str(measured.NumericValue))
        (unit,) = measured.MeasurementUnitsCodeSequence
        assert unit.CodingSchemeDesignator == "UCUM"


@pytest.mark.parametrize("film", ANALYSED)
def test_every_region_is_a_closed_outline_on_the_film_or_a_segment_of_a_seg(film):
    segs = {one.SOPInstanceUID for one in objects_of(film).values()}
    for group in groups_of(film):
        outlines = [
            item for item in group.ContentSequence if item.ValueType == "SCOORD"
        ]
        images = [item for item in group.ContentSequence if item.ValueType == "IMAGE"]
        assert outlines or images
        for outline in outlines:
            assert outline.GraphicType == "POLYLINE"
            assert list(outline.GraphicData[:2]) == list(outline.GraphicData[-2:])
            assert min(outline.GraphicData) >= 0
            assert max(outline.GraphicData[::2]) <= COLUMNS
            assert max(outline.GraphicData[1::2]) <= ROWS
            (film_of,) = outline.ContentSequence
            assert film_of.RelationshipType == "SELECTED FROM"
        for image in images:
            if name_of(image) == ("121214", "DCM"):  # Referenced Segmentation Frame
                (referenced,) = image.ReferencedSOPSequence
                assert referenced.ReferencedSOPInstanceUID in segs
                assert referenced.ReferencedSegmentNumber


@pytest.mark.parametrize("film", ANALYSED)
def test_every_group_says_where_it_is(film):
    for group in groups_of(film):
        assert named(group, "363698007", "SCT")  # Finding Site


@pytest.mark.parametrize("film", FILMS)
def test_the_conclusion_is_a_coded_qualitative_evaluation(film):
    (container,) = named(report_of(film), "C0034375", "UMLS")
    coded = [item for item in container.ContentSequence if item.ValueType == "CODE"]
    (evaluation,) = coded
    if film == "not analysed":
        assert name_of(evaluation) == ("NOT_ANALYSED", codes.OWN_SCHEME)
        return
    assert name_of(evaluation) == (codes.OPACITY.value, codes.OPACITY.scheme_designator)
    allowed = {(one.value, one.scheme_designator) for one in codes.CALLS.values()}
    assert code_of(evaluation.ConceptCodeSequence) in allowed


def test_a_film_without_findings_says_so_and_still_has_its_measurements():
    report = report_of("nothing found")
    (container,) = named(report, "C0034375", "UMLS")
    said = [
        item.ConceptCodeSequence[0].CodeMeaning
        for item in container.ContentSequence
        if item.ValueType == "CODE"
    ]
    assert said == ["Absent"]
    assert len(groups_of("nothing found")) == 3
    assert not any(named(group, "121071") for group in groups_of("nothing found"))


@pytest.mark.parametrize("film", WITH_FINDINGS)
def test_a_finding_is_coded_in_the_group_of_its_region(film):
    found = [item for group in groups_of(film) for item in named(group, "121071")]
    assert len(found) == len(groups_of(film)) - 3
    assert {code_of(item.ConceptCodeSequence) for item in found} == {("112001", "DCM")}


def test_a_film_that_was_not_analysed_has_no_measurements():
    assert not named(report_of("not analysed"), "126010")


@pytest.mark.parametrize("film", FILMS)
def test_every_private_code_is_of_a_declared_scheme_and_published(film):
    report = report_of(film)
    declared = {
        item.CodingSchemeDesignator
        for item in report.CodingSchemeIdentificationSequence
    }
    page = CODES_PAGE.read_text(encoding="utf-8")
    private = [code for code in all_codes(report) if code.scheme_designator[:2] == "99"]
    assert private
    for code in private:
        assert code.scheme_designator in declared
        if code.value == "NO_LUNGS":  # a reason: the page says how those are made
            continue
        assert f"| `{code.value}` | {code.meaning} |" in page


@pytest.mark.parametrize("film", FILMS)
def test_all_other_codes_are_of_schemes_that_dicom_names(film):
    schemes = {code.scheme_designator for code in all_codes(report_of(film))}
    assert schemes <= {"DCM", "SCT", "UCUM", "UMLS", "RFC5646", codes.OWN_SCHEME}
