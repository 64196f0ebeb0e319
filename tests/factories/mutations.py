"""What real archives hold where DICOM says something else, to be put into headers."""

from io import BytesIO

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from dicom_node.dataset import normalise as header
from dicom_node.evidence import encode as evidence

CONTENTS = (
    b"",
    b" ",
    b"\0\0",
    b"1,5 ",
    b"NaN ",
    b"1e400 ",
    b"1e-400",
    b"-1",
    b"0",
    b"0\\0",
    b"-1\\-1",
    b"1\\2\\3\\4",
    b"\\\\",
    b"x" * 200,
    b"9999999999 ",
    b"0.00000000000000000000001 ",
    b"\x07\x0b\x1b[A",
    b"\r\nfoo\n",
    b"\t",
    b'"',
    b"*",
    "Müller^Jörg ".encode("latin-1"),
    "山田".encode(),
    b"\x1b$B;3ED",
    b"\xff\xfe\xfd\xfc",
    b"00000000",
    b"20269999",
    b"20260102-20260103 ",
    b"25:61",
    b"256Y",
    b"=^=^=",
    b"A=B=C=D=E ",
    b"^^^^^^^^^ ",
    b"1.2.03.4",
    b"1.2.840." + b"9" * 70,
    b"U ",
    b"M\\F ",
    b"M\\F\\O",
)
"""Values as they lie in a file."""

SEQUENCES = (
    b"",
    b"garbage!",
    b"\xfe\xff\x00\xe0\xff",
    b"\xfe\xff\x00\xe0\x00\x00\x00\x00",
    b"\xfe\xff\x00\xe0\x08\x00\x00\x00\x08\x00\x50\x00SH\x00\x00",
    b"\xfe\xff\x00\xe0\x0c\x00\x00\x00\x08\x00\x50\x00SH\x04\x00A\\B\xe9",
    b"\xfe\xff\x00\xe0\x0a\x00\x00\x00\x20\x00\x0d\x00UI\x02\x00xx",
)
"""Sequences as they lie in a file, cut, empty and half filled."""

CHARACTER_SETS = (
    None,
    b" ",
    b"ISO_IR 100",
    b"ISO_IR 192",
    b"LATIN1",
    b"ISO_IR 999",
    b"\\ISO 2022 IR 87",
    b"ISO 2022 IR 6\\ISO 2022 IR 149",
    b"ISO_IR 192\\ISO 2022 IR 87",
    b"GB18030 ",
    b"\xff\xfe",
)

COPIED = tuple(
    keyword
    for keyword in header.COPIED + header.LOOKUP_TABLES
    if keyword
    not in {
        # The pixels and the object's own name: a file without them is no image.
        *("Rows", "Columns", "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
        "PhotometricInterpretation",
    }
)
"""What results copy, so where a defect could spread."""

INNER = (
    "PatientID",
    "TypeOfPatientID",
    "IssuerOfPatientID",
    "CodeValue",
    "CodingSchemeDesignator",
    "CodingSchemeVersion",
    "CodeMeaning",
    "LongCodeValue",
    "ReferencedSOPClassUID",
    "ReferencedSOPInstanceUID",
    "StudyInstanceUID",
    "AccessionNumber",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "LocalNamespaceEntityID",
    "UniversalEntityID",
    "UniversalEntityIDType",
    "PlacerOrderNumberImagingServiceRequest",
    "LUTDescriptor",
    "LUTData",
    "LUTExplanation",
    "ModalityLUTType",
    "ContextGroupVersion",
    "RequestedProcedureCodeSequence",
    "ReferencedStudySequence",
    "IssuerOfAccessionNumberSequence",
    "AssigningFacilitySequence",
)
_GOOD = {
    "ReferencedSOPClassUID": b"1.2.840.10008.3.1.2.3.3",
    "ReferencedSOPInstanceUID": b"1.2.3",
    "StudyInstanceUID": b"1.2.3",
    "UniversalEntityIDType": b"DNS ",
    "TypeOfPatientID": b"TEXT",
    "LUTDescriptor": b"\x04\0\0\0\x0c\0",
    "LUTData": b"\0\0\1\0\2\0\xff\x0f",
    "ModalityLUTType": b"OD",
    "ContextGroupVersion": b"20000101",
}
_UNAMBIGUOUS = {"US or SS": "US", "US or OW": "OW"}


def put(dataset: Dataset, keyword: str, content: bytes | None) -> None:
    """Put bytes where an attribute's value lies, as a file would; ``None`` removes."""
    tag = Tag(keyword)
    if content is None:
        dataset.pop(tag, None)
        return
    vr = dictionary_VR(tag)
    dataset[tag] = RawDataElement(
        tag,
        _UNAMBIGUOUS.get(vr, vr),
        len(content),
        content,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )


def put_items(dataset: Dataset, keyword: str, turn: int, depth: int = 0) -> None:
    """Put a sequence of two items, some of whose attributes hold something odd."""
    items = []
    for which in range(2):
        item = Dataset()
        for place, inner in enumerate(INNER):
            if (3 * turn + which + place) % 5 == 0:
                continue
            if dictionary_VR(inner) == "SQ":
                if depth == 0:
                    put_items(item, inner, turn + place, 1)
            elif (turn + which + place) % 3:
                put(item, inner, _GOOD.get(inner, b"GOOD"))
            else:
                odd = (5 * turn + 7 * place + which) % len(CONTENTS)
                put(item, inner, CONTENTS[odd])
        items.append(item)
    dataset.add_new(Tag(keyword), "SQ", Sequence(items))


def everywhere(dataset: Dataset, turn: int) -> None:
    """Put something odd into everything that results copy.

    Over as many turns as there are contents, each attribute holds each of them once.
    """
    for place, keyword in enumerate(COPIED):
        if keyword in {"PatientID", "StudyInstanceUID", "SeriesInstanceUID"}:
            continue
        if dictionary_VR(keyword) != "SQ":
            put(dataset, keyword, CONTENTS[(turn + 7 * place) % len(CONTENTS)])
        elif turn % 2:
            put_items(dataset, keyword, turn + place)
        else:
            put(dataset, keyword, SEQUENCES[(turn + place) % len(SEQUENCES)])
    put(dataset, "SpecificCharacterSet", CHARACTER_SETS[turn % len(CHARACTER_SETS)])


def copy_of(dataset: Dataset) -> Dataset:
    """The data set as it comes from a file."""
    return dcmread(BytesIO(evidence.part_10(dataset)))
