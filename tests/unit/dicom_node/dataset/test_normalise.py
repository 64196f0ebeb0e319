from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.dataset.normalise import normalise
from dicom_node.dataset.quiet import quiet
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import encode as evidence
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset

ROWS, COLUMNS = 96, 81
KINDS = ["segmentation", "lung-segmentation", "measurement-report"]
ALL_KINDS = [*KINDS, "presentation-state", "secondary-capture", "pdf"]


def a_source(**changes):
    return synthetic_dataset("CR", rows=ROWS, columns=COLUMNS, **changes)


def put(dataset, keyword, vr, value):
    """Put a value as it lies in a file, unchecked."""
    text = "\\".join(value) if isinstance(value, list) else value
    content = text if isinstance(text, bytes) else text.encode("latin-1")
    tag = Tag(keyword)
    dataset[tag] = RawDataElement(
        tag,
        vr,
        len(content),
        content,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )
    return dataset


def as_received(dataset):
    """The data set after a way through a file: raw elements, decoded on access."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    return dcmread(stream)


def results(source, kinds=KINDS):
    frame = a_frame(ROWS, COLUMNS)
    return evidence.encode_all(kinds, a_subject(source), frame, an_analysis(frame))


def read_back(item):
    return dcmread(BytesIO(item.content))


def test_the_source_is_left_as_it_is():
    source = a_source()
    before = source.to_json()
    results(source)
    assert source.to_json() == before


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "kept"),
    [
        ("PatientSex", "CS", "U", ""),
        ("PatientSex", "CS", "m ", "M"),
        ("PatientBirthDate", "DA", "19450231", ""),
        ("PatientBirthDate", "DA", "1945.02.28", "19450228"),
        ("StudyDate", "DA", "unknown", ""),
        ("StudyTime", "TM", "10:22:33", "102233"),
        ("StudyTime", "TM", "2561", ""),
        ("StudyID", "SH", "a study id that is far too long", "a study id that"),
        ("PatientName", "PN", "Doe^Jane\x00\x07", "Doe^Jane"),
        ("SeriesNumber", "IS", "7.5", None),
        ("PixelSpacing", "DS", ["0.0", "0.0"], None),
        ("PixelSpacing", "DS", ["0.143", "abc"], None),
        ("PixelSpacing", "DS", ["0.14300000000000001", "0.143"], [0.143, 0.143]),
        ("PixelSpacing", "DS", "0.143", None),
        ("PatientOrientation", "CS", ["L"], None),
        ("PatientOrientation", "CS", "LF", None),
        ("PatientOrientation", "CS", ["L", "L"], None),
        ("PatientOrientation", "CS", ["B", "C"], None),
        ("PatientOrientation", "CS", ["LR", "F"], None),
        ("PatientOrientation", "CS", ["PR", "F"], ["PR", "F"]),
        ("PixelSpacing", "DS", ["-0.1", "-0.1"], None),
        ("PixelSpacing", "DS", ["0,143", "0,143"], None),
        ("PixelSpacing", "DS", b"", None),
        ("PatientIdentityRemoved", "CS", "PERHAPS", None),
        ("LossyImageCompression", "CS", "1", None),
        ("SamplesPerPixel", "US", b"", 1),
        ("VOILUTFunction", "CS", "CUBIC", None),
        ("RescaleSlope", "DS", "1e999", None),
        ("WindowCenter", "DS", ["100", "200"], None),
        ("BodyPartExamined", "CS", "Thorax/Brustkorb", None),
        ("PatientAge", "AS", "45", None),
        ("TimezoneOffsetFromUTC", "SH", "CET", None),
        ("PatientID", "LO", "P\x071 ", "P1"),
        ("StudyDescription", "LO", ["one", "two"], "one"),
    ],
)
def test_an_invalid_value_is_mended_or_dropped(keyword, vr, value, kept):
    clean = normalise(put(a_source(), keyword, vr, value))
    assert clean.get(keyword) == kept


def test_invalid_values_of_a_file_still_give_valid_results():
    source = a_source()
    for keyword, vr, value in (
        ("PatientSex", "CS", "U"),
        ("PatientBirthDate", "DA", "00000000"),
        ("StudyTime", "TM", "99"),
        ("WindowWidth", "DS", "0"),
        ("PatientAge", "AS", "old"),
    ):
        put(source, keyword, vr, value)
    for item in results(as_received(source), ALL_KINDS):
        assert read_back(item).PatientBirthDate == ""


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyInstanceUID", "1.2..4"),
        ("SeriesInstanceUID", "not a uid"),
        ("SOPInstanceUID", None),
        ("StudyInstanceUID", "1." + "2" * 64),
        ("Rows", None),
    ],
)
def test_a_source_that_nothing_can_refer_to_is_refused(keyword, value):
    source = a_source()
    if value is None:
        delattr(source, keyword)
    else:
        put(source, keyword, "UI", value)
    with pytest.raises(EvidenceInvalid, match=keyword):
        results(source)


@pytest.mark.parametrize("uid", ["1.2.03.4", "1.2.826.0.1.3680043.9.007.2", "01.2"])
@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
)
def test_a_uid_with_a_leading_zero_is_repeated_as_it_was_sent(keyword, uid):
    source = a_source()
    put(source, keyword, "UI", uid)
    with quiet():
        found = [read_back(item) for item in results(as_received(source), ALL_KINDS)]
        for result in found:
            assert result.SOPInstanceUID.is_valid
            assert result.SeriesInstanceUID.is_valid
            if keyword == "StudyInstanceUID":
                assert result.StudyInstanceUID == uid


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PhotometricInterpretation", "RGB"), ("PhotometricInterpretation", None)],
)
def test_a_source_that_is_not_grey_is_refused(keyword, value):
    with pytest.raises(EvidenceInvalid, match="no grey pixels"):
        normalise(a_source(**{keyword: value}))


def test_an_identity_that_was_removed_somehow_says_so():
    clean = normalise(a_source(PatientIdentityRemoved="YES"))
    assert clean.DeidentificationMethod == "not stated"


@pytest.mark.parametrize(
    "table",
    [
        {"LUTDescriptor": [4, 0, 12]},
        {"LUTDescriptor": [4, 0, 12], "LUTData": [0, 1]},
        {"LUTDescriptor": [4, 0, 99], "LUTData": [0, 1, 2, 3]},
        {"LUTDescriptor": [4, 0], "LUTData": [0, 1, 2, 3]},
    ],
)
def test_a_lookup_table_that_is_none_is_left_out(table):
    source, item = a_source(), Dataset()
    for keyword, value in table.items():
        item.add_new(keyword, "US", value)
    source.VOILUTSequence = [item]
    assert "VOILUTSequence" not in normalise(source)


def test_two_patient_ids_in_one_place_are_refused():
    source = put(a_source(), "PatientID", "LO", ["A1", "A2"])
    with pytest.raises(EvidenceInvalid, match="no valid PatientID: one value"):
        results(source)


def test_a_patient_id_longer_than_allowed_is_refused_and_not_told():
    source = put(a_source(), "PatientID", "LO", "P" * 200)
    with pytest.raises(EvidenceInvalid, match="at most 64 characters") as error:
        results(source)
    assert "PPP" not in str(error.value)


def test_type_2_attributes_are_present_and_empty_when_the_source_has_none():
    source = a_source()
    for keyword in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "Manufacturer",
    ):
        source.pop(keyword, None)
    for item in results(source, ALL_KINDS):
        dataset = read_back(item)
        assert dataset["PatientID"].is_empty
        assert dataset["ReferringPhysicianName"].is_empty
        assert not dataset["Manufacturer"].is_empty


@pytest.mark.parametrize("number", ["ACC-2026-000123456789", ["A1", "A2"], b"\0"])
def test_an_accession_number_that_is_none_is_left_out_and_not_cut(number):
    source = put(a_source(), "AccessionNumber", "SH", number)
    for item in results(source):
        assert read_back(item).AccessionNumber == ""


def test_a_request_keeps_no_identifier_that_is_cut():
    source, request = a_source(), Dataset()
    put(request, "RequestedProcedureID", "SH", "R" * 17)
    put(request, "AccessionNumber", "SH", ["A1", "A2"])
    put(request, "PlacerOrderNumberImagingServiceRequest", "LO", "PLACER")
    source.RequestAttributesSequence = [request]
    (report,) = results(source, ["measurement-report"])
    (said,) = read_back(report).ReferencedRequestSequence
    assert said.RequestedProcedureID == ""
    assert said.AccessionNumber == source.AccessionNumber
    assert said.PlacerOrderNumberImagingServiceRequest == "PLACER"


def test_a_patient_id_of_odd_characters_still_gives_results():
    for identifier in ("P\x071 ", "  "):
        source = put(a_source(), "PatientID", "LO", identifier)
        assert len(results(source)) == len(KINDS)


def test_megabytes_of_private_groups_are_not_copied():
    source = a_source()
    block = source.private_block(0x0099, "VENDOR", create=True)
    block.add_new(0x01, "OB", b"\1" * 5_000_000)
    for item in results(as_received(source)):
        assert len(item.content) < 100_000
        assert not any(tag.is_private for tag in read_back(item).keys())  # noqa: SIM118  a data set iterates its elements


def test_an_unreadable_sequence_is_left_out():
    source = a_source()
    put(source, "VOILUTSequence", "LO", "this is no sequence")
    put(source, "OtherPatientIDsSequence", "SQ", b"\xfe\xff\x00\xe0\xff")
    assert "VOILUTSequence" not in normalise(source)
    assert results(source)


def test_a_half_filled_sequence_item_is_left_out():
    source = a_source()
    item, bad = Dataset(), Dataset()
    item.PatientID, item.TypeOfPatientID = "OTHER", "TEXT"
    bad.PatientID = "ONLY AN ID"
    source.OtherPatientIDsSequence = [item, bad]
    (kept,) = normalise(source).OtherPatientIDsSequence
    assert kept.PatientID == "OTHER"


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Γεωργίου^Ελένη"),
        ("ISO_IR 126", "Παπαδόπουλος^Νίκος"),
        ("ISO_IR 144", "Иванова^Мария"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        (["ISO 2022 IR 6", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_names_keep_their_character_set(terms, name):
    source = a_source(SpecificCharacterSet=terms)
    source.PatientName = name
    source.InstitutionName = "Clinic"
    received = as_received(source)
    written = received.get_item("PatientName").value.rstrip(b" ")
    for item in results(received, ALL_KINDS):
        dataset = read_back(item)
        # The very bytes, and so the very escape sequences.
        assert dataset.get_item("PatientName").value.rstrip(b" ") == written
        assert str(dataset.PatientName) == name
        given = [terms] if isinstance(terms, str) else terms
        stored = dataset.SpecificCharacterSet
        assert ([stored] if isinstance(stored, str) else list(stored)) == given


@pytest.mark.parametrize("terms", ["ISO-8859-1", "LATIN1", "ISO_IR 999", None])
@pytest.mark.parametrize("codec", ["latin-1", "utf-8"])
def test_undeclared_letters_are_recognised_and_written_in_unicode(terms, codec):
    stream = BytesIO()
    source = a_source(SpecificCharacterSet="ISO_IR 192")
    source.PatientName = "M@@ller^J@@rg"
    source.save_as(stream, enforce_file_format=True)
    name = "Müller^Jörg".encode(codec)
    content = stream.getvalue().replace(b"M@@ller^J@@rg", name.ljust(13))
    raw = dcmread(BytesIO(content))
    if terms is None:
        del raw.SpecificCharacterSet
    else:
        put(raw, "SpecificCharacterSet", "CS", terms)
    (item,) = results(raw, ["lung-segmentation"])
    assert str(read_back(item).PatientName) == "Müller^Jörg"
    assert read_back(item).SpecificCharacterSet == "ISO_IR 192"


def test_plain_letters_of_a_source_without_character_set_need_none():
    source = a_source(SpecificCharacterSet=None)
    (item,) = results(source, ["lung-segmentation"])
    assert "SpecificCharacterSet" not in read_back(item)


def test_patient_study_and_institution_are_the_sources_own():
    source = a_source(
        IssuerOfPatientID="HOSPITAL",
        InstitutionName="St. Elsewhere",
        StudyDescription="Chest PA",
        TimezoneOffsetFromUTC="+0530",
    )
    for item in results(source, ALL_KINDS):
        dataset = read_back(item)
        for keyword in (
            "StudyInstanceUID",
            "PatientID",
            "IssuerOfPatientID",
            "AccessionNumber",
            "StudyDescription",
            "InstitutionName",
            "TimezoneOffsetFromUTC",
            "StudyDate",
        ):
            assert dataset.get(keyword) == source.get(keyword), keyword
        # 05:06:07 UTC on the source's clock.
        assert dataset.InstanceCreationTime == "103607"
