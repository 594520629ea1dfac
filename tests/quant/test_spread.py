"""How values and errors are spread, against counting them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import UnsupportedError
from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.kernels import fake_quantize
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec
from inspector.quant.spread import channel_boxes, channel_heat, error_histogram


def _values(rows: int, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_t(3, (rows, n)) * rng.uniform(0.1, 4, (rows, 1))).astype(np.float32)


def test_boxes_are_quantiles_sorted_by_range() -> None:
    """Each box belongs to the channel that it names."""
    values = _values(9, 500)
    boxes = channel_boxes(ExactDistribution.of(values, axis=0))
    own = values[boxes.order]
    assert np.all(np.diff(boxes.hi - boxes.lo) >= 0)
    assert np.array_equal(boxes.lo, own.min(axis=1))
    assert np.array_equal(boxes.hi, own.max(axis=1))
    for share, found in ((0.01, boxes.low), (0.5, boxes.middle), (0.99, boxes.high)):
        expected = np.quantile(own, share, axis=1, method="nearest")
        near = np.abs(own - found[:, None]).argmin(axis=1)
        assert np.array_equal(own[np.arange(9), near], found)
        assert np.abs(found - expected).max() < 0.2


def test_boxes_of_uneven_and_empty_rows() -> None:
    """Blocks may be short, and tensors empty."""
    boxes = channel_boxes(ExactDistribution.of(np.arange(10, dtype=np.float32), axis=0, block=8))
    assert np.isfinite(boxes.high).all()
    assert sorted(boxes.hi.tolist()) == [7.0, 9.0]
    nothing = channel_boxes(ExactDistribution.of(np.zeros((3, 0), np.float32), axis=0))
    assert nothing.hi.tolist() == [0.0, 0.0, 0.0]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 12))
def test_heat_counts_every_value(rows: int, n: int, most: int) -> None:
    """A line is the largest count of the channels that it stands for."""
    values = _values(rows, n, rows * n)
    heat = channel_heat(ExactDistribution.of(values, axis=0), 16, most)
    assert heat.counts.shape[0] <= most
    for line in range(heat.counts.shape[0]):
        part = values[line * heat.per_line : (line + 1) * heat.per_line]
        own = np.stack([np.histogram(row, heat.edges.astype(np.float32))[0] for row in part])
        # A value on an edge may fall to either side.
        assert np.abs(heat.counts[line] - own.max(axis=0)).max() <= 1
        if heat.per_line == 1:
            assert heat.counts[line].sum() == n


def test_heat_of_nothing() -> None:
    """One value, and none."""
    heat = channel_heat(ExactDistribution.of(np.full((2, 1), 3.0, np.float32), axis=0), 8)
    assert heat.counts.sum() == 2
    assert (
        channel_heat(ExactDistribution.of(np.zeros((2, 0), np.float32), axis=0)).counts.sum() == 0
    )


@pytest.mark.parametrize("text", ["int4:tensor:percentile99", "uint4:asym", "int8:block16@1"])
def test_errors_are_those_of_the_quantized_tensor(text: str) -> None:
    """In steps of each value's own grid."""
    values = _values(6, 320)
    spec = QuantSpec.parse(text).filled("weights")
    qp = weight_qparams(values, spec, 0)
    dist = ExactDistribution.of(values, axis=qp.axis, block=qp.block)
    found = error_histogram(dist, qp)
    scale = qp.scale
    if qp.block:
        scale = np.repeat(scale, qp.block, axis=1)
    elif qp.axis is not None:
        scale = scale[:, None]
    error = (fake_quantize(values, qp).astype(np.float64) - values) / scale
    inside = np.histogram(error, found.edges)[0]
    # An error on an edge may fall to either side.
    assert np.abs(np.cumsum(found.counts) - np.cumsum(inside)).max() <= 3
    assert found.beyond == pytest.approx((np.abs(error) > 1.5).mean(), abs=2e-3)
    assert found.rms == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-3)
    assert found.mean == pytest.approx(error.mean(), abs=1e-4)
    assert found.exact


def test_errors_of_a_sketch() -> None:
    """Estimated, with zeros that no grid moves."""
    values = np.maximum(_values(1, 60_000), 0)
    spec = QuantSpec.parse("uint5:tensor:percentile99.9:asym")
    qp = weight_qparams(values, spec)
    exact = error_histogram(ExactDistribution.of(values), qp)
    found = error_histogram(Histogram.of(values), qp)
    assert not found.exact
    assert found.counts.sum() == pytest.approx(exact.counts.sum(), rel=1e-3)
    assert found.counts[45] >= (values == 0).sum()
    assert found.rms == pytest.approx(exact.rms, rel=0.05)


def test_scales_must_fit() -> None:
    """Two scales cannot serve three rows."""
    values = _values(2, 30)
    qp = weight_qparams(values, QuantSpec.parse("int8").filled("weights"), 0)
    with pytest.raises(UnsupportedError, match="2 scales"):
        error_histogram(ExactDistribution.of(_values(3, 5), axis=0), qp)
