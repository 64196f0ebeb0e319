from io import BytesIO

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from dicom_node.dataset.normalise import EQUIPMENT, PATIENT_AND_STUDY
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import encode as evidence
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

ROWS, COLUMNS = 40, 31
KINDS = ["lung-segmentation", "measurement-report", "presentation-state", "pdf"]
KEYWORDS = (
    *PATIENT_AND_STUDY,
    *EQUIPMENT,
    "SpecificCharacterSet",
    "Modality",
    "SeriesNumber",
    "Manufacturer",
    "SoftwareVersions",
    "AcquisitionDate",
    "AcquisitionTime",
    "RequestAttributesSequence",
    "ImageType",
    "PatientOrientation",
    "PresentationLUTShape",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
    "VOILUTSequence",
    "ModalityLUTSequence",
)
CONTENTS = st.one_of(
    st.binary(max_size=24),
    st.text(alphabet=r"0123456789.+-^=\ ABC:/", max_size=24).map(str.encode),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(
        [b"", b"1\\2\\3", b"nan", b"1e999", b"inf", b"\x1b$B\xff", b"\0\0"]
    ),
)
SOURCE = synthetic_dataset("CR", rows=ROWS, columns=COLUMNS)
FRAME = a_frame(ROWS, COLUMNS)
ANALYSIS = an_analysis(FRAME)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(KEYWORDS), st.none() | CONTENTS, min_size=1, max_size=12
    )
)
def test_any_header_gives_valid_results_or_one_clear_reason(changes):
    source = dcmread(BytesIO(evidence.part_10(SOURCE)))
    for keyword, content in changes.items():
        tag = Tag(keyword)
        if content is None:
            source.pop(tag, None)
            continue
        source[tag] = RawDataElement(
            tag,
            dictionary_VR(tag),
            len(content),
            content,
            value_tell=0,
            is_implicit_VR=False,
            is_little_endian=True,
        )
    try:
        items = evidence.encode_all(KINDS, a_subject(source), FRAME, ANALYSIS)
    except EvidenceInvalid as reason:
        assert str(reason).startswith("the source has")  # noqa: PT017  many headers are fine
        return
    for item in items:
        assert dcmread(BytesIO(item.content)).SOPInstanceUID
