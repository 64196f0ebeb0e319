from copy import deepcopy

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import encode as evidence
from dicom_node.evidence.check.objects import check_set
from dicom_node.evidence.kinds import EvidenceKind
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

KINDS = [
    "segmentation",
    "measurement-report",
    "presentation-state",
    "secondary-capture",
    "pdf",
]

KIND_OF = {
    "SEG": EvidenceKind.SEGMENTATION,
    "SR": EvidenceKind.MEASUREMENT_REPORT,
    "PR": EvidenceKind.PRESENTATION_STATE,
    "OT": EvidenceKind.SECONDARY_CAPTURE,
    "DOC": EvidenceKind.PDF,
}


@pytest.fixture(scope="module")
def source():
    return synthetic_dataset("CR", rows=96, columns=81)


@pytest.fixture(scope="module")
def made(source):
    frame = a_frame(96, 81)
    items = evidence.encode_all(KINDS, a_subject(source), frame, an_analysis(frame))
    return {item.kind: item.dataset for item in items}


@pytest.fixture
def item(made, request):
    return deepcopy(made[request.param])


every_kind = pytest.mark.parametrize("item", KINDS, indirect=True)


def put(item, keyword, vr, value):
    """Put a value as a faulty encoder would, unchecked."""
    item.add(DataElement(Tag(keyword), vr, value, validation_mode=IGNORE))


def check(item, source, known=()):
    """Check an object as what it calls itself."""
    kind = KIND_OF.get(item.get("Modality"))
    evidence.check(kind, item, a_subject(source), known)


def only(kind):
    return pytest.mark.parametrize("item", [kind], indirect=True)


@every_kind
def test_a_good_object_passes(item, source):
    check(item, source)


@every_kind
@pytest.mark.parametrize(
    "keyword", ["PatientID", "SeriesInstanceUID", "StudyDate", "Modality"]
)
def test_an_absent_attribute_is_found(item, source, keyword):
    delattr(item, keyword)
    with pytest.raises(EvidenceInvalid, match=keyword):
        check(item, source)


@every_kind
def test_an_empty_required_value_is_found(item, source):
    item.SeriesInstanceUID = ""
    with pytest.raises(EvidenceInvalid, match="SeriesInstanceUID is empty"):
        check(item, source)


@every_kind
def test_an_invalid_uid_is_found(item, source):
    put(item, "SeriesInstanceUID", "UI", "1.02.3")
    with pytest.raises(EvidenceInvalid, match="SeriesInstanceUID is not a valid UID"):
        check(item, source)


@every_kind
def test_another_patient_or_study_is_found(item, source):
    item.PatientID, item.StudyInstanceUID = "SOMEBODY ELSE", "1.2.3"
    with pytest.raises(EvidenceInvalid, match="PatientID is not the source's") as error:
        check(item, source)
    assert "StudyInstanceUID is not the source's" in str(error.value)
    assert "SOMEBODY" not in str(error.value)


@every_kind
def test_a_result_of_another_image_is_found(item, source):
    other = deepcopy(source)
    other.SOPInstanceUID = "1.2.3.4"
    with pytest.raises(EvidenceInvalid, match="nothing refers to the source image"):
        check(item, other)


@only("segmentation")
def test_masks_of_another_size_are_found(item, source):
    item.Rows = 95
    with pytest.raises(EvidenceInvalid, match="not of the source's size"):
        check(item, source)


@only("segmentation")
def test_a_missing_frame_is_found(item, source):
    item.NumberOfFrames = 1
    with pytest.raises(EvidenceInvalid, match="not one frame per segment"):
        check(item, source)


@pytest.mark.parametrize("item", ["segmentation", "secondary-capture"], indirect=True)
def test_cut_pixel_data_are_found(item, source):
    item.PixelData = item.PixelData[:-2]
    with pytest.raises(EvidenceInvalid, match="pixel data are not of their stated"):
        check(item, source)


@only("measurement-report")
def test_an_outline_off_the_film_is_found(item, source):
    small = deepcopy(source)
    small.Rows = 20
    with pytest.raises(EvidenceInvalid, match="an outline leaves the film"):
        check(item, small)


@only("measurement-report")
@pytest.mark.parametrize("what", ["root", "template"])
def test_a_tree_that_is_no_measurement_report_is_found(item, source, what):
    if what == "root":
        item.ValueType = "TEXT"
    else:
        item.ContentTemplateSequence[0].TemplateIdentifier = "2000"
    with pytest.raises(EvidenceInvalid, match="not of TID 1500"):
        check(item, source)


@only("measurement-report")
@pytest.mark.parametrize(
    "keyword", ["ConceptNameCodeSequence", "RelationshipType", "ValueType"]
)
def test_half_a_content_item_is_found(item, source, keyword):
    group = item.ContentSequence[-2].ContentSequence[0]
    delattr(group.ContentSequence[0], keyword)
    with pytest.raises(EvidenceInvalid, match=keyword):
        check(item, source)


@every_kind
def test_a_value_too_long_for_its_vr_is_found_and_not_told(item, source):
    put(item, "StationName", "SH", "S" * 17)
    with pytest.raises(EvidenceInvalid, match="StationName is not a valid") as error:
        check(item, source)
    assert "SSS" not in str(error.value)


@every_kind
@pytest.mark.parametrize(
    ("keyword", "vr", "value", "defect"),
    [
        ("StudyDate", "DA", "20269999", "StudyDate is not a valid value"),
        ("PatientSex", "CS", "m", "PatientSex is not a valid value"),
        ("SeriesNumber", "IS", "7.5", "SeriesNumber is not a valid value"),
        ("StudyID", "SH", ["1", "2"], "StudyID has a wrong number of values"),
        ("StudyDescription", "ST", "Chest", "StudyDescription has another VR"),
        ("StudyInstanceUID", "UI", "1.2." + "3" * 70, "not a valid UID"),
        (0x00990010, "LO", "VENDOR", "is not in the dictionary"),
    ],
)
def test_a_value_that_is_not_what_its_attribute_holds_is_found(
    item, source, keyword, vr, value, defect
):
    put(item, keyword, vr, value)
    with pytest.raises(EvidenceInvalid, match=defect):
        check(item, source)


@every_kind
def test_a_text_outside_the_character_set_is_found(item, source):
    item.SpecificCharacterSet = "ISO_IR 100"
    item.PatientName = "山田^太郎"
    with pytest.raises(EvidenceInvalid, match="not of the Specific Character Set"):
        check(item, source)


@every_kind
def test_file_meta_information_of_another_object_is_found(item, source):
    item.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    item.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    with pytest.raises(EvidenceInvalid, match="another instance") as error:
        check(item, source)
    assert "names another SOP class" in str(error.value)


@only("presentation-state")
def test_a_reference_to_an_object_outside_the_set_is_found(item, source):
    extra = deepcopy(item.ReferencedSeriesSequence[0])
    extra.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"
    item.ReferencedSeriesSequence.append(extra)
    with pytest.raises(EvidenceInvalid, match="leads to an unknown object"):
        check(item, source)
    check(item, source, {"1.2.3.4"})


@every_kind
def test_a_reference_of_another_class_than_the_source_is_found(item, source):
    other = deepcopy(source)
    other.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    with pytest.raises(EvidenceInvalid, match="gives the source image another SOP"):
        check(item, other)


@only("segmentation")
def test_segments_that_are_not_told_apart_are_found(item, source):
    first, second = item.SegmentSequence[:2]
    second.TrackingUID = first.TrackingUID
    second.SegmentNumber = 7
    with pytest.raises(EvidenceInvalid, match="not numbered from one") as error:
        check(item, source)
    assert "the same TrackingUID" in str(error.value)


def test_a_set_of_one_image_stands_together(made, source):
    check_set(list(made.values()), source)


@pytest.mark.parametrize(
    ("keyword", "defect"),
    [
        ("SOPInstanceUID", "the same SOPInstanceUID"),
        ("SeriesInstanceUID", "two kinds stand in one series"),
    ],
)
@pytest.mark.parametrize("whose", ["source", "another result"])
def test_a_set_that_shares_a_uid_is_found(made, source, keyword, defect, whose):
    items = deepcopy(list(made.values()))
    other = source if whose == "source" else items[1]
    setattr(items[0], keyword, other[keyword].value)
    with pytest.raises(EvidenceInvalid, match=defect):
        check_set(items, source)


def test_two_segmentations_in_one_series_are_found(made, source):
    first = made["segmentation"]
    second = deepcopy(first)
    second.SOPInstanceUID = "1.2.3"
    with pytest.raises(EvidenceInvalid, match="two segmentations stand in one"):
        check_set([first, second], source)


@only("presentation-state")
def test_an_inverted_presentation_is_found(item, source):
    item.PresentationLUTShape = "INVERSE"
    with pytest.raises(EvidenceInvalid, match="would invert the film"):
        check(item, source)


@only("presentation-state")
def test_an_open_outline_is_found(item, source):
    graphic = item.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    graphic.GraphicData = list(graphic.GraphicData)[:-2]
    with pytest.raises(EvidenceInvalid, match="not closed"):
        check(item, source)


@only("pdf")
def test_a_document_that_is_no_pdf_is_found(item, source):
    item.EncapsulatedDocument = b"<html>"
    with pytest.raises(EvidenceInvalid, match="not a PDF"):
        check(item, source)


@only("pdf")
def test_a_class_that_the_node_does_not_make_is_found(item, source):
    item.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9999"
    with pytest.raises(EvidenceInvalid, match="not one this node makes"):
        check(item, source)
