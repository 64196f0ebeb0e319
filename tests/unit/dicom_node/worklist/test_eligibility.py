"""Each rule refuses with its code; silence in a header is not held against it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config, uid
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from dicom_node.errors import NotEligible
from dicom_node.worklist.eligibility import check, is_awaited
from tests.factories.choices import rules as site_rules
from tests.factories.radiographs import synthetic_dataset

RULES = site_rules()


def film(kind="CR", **attributes) -> Dataset:
    """Make a header that passes, with changes; ``None`` removes an attribute."""
    dataset = synthetic_dataset(kind, rows=64, columns=64)
    del dataset.PixelData
    dataset.Rows = dataset.Columns = 2000
    for keyword, value in attributes.items():
        if value is not None:
            vr = dictionary_VR(keyword)
            dataset.add(DataElement(keyword, vr, value, validation_mode=config.IGNORE))
        elif keyword in dataset:
            delattr(dataset, keyword)
    return dataset


def refusal(dataset, rules=RULES) -> str | None:
    try:
        check(dataset, rules)
    except NotEligible as error:
        return error.code
    return None


def coded(value) -> Sequence:
    item = Dataset()
    item.CodeValue = value
    return Sequence([item])


@pytest.mark.parametrize("kind", ["CR", "DX", "SC"])
def test_a_frontal_chest_film_is_eligible(kind):
    assert refusal(film(kind)) is None


def test_a_bare_header_of_a_radiograph_is_eligible():
    dataset = film()
    bare = Dataset()
    for keyword in (
        *("SOPClassUID", "Rows", "Columns", "BitsStored"),
        "PhotometricInterpretation",
    ):
        setattr(bare, keyword, dataset[keyword].value)
    assert refusal(bare) is None


@pytest.mark.parametrize(
    ("kind", "attributes", "code"),
    [
        ("CR", {"SOPClassUID": uid.CTImageStorage}, "SOP_CLASS"),
        ("CR", {"SOPClassUID": uid.SegmentationStorage}, "SOP_CLASS"),
        ("CR", {"SOPClassUID": None}, "SOP_CLASS"),
        ("CR", {"Manufacturer": "CXR Node"}, "OWN_RESULT"),
        ("SC", {"Manufacturer": "cxr node "}, "OWN_RESULT"),
        ("DX-PROCESSING", {}, "FOR_PROCESSING"),
        ("DX", {"PresentationIntentType": "FOR PROCESSING"}, "FOR_PROCESSING"),
        ("CR", {"Modality": "MG"}, "MODALITY"),
        ("DX", {"Modality": "RF"}, "MODALITY"),
        ("SC", {"Modality": "OT"}, "MODALITY"),
        ("SC", {"Modality": None}, "MODALITY"),
        ("CR", {"Modality": "CT"}, "MODALITY"),
        (
            "DX",
            {"ViewPosition": "", "ViewCodeSequence": coded("R-10256")},
            "VIEW_OTHER",
        ),
        ("CR", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "IMAGE_TYPE"),
        ("DX", {"ImageType": ["DERIVED", "PRIMARY", "", "STITCHED"]}, "IMAGE_TYPE"),
        (
            "DX",
            {"ImageType": ["DERIVED", "PRIMARY", "BONE_SUPPRESSED_2"]},
            "IMAGE_TYPE",
        ),
        ("CR", {"Rows": None}, "NO_PIXEL_DATA"),
        ("CR", {"Columns": 0}, "NO_PIXEL_DATA"),
        ("SC", {"PhotometricInterpretation": "RGB"}, "PHOTOMETRIC"),
        ("SC", {"PhotometricInterpretation": "YBR_FULL_422"}, "PHOTOMETRIC"),
        ("CR", {"PhotometricInterpretation": None}, "PHOTOMETRIC"),
        ("SC", {"SamplesPerPixel": 3}, "PHOTOMETRIC"),
        ("CR", {"NumberOfFrames": 2}, "MULTIFRAME"),
        ("CR", {"BitsStored": 7}, "BITS_STORED"),
        ("CR", {"BitsStored": 17}, "BITS_STORED"),
        ("CR", {"BitsStored": None}, "BITS_STORED"),
        ("CR", {"Rows": 383}, "TOO_SMALL"),
        ("CR", {"Columns": 100}, "TOO_SMALL"),
        ("CR", {"BodyPartExamined": "ABDOMEN"}, "NOT_CHEST"),
        ("CR", {"BodyPartExamined": "RIBS"}, "NOT_CHEST"),
        ("CR", {"BodyPartExamined": "TSPINE"}, "NOT_CHEST"),
        ("CR", {"BodyPartExamined": "CHESTABDOMEN"}, "NOT_CHEST"),
        ("CR", {"BodyPartExamined": ["CHEST", "ABDOMEN"]}, "NOT_CHEST"),
        (
            "DX",
            {"BodyPartExamined": "", "AnatomicRegionSequence": coded("818981001")},
            "NOT_CHEST",
        ),
        (
            "CR",
            {
                "BodyPartExamined": "",
                "StudyDescription": "Abdomen supine",
                "SeriesDescription": "",
            },
            "NOT_CHEST",
        ),
        (
            "SC",
            {"BodyPartExamined": "", "StudyDescription": "", "SeriesDescription": ""},
            "NOT_CHEST",
        ),
        ("CR", {"ViewPosition": "LL"}, "VIEW_LATERAL"),
        ("CR", {"ViewPosition": "lateral"}, "VIEW_LATERAL"),
        ("CR", {"ViewPosition": "LLD"}, "VIEW_LATERAL"),
        ("CR", {"ViewPosition": "RAO"}, "VIEW_OBLIQUE"),
        (
            "DX",
            {"ViewPosition": "", "ViewCodeSequence": coded("399173006")},
            "VIEW_LATERAL",
        ),
        (
            "DX",
            {"ViewPosition": "", "ViewCodeSequence": coded("R-10232")},
            "VIEW_LATERAL",
        ),
        (
            "CR",
            {"ViewPosition": None, "SeriesDescription": "Thorax lat."},
            "VIEW_LATERAL",
        ),
        (
            "CR",
            {
                "ViewPosition": None,
                "SeriesDescription": "",
                "PatientOrientation": ["A", "F"],
            },
            "VIEW_LATERAL",
        ),
        ("CR", {"PatientAge": "017Y"}, "TOO_YOUNG"),
        ("CR", {"PatientAge": "008M"}, "TOO_YOUNG"),
        ("CR", {"PatientAge": "003W"}, "TOO_YOUNG"),
        ("CR", {"PatientAge": "012D"}, "TOO_YOUNG"),
        (
            "CR",
            {
                "PatientAge": None,
                "PatientBirthDate": "20100101",
                "StudyDate": "20260101",
            },
            "TOO_YOUNG",
        ),
    ],
)
def test_what_is_no_frontal_chest_film_is_refused_with_its_code(kind, attributes, code):
    assert refusal(film(kind, **attributes)) == code


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("CR", {"Modality": ""}),
        ("CR", {"Modality": "DR"}),
        ("DX", {"Modality": "RG"}),
        ("DX", {"Modality": "OT"}),
        ("SC", {"ImageType": ["DERIVED", "SECONDARY"]}),
        ("CR", {"ImageType": ["DERIVED", "SECONDARY"]}),
        ("DX", {"ImageType": ["DERIVED", "SECONDARY", "", "CSA RESAMPLED"]}),
        ("CR", {"ImageType": ["DERIVED SECONDARY", "POST_PROCESSED"]}),
        ("CR", {"ImageType": ["MIXED", "PRIMARY"]}),
        ("CR", {"BodyPartExamined": "T?RAX"}),
        ("CR", {"BodyPartExamined": "UNKNOWN"}),
        ("CR", {"ImageType": None}),
        ("CR", {"NumberOfFrames": 1}),
        ("CR", {"Rows": 384, "Columns": 384}),
        ("CR", {"BitsStored": 8}),
        ("CR", {"BitsStored": 16}),
        ("CR", {"BodyPartExamined": "Thorax"}),
        ("CR", {"BodyPartExamined": "LUNG"}),
        ("CR", {"BodyPartExamined": "CHEST_PA"}),
        ("DX", {"BodyPartExamined": "", "AnatomicRegionSequence": coded("T-D3000")}),
        ("CR", {"BodyPartExamined": None, "StudyDescription": "Röntgen Thorax"}),
        ("CR", {"BodyPartExamined": None, "StudyDescription": "胸部正面"}),
        ("CR", {"BodyPartExamined": None, "StudyDescription": "X-ray"}),
        ("CR", {"BodyPartExamined": None, "StudyDescription": "Chest and ribs"}),
        ("CR", {"ViewPosition": "AP"}),
        ("CR", {"ViewPosition": "AP SUPINE"}),
        ("CR", {"ViewPosition": "PA_ERECT"}),
        ("DX", {"ViewPosition": "", "ViewCodeSequence": coded("399348003")}),
        ("CR", {"ViewPosition": "", "SeriesDescription": "PA and lateral chest"}),
        ("CR", {"ViewPosition": "", "SeriesDescription": "Patient in bed"}),
        ("CR", {"PatientAge": "018Y"}),
        ("CR", {"PatientAge": "62"}),
        ("CR", {"PatientAge": "000Y", "PatientBirthDate": ""}),
        ("CR", {"PatientAge": "UNKNOWN", "PatientBirthDate": "1900"}),
        ("CR", {"PatientAge": None, "PatientBirthDate": "20270101"}),
    ],
)
def test_odd_but_honest_headers_are_eligible(kind, attributes):
    dataset = film(kind, **attributes)
    dataset.SeriesDescription = attributes.get("SeriesDescription", "")
    assert refusal(dataset) is None


@pytest.mark.parametrize(
    ("rules", "kind", "attributes", "code"),
    [
        ({"accept_for_processing": True}, "DX-PROCESSING", {}, None),
        ({"accept_secondary_capture": False}, "SC", {}, "SOP_CLASS"),
        (
            {"secondary_capture_modalities": frozenset({"OT"})},
            "SC",
            {"Modality": "OT"},
            None,
        ),
        ({"minimum_age_years": 0}, "CR", {"PatientAge": "001D"}, None),
        ({"minimum_age_years": 16}, "CR", {"PatientAge": "016Y"}, None),
        ({"minimum_size_px": 2001}, "CR", {}, "TOO_SMALL"),
        (
            {"unknown_view": "refuse"},
            "CR",
            {"ViewPosition": "", "SeriesDescription": ""},
            "VIEW_UNKNOWN",
        ),
        (
            {"unknown_body_part": "refuse"},
            "CR",
            {"BodyPartExamined": "", "StudyDescription": "", "SeriesDescription": ""},
            "NOT_CHEST",
        ),
        ({"unknown_body_part": "refuse"}, "CR", {"BodyPartExamined": "OTHER"}, None),
        (
            {"body_part_words": frozenset({"Zone 7"})},
            "CR",
            {"BodyPartExamined": "ZONE"},
            None,
        ),
        ({"refused_views": frozenset()}, "CR", {"ViewPosition": "LL"}, None),
        ({"refused_views": frozenset({"oblique"})}, "CR", {"ViewPosition": "LL"}, None),
        (
            {"derived_products": "analyze"},
            "CR",
            {"ImageType": ["DERIVED", "PRIMARY", "BONE SUPPRESSED"]},
            None,
        ),
        (
            {"refused_image_types": frozenset({"Crop"})},
            "CR",
            {"ImageType": ["DERIVED", "PRIMARY", "CROP_1"]},
            "IMAGE_TYPE",
        ),
        (
            {"accepted_modalities": frozenset({"RF"})},
            "DX",
            {"Modality": "RF"},
            None,
        ),
    ],
)
def test_a_site_may_choose(rules, kind, attributes, code):
    assert refusal(film(kind, **attributes), site_rules(**rules)) == code


def test_a_refusal_names_no_patient():
    dataset = film(PatientName="Doe^Jane", PatientID="4711", PatientAge="017Y")
    with pytest.raises(NotEligible) as error:
        check(dataset, RULES)
    assert "Doe" not in str(error.value)
    assert "17" not in str(error.value)


def test_a_refusal_is_one_printable_line():
    dataset = film(BodyPartExamined="KNEE\r\nX\x1b[31m é")
    with pytest.raises(NotEligible) as error:
        check(dataset, RULES)
    assert error.value.code == "NOT_CHEST"
    assert error.value.text.endswith(".")
    assert str(error.value).isprintable()
    assert str(error.value).isascii()


@pytest.mark.parametrize(
    ("kind", "attributes", "awaited"),
    [
        ("CR", {}, True),
        ("DX", {"PatientAge": "004Y"}, True),
        ("CR", {"Rows": 100}, True),
        ("CR", {"ViewPosition": None}, True),
        ("CR", {"ViewPosition": "LL"}, False),
        ("CR", {"ViewPosition": "LAO"}, False),
        ("CR", {"BodyPartExamined": "HAND"}, False),
        ("DX", {"PresentationIntentType": "FOR PROCESSING"}, False),
        ("CR", {"ImageType": ["DERIVED", "PRIMARY", "BONE_SUPPRESSED"]}, False),
        ("CR", {"Manufacturer": "CXR Node"}, False),
        ("SC", {}, True),
        ("SC", {"PhotometricInterpretation": "RGB"}, False),
    ],
)
def test_a_result_is_awaited_of_a_frontal_film_that_calls_itself_a_chest(
    kind, attributes, awaited
):
    dataset = film(kind, **({"BodyPartExamined": "CHEST"} | attributes))
    assert is_awaited(dataset, RULES) is awaited


def test_of_a_film_that_does_not_say_what_it_shows_nobody_awaits_a_result():
    names = ("BodyPartExamined", "AnatomicRegionSequence", "StudyDescription")
    silent = dict.fromkeys((*names, "SeriesDescription", "ProtocolName"))
    assert not is_awaited(film("CR", **silent), RULES)


ATTRIBUTES = sorted(
    Tag(keyword)
    for keyword in (
        *("SOPClassUID", "Manufacturer", "Modality", "PresentationIntentType"),
        *("ImageType", "Rows", "Columns", "SamplesPerPixel", "BitsStored"),
        *("PhotometricInterpretation", "NumberOfFrames", "BodyPartExamined"),
        *("AnatomicRegionSequence", "StudyDescription", "ViewPosition"),
        *("ViewCodeSequence", "PatientOrientation", "PatientAge"),
        *("PatientBirthDate", "StudyDate", "SpecificCharacterSet"),
    )
)
VRS = ["AS", "CS", "DA", "DS", "IS", "LO", "OB", "PN", "SQ", "UI", "UN", "US", "ZZ"]


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["CR", "DX", "SC"]),
    damage=st.dictionaries(
        st.sampled_from(ATTRIBUTES),
        st.tuples(st.sampled_from(VRS), st.binary(max_size=24)),
        max_size=6,
    ),
)
def test_no_header_however_broken_raises_anything_else(kind, damage):
    dataset = film(kind)
    for tag, (vr, value) in damage.items():
        dataset[tag] = RawDataElement(
            tag, vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True
        )
    refusal(dataset)
    assert is_awaited(dataset, RULES) in {True, False}
