"""The arithmetic between a real range and an integer grid: scale and zero point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.quant.spec import QuantSpec

Floats = NDArray[np.float64]

MIN_SCALE = float(np.finfo(np.float32).tiny)
"""The smallest normal float32: below it, dividing loses bits or flushes to zero."""

_MAX_FLOAT = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class RealRange:
    """The real range to keep, row by row; zero lies in it.

    Attributes:
        lo: (rows,) float64 lower ends, <= 0.
        hi: (rows,) float64 upper ends, >= 0.
    """

    lo: Floats
    hi: Floats


def with_zero(lo: ArrayLike, hi: ArrayLike) -> RealRange:
    """The range, widened to hold zero, which must be exactly representable (padding, ReLU)."""
    low = np.minimum(np.asarray(lo, np.float64), 0.0)
    high = np.maximum(np.asarray(hi, np.float64), 0.0)
    return RealRange(low, high)


def grid_parameters(
    lo: ArrayLike, hi: ArrayLike, spec: QuantSpec
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scale and zero point of the grid of any type that covers [lo, hi]; see `affine_parameters`.

    Types with a table of levels have no zero point. Their scale puts the largest level where the
    range is widest: S = max(|lo|, |hi|) / largest level. A logarithmic type's scale is the power of
    two nearest to that, 2^floor(log2(4 S / 3)) as in Zhou et al. 2017 (arXiv:1702.03044, equation
    2): the ends of the range are rounded to the nearest level as all that lies between them.
    The scale of float16 and bfloat16 is 1, whatever the range.
    """
    table = spec.table
    if table is None:
        return affine_parameters(lo, hi, spec)
    if table.unit:
        shape = np.broadcast_shapes(np.shape(lo), np.shape(hi))
        return np.ones(shape, np.float32), np.zeros(shape, np.int32)
    reach = np.maximum(-np.asarray(lo, np.float64), np.asarray(hi, np.float64))
    scale = np.clip(reach / table.top, MIN_SCALE, _MAX_FLOAT / table.top).astype(np.float32)
    if table.power_of_two:
        part, exponent = np.frexp(scale)
        nearest = np.where(part >= 0.75, exponent, exponent - 1)
        scale = np.ldexp(np.float32(1.0), np.clip(nearest, -126, 127)).astype(np.float32)
    scale = np.where(reach == 0.0, np.float32(1.0), scale).astype(np.float32)
    if spec.pow2:
        scale = power_of_two(scale, int(table.top))
    below = np.nextafter(scale, np.float32(0))
    scale = np.where(scale * np.float64(table.top) > _MAX_FLOAT, below, scale)
    return scale, np.zeros(scale.shape, np.int32)


def affine_parameters(
    lo: ArrayLike, hi: ArrayLike, spec: QuantSpec
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scale and zero point of the grid that covers [lo, hi].

    Source: Jacob et al. 2018 (arXiv:1712.05877), section 2.1: r = S(q - Z); ONNX QuantizeLinear.

    - Symmetric: S = max(|lo|, |hi|) / (2^(b-1) - 1). Z = 0 for signed types, and 2^(b-1) for
      unsigned ones, whose code 0 then lies one step below the range and is not reached from
      within it: as many steps are used above zero as below.
    - Asymmetric: S = (hi - lo) / (qmax - qmin), rounded to float32; then
      Z = round_half_even(qmin - lo / S), clamped to [qmin, qmax].

    - Power of two: S is the power of two at or above that scale, so that a shift does the scaling
      and nothing is clipped that the range keeps; Z follows from it. The choice of Jain et al. 2020
      (arXiv:1903.08066, section 3.1: thresholds are rounded up, s = 2^ceil(log2 t) / 2^(b-1)). The
      grid reaches up to twice as far as the range: that is what such a scale costs.

    A range of nothing but zero gets the scale 1. Scales are positive normal float32 numbers, and
    small enough that no level of the grid overflows float32 (a power of two is rounded down where
    the one above would).

    Args:
        lo: any shape, <= 0.
        hi: the same shape, >= 0.
        spec: affine, with ``symmetric`` set.

    Returns:
        float32 scales and int32 zero points, both of the shape of ``lo``.
    """
    low, high = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    qmin, qmax = spec.integer_range()
    steps = (1 << (spec.bits - 1)) - 1 if spec.symmetric else qmax - qmin
    width = np.maximum(-low, high) if spec.symmetric else high - low
    scale = np.clip(width / steps, MIN_SCALE, _MAX_FLOAT).astype(np.float32)
    scale = np.where(width == 0.0, np.float32(1.0), scale)
    if spec.pow2:
        scale = power_of_two(scale, steps + bool(spec.symmetric))
    if spec.symmetric:
        middle = 0 if spec.signed else 1 << (spec.bits - 1)
        zero_point = np.full(low.shape, middle, np.int32)
    else:
        # A grid finer than its range can only come from the clamps above; Z stays a code then.
        exact = np.rint(qmin - low / scale.astype(np.float64))
        zero_point = np.clip(exact, qmin, qmax).astype(np.int32)
    return _without_overflow(scale, zero_point, qmin, qmax), zero_point


def power_of_two(scale: ArrayLike, reach: int = 1) -> NDArray[np.float32]:
    """The power of two at or above each scale.

    Args:
        scale: float32, positive and normal.
        reach: so many steps must be a float32 number still: larger powers become the largest one
            for which they are.
    """
    part, exponent = np.frexp(np.asarray(scale, np.float32))
    most = int(np.frexp(_MAX_FLOAT / reach)[1]) - 1
    above = np.minimum(np.where(part == 0.5, exponent - 1, exponent), most)
    return np.asarray(np.ldexp(np.float32(1.0), above), np.float32)


def _without_overflow(
    scale: NDArray[np.float32], zero_point: NDArray[np.int32], qmin: int, qmax: int
) -> NDArray[np.float32]:
    """Scales one step smaller where the outermost level would not be a float32."""
    reach = np.maximum(qmax - zero_point, zero_point - qmin).astype(np.float64)
    too_far = scale.astype(np.float64) * reach > _MAX_FLOAT
    smaller = np.nextafter((_MAX_FLOAT / np.maximum(reach, 1.0)).astype(np.float32), np.float32(0))
    result: NDArray[np.float32] = np.where(too_far, smaller, scale).astype(np.float32)
    return result
