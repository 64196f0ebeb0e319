from copy import deepcopy

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from dicom_node.encoding import evidence
from dicom_node.encoding.check import check
from dicom_node.errors import EvidenceInvalid
from tests.analyses import a_context, a_frame, an_analysis
from tests.radiographs import synthetic_dataset

KINDS = [
    "segmentation",
    "measurement-report",
    "presentation-state",
    "secondary-capture",
    "pdf",
]


@pytest.fixture(scope="module")
def source():
    return synthetic_dataset("CR", rows=96, columns=81)


@pytest.fixture(scope="module")
def made(source):
    frame = a_frame(96, 81)
    items = evidence.encode_all(KINDS, source, frame, an_analysis(frame), a_context())
    return {item.kind: item.dataset for item in items}


@pytest.fixture
def item(made, request):
    return deepcopy(made[request.param])


every_kind = pytest.mark.parametrize("item", KINDS, indirect=True)


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
    tag = Tag("SeriesInstanceUID")
    item.add(DataElement(tag, "UI", "1.02.3", validation_mode=IGNORE))
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
def test_a_tree_that_does_not_read_back_is_found(item, source):
    group = item.ContentSequence[-2].ContentSequence[0]
    del group.ContentSequence[0].ConceptNameCodeSequence
    with pytest.raises(EvidenceInvalid, match="does not read back"):
        check(item, source)


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
