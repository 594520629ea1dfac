"""A real number as an integer code: decimal, hexadecimal, binary, and what is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inspector.quant.kernels import dequantize, outside, quantize
from inspector.quant.qparams import QParams

MOST_EXPONENT = 126
"""Scales are float32: powers of two beyond this are none that anybody shifts by."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A number on a grid of one scale.

    Attributes:
        value: the number, as float32.
        code: its integer.
        real: what the code stands for, as float32.
        error: `real` less `value`.
        clipped: the number lies outside of the grid.
        bits: the width of the code, with its sign.
        hexadecimal: the code in two's complement, "0xf3"; of a float of 8 bits its byte.
        binary: the same in binary, "1111 0011".
        q_format: "Q3.4" where the scale is a power of two and zero is code 0; empty elsewhere, as
            where levels are not evenly spaced.
    """

    value: float
    code: int
    real: float
    error: float
    clipped: bool
    bits: int
    hexadecimal: str
    binary: str
    q_format: str


def coded(value: float, grid: QParams) -> Coded:
    """A number on a grid.

    Args:
        value: any number; what is too large for float32 counts as infinite, and saturates.
        grid: of one scale; see `row_of`.

    Raises:
        DataError: NaN, which has no code.
    """
    assert grid.rows == 1, "a grid of one scale"
    one = row_of(grid, 0)
    with np.errstate(over="ignore"):
        single = np.float32(value)
    code = int(quantize(single, one, "The number"))
    real = float(dequantize(np.int32(code), one))
    bits = code_bits(grid.qmin, grid.qmax)
    low, high = float(one.lo), float(one.hi)
    half = float(one.scale) / 2
    clipped = not low - half <= float(single) <= high + half
    if one.table is not None:
        clipped = bool(outside(single, one))
    pattern = _bit_pattern(code, one)
    return Coded(
        float(single),
        code,
        real,
        real - float(single),
        clipped,
        bits,
        hexadecimal(pattern, bits),
        binary(pattern, bits),
        ""
        if one.table is not None
        else q_format(float(one.scale), int(one.zero_point), bits, signed=grid.qmin < 0),
    )


def _bit_pattern(code: int, grid: QParams) -> int:
    """The code, or the byte of a float of 8 bits, whose sign is a bit of its own."""
    is_float = grid.table is not None and grid.table.name.startswith("fp8")
    return 0x80 | -code if is_float and code < 0 else code


def row_of(grid: QParams, row: int) -> QParams:
    """The grid of one channel or block."""
    return QParams(
        grid.scale.reshape(-1)[row].reshape(()),
        grid.zero_point.reshape(-1)[row].reshape(()),
        grid.qmin,
        grid.qmax,
        table=grid.table,
    )


def code_bits(qmin: int, qmax: int) -> int:
    """How many bits the codes qmin..qmax need, in two's complement where some are negative."""
    if qmin >= 0:
        return max(qmax.bit_length(), 1)
    return max((-qmin - 1).bit_length(), qmax.bit_length()) + 1


def hexadecimal(code: int, bits: int) -> str:
    """A code in two's complement: as many digits as the width needs."""
    return f"0x{code & ((1 << bits) - 1):0{-(-bits // 4)}x}"


def binary(code: int, bits: int) -> str:
    """A code in two's complement, in groups of four digits from the right."""
    digits = f"{code & ((1 << bits) - 1):0{bits}b}"
    first = len(digits) % 4
    groups = [digits[:first]] if first else []
    return " ".join(groups + [digits[at : at + 4] for at in range(first, len(digits), 4)])


def q_format(scale: float, zero_point: int, bits: int, *, signed: bool) -> str:
    """Qm.n: m bits before the binary point, without the sign, and n behind it.

    A scale of 2^-n puts the point n bits from the right; m or n is negative where the point lies
    outside of the code. Unsigned codes are UQm.n.

    Returns:
        Nothing where the scale is no power of two, or where real zero is another code than 0.
    """
    exponent = power_of_two(scale)
    if exponent is None or zero_point != 0:
        return ""
    whole = bits + exponent - (1 if signed else 0)
    return f"{'Q' if signed else 'UQ'}{whole}.{-exponent}"


def power_of_two(scale: float) -> int | None:
    """The exponent of a power of two; None for what is none."""
    if not (math.isfinite(scale) and scale > 0):
        return None
    fraction, exponent = math.frexp(scale)
    exponent -= 1
    return exponent if fraction == 0.5 and abs(exponent) <= MOST_EXPONENT else None
