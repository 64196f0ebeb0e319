"""Outlines and percentages, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from inference.training.evaluation.scores import agreement


def test_dice_by_hand():
    one = np.array([[1, 1, 0], [0, 0, 0]], dtype=bool)
    other = np.array([[0, 1, 1], [1, 0, 0]], dtype=bool)
    assert agreement.dice(one, other) == pytest.approx(2 / 5)


def test_two_empty_outlines_have_no_dice_and_one_empty_has_none_in_common():
    empty = np.zeros((2, 2), dtype=bool)
    assert math.isnan(agreement.dice(empty, empty))
    assert agreement.dice(empty, ~empty) == 0.0


def test_error_bias_and_limits_by_hand():
    predicted, true = np.array([3.0, 5.0, 10.0]), np.array([2.0, 6.0, 7.0])
    assert agreement.mean_absolute_error(predicted, true) == pytest.approx(5 / 3)
    assert agreement.bias(predicted, true) == pytest.approx(1.0)
    limits = agreement.limits_of_agreement(predicted, true)
    # differences 1, -1, 3: mean 1, sample standard deviation 2
    assert (limits.low, limits.high) == pytest.approx((-2.92, 4.92))


@pytest.mark.parametrize("seed", range(5))
def test_correlations_are_scipys(seed):
    draw = np.random.default_rng(seed)
    one = np.round(draw.uniform(0, 5, 30))
    other = np.round(one + draw.normal(0, 2, 30))
    assert agreement.pearson(one, other) == pytest.approx(
        stats.pearsonr(one, other).statistic
    )
    assert agreement.spearman(one, other) == pytest.approx(
        stats.spearmanr(one, other).statistic
    )


def test_what_does_not_vary_has_no_correlation():
    steady, varying = np.ones(5), np.arange(5.0)
    assert math.isnan(agreement.pearson(steady, varying))
    assert math.isnan(agreement.spearman(varying[:2], varying[:2]))
