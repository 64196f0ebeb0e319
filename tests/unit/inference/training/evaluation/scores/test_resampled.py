"""What is fast in the bootstrap is what the libraries say of the same films."""

import math

import numpy as np
import pytest

from inference.training.evaluation.scores import agreement, classification, resampled


def drawn(seed, levels):
    """Films with scores that tie more the fewer levels there are."""
    random = np.random.default_rng(seed)
    count = int(random.integers(3, 80))
    return random.integers(0, levels, count) / levels, random.random(count) < 0.4


@pytest.mark.parametrize("name", ["auroc", "auprc", "brier"])
@pytest.mark.parametrize("levels", [2, 7, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_scores_of_films_agree_with_the_library(name, levels, seed):
    films = drawn(seed, levels)
    expected = getattr(classification, name)(*films)
    assert getattr(resampled, name)(*films) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("levels", [1, 3, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_correlations_agree_with_the_library(name, levels, seed):
    one, _ = drawn(seed, levels)
    other = np.random.default_rng(seed + 100).permutation(one)
    expected = getattr(agreement, name)(one, other)
    assert getattr(resampled, name)(one, other) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("source", [classification, resampled])
@pytest.mark.parametrize("name", ["auroc", "auprc"])
def test_a_resample_of_one_class_has_no_ranking_and_no_warning(source, name):
    healthy = np.zeros(4, bool)
    assert math.isnan(getattr(source, name)(np.linspace(0, 1, 4), healthy))


@pytest.mark.parametrize("source", [agreement, resampled])
@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_what_does_not_vary_correlates_with_nothing(source, name):
    flat = np.full(5, 0.1 + 0.2)
    assert math.isnan(getattr(source, name)(flat, np.arange(5.0)))
    assert math.isnan(getattr(source, name)(np.arange(2.0), np.arange(2.0)))
