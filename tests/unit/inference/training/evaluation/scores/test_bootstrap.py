"""Intervals over patients."""

import math

import numpy as np
import pytest

from inference.training.evaluation.scores.bootstrap import interval


def mean(rows):
    return float(np.mean(rows))


def test_the_interval_of_a_mean_is_the_textbook_one():
    rows = np.random.default_rng(3).normal(10, 2, 400).tolist()
    found = interval(rows, [str(k) for k in range(400)], mean, replicates=2000)
    half = 1.96 * np.std(rows) / 20
    assert found.n == 400
    assert found.value == pytest.approx(np.mean(rows))
    assert found.low == pytest.approx(found.value - half, abs=0.04)
    assert found.high == pytest.approx(found.value + half, abs=0.04)


def test_films_of_one_patient_do_not_narrow_the_interval():
    patients = np.random.default_rng(4).normal(0, 1, 40)
    once = interval(patients.tolist(), [str(k) for k in range(40)], mean)
    films = np.repeat(patients, 10).tolist()
    owners = [str(k) for k in range(40) for _ in range(10)]
    many = interval(films, owners, mean)
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=0.05)


def test_the_same_seed_gives_the_same_interval():
    rows, groups = [1.0, 2.0, 5.0], ["a", "b", "c"]
    assert interval(rows, groups, mean) == interval(rows, groups, mean)
    other = interval(rows, groups, mean, seed=9, replicates=50)
    assert other != interval(rows, groups, mean, replicates=50)


def test_a_metric_that_resamples_seldom_define_has_no_interval():
    def seldom(rows):
        return 1.0 if len(set(rows)) == 5 else float("nan")

    found = interval([1.0, 2, 3, 4, 5], list("abcde"), seldom)
    assert found.value == 1.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_films_have_no_value():
    assert math.isnan(interval([], [], mean).value)
