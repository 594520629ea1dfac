"""Scales that are powers of two: the one at or above what the range asks for, and nothing lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import ModelProto, helper, numpy_helper

from inspector.graph.grids import make_room_for_bias
from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.grid import MIN_SCALE, RealRange, power_of_two
from inspector.quant.kernels import fake_quantize, quantize
from inspector.quant.qparams import QParams, choose_qparams, qparams_from_range, weight_qparams
from inspector.quant.ranges import choose_range
from inspector.quant.requantize import quantize_multiplier, requantize_integer
from inspector.quant.spec import DTYPES, QuantSpec

INTEGERS = [dtype for dtype in DTYPES if QuantSpec(dtype).is_affine]
METHODS = ["minmax", "percentile99.9", "kl", "mse", "movavg", "range[-0.7,0.9]"]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
largest = float(np.finfo(np.float32).max)


def is_power(scale: np.ndarray[Any, Any]) -> bool:
    """Whether every scale is a power of two."""
    return bool((np.frexp(scale)[0] == 0.5).all())


@given(st.floats(MIN_SCALE, 2.0**120, width=32))
def test_the_power_at_or_above(scale: float) -> None:
    """By the logarithm, computed exactly: never below, and the half of it would be."""
    found = float(power_of_two(np.float32(scale)))
    assert found >= scale > found / 2
    assert found == math.ldexp(1.0, math.frexp(scale)[1] - (math.frexp(scale)[0] == 0.5))


@given(st.tuples(finite, finite), st.sampled_from(INTEGERS), st.booleans())
@settings(deadline=None, max_examples=400)
def test_every_range_gets_the_power_above_its_own_scale(
    ends: tuple[float, float], dtype: str, symmetric: bool
) -> None:
    """Less than twice the usual scale, never below it, and the ends lie within the grid."""
    lo, hi = min(*ends, 0.0), max(*ends, 0.0)
    kept = RealRange(np.array([lo]), np.array([hi]))
    usual = qparams_from_range(kept, QuantSpec(dtype, symmetric=symmetric))
    found = qparams_from_range(kept, QuantSpec(dtype, symmetric=symmetric, pow2=True))
    scale = float(found.scale)
    assert is_power(found.scale)
    assert np.isfinite([found.lo, found.hi, scale]).all()
    assert found.qmin <= found.zero_point <= found.qmax
    assert (found.qmin, found.qmax) == (usual.qmin, usual.qmax)
    assert quantize(0.0, found) == found.zero_point
    if max(-lo, hi) > largest / 4:
        return  # the power above may have levels that are no float32
    assert float(usual.scale) <= scale < 2 * float(usual.scale)
    # The zero point is a whole number: half a step at an end is rounding, not clipping.
    assert float(found.lo) <= lo + scale / 2
    assert float(found.hi) >= hi - scale / 2


@pytest.mark.parametrize("zero", ["sym", "asym"])
@pytest.mark.parametrize("method", METHODS)
def test_no_more_is_clipped_than_by_the_range(method: str, zero: str) -> None:
    """What the method keeps stays within half a step, in each row and for each method."""
    values = np.random.default_rng(3).standard_t(3, (4, 3000)).astype(np.float32)
    spec = QuantSpec.parse(f"int6:{method}:{zero}:pow2").filled("weights")
    for dist in (ExactDistribution.of(values, axis=0), Histogram.of(values)):
        kept = choose_range(dist, spec)
        grid = choose_qparams(dist, spec, axis=0 if dist.rows > 1 else None)
        assert is_power(grid.scale)
        assert (grid.lo <= kept.lo + grid.scale / 2).all()
        assert (grid.hi >= kept.hi - grid.scale / 2).all()


def test_known_grids() -> None:
    """By hand: the power, and the zero point that follows from it."""
    for text, lo, hi, scale, zero_point in (
        ("int8:sym:pow2", -1.0, 0.5, 2**-6, 0),  # 1 / 127 lies above 2^-7
        ("int8:sym:pow2", -127 / 128, 0.5, 2**-7, 0),  # exactly at it
        ("int8:asym:pow2", -1.0, 0.5, 2**-7, 0),  # 1.5 / 255; -128 + 128
        ("uint8:asym:pow2", -0.25, 1.0, 2**-7, 32),
        ("uint8:sym:pow2", -1.0, 0.5, 2**-6, 128),
        ("uint4:asym:pow2", 0.0, 15.0, 1.0, 0),
        ("uint4:asym:pow2", 0.0, 15.1, 2.0, 0),
        ("int4:sym:pow2", 0.0, 0.0, 1.0, 0),
    ):
        grid = qparams_from_range(RealRange(np.array([lo]), np.array([hi])), QuantSpec.parse(text))
        assert (float(grid.scale), int(grid.zero_point)) == (scale, zero_point), (text, lo, hi)


@given(
    arrays(np.float32, (4, 6), elements=st.floats(-8, 8, width=32)),
    st.sampled_from(["tensor", "channel", "block4"]),
    st.sampled_from(["int3", "uint4", "int8"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=100)
def test_weights_are_what_direct_arithmetic_gives(
    values: np.ndarray[Any, Any], granularity: str, dtype: str, symmetric: bool
) -> None:
    """Scale, zero point and result of each row, computed apart from the numbers themselves."""
    spec = QuantSpec.parse(f"{dtype}:{granularity}:minmax:{'sym' if symmetric else 'asym'}:pow2")
    grid = weight_qparams(values, spec, 0)
    quantized = fake_quantize(values, grid)
    parts = {
        "tensor": [(slice(None), slice(None))],
        "channel": [(slice(row, row + 1), slice(None)) for row in range(4)],
        "block4": [
            (slice(row, row + 1), columns)
            for row in range(4)
            for columns in (slice(0, 4), slice(4, 6))
        ],
    }[granularity]
    qmin, qmax = spec.integer_range()
    for part, scale, zero in zip(
        parts, grid.scale.reshape(-1), grid.zero_point.reshape(-1), strict=True
    ):
        one = values[part].astype(np.float64)
        lo, hi = min(one.min(), 0.0), max(one.max(), 0.0)
        span, steps = hi - lo, qmax - qmin
        if symmetric:
            span, steps = max(-lo, hi), 2 ** (spec.bits - 1) - 1
        width = float(np.float32(max(span / steps, MIN_SCALE)))
        expected = 1.0 if lo == hi == 0.0 else 2.0 ** math.ceil(math.log2(width))
        assert scale == np.float32(expected)
        middle = 0 if spec.signed else 2 ** (spec.bits - 1)
        assert zero == (middle if symmetric else np.clip(np.rint(qmin - lo / expected), qmin, qmax))
        codes = np.clip(np.rint(one / expected) + zero, qmin, qmax)
        assert (quantized[part] == ((codes - zero) * expected).astype(np.float32)).all()


def test_mse_looks_for_the_best_power() -> None:
    """No other power of two has a smaller error: the search judges the grids that really come."""
    values = np.random.default_rng(5).standard_t(2, 5000).astype(np.float32)
    for text in ("int4:tensor:mse:sym:pow2", "uint5:tensor:mse:asym:pow2"):
        spec = QuantSpec.parse(text)
        grid = weight_qparams(values, spec)
        error = float(np.square(values - fake_quantize(values, grid)).mean())
        for exponent in range(-8, 6):
            scale = np.float32(2.0**exponent)
            other = QParams(scale, grid.zero_point, grid.qmin, grid.qmax)
            found = float(np.square(values - fake_quantize(values, other)).mean())
            assert found >= error * (1 - 1e-6), (text, exponent)


def test_room_for_a_bias_keeps_the_power() -> None:
    """A scale that is widened for a bias goes up to the next power."""
    grid = QParams(np.float32([2**-20, 2**-4]), np.zeros(2, np.int32), -127, 127, 0)
    wider = make_room_for_bias(grid, np.array([50.0, 50.0]), 2**-12, pow2=True)
    assert is_power(wider.scale)
    assert wider.scale[0] >= 50.0 / (2**-12 * 2**30) > wider.scale[0] / 2
    assert wider.scale[1] == 2**-4


def _conv_model() -> ModelProto:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    weight[2] *= 1e-6  # a nearly dead channel, whose bias needs room
    bias = np.float32([0.1, -0.2, 30.0, 0.0])
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "v"], ["y"], "last"),
    ]
    constants = {"w": weight, "b": bias, "v": rng.standard_normal((2, 4, 1, 1))}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", 1, [1, 2, 8, 8])],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("weights", ["int8:pow2", "int8:tensor:pow2", "int4:channel:mse:pow2"])
def test_the_file_has_powers_and_does_what_was_predicted(
    quantized: Callable[..., Any], weights: str
) -> None:
    """Through grids, simulation and writer: every scale of the file, and its outputs."""
    made = quantized(_conv_model(), weights, "uint8:percentile99.9:asym:pow2")
    constants = {i.name: numpy_helper.to_array(i) for i in made.proto.graph.initializer}
    pairs = ("QuantizeLinear", "DequantizeLinear")
    scales = [n.input[1] for n in made.proto.graph.node if n.op_type in pairs]
    assert len(scales) > 6
    for name in scales:
        assert is_power(constants[name]), name
    onnx.checker.check_model(made.proto)
    predicted, measured = made.predicted(), made.measured(optimize=True)
    step = float(made.grids.points[-1].scale)
    for one, other in zip(predicted, measured, strict=True):
        for name, values in one.items():
            assert np.abs(values - other[name]).max() <= 1.01 * step


@pytest.mark.parametrize("method", ["percentile99", "ort-percentile99"])
@pytest.mark.parametrize("dtype", ["int8", "int4", "uint4", "fp8e4m3"])
def test_where_a_method_clips_the_better_power_is_taken(dtype: str, method: str) -> None:
    """Of the powers above and below, by the squared error of really rounding."""
    lower = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values = (rng.standard_t(4, 3000) * rng.uniform(0.5, 2)).astype(np.float32)
        dist = ExactDistribution.of(values)
        found = choose_qparams(dist, QuantSpec.parse(f"{dtype}:tensor:{method}:sym:pow2"))
        plain = choose_qparams(dist, QuantSpec.parse(f"{dtype}:tensor:{method}:sym"))
        above = power_of_two(plain.scale)
        errors = []
        for scale in (above, above / 2):
            grid = replace(found, scale=np.asarray(scale, np.float32))
            wrong = values - fake_quantize(values, grid)
            errors.append(float(np.square(wrong, dtype=np.float64).sum()))
        assert float(found.scale) == float(above if errors[0] <= errors[1] else above / 2)
        lower += int(float(found.scale) < float(above))
    assert lower > 0 or dtype not in ("int4", "uint4")


def test_requantization_between_powers_of_two_is_a_shift() -> None:
    """The multiplier of any three such scales is one half: only the shift says how much."""
    acc = np.arange(-40_000, 40_000, 37, dtype=np.int32)
    for exponents in ((-7, -9, -3), (-1, -14, -2), (3, -14, -2)):
        read, weight, written = (2.0**exponent for exponent in exponents)
        multiplier, shift = quantize_multiplier(read * weight / written)
        assert multiplier == 1 << 30
        assert shift - 1 == exponents[0] + exponents[1] - exponents[2]
        found = requantize_integer(acc, multiplier, shift)
        exact = np.clip(np.rint(acc * (read * weight / written)), -128, 127)
        assert np.abs(found - exact).max() <= 1
