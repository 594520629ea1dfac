"""Requantizing against exact rational arithmetic and onnxruntime's integer kernels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import DataError
from inspector.quant.kernels import quantize_multiplier, requantize, requantize_integer

INT32 = st.integers(-(2**31), 2**31 - 1)


def _exact(acc: int, multiplier: Fraction, zero_point: int) -> int:
    return min(127, max(-128, round(acc * multiplier) + zero_point))


@given(INT32, st.floats(1e-12, 1.0), st.integers(-128, 127))
@settings(deadline=None, max_examples=200)
def test_both_ways_are_within_one_code_of_exact_arithmetic(
    acc: int, multiplier: float, zero_point: int
) -> None:
    """Both ways are within one code of exact arithmetic."""
    exact = _exact(acc, Fraction(multiplier), zero_point)
    mantissa, shift = quantize_multiplier(multiplier)
    integer = requantize_integer([acc], mantissa, shift, zero_point)
    real = requantize([acc], multiplier, zero_point)
    assert abs(int(integer[0]) - exact) <= 1
    assert abs(int(real[0]) - exact) <= 1


@given(st.integers(-(2**20), 2**20), st.floats(1e-6, 1e-2))
@settings(deadline=None, max_examples=200)
def test_away_from_ties_the_integer_way_is_exact(acc: int, multiplier: float) -> None:
    """Away from ties the integer way is exact."""
    exact = acc * Fraction(multiplier)
    distance = abs(exact - round(exact))
    mantissa, shift = quantize_multiplier(multiplier)
    # Rounded twice, by 2^-1 of a unit that the second shift makes small, and by 2^-31 of the value.
    doubt = Fraction(1, 2) - Fraction(2) ** int(shift) - abs(exact) / 2**30
    if distance < doubt:
        assert requantize_integer([acc], mantissa, shift)[0] == _exact(acc, Fraction(multiplier), 0)


@given(st.floats(1e-30, 1e30))
@settings(deadline=None)
def test_a_multiplier_is_kept_to_31_bits(m: float) -> None:
    """A multiplier is kept to 31 bits."""
    mantissa, shift = (int(part) for part in quantize_multiplier(m))
    assert 2**30 <= mantissa < 2**31
    kept = Fraction(mantissa) * Fraction(2) ** (shift - 31)
    assert abs(kept - Fraction(m)) <= Fraction(m) / 2**31


@pytest.mark.parametrize(
    ("m", "expected"),
    [
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (0.75, (3 * 2**29, 0)),
        (0.0, (0, 0)),
        (1 - 2**-40, (2**30, 1)),
        (2.0**-9, (2**30, -8)),
    ],
)
def test_known_multipliers(m: float, expected: tuple[int, int]) -> None:
    """Known multipliers."""
    assert tuple(int(part) for part in quantize_multiplier(m)) == expected


@pytest.mark.parametrize("m", [-0.5, float("nan"), float("inf")])
def test_a_multiplier_must_be_a_finite_positive_number(m: float) -> None:
    """A multiplier must be a finite positive number."""
    with pytest.raises(DataError):
        quantize_multiplier(m)


def test_extreme_accumulators_saturate() -> None:
    """Extreme accumulators saturate."""
    acc = np.array([-(2**31), 2**31 - 1], np.int32)
    for m in (1e-9, 0.5, 1.0, 3.0, 1e6):
        mantissa, shift = quantize_multiplier(m)
        expected = [_exact(int(a), Fraction(m), 5) for a in acc]
        assert requantize_integer(acc, mantissa, shift, 5).tolist() == expected
        assert requantize(acc, m, 5).tolist() == expected


def test_each_channel_may_have_its_own_multiplier() -> None:
    """Each channel may have its own multiplier."""
    acc = np.arange(-600, 600, dtype=np.int32).reshape(2, 3, 200)
    m = np.array([0.01, 0.1, 0.9]).reshape(1, 3, 1)
    mantissa, shift = quantize_multiplier(m)
    exact = np.clip(np.rint(acc * m), -128, 127)
    assert np.abs(requantize_integer(acc, mantissa, shift) - exact).max() <= 1
    assert np.array_equal(requantize(acc, m), requantize(acc, m.astype(np.float32)))


def test_the_real_way_is_that_of_qlinearmatmul() -> None:
    """The real way is that of qlinearmatmul."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (32, 64), dtype=np.uint8)
    b = rng.integers(-64, 64, (64, 48), dtype=np.int8)
    scales = [np.float32(value) for value in (0.0173, 0.0041, 0.0527)]
    zeros = [np.uint8(121), np.int8(0), np.uint8(117)]
    names = ["a_scale", "b_scale", "y_scale", "a_zero", "b_zero", "y_zero"]
    node = helper.make_node(
        "QLinearMatMul",
        ["a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero"],
        ["y"],
    )
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("a", TensorProto.UINT8, a.shape),
            helper.make_tensor_value_info("b", TensorProto.INT8, b.shape),
        ],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, (32, 48))],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for value, name in zip(scales + zeros, names, strict=True)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"a": a, "b": b})[0]
    acc = (a.astype(np.int32) - int(zeros[0])) @ b.astype(np.int32)
    found = requantize(acc, scales[0] * scales[1] / scales[2], int(zeros[2]), 0, 255)
    assert np.array_equal(found, expected)
