import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.dimse.retrieval.identifier import (
    PATIENT_ROOT,
    STUDY_ROOT,
    Step,
    find_request_of,
    selected_by,
)
from storage.catalog.matching import Exact, Range, Wildcard
from storage.catalog.query import Key
from storage.errors import QueryInvalid
from storage.held import Level


def keys(level, **values):
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in values.items():
        with quiet():  # some are wrong on purpose
            setattr(identifier, keyword, value)
    return identifier


def asked(*paths, **values):
    """An item of a sequence of keys."""
    item = Dataset()
    for keyword in paths:
        setattr(item, keyword, "")
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return [item]


def test_every_kind_of_matching_is_understood():
    identifier = keys(
        "STUDY",
        PatientName="Doe^J*",
        StudyDate="20260101-20260131",
        StudyInstanceUID=["1.2", "1.3"],
        AccessionNumber="",
    )
    assert set(find_request_of(identifier, STUDY_ROOT).query.keys) == {
        Key(("PatientName",), Wildcard("doe^j*")),
        Key(("StudyDate",), Range("20260101", "20260131")),
        Key(("StudyInstanceUID",), Exact(("1.2", "1.3"))),
    }


def test_keys_of_an_item_are_understood():
    identifier = keys(
        "STUDY",
        ProcedureCodeSequence=asked("CodeMeaning", CodeValue="CHEST"),
    )
    (key,) = find_request_of(identifier, STUDY_ROOT).query.keys
    assert key == Key(("ProcedureCodeSequence", "CodeValue"), Exact(("CHEST",)))


def test_keys_of_a_level_below_are_none():
    identifier = keys("STUDY", Modality="CR", SOPInstanceUID="1.2")
    assert not find_request_of(identifier, STUDY_ROOT).query.keys
    identifier = keys("PATIENT", PatientID="P1", StudyDate="20260101")
    (key,) = find_request_of(identifier, PATIENT_ROOT).query.keys
    assert key.path == ("PatientID",)


def test_everything_but_the_control_of_the_query_is_answered():
    identifier = keys("STUDY", PatientID="", RetrieveAETitle="")
    identifier.SpecificCharacterSet = "ISO_IR 100"
    assert find_request_of(identifier, STUDY_ROOT).tags == (0x00100020,)


def test_a_name_in_another_writing_is_understood():
    identifier = keys("STUDY", PatientName="Yamada^Tarou=山田^太郎")
    identifier.SpecificCharacterSet = "ISO_IR 192"
    (key,) = find_request_of(identifier, STUDY_ROOT).query.keys
    assert key.matching == Exact(("yamada^tarou=山田^太郎",))


@pytest.mark.parametrize(
    ("identifier", "root"),
    [
        (Dataset(), STUDY_ROOT),
        (keys("STUDIES"), STUDY_ROOT),
        (keys("PATIENT"), STUDY_ROOT),
        (keys("SERIES"), STUDY_ROOT),
        (keys("SERIES", StudyInstanceUID=["1.2", "1.3"]), STUDY_ROOT),
        (keys("STUDY", PatientID="P*"), PATIENT_ROOT),
        (keys("STUDY", StudyID="1" * 2000), STUDY_ROOT),
    ],
)
def test_what_does_not_fit_the_information_model_is_refused(identifier, root):
    with pytest.raises(QueryInvalid):
        find_request_of(identifier, root)


def test_what_is_retrieved_is_named_by_unique_keys():
    identifier = keys(
        "IMAGE",
        StudyInstanceUID="1.2",
        SeriesInstanceUID="1.3",
        SOPInstanceUID=["1.4", "1.5"],
        PatientName="Doe",
    )
    query = selected_by(identifier, STUDY_ROOT, most=10)
    assert (query.level, query.limit) == (Level.INSTANCE, 10)
    assert query.keys == (
        Key(("StudyInstanceUID",), Exact(("1.2",))),
        Key(("SeriesInstanceUID",), Exact(("1.3",))),
        Key(("SOPInstanceUID",), Exact(("1.4", "1.5"))),
    )


def test_one_patient_is_retrieved_at_a_time():
    query = selected_by(keys("PATIENT", PatientID="P*"), PATIENT_ROOT, most=10)
    assert query.keys == (Key(("PatientID",), Exact(("P*",))),)
    with pytest.raises(QueryInvalid):
        selected_by(keys("PATIENT", PatientID=["P1", "P2"]), PATIENT_ROOT, most=10)
    with pytest.raises(QueryInvalid):
        selected_by(keys("PATIENT", PatientID=""), PATIENT_ROOT, most=10)


def test_the_levels_are_those_of_the_standard():
    assert [*PATIENT_ROOT] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert [*STUDY_ROOT] == [*PATIENT_ROOT[1:]]
    assert Step("IMAGE") is Step.IMAGE
