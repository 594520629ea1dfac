"""Codes in every notation, exactly."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import DataError
from inspector.quant.fixed_point import (
    binary,
    code_bits,
    coded,
    hexadecimal,
    power_of_two,
    q_format,
    row_of,
)
from inspector.quant.kernels import fake_quantize, outside
from inspector.quant.qparams import QParams
from inspector.quant.tables import table_of


def grid(scale: float, zero: int = 0, qmin: int = -128, qmax: int = 127) -> QParams:
    """A grid of one scale."""
    return QParams(np.asarray(np.float32(scale)), np.asarray(np.int32(zero)), qmin, qmax)


def test_a_number_in_every_notation() -> None:
    """-0.8125 in Q3.4 is -13 sixteenths."""
    one = coded(-0.8, grid(1 / 16))
    assert (one.code, one.real, one.hexadecimal, one.binary) == (-13, -0.8125, "0xf3", "1111 0011")
    assert one.q_format == "Q3.4"
    assert one.error == pytest.approx(-0.0125)
    assert not one.clipped


@pytest.mark.parametrize(
    ("scale", "zero", "bits", "signed", "text"),
    [
        (2.0**-7, 0, 8, True, "Q0.7"),
        (2.0**-8, 0, 8, False, "UQ0.8"),
        (1.0, 0, 8, True, "Q7.0"),
        (4.0, 0, 8, True, "Q9.-2"),
        (2.0**-10, 0, 8, True, "Q-3.10"),
        (2.0**-15, 0, 16, True, "Q0.15"),
        (2.0**-3, 0, 4, True, "Q0.3"),
        (0.1, 0, 8, True, ""),
        (2.0**-7, 3, 8, True, ""),
    ],
)
def test_q_formats(scale: float, zero: int, bits: int, signed: bool, text: str) -> None:
    """The bits before and behind the point, and the sign, are all bits."""
    assert q_format(scale, zero, bits, signed=signed) == text


@given(st.integers(1, 17), st.booleans(), st.data())
def test_hexadecimal_and_binary_say_the_code(bits: int, signed: bool, data: st.DataObject) -> None:
    """Read back in two's complement both give it again."""
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    code = data.draw(st.integers(low, high))
    digits = binary(code, bits).replace(" ", "")
    assert len(digits) == bits
    for number in (int(hexadecimal(code, bits), 16), int(digits, 2)):
        assert 0 <= number < 1 << bits
        assert code in (number, number - (1 << bits))
    assert code_bits(low, high) == bits


@given(
    st.floats(width=32, allow_nan=False),
    st.floats(2.0**-20, 2.0**20, width=32),
    st.integers(-128, 127),
)
def test_a_number_is_what_the_kernels_make_of_it(value: float, scale: float, zero: int) -> None:
    """Bit for bit, also beyond the grid."""
    made = grid(scale, zero)
    one = coded(value, made)
    assert one.real == float(fake_quantize(np.float32(value), made))
    assert made.qmin <= one.code <= made.qmax
    if bool(outside(np.float32(value), made)):
        assert one.clipped or abs(one.error) <= scale
    assert one.error == one.real - value


def test_what_lies_outside_is_clipped() -> None:
    """Half a step beyond the last code is still rounded to it."""
    made = grid(1.0)
    assert [coded(v, made).clipped for v in (127.5, 127.6, -128.5, -129, math.inf)] == [
        False, True, False, True, True,
    ]  # fmt: skip
    assert coded(1e300, made).code == 127


def test_nan_has_no_code() -> None:
    """And says so."""
    with pytest.raises(DataError, match="number"):
        coded(math.nan, grid(1.0))


def test_rows_are_taken_one_by_one() -> None:
    """Each channel has its own scale."""
    both = QParams(np.array([0.5, 0.25], np.float32), np.array([0, 4], np.int32), -128, 127, axis=0)
    assert coded(1.0, row_of(both, 0)).code == 2
    assert coded(1.0, row_of(both, 1)).code == 8


@given(st.integers(-126, 126))
def test_powers_of_two_are_found(exponent: int) -> None:
    """And nothing beside them."""
    assert power_of_two(2.0**exponent) == exponent
    assert power_of_two(float(np.nextafter(np.float32(2.0**exponent), np.float32(0)))) is None
    for other in (0.0, -1.0, math.inf, math.nan):
        assert power_of_two(other) is None


@pytest.mark.parametrize(
    ("dtype", "wide"), [("fp8e4m3", ml_dtypes.float8_e4m3fn), ("fp8e5m2", ml_dtypes.float8_e5m2)]
)
def test_floats_of_8_bits_have_their_own_bytes(dtype: str, wide: Any) -> None:
    """As the library of small floats has them."""
    table = table_of(dtype)
    assert table is not None
    made = QParams(
        np.asarray(np.float32(1)), np.asarray(0), table.lowest, table.highest, None, 0, table
    )
    for value in (0.3, -0.3, 1.0, -17.5, 0.001, -3.0e-5, 300.0):
        one = coded(value, made)
        stored = np.asarray(value, np.float32).astype(wide)
        assert one.real == float(stored)
        if one.code:
            assert int(one.hexadecimal, 16) == int(stored.view(np.uint8))
        assert one.q_format == ""
        assert not one.clipped
    assert coded(1e6, made).clipped
    assert row_of(made, 0).table is table


@pytest.mark.parametrize("dtype", ["log4", "ternary", "binary"])
def test_other_levels_are_what_the_kernels_make_of_them(dtype: str) -> None:
    """Nearest level, and clipped beyond the last threshold."""
    table = table_of(dtype)
    assert table is not None
    made = QParams(
        np.asarray(np.float32(0.5)), np.asarray(0), table.lowest, table.highest, None, 0, table
    )
    for value in (-3.0, -0.4, 0.0, 0.1, 0.26, 0.5, 2.0):
        one = coded(value, made)
        assert one.real == float(fake_quantize(np.float32(value), made))
        assert one.clipped == bool(outside(np.float32(value), made))
