from time import monotonic

import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.matching import check_keys, instant, matches
from dicom_node.dataset.quiet import quiet


def a_dataset(**values):
    dataset = Dataset()
    with quiet():
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
    return dataset


STEP = a_dataset(
    SpecificCharacterSet="ISO_IR 192",
    SOPInstanceUID="1.2.3",
    PatientName="Müller^Anna",
    PatientID="A[1]7",
    ProcedureStepLabel="Analyse chest",
    StudyDate="20260314",
    StudyTime="150926",
    ScheduledProcedureStepStartDateTime="20260314150926+0100",
    InputInformationSequence=[
        a_dataset(StudyInstanceUID="1.4", SeriesInstanceUID="1.5"),
        a_dataset(StudyInstanceUID="1.6", SeriesInstanceUID="1.7"),
    ],
)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"PatientName": ""},
        {"PatientName": "*"},
        {"PatientName": "müller^*"},
        {"PatientName": "M?ller^Anna"},
        {"PatientID": "A[1]7"},
        {"PatientID": "A[1]*"},
        {"ProcedureStepLabel": "*chest"},
        {"SOPInstanceUID": ["1.9", "1.2.3"]},
        {"StudyDate": "20260314"},
        {"StudyDate": "20260301-20260314"},
        {"StudyDate": "-20260314"},
        {"StudyTime": "15"},
        {"StudyTime": "150000-160000"},
        {"ScheduledProcedureStepStartDateTime": "20260314"},
        {"ScheduledProcedureStepStartDateTime": "202603141409-"},
        {"ScheduledProcedureStepStartDateTime": "20260314150926+0100"},
        {
            "ScheduledProcedureStepStartDateTime": "20260314090000-0500"
            "-20260314100000-0500"
        },
        {"InputInformationSequence": [a_dataset(StudyInstanceUID="1.6")]},
        {"InputInformationSequence": [Dataset()]},
        {"SpecificCharacterSet": "ISO_IR 100"},
    ],
)
def test_what_meets_its_keys(keys):
    assert matches(STEP, a_dataset(**keys))


@pytest.mark.parametrize(
    "keys",
    [
        {"PatientName": "Muller*"},
        {"PatientID": "a[1]7"},
        {"PatientID": "A?7"},
        {"PatientSex": "F"},
        {"ProcedureStepLabel": "chest"},
        {"SOPInstanceUID": ["1.9"]},
        {"StudyDate": "20260315-"},
        {"StudyTime": "1510-1511"},
        {"ScheduledProcedureStepStartDateTime": "20260314150000-"},
        {
            "InputInformationSequence": [
                a_dataset(StudyInstanceUID="1.4", SeriesInstanceUID="1.7")
            ]
        },
    ],
)
def test_what_does_not(keys):
    assert not matches(STEP, a_dataset(**keys))


@pytest.mark.parametrize("value", ["soon", "2026031", "99999999999999999999"])
def test_a_key_that_is_no_range_is_named_without_its_value(value):
    keys = a_dataset(ScheduledProcedureStepStartDateTime=value)
    with pytest.raises(ValueError, match=r"^ScheduledProcedureStepStartDateTime") as no:
        check_keys(keys)
    assert value not in str(no.value)


def test_a_value_that_breaks_its_rules_meets_no_range():
    broken = a_dataset(ScheduledProcedureStepStartDateTime="noon")
    keys = a_dataset(ScheduledProcedureStepStartDateTime="2026-")
    assert not matches(broken, keys)


def test_the_last_instant_of_a_month_is_its_last():
    assert instant("202602", last=True).isoformat() == (
        "2026-02-28T23:59:59.999999+00:00"
    )


def test_wildcards_cost_no_more_than_their_length():
    value = a_dataset(CommentsOnTheScheduledProcedureStep="a" * 5000)
    keys = a_dataset(CommentsOnTheScheduledProcedureStep="*a" * 40 + "*b")
    begun = monotonic()
    assert not matches(value, keys)
    assert monotonic() - begun < 5
