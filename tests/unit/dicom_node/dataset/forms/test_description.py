"""What is searched for is taken from headers that nobody vouches for."""

import json
from io import BytesIO

from pydicom.dataset import Dataset

from dicom_node.dataset.forms.description import ANSWERED, describe
from dicom_node.dataset.header import read_header
from storage.held import Level

EXPLICIT = "1.2.840.10008.1.2.1"


def header(**values):
    dataset = Dataset()
    dataset.SOPInstanceUID = "1.2.3"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    encoded = BytesIO()
    dataset.save_as(encoded, implicit_vr=False, little_endian=True)
    encoded.seek(0)
    return read_header(encoded, EXPLICIT)


def test_values_are_made_comparable():
    said = describe(
        header(
            PatientName="Doe^John^^^",
            StudyDate="20260102",
            StudyTime="1015",
            SeriesNumber="07",
            Modality="CR ",
        ),
        EXPLICIT,
    )
    assert said.study.values["PatientName"] == "doe^john"
    assert said.study.values["StudyTime"] == "101500.000000"
    assert said.series.values == {"Modality": "CR", "SeriesNumber": "7"}
    assert said.transfer_syntax_uid == EXPLICIT


def test_answers_are_the_model_that_the_library_writes():
    dataset = header(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Müller^Änne",
        PatientID="P1",
        StudyDescription="",
        Rows=4,
        PixelSpacing=[0.25, 0.5],
        ImageType=["ORIGINAL", "PRIMARY"],
        InstanceNumber=3,
    )
    said = describe(dataset, EXPLICIT)
    for level, entity in zip(
        Level, (said.study, said.series, said.instance), strict=True
    ):
        written = json.loads(entity.attributes)
        assert written.pop("00080005") == {"vr": "CS", "Value": ["ISO_IR 192"]}
        expected = {
            f"{int(element.tag):08X}": element.to_json_dict(None, 1024)
            for element in dataset
            if element.keyword in ANSWERED[level]
        }
        assert written == expected


def test_items_of_sequences_are_told_apart():
    first, second = Dataset(), Dataset()
    first.RequestedProcedureID, second.RequestedProcedureID = "R1", "R2"
    said = describe(header(RequestAttributesSequence=[first, second]), EXPLICIT)
    assert [(one.item, one.keyword, one.value) for one in said.series.items] == [
        (0, "RequestedProcedureID", "R1"),
        (1, "RequestedProcedureID", "R2"),
    ]
    assert "00400275" in json.loads(said.series.attributes)


def test_what_cannot_be_read_is_left_out():
    dataset = Dataset()
    dataset.add_new("SOPInstanceUID", "UI", "1.2.3")
    dataset.add_new("StudyDate", "LO", "yesterday")
    dataset.add_new("InstanceNumber", "LO", "one")
    dataset.add_new("Rows", "LO", "many")
    dataset.add_new("PixelSpacing", "LO", "nan\\1")
    encoded = BytesIO()
    dataset.save_as(encoded, implicit_vr=False, little_endian=True)
    encoded.seek(0)
    said = describe(read_header(encoded, EXPLICIT), EXPLICIT)
    assert not said.study.values.get("StudyDate")
    answer = json.loads(said.instance.attributes)
    assert not {"00200013", "00280030"} & answer.keys()
    assert answer["00080018"]["Value"] == ["1.2.3"]


def test_a_description_names_no_patient_where_it_is_logged():
    from tests.factories.rows import an_instance  # noqa: PLC0415  beside what it proves

    said = describe(header(PatientName="Doe^John"), EXPLICIT)
    assert "doe" not in repr(an_instance(description=said)).lower()
