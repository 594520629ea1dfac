"""Fidelity figures at their edges: nothing, infinities, NaN, integers, other shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from inspector.evaluate.fidelity import FidelityMeter, class_output
from inspector.graph.model import Dim, Graph, Tensor


def _graph(
    inputs: dict[str, tuple[str, Sequence[Dim]]], outputs: dict[str, tuple[str, Sequence[Dim]]]
) -> Graph:
    tensors = {n: Tensor(n, t, tuple(s)) for n, (t, s) in (inputs | outputs).items()}
    return Graph("test", (), tensors, tuple(inputs), tuple(outputs), (), 17, {"": 17})


def _measure(
    reference: dict[str, np.ndarray], other: dict[str, np.ndarray], classes: str | None = None
) -> FidelityMeter:
    meter = FidelityMeter(classes)
    meter.add(reference, other)
    return meter


def test_figures_of_plain_outputs_by_their_definitions() -> None:
    """SQNR and cosine over all samples and outputs, and SQNR of each output."""
    rng = np.random.default_rng(0)
    meter = FidelityMeter(None)
    runs = []
    for _ in range(3):
        a = {n: rng.standard_normal((2, 5)).astype(np.float32) for n in ("y", "z")}
        b = {n: v + 0.1 * rng.standard_normal(v.shape).astype(np.float32) for n, v in a.items()}
        meter.add(a, b)
        runs.append((a, b))
    flat = [
        np.concatenate([np.concatenate([r[side][n].ravel() for n in ("y", "z")]) for r in runs])
        for side in (0, 1)
    ]
    first, second = (values.astype(np.float64) for values in flat)
    found = meter.result()
    expected = 10 * math.log10(np.square(first).sum() / np.square(first - second).sum())
    assert found.sqnr_db == pytest.approx(expected)
    norms = np.linalg.norm(first) * np.linalg.norm(second)
    assert found.cosine == pytest.approx(float(first @ second / norms))
    assert set(found.per_output) == {"y", "z"}
    assert found.samples == 3
    assert found.top1_agreement is None


def test_equal_outputs_have_infinite_sqnr() -> None:
    """Constant, zero, infinite and NaN outputs count as equal where they are the same."""
    for values in (np.zeros(4), np.full(4, 2.5), np.array([np.inf, -np.inf, 1]), [np.nan, 1.0]):
        y = {"y": np.asarray(values, np.float32)}
        found = _measure(y, y).result()
        assert found.sqnr_db == math.inf
        assert found.cosine == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0.0, 0.0], [0.0, 0.1]),  # no signal at all
        ([1.0, 2.0], [1.0, np.nan]),
        ([1.0, np.nan], [1.0, 2.0]),
        ([1.0, np.inf], [1.0, 2.0]),
        ([1.0, np.inf], [1.0, -np.inf]),
    ],
)
def test_outputs_beyond_any_measure_are_minus_infinity(
    first: list[float], second: list[float]
) -> None:
    """They are neither an exception nor a number that looks fine."""
    found = _measure({"y": np.float32(first)}, {"y": np.float32(second)}).result()
    assert found.sqnr_db == -math.inf
    assert math.isfinite(found.cosine)


def test_outputs_of_other_shapes_have_nothing_in_common() -> None:
    """Detectors return as many boxes as they find."""
    boxes, fewer = np.ones((4, 2), np.float32), np.ones((3, 2), np.float32)
    found = _measure({"y": boxes}, {"y": fewer}).result()
    assert found.sqnr_db == pytest.approx(10 * math.log10(8 / 14))
    assert found.cosine == 0.0


def test_integer_outputs_have_no_sqnr() -> None:
    """What has no float output tells so, and does not claim to be perfect."""
    chosen = np.array([3, 1, 2])
    found = _measure({"y": chosen}, {"y": np.array([3, 1, 0])}, "y").result()
    assert math.isnan(found.sqnr_db)
    assert math.isnan(found.cosine)
    assert found.top1_agreement == pytest.approx(2 / 3)
    mixed = {"y": chosen, "z": np.float32([1.0])}
    assert _measure(mixed, mixed | {"y": chosen + 1}).result().sqnr_db == math.inf


def test_top1_is_the_share_of_equal_choices() -> None:
    """Over samples of several predictions each."""
    scores = np.eye(4, dtype=np.float32)
    other = scores.copy()
    other[0] = [0, 1, 0, 0]
    meter = _measure({"y": scores}, {"y": other}, "y")
    meter.add({"y": scores}, {"y": scores})
    assert meter.result().top1_agreement == pytest.approx(7 / 8)


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        ({"x": ("float32", (1, 3, 8, 8))}, {"y": ("float32", ("N", 10))}, "y"),
        ({"x": ("int64", ("N", "T"))}, {"y": ("float32", ("N", "T", 64))}, "y"),
        ({"x": ("float32", ("N", 64))}, {"y": ("int64", ("N",))}, "y"),
        ({"x": ("float32", ("N", "T", 8))}, {"y": ("float32", ("N", "T", 64))}, None),
        ({"x": ("float32", (1, 3, 8, 8))}, {"y": ("float32", (1, 3, 8, 8))}, None),
        ({"x": ("float32", (1, 3))}, {"y": ("float32", (1, 1))}, None),
        ({"x": ("float32", (1, 3))}, {"y": ("float32", (1, 9)), "z": ("float32", (1, 4))}, None),
        ({"x": ("float32", (1, 3))}, {"y": ("float32", None)}, None),
    ],
)
def test_classes_are_only_seen_where_they_can_be_told(
    inputs: dict[str, tuple[str, Sequence[Dim]]],
    outputs: dict[str, tuple[str, Sequence[Dim]]],
    expected: str | None,
) -> None:
    """One score a class for each sample, or for each token."""
    known = {n: (t, s or ()) for n, (t, s) in outputs.items()}
    assert class_output(_graph(inputs, known)) == expected
