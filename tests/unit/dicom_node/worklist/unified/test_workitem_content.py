import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.errors import WorkitemRefused
from dicom_node.worklist.unified.workitem_content import (
    checked,
    is_for,
    named_inputs,
    priority_of,
    priority_term,
    read_json,
    to_json,
)
from tests.factories.workitems import a_step, an_input

URL = "https://pacs.example/dicom-web/studies/1.4"


def test_what_was_written_is_read_back():
    step = a_step(PatientName="Müller^Anna", PatientID="P7")
    written = to_json(step)
    assert to_json(read_json(written)) == written | {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}
    }


def test_what_a_database_would_refuse_is_left_out():
    with quiet():
        step = a_step(ProcedureStepLabel="a\0b\ud800c")
    assert to_json(step)["00741204"]["Value"] == ["abc"]


@pytest.mark.parametrize("url", [URL, f"{URL}/series/1.5", f"{URL}/"])
def test_images_are_named_with_where_they_are(url):
    step = a_step(InputInformationSequence=[an_input("1.4", "1.5", "1.6", url=url)])
    (image,) = named_inputs(step, "1.1")
    assert image.sop_instance_uid == "1.6"
    assert image.retrieve_url == f"{URL}/series/1.5/instances/1.6"


def test_an_image_without_its_study_is_refused():
    step = a_step(InputInformationSequence=[an_input("", "1.5", "1.6")])
    with pytest.raises(WorkitemRefused):
        named_inputs(step, "1.1")


def test_more_images_than_anybody_means_are_refused():
    uids = [f"1.6.{number}" for number in range(1001)]
    step = a_step(InputInformationSequence=[an_input("1.4", "1.5", *uids)])
    with pytest.raises(WorkitemRefused):
        named_inputs(step, "1.1")


def test_a_workitem_is_for_whom_it_names_or_for_anybody():
    code = Dataset()
    code.CodeValue = "CXR_NODE"
    named = a_step(ScheduledStationNameCodeSequence=[code])
    assert is_for(a_step(), "CXR_NODE")
    assert is_for(named, "CXR_NODE")
    assert not is_for(named, "ANOTHER")


@pytest.mark.parametrize("term", ["HIGH", "MEDIUM", "LOW"])
def test_priorities_are_the_same_both_ways(term):
    step = a_step(ScheduledProcedureStepPriority=term)
    assert priority_term(priority_of(step)) == term


def test_a_uid_that_is_none_is_refused_wherever_it_stands():
    with quiet():
        step = a_step(InputInformationSequence=[an_input("x y", "1.5", "1.6")])
    with pytest.raises(WorkitemRefused, match="StudyInstanceUID"):
        checked(step)
