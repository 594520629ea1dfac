"""From int32 accumulators to the codes of the next layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]

_INT32 = np.iinfo(np.int32)


def requantize(
    acc: ArrayLike, multiplier: ArrayLike, zero_point: int = 0, qmin: int = -128, qmax: int = 127
) -> Int32s:
    """Scale accumulators with a real multiplier, rounding halves to even.

    clamp(round_half_even(acc * multiplier) + zero_point). The product is float32 of both factors,
    and clamping comes before rounding, as onnxruntime's QLinearConv and QLinearMatMul have it
    (MlasRequantizeOutput), with multiplier = x_scale * w_scale / y_scale in float32.

    Args:
        acc: int32 accumulators, any shape.
        multiplier: a real number, or an array that broadcasts against ``acc``.
        zero_point: of the output.
        qmin: the lowest code of the output.
        qmax: the highest code of the output.

    Returns:
        int32 codes in [qmin, qmax], of the shape of ``acc``.
    """
    product = np.asarray(acc, np.int32).astype(np.float32) * np.asarray(multiplier, np.float32)
    clamped = np.clip(product, np.float32(qmin - zero_point), np.float32(qmax - zero_point))
    return np.asarray(np.rint(clamped).astype(np.int32) + np.int32(zero_point), np.int32)


def quantize_multiplier(m: ArrayLike) -> tuple[Int32s, Int32s]:
    """A real multiplier as an int32 and a shift: m = multiplier * 2^(shift - 31), to 2^-31 of m.

    Source: Jacob et al. 2018 (arXiv:1712.05877), equation 6, M = 2^-n * M0 with M0 in [0.5, 1);
    here shift = -n, and may be positive, so that multipliers of 1 and above work too.

    Args:
        m: a real number or array, each finite and >= 0.

    Returns:
        int32 multipliers in [2^30, 2^31) and int32 shifts, of the shape of ``m``; both 0 for m = 0.

    Raises:
        DataError: a multiplier is negative, infinite or NaN.
    """
    real = np.asarray(m, np.float64)
    if not (np.isfinite(real).all() and (real >= 0).all()):
        raise DataError("A requantization multiplier must be finite and not negative.")
    fraction, exponent = np.frexp(real)
    scaled = np.rint(np.ldexp(fraction, 31)).astype(np.int64)
    # 0.99999999999 rounds up to 2^31, which int32 does not hold.
    carried = scaled == 1 << 31
    multiplier = np.where(carried, 1 << 30, scaled).astype(np.int32)
    shift = (exponent + carried).astype(np.int32)
    return multiplier, np.where(real == 0, 0, shift).astype(np.int32)


def requantize_integer(
    acc: ArrayLike,
    multiplier: ArrayLike,
    shift: ArrayLike,
    zero_point: int = 0,
    qmin: int = -128,
    qmax: int = 127,
) -> Int32s:
    """Scale accumulators with integers only.

    Source: Jacob et al. 2018, section 2.2 and appendix B: a saturating rounding doubling high
    multiply, then a rounding right shift (both round halves away from zero, so that the result may
    differ from exact arithmetic by one code where two roundings meet). A positive shift is applied
    to the accumulator first, saturating.

    Args:
        acc: int32 accumulators, any shape.
        multiplier: int32 in [2^30, 2^31), from `quantize_multiplier`; broadcasts against ``acc``.
        shift: int32, from `quantize_multiplier`.
        zero_point: of the output.
        qmin: the lowest code of the output.
        qmax: the highest code of the output.

    Returns:
        int32 codes in [qmin, qmax].
    """
    exponent = np.asarray(shift, np.int64)
    left = np.minimum(np.maximum(exponent, 0), 31)
    right = np.minimum(np.maximum(-exponent, 0), 62)
    wide = np.asarray(acc, np.int32).astype(np.int64) << left
    high = _doubling_high_multiply(np.clip(wide, _INT32.min, _INT32.max), multiplier)
    shifted = _rounding_shift(high, right)
    return np.clip(shifted + zero_point, qmin, qmax).astype(np.int32)


def _doubling_high_multiply(a: Int64s, b: ArrayLike) -> Int64s:
    """round(2ab / 2^32), halves away from zero, saturated (ARM SQRDMULH; gemmlowp)."""
    product = a * np.asarray(b, np.int64)
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    # Integer division toward zero: floor for what is not negative, ceiling for what is.
    high = np.where(total >= 0, total >> 31, -(-total >> 31))
    return np.minimum(high, _INT32.max)


def _rounding_shift(x: Int64s, right: Int64s) -> Int64s:
    """X / 2^right, halves away from zero (gemmlowp RoundingDivideByPOT)."""
    mask = (np.int64(1) << right) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    result: NDArray[Any] = (x >> right) + (remainder > threshold)
    return np.asarray(result, np.int64)
