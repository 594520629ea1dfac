"""What other choices would cost, against quantizing the tensor itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import CancelledError, UnsupportedError
from inspector.quant.curves import (
    chosen_rows,
    methods_of,
    powers,
    range_of_method,
    some_rows,
    sqnr_by_bits,
    tradeoff,
)
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import qparams_from_range, weight_qparams
from inspector.quant.ranges import choose_range, given_range
from inspector.quant.spec import QuantSpec, RangeMethod


def _heavy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wide = np.exp(rng.standard_normal((shape[0], 1)))
    return (rng.standard_t(4, shape) * wide).astype(np.float32)


def _spec(text: str) -> QuantSpec:
    return QuantSpec.parse(text).filled("weights")


@pytest.mark.parametrize("text", ["int8:tensor", "int8:channel", "uint8:channel:asym"])
@pytest.mark.parametrize("method", ["minmax", "percentile99.9", "kl", "mse"])
def test_sqnr_by_bits_is_that_of_the_quantized_tensor(text: str, method: str) -> None:
    """Every point of a curve is what quantizing the tensor that way would give."""
    values = _heavy((12, 700))
    spec, chosen = _spec(text), _spec(f"int8:{method}").range
    assert chosen is not None
    axis = None if "tensor" in text else 0
    dist = ExactDistribution.of(values, axis=axis)
    bits = (2, 4, 8, 12, 14)
    found = sqnr_by_bits(dist, spec, chosen, bits)
    for width, value in zip(bits, found, strict=True):
        sign = "int" if spec.signed else "uint"
        own = replace(spec, dtype=f"{sign}{width}", range=chosen)
        expected = sqnr_db(values, fake_quantize(values, weight_qparams(values, own, 0)))
        assert value == pytest.approx(expected, abs=1e-3 if width <= 12 else 0.1)


def test_sqnr_by_bits_of_a_sketch() -> None:
    """A histogram gives the same curve to a tenth of a dB."""
    values = np.maximum(_heavy((1, 60_000)), 0)
    spec = QuantSpec.parse("uint8").filled("activations")
    for method in methods_of(spec):
        exact = sqnr_by_bits(ExactDistribution.of(values), spec, method, (4, 8))
        found = sqnr_by_bits(Histogram.of(values), spec, method, (4, 8))
        assert found == pytest.approx(exact, abs=0.3)


@pytest.mark.parametrize("text", ["int4:tensor:sym", "uint6:tensor:asym", "int5:channel:sym"])
def test_the_trade_off_is_that_of_the_quantized_tensor(text: str) -> None:
    """Total, clipping and rounding error of each range, against the sums over all values."""
    values = _heavy((10, 900))
    axis = 0 if "channel" in text else None
    spec, dist = _spec(text), ExactDistribution.of(values, axis=axis)
    found = tradeoff(dist, spec, 12)
    assert found.power == pytest.approx(float(np.square(values, dtype=np.float64).mean()))
    for number in range(12):
        own = RangeMethod("range", lo=float(found.lo[number]), hi=float(found.hi[number]))
        grid = qparams_from_range(given_range(own, dist.rows), spec, axis=axis)
        wrong = np.square(values.astype(np.float64) - fake_quantize(values, grid))
        low, high = float(grid.lo.reshape(-1)[0]), float(grid.hi.reshape(-1)[0])
        outside = (values < low) | (values > high)
        assert found.total[number] == pytest.approx(wrong.mean(), rel=1e-4)
        assert found.clipping[number] == pytest.approx(wrong[outside].sum() / values.size, rel=1e-4)
        reach = max(-found.lo[number], found.hi[number])
        assert found.threshold[number] == pytest.approx(reach)


def test_the_trade_off_of_a_sketch() -> None:
    """A histogram estimates it."""
    values = _heavy((1, 40_000))
    spec = _spec("int6:tensor")
    exact, found = (tradeoff(of(values), spec, 15) for of in (ExactDistribution.of, Histogram.of))
    assert found.total == pytest.approx(exact.total, rel=0.02)


def test_the_best_threshold_is_where_the_total_is_least() -> None:
    """The curve's lowest point is close to what the MSE method finds."""
    values = _heavy((1, 50_000))
    spec = _spec("int4:tensor:mse")
    curve = tradeoff(ExactDistribution.of(values), spec)
    best = choose_range(ExactDistribution.of(values), spec)
    found = curve.threshold[np.argmin(curve.total)]
    assert found == pytest.approx(float(best.hi[0]), rel=0.1)


@pytest.mark.parametrize("make", [ExactDistribution.of, Histogram.of])
def test_ranges_of_methods(make: type[Distribution]) -> None:
    """Each is the one that the method would choose."""
    dist = make(_heavy((1, 9000)))  # type: ignore[call-arg]  # a constructor is passed, not a type
    spec = QuantSpec.parse("int8:tensor:percentile99.5").filled("activations")
    methods = methods_of(spec)
    assert [str(m) for m in methods] == ["minmax", "percentile99.5", "kl", "mse"]
    for method in methods:
        expected = choose_range(dist, replace(spec, range=method))
        ends = float(expected.lo[0]), float(expected.hi[0])
        assert range_of_method(dist, spec, method) == ends


def test_of_many_rows_the_widest_end_counts() -> None:
    """In parts, with a pause before each, which can end it."""
    dist = ExactDistribution.of(_heavy((40, 90)), axis=0)
    spec, calls = _spec("int8"), []
    low, high = range_of_method(dist, spec, RangeMethod("mse"), lambda: calls.append(1))
    expected = choose_range(dist, replace(spec, range=RangeMethod("mse")))
    assert (low, high) == (expected.lo.min(), expected.hi.max())
    assert len(calls) == 5

    def stop() -> None:
        raise CancelledError

    for work in (
        lambda: range_of_method(dist, spec, RangeMethod("kl"), stop),
        lambda: sqnr_by_bits(dist, spec, RangeMethod("kl"), pause=stop),
        lambda: tradeoff(dist, spec, pause=stop),
    ):
        with pytest.raises(CancelledError):
            work()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 70))
def test_some_rows_are_as_many_as_asked(rows: int, most: int) -> None:
    """No row twice, the widest among them, and their values are their own."""
    values = _heavy((rows, 7), rows)
    dist = ExactDistribution.of(values, axis=0)
    for widest in (False, True):
        part = some_rows(dist, most, widest=widest)
        numbers = chosen_rows(dist, most, widest=widest)
        assert part.rows == min(rows, most) == len(set(numbers.tolist()))
        assert np.array_equal(part.lo, dist.lo[numbers])
    reach = np.abs(values).max(axis=1)
    assert np.abs(values[chosen_rows(dist, most, widest=True)]).max() == reach.max()


def test_what_cannot_be_computed_says_so() -> None:
    """Float has no grid; nothing has no error."""
    dist = ExactDistribution.of(np.zeros(0, np.float32))
    assert powers(dist).sum() == 0.0
    assert tradeoff(dist, _spec("int8:tensor"), 5).total.sum() == 0.0
    assert np.isposinf(sqnr_by_bits(dist, _spec("int8:tensor"), RangeMethod("mse"), (4,))).all()
    with pytest.raises(UnsupportedError):
        range_of_method(dist, QuantSpec("fp8e4m3"), RangeMethod("kl"))
