"""Intervals of the severity percentages."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import Call, Interval, Severity
from inference.interval_table import PercentBin, PercentIntervals, SeverityIntervals
from inference.manifest import read_manifest
from inference.models import BUILTIN_MODELS
from inference.severity_interval import intervals
from tests.fakes.runner import scripted_manifest

MEASURED = replace(
    scripted_manifest(),
    metrics={
        "severity_low": -26.0,
        "severity_high": 22.0,
        "severity_mae": 10.0,
        "severity_mae_by_lung": 11.0,
    },
)
PERCENT = st.floats(0, 100)


def a_severity(total=20.0, right=30.0, left=10.0):
    return Severity(total, right, left, {}, 2)


@given(PERCENT, PERCENT, PERCENT)
def test_what_is_told_lies_in_its_interval_and_that_on_the_scale(total, right, left):
    severity = a_severity(total, right, left)
    found = intervals(severity, Call.OPACITY, MEASURED)
    for name in ("total", "right", "left"):
        interval = getattr(found, name)
        assert 0 <= interval.low <= getattr(severity, name) + 0.005
        assert getattr(severity, name) - 0.005 <= interval.high <= 100


def test_the_limits_of_agreement_give_nine_films_of_ten():
    found = intervals(a_severity(total=50.0, right=50.0), Call.OPACITY, MEASURED)
    assert found.coverage == 0.9
    # The model tells 2 points too little; 24 points hold 95 %, 20.14 hold 90 %.
    assert (found.total.low, found.total.high) == (31.86, 72.14)
    wide = found.right.high - found.right.low
    assert wide == pytest.approx(1.1 * (found.total.high - found.total.low), abs=0.02)


def test_a_table_of_the_manifest_comes_before_its_limits_of_agreement():
    exact = PercentIntervals((PercentBin(25, 5, 9), PercentBin(100, 12, 30)))
    table = SeverityIntervals(0.8, exact, exact, exact)
    found = intervals(
        a_severity(total=20.0, right=90.0, left=3.0),
        Call.OPACITY,
        replace(MEASURED, severity_intervals=table),
    )
    assert found.coverage == 0.8
    assert found.total == Interval(15.0, 29.0)
    assert found.right == Interval(78.0, 100.0)
    assert found.left == Interval(0.0, 12.0)


def test_no_interval_is_made_up():
    assert intervals(a_severity(), Call.OPACITY, scripted_manifest()) is None
    assert intervals(a_severity(0, 0, 0), Call.NONE, MEASURED) is None
    contrary = replace(MEASURED, metrics={"severity_low": 5.0, "severity_high": 5.0})
    assert intervals(a_severity(), Call.OPACITY, contrary) is None


def test_the_model_that_comes_with_the_node_states_its_intervals():
    manifest = read_manifest(BUILTIN_MODELS / "default")
    assert intervals(a_severity(), Call.OPACITY, manifest) is not None
