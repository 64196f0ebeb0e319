import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.analysis.past import Past
from dicom_node.evidence.past import ObjectReference
from dicom_node.worklist.result import (
    EarlierFilm,
    LungPercentages,
    ReportedFinding,
    Result,
    model_name,
    recorded,
)
from inference.findings import Call, Interval, Intervals, Severity, Side, Zone
from storage.records import ModelName
from tests.factories.results import PRIOR, REPORT, a_row, the_analysis
from tests.factories.rows import a_workitem
from tests.fakes.runner import scripted_manifest

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 1 << 40)
WORDS = st.text(max_size=20)
UIDS = st.from_regex(r"[0-2](\.[1-9][0-9]{0,5}){1,5}", fullmatch=True)
REFERENCES = st.builds(ObjectReference, UIDS, UIDS, UIDS, UIDS)
PERCENTAGES = st.builds(LungPercentages, FINITE, FINITE, FINITE)
MOMENTS = st.datetimes(
    min_value=datetime(1950, 1, 1),  # noqa: DTZ001  the time zone is drawn beside it
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]),
)
SEVERITIES = st.builds(
    Severity,
    total=FINITE,
    right=FINITE,
    left=FINITE,
    zones=st.dictionaries(st.sampled_from(Zone), FINITE),
    extent_score=st.integers(0, 8),
)
FINDINGS = st.builds(
    ReportedFinding,
    label=WORDS,
    score=FINITE,
    side=st.sampled_from(Side),
    zone=st.sampled_from(Zone),
    box=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
    area_px=COUNTS,
    area_mm2=st.none() | FINITE,
    percent_of_lung=FINITE,
    zones=st.lists(st.sampled_from(Zone), max_size=3).map(tuple),
)
INTERVALS = st.builds(Interval, FINITE, FINITE)
EARLIER = st.builds(
    EarlierFilm,
    acquired_at=MOMENTS,
    image=st.none() | REFERENCES,
    report=st.none() | REFERENCES,
    model=WORDS,
    severity=PERCENTAGES,
    change=st.none() | PERCENTAGES,
    interval=st.none() | INTERVALS,
    view=WORDS,
    exceeds_interval=st.none() | st.booleans(),
)
RESULTS = st.builds(
    Result,
    severity=SEVERITIES,
    findings=st.lists(FINDINGS, max_size=3).map(tuple),
    opacity_score=FINITE,
    remarks=st.lists(WORDS, max_size=3).map(tuple),
    model=st.builds(ModelName, WORDS, WORDS, WORDS),
    prior=st.none() | EARLIER,
    predecessor=st.none() | UIDS,
    call=st.none() | st.sampled_from(Call),
    operating_point=st.none() | FINITE,
    intervals=st.none() | st.builds(Intervals, FINITE, INTERVALS, INTERVALS, INTERVALS),
    view=WORDS,
    other_films=st.integers(0, 9),
)


def the_result():
    """What is said of the film of the row."""
    analysis = the_analysis()
    return Result.of(
        analysis,
        model_name(scripted_manifest()),
        Past(prior=PRIOR).earlier_film(analysis),
        REPORT.sop_instance_uid,
    )


@given(RESULTS)
def test_what_is_written_is_read_back(result):
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_an_analysis_gives_the_row_that_it_always_gave_to_the_byte():
    row = a_row()
    del row["maker"]
    assert json.dumps(the_result().to_json()) == json.dumps(row)


def test_a_row_is_read_whatever_else_stands_in_it():
    row = a_row() | {"doubt": "none"}
    row["severity"]["volume"] = {"total": [1.0, 2.0]}
    row["findings"][0]["lobes"] = ["right middle"]
    assert Result.from_json(row) == the_result()


def test_a_row_from_before_there_were_calls_is_read():
    row = a_row()
    for name in ("call", "operating_point", "view", "other_films"):
        del row[name]
    del row["severity"]["interval"]
    for name in ("interval", "view", "exceeds_interval"):
        del row["prior"][name]
    for finding in row["findings"]:
        del finding["zones"]
    read = Result.from_json(row)
    assert (read.call, read.operating_point, read.intervals) == (None, None, None)
    assert [one.zones for one in read.findings] == [
        (one.zone,) for one in read.findings
    ]


@pytest.mark.parametrize("lacking", ["prior", "predecessor", "maker"])
def test_a_row_from_before_there_were_follow_ups_is_read(lacking):
    row = a_row()
    del row[lacking]
    expected = the_result()
    if lacking != "maker":
        expected = replace(expected, **{lacking: None})
    assert Result.from_json(row) == expected


def test_the_film_alone_says_nothing_of_the_past():
    assert "prior" not in the_result().film_to_json()
    assert the_result().to_json().items() >= the_result().film_to_json().items()


def test_the_moment_of_the_film_before_is_told_in_universal_time():
    there = PRIOR.acquired_at.astimezone(timezone(timedelta(hours=9)))
    said = Past(prior=replace(PRIOR, acquired_at=there)).earlier_film(the_analysis())
    assert said.to_json()["acquired_at"] == "2026-01-02T03:04:05.600000+00:00"


def test_a_workitem_that_is_not_analysed_says_nothing():
    assert recorded(a_workitem()) is None
    assert recorded(a_workitem(result=a_row())) == the_result()
