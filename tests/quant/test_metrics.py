"""Metrics against their definitions, and where the definition has a hole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspector.errors import DataError
from inspector.quant.kernels import fake_quantize, quantize
from inspector.quant.metrics import (
    clipped_fraction,
    cosine,
    max_abs_error,
    mse,
    rounding_sqnr_db,
    sqnr_db,
)
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec

RNG = np.random.default_rng(0)
REF = RNG.standard_normal((3, 4, 5)).astype(np.float32)
OTHER = (REF + 0.1 * RNG.standard_normal(REF.shape)).astype(np.float32)


def test_known_numbers() -> None:
    """Known numbers."""
    assert sqnr_db([10.0, 0.0], [9.0, 0.0]) == pytest.approx(20.0)
    assert mse([1.0, 2.0], [0.0, 4.0]) == 2.5
    assert max_abs_error([1.0, 2.0], [0.0, 4.0]) == 2.0
    assert cosine([1.0, 0.0], [1.0, 1.0]) == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("function", [sqnr_db, mse, max_abs_error, cosine])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_per_channel_is_each_channel_alone(function: object, axis: int) -> None:
    """Per channel is each channel alone."""
    found = function(REF, OTHER, axis)  # type: ignore[operator]
    alone = [
        function(np.take(REF, i, axis), np.take(OTHER, i, axis))  # type: ignore[operator]
        for i in range(REF.shape[axis])
    ]
    assert found == pytest.approx(np.array(alone))


def test_sqnr_without_noise_or_without_signal() -> None:
    """SQNR without noise or without signal."""
    zero, one = np.zeros(3), np.ones(3)
    assert sqnr_db(one, one) == math.inf
    assert sqnr_db(zero, zero) == math.inf
    assert sqnr_db(zero, one) == -math.inf


def test_cosine_of_zeros_and_of_extremes() -> None:
    """Cosine of zeros and of extremes."""
    zero, one = np.zeros(3), np.ones(3)
    assert cosine(zero, zero) == 1.0
    assert cosine(zero, one) == 0.0
    assert cosine(one * 1e300, one * 1e-300) == pytest.approx(1.0)
    assert cosine(one, -one) == pytest.approx(-1.0)


def test_sqnr_of_extremes_neither_overflows_nor_vanishes() -> None:
    """SQNR of extremes neither overflows nor vanishes."""
    big = np.float32([3e38, -3e38])
    assert sqnr_db(big, big * np.float32(0.9)) == pytest.approx(20.0, abs=1e-3)
    small = np.float32([1e-38, -1e-38])
    assert sqnr_db(small, small * np.float32(0.9)) == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize("function", [mse, max_abs_error])
def test_empty_tensors_have_no_error(function: object) -> None:
    """Empty tensors have no error."""
    assert function(np.zeros((0, 2)), np.zeros((0, 2))) == 0.0  # type: ignore[operator]


def test_shapes_must_agree() -> None:
    """Shapes must agree."""
    with pytest.raises(DataError, match=r"\(3,\) and \(2,\)"):
        mse(np.zeros(3), np.zeros(2))


def test_clipped_fraction_counts_codes_beyond_the_grid() -> None:
    """Clipped fraction counts codes beyond the grid."""
    qp = QParams(np.array([0.02, 0.5, 0.01], np.float32), np.array([3, 0, -9], np.int32), -8, 7, 0)
    loose = QParams(qp.scale, qp.zero_point, -(1 << 15), (1 << 15) - 1, 0)
    codes = quantize(REF, loose)
    beyond = (codes < -8) | (codes > 7)
    assert clipped_fraction(REF, qp) == pytest.approx(beyond.mean())
    assert clipped_fraction(REF, qp, 0) == pytest.approx(beyond.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    "text",
    ["int8:tensor", "int4:channel@0", "uint8:channel@-1", "int4:block32@0", "int8:block16@1"],
)
@pytest.mark.parametrize("shape", [(3, 5), (300, 700), (64, 3, 40, 40)])
def test_sqnr_of_rounding_is_that_of_the_rounded_tensor(text: str, shape: tuple[int, ...]) -> None:
    """The SQNR of rounding, taken in pieces, is that of the rounded tensor."""
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    grid = weight_qparams(values, QuantSpec.parse(text).filled("weights"))
    expected = sqnr_db(values, fake_quantize(values, grid))
    assert rounding_sqnr_db(values, grid) == pytest.approx(expected, rel=1e-12)
