"""Entropy calibration against a plain implementation of the talk."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.kl import KL_BINS, kl_range, kl_threshold, magnitude_counts
from inspector.quant.spec import QuantSpec


def _divergence(counts: np.ndarray, i: int, levels: int) -> float:
    """KL(P || Q) for the first i bins, step by step."""
    p = counts[:i].astype(float)
    p[-1] += counts[i:].sum()
    q = np.zeros(i)
    group = np.arange(i) * levels // i
    for g in range(levels):
        bins = np.flatnonzero((group == g) & (counts[:i] > 0))
        if bins.size:
            q[bins] = counts[:i][group == g].sum() / bins.size
    if not q.sum():
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    if ((p > 0) & (q == 0)).any():
        return np.inf
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def _cases() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(50_000)
    return {
        "normal": normal,
        "laplace": rng.laplace(size=50_000),
        "outliers": np.where(rng.random(50_000) < 1e-3, normal * 30, normal),
        "relu": np.maximum(normal, 0),
        "few": rng.standard_normal(40),
        "two": np.array([0.5, -4.0]),
    }


@pytest.mark.parametrize("levels", [8, 128, 256])
@pytest.mark.parametrize("case", list(_cases()))
def test_the_threshold_is_that_of_a_plain_implementation(case: str, levels: int) -> None:
    """The threshold is that of a plain implementation."""
    values = np.abs(_cases()[case])
    counts = np.histogram(values, KL_BINS, (0, values.max()))[0].astype(float)
    # Every candidate costs; some of them, and all around the one that was found, will do.
    found = kl_threshold(counts, levels)
    others = {*range(levels, KL_BINS + 1, 61), KL_BINS, levels}
    near = {min(max(found + d, levels), KL_BINS) for d in range(-3, 4)}
    divergences = {i: _divergence(counts, i, levels) for i in sorted(others | near)}
    assert divergences[found] <= min(divergences.values()) + 1e-12


def test_the_first_of_equal_minima_wins() -> None:
    """The first of equal minima wins."""
    counts = np.zeros(KL_BINS)
    counts[:4] = 5.0
    assert kl_threshold(counts, 128) == 128


def test_the_range_follows_from_the_threshold() -> None:
    """The range follows from the threshold."""
    values = _cases()["outliers"].astype(np.float32)
    dist = ExactDistribution.of(values)
    reach = np.abs(values).max()
    counts = np.histogram(np.abs(values), KL_BINS, (0, reach))[0].astype(float)
    threshold = (kl_threshold(counts, 128) + 0.5) * float(reach) / KL_BINS
    for flag in ("sym", "asym"):
        found = kl_range(dist, QuantSpec.parse(f"int8:kl:{flag}"))
        assert (found.lo[0], found.hi[0]) == pytest.approx((-threshold, threshold), rel=1e-3)
    assert threshold < 0.5 * reach


def test_a_tensor_of_one_sign_has_all_levels_on_its_side() -> None:
    """A tensor of one sign has all levels on its side."""
    values = _cases()["relu"].astype(np.float32)
    reach = float(values.max())
    counts = magnitude_counts(ExactDistribution.of(values), np.array([reach]))[0]
    counts[0] = counts[1]
    width = reach / KL_BINS
    for flag, levels in (("asym", 256), ("sym", 128)):
        for array, sign in ((values, 1), (-values, -1)):
            found = kl_range(ExactDistribution.of(array), QuantSpec.parse(f"uint8:kl:{flag}"))
            threshold = min((kl_threshold(counts, levels) + 0.5) * width, reach)
            ends = (0.0, threshold) if sign > 0 else (-threshold, 0.0)
            assert (found.lo[0], found.hi[0]) == pytest.approx(ends)


@pytest.mark.parametrize("zeros", [0, 10_000, 10_000_000])
def test_zeros_which_any_grid_holds_do_not_narrow_the_range(zeros: int) -> None:
    """Zeros, which any grid holds, do not narrow the range."""
    values = np.abs(_cases()["normal"]).astype(np.float32)
    spec = QuantSpec.parse("uint8:kl:asym")
    alone = kl_range(Histogram.of(values), spec).hi[0]
    found = kl_range(Histogram.of(np.append(values, np.zeros(zeros, np.float32))), spec).hi[0]
    assert found == alone
    assert found > 0.7 * values.max()


@pytest.mark.parametrize("case", ["normal", "outliers", "relu"])
def test_a_histogram_gives_nearly_the_same_range(case: str) -> None:
    """A histogram gives nearly the same range."""
    values = _cases()[case].astype(np.float32)
    spec = QuantSpec.parse("uint8:kl:asym")
    exact, sketch = ExactDistribution.of(values), Histogram.of(values)
    reach = np.array([np.abs(values).max()], np.float64)
    counts = [magnitude_counts(dist, reach)[0] for dist in (exact, sketch)]
    assert counts[1].sum() == pytest.approx(values.size)
    assert np.abs(np.cumsum(counts[0]) - np.cumsum(counts[1])).max() < 0.01 * values.size
    assert kl_range(sketch, spec).hi == pytest.approx(kl_range(exact, spec).hi, rel=0.15)


def test_with_as_many_levels_as_bins_nothing_is_cut() -> None:
    """With as many levels as bins nothing is cut."""
    values = _cases()["outliers"].astype(np.float32)
    found = kl_range(ExactDistribution.of(values), QuantSpec.parse("int16:kl:sym"))
    assert (found.lo[0], found.hi[0]) == (values.min(), values.max())
