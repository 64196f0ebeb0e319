"""Scores per film, against scikit-learn and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.training.evaluation.scores import classification

metrics = pytest.importorskip("sklearn.metrics")


@st.composite
def scored_films(draw):
    n = draw(st.integers(2, 40))
    # few distinct values, so that ties are common
    scores = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    positive = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    positive[0], positive[1] = True, False
    return np.array(scores) / 8, np.array(positive)


@settings(deadline=None)
@given(scored_films())
def test_auroc_is_scikit_learns(films):
    scores, positive = films
    expected = metrics.roc_auc_score(positive, scores)
    assert classification.auroc(scores, positive) == pytest.approx(expected)


@settings(deadline=None)
@given(scored_films())
def test_auprc_is_scikit_learns_average_precision(films):
    scores, positive = films
    expected = metrics.average_precision_score(positive, scores)
    assert classification.auprc(scores, positive) == pytest.approx(expected)


@settings(deadline=None)
@given(scored_films())
def test_the_roc_curve_encloses_the_auroc(films):
    scores, positive = films
    false, true = classification.roc_curve(scores, positive)
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
    assert area == pytest.approx(classification.auroc(scores, positive))


@settings(deadline=None)
@given(scored_films())
def test_brier_is_scikit_learns(films):
    scores, positive = films
    expected = metrics.brier_score_loss(positive, scores)
    assert classification.brier(scores, positive) == pytest.approx(expected)


@settings(deadline=None)
@given(scored_films())
def test_reliability_is_scikit_learns_calibration_curve(films):
    calibration = pytest.importorskip("sklearn.calibration")
    scores, positive = films
    scores = scores * 0.93 + 0.011  # off the bin edges, which may fall either side
    observed, predicted = calibration.calibration_curve(positive, scores, n_bins=10)
    bins = classification.reliability(scores, positive)
    assert [b.predicted for b in bins] == pytest.approx(list(predicted))
    assert [b.observed for b in bins] == pytest.approx(list(observed))


def test_auroc_by_hand_counts_a_tie_as_half():
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    positive = np.array([True, True, False, False])
    assert classification.auroc(scores, positive) == pytest.approx(3.5 / 4)


def test_one_class_alone_has_no_auroc():
    scores = np.array([0.9, 0.5])
    assert math.isnan(classification.auroc(scores, np.array([True, True])))
    assert math.isnan(classification.auroc(scores, np.array([False, False])))


def test_sensitivity_counts_a_score_at_the_threshold_as_positive():
    scores = np.array([0.2, 0.5, 0.5, 0.8])
    positive = np.array([True, True, False, False])
    assert classification.sensitivity(scores, positive, 0.5) == pytest.approx(0.5)
    assert classification.specificity(scores, positive, 0.5) == pytest.approx(0.0)
    assert classification.specificity(scores, positive, 0.6) == pytest.approx(0.5)


def test_the_operating_point_separates_separable_films():
    scores = np.array([0.1, 0.2, 0.6, 0.9])
    positive = np.array([False, False, True, True])
    point = classification.operating_point(scores, positive, least_sensitivity=0.9)
    assert point == pytest.approx(0.4)


def test_the_operating_point_keeps_a_wanted_sensitivity():
    scores = np.linspace(0, 1, 101)
    positive = scores > 0.5
    positive[10] = True
    point = classification.operating_point(scores, positive, least_sensitivity=1.0)
    assert classification.sensitivity(scores, positive, point) == pytest.approx(1.0)
    assert point == pytest.approx(0.095)


def test_the_calibration_error_by_hand():
    probabilities = np.array([0.15, 0.15, 0.85, 0.85])
    positive = np.array([False, True, True, True])
    # two bins of two films, gaps 0.35 and 0.15
    error = classification.expected_calibration_error(probabilities, positive)
    assert error == pytest.approx(0.25)


def test_a_fitted_temperature_undoes_overconfidence():
    draw = np.random.default_rng(1)
    honest = draw.uniform(0.02, 0.98, 20_000)
    positive = draw.uniform(size=honest.size) < honest
    boasting = classification.temper(honest, 1 / 3)
    temperature = classification.fit_temperature(boasting, positive)
    assert temperature == pytest.approx(3.0, rel=0.05)
    mended = classification.temper(boasting, temperature)
    before = classification.expected_calibration_error(boasting, positive)
    assert classification.expected_calibration_error(mended, positive) < before / 5


def test_one_class_alone_has_no_temperature():
    scores = np.array([0.3, 0.9])
    assert math.isnan(classification.fit_temperature(scores, np.array([True, True])))


def test_tempering_keeps_the_order_and_certainty_stays_finite():
    scores = np.array([0.0, 0.3, 0.5, 1.0])
    tempered = classification.temper(scores, 2.0)
    assert np.all(np.diff(tempered) > 0)
    assert np.all((tempered > 0) & (tempered < 1))
    assert tempered[2] == pytest.approx(0.5)


def test_a_logistic_regression_is_scikit_learns():
    linear_model = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(5)
    features = draw.normal(size=(200, 3)) * [1, 3, 0.2]
    odds = features @ [1.0, -0.5, 2.0] + 0.7
    positive = draw.uniform(size=200) < 1 / (1 + np.exp(-odds))
    reference = linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
    reference.fit(features, positive)
    found = classification.fit_logistic(features, positive)
    expected = [*reference.intercept_, *reference.coef_[0]]
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_logistic_regression_of_one_class_stays_finite():
    found = classification.fit_logistic(np.ones((4, 1)), np.ones(4, bool))
    assert np.all(np.isfinite(found))
