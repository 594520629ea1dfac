"""Probabilities, the most likely classes and accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspector.evaluate.classes import MOST_PREDICTIONS, TOP, ClassMeter, probabilities


def test_scores_become_probabilities_by_softmax() -> None:
    """The ratio of two probabilities is e to the difference of their scores."""
    found = probabilities(np.array([1.0, 3.0, 2.0], np.float32))
    assert found.sum() == pytest.approx(1.0)
    assert found[1] / found[0] == pytest.approx(np.e**2)


def test_probabilities_stay_as_they_are() -> None:
    """A model that ends in softmax is not put through it twice."""
    given_ = np.array([0.7, 0.2, 0.1], np.float32)
    np.testing.assert_allclose(probabilities(given_), given_, rtol=1e-6)


@given(
    hnp.arrays(
        np.float32,
        st.integers(1, 9),
        elements=st.one_of(
            st.floats(-1e4, 1e4, width=32), st.just(float("nan")), st.just(float("inf"))
        ),
    )
)
def test_probabilities_are_probabilities(scores: np.ndarray) -> None:
    """None is negative or no number, and they add up to 1 wherever there is a score."""
    found = probabilities(scores)
    assert (found >= 0).all()
    assert (found <= 1 + 1e-9).all()
    assert found.sum() == pytest.approx(0.0 if np.isnan(scores).all() else 1.0, abs=2e-3)


def test_the_most_likely_classes_stand_beside_the_other_models() -> None:
    """Each list is sorted by its own model and says what the other one thinks."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 1, 12)).astype(np.float32)
    meter = ClassMeter("y")
    meter.add({"y": first}, {"y": second}, np.array([3]))
    (one,) = meter.result().predictions
    p, q = (np.exp(v[0] - v.max()) / np.exp(v - v.max()).sum() for v in (first, second))
    assert [c.number for c in one.expected] == list(np.argsort(-p)[:TOP])
    assert [c.number for c in one.found] == list(np.argsort(-q)[:TOP])
    for likely in one.expected:
        assert likely.probability == pytest.approx(p[likely.number], rel=1e-5)
        assert likely.other == pytest.approx(q[likely.number], rel=1e-5)
    assert (one.sample, one.position, one.label) == (0, 0, 3)


def test_accuracy_counts_only_what_has_a_label() -> None:
    """Pictures without a label do not lower it."""
    meter = ClassMeter("y")
    scores = np.eye(4, dtype=np.float32)
    moved = scores[[0, 1, 2, 0]]
    meter.add({"y": scores}, {"y": moved}, np.array([0, 2, -1, 3]))
    found = meter.result()
    assert found.labelled == 3
    assert found.accuracy == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert [one.label for one in found.predictions] == [0, 2, None, 3]


def test_without_labels_there_is_no_accuracy() -> None:
    """Neither where there are none, nor where they do not fit."""
    for labels in (None, np.array([1, 2])):
        meter = ClassMeter("y")
        meter.add({"y": np.ones((1, 3))}, {"y": np.ones((1, 3))}, labels)
        assert meter.result().accuracy is None


def test_a_model_that_writes_classes_has_an_accuracy_and_no_probabilities() -> None:
    """Its output is the class itself."""
    meter = ClassMeter("y")
    meter.add({"y": np.array([2, 1])}, {"y": np.array([2, 0])}, np.array([2, 1]))
    assert meter.result().accuracy == (1.0, 0.5)
    assert meter.result().predictions == ()


def test_what_is_kept_is_bounded() -> None:
    """A model of language predicts a class for every word."""
    meter = ClassMeter("y")
    for _ in range(3):
        values = np.zeros((MOST_PREDICTIONS // 2, 6), np.float32)
        meter.add({"y": values}, {"y": values})
    assert len(meter.result().predictions) == MOST_PREDICTIONS


def test_other_outputs_are_left_alone() -> None:
    """No class output, or shapes that do not match: nothing to say."""
    meter = ClassMeter(None)
    meter.add({"y": np.ones((1, 3))}, {"y": np.ones((1, 3))})
    other = ClassMeter("y")
    other.add({"y": np.ones((1, 3))}, {"y": np.ones((2, 3))})
    assert meter.result().predictions == other.result().predictions == ()
