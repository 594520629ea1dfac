"""What layers can be coloured by: values, ranges, and the way between numbers and places."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.model import Layer
from inspector.quant.spec import QuantSpec
from inspector.report.quantity_text import parse_quantity, quantity_text
from inspector.session.quantities import (
    COMPUTE,
    OUTPUT_ERROR,
    PARAMETERS,
    QUANTITIES,
    SIZE,
    WEIGHT_SQNR,
    Quantity,
    default_range,
    find_quantity,
    is_range,
    place,
    places,
    stored_bytes,
    values,
)

INT8 = QuantSpec.parse("int8:channel").filled("weights")
ANY = st.floats(allow_nan=True, allow_infinity=True)
QUANTITY = st.sampled_from(QUANTITIES)


def layer(name: str = "conv", **other: object) -> Layer:
    """A Conv of 16 channels with 432 weights and a bias."""
    made = Layer(
        name, "Conv", "w", "b", ("x",), "y", (16, 3, 3, 3), 0, 1, parameters=448, macs=1000
    )
    return replace(made, **other)  # type: ignore[arg-type]  # fields by name, for brevity


def test_keys_are_unique_and_found() -> None:
    """What a setting or a signal names is found again."""
    assert len({quantity.key for quantity in QUANTITIES}) == len(QUANTITIES) == 7
    assert all(find_quantity(quantity.key) is quantity for quantity in QUANTITIES)
    assert find_quantity("") is None
    assert find_quantity("colour") is None


def test_stored_bytes_by_hand() -> None:
    """Codes, 5 bytes for each scale with its zero point, and the bias in float32."""
    assert stored_bytes(layer(), None) == 448 * 4
    assert stored_bytes(layer(), INT8) == 432 + 16 * 5 + 16 * 4
    four = QuantSpec.parse("int4:tensor").filled("weights")
    assert stored_bytes(layer(), four) == 216 + 5 + 16 * 4
    three = QuantSpec.parse("int3:tensor").filled("weights")
    assert stored_bytes(layer(), three) == stored_bytes(layer(), four)
    binary = QuantSpec.parse("binary").filled("weights")
    assert stored_bytes(layer(), binary) == 432 // 8 + 16 * 5 + 16 * 4
    blocks = QuantSpec.parse("int8:block3@1").filled("weights")
    assert stored_bytes(layer(), blocks) == 432 + 16 * 9 * 5 + 16 * 4
    nothing = layer(weight=None, bias=None, weight_shape=None, parameters=0)
    assert stored_bytes(nothing, INT8) == 0
    vector = layer(op_type="MatMul", weight_shape=(7,), channel_axis=None, parameters=7)
    assert stored_bytes(vector, INT8) == 7 + 5


def test_a_spec_that_cannot_be_carried_out_has_no_size() -> None:
    """A wrong axis is told where it was chosen; nothing is made up here."""
    wrong = QuantSpec.parse("int8:channel@7").filled("weights")
    assert values(SIZE, (layer(), layer("other")), {"conv": wrong}).keys() == {"other"}


def test_values_of_layers() -> None:
    """One number for each layer that has one."""
    product = layer("product", weight=None, bias=None, weight_shape=None, parameters=0)
    unknown = layer("unknown", macs=None)
    layers = (layer(), product, unknown)
    weights = {"conv": INT8}
    assert values(PARAMETERS, layers, weights) == {"conv": 448.0, "unknown": 448.0}
    assert values(COMPUTE, layers, weights) == {"conv": 1000.0, "product": 1000.0}
    assert values(SIZE, layers, weights) == {"conv": 576.0, "unknown": 1792.0}
    with pytest.raises(ValueError, match="weight_sqnr"):
        values(WEIGHT_SQNR, layers, weights)


# Ranges


def test_the_range_of_errors_is_fixed() -> None:
    """A number of dB means the same in every model."""
    assert default_range(WEIGHT_SQNR, [3.0, 99.0]) == (10.0, 60.0)
    assert default_range(OUTPUT_ERROR, []) == (10.0, 60.0)


def test_other_ranges_follow_the_data() -> None:
    """From the smallest to the largest number that can be shown."""
    assert default_range(SIZE, [100.0, 0.0, math.nan, 5e6, math.inf]) == (100.0, 5e6)
    assert default_range(SIZE, [7.0]) == (3.5, 14.0)
    low, high = default_range(PARAMETERS, [])
    assert is_range(PARAMETERS, low, high)


@given(QUANTITY, st.lists(ANY, max_size=20))
def test_every_default_range_is_one(quantity: Quantity, found: list[float]) -> None:
    """Whatever the data, there is a range that things have a place in."""
    inside = [v for v in found if 1e-200 < abs(v) < 1e200]
    assert is_range(quantity, *default_range(quantity, inside))


@given(QUANTITY, st.lists(ANY, min_size=2, max_size=20), st.floats(1, 50), st.floats(1.5, 100))
def test_places_keep_the_order(
    quantity: Quantity, found: list[float], low: float, factor: float
) -> None:
    """Places lie from 0 to 1, larger numbers at no smaller places; NaN has none."""
    got = places(quantity, found, low, low * factor)
    assert np.array_equal(np.isnan(got), np.isnan(found))
    known = sorted((v, p) for v, p in zip(found, got, strict=True) if not math.isnan(v))
    assert all(0 <= p <= 1 for _, p in known)
    assert all(a[1] <= b[1] for a, b in pairwise(known))
    one_by_one = [place(quantity, value, low, low * factor) for value in found]
    assert [p is None for p in one_by_one] == [math.isnan(p) for p in got]
    assert [p for p in one_by_one if p is not None] == pytest.approx(got[~np.isnan(got)])


def test_places_by_hand() -> None:
    """The ends, the middle, and what lies beyond."""
    assert place(WEIGHT_SQNR, 10.0, 10.0, 60.0) == 0.0
    assert place(WEIGHT_SQNR, 35.0, 10.0, 60.0) == pytest.approx(0.5)
    assert place(WEIGHT_SQNR, math.inf, 10.0, 60.0) == 1.0
    assert place(WEIGHT_SQNR, -math.inf, 10.0, 60.0) == 0.0
    assert place(WEIGHT_SQNR, math.nan, 10.0, 60.0) is None
    assert place(SIZE, 1000.0, 10.0, 100_000.0) == pytest.approx(0.5)
    assert place(SIZE, 0.0, 10.0, 100_000.0) == 0.0


def test_what_can_be_a_range() -> None:
    """Two finite numbers in order; above 0 where the scale is logarithmic."""
    assert is_range(WEIGHT_SQNR, -5.0, 5.0)
    assert not is_range(SIZE, -5.0, 5.0)
    assert not is_range(SIZE, 0.0, 5.0)
    assert not is_range(WEIGHT_SQNR, 5.0, 5.0)
    assert not is_range(WEIGHT_SQNR, 5.0, math.inf)
    assert not is_range(WEIGHT_SQNR, math.nan, 5.0)


# Text


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        (WEIGHT_SQNR, 12.34, "12.3 dB"),
        (WEIGHT_SQNR, -3.0, "−3.0 dB"),
        (WEIGHT_SQNR, math.inf, "∞ dB"),
        (WEIGHT_SQNR, math.nan, "–"),
        (WEIGHT_SQNR, None, "–"),
        (SIZE, 812.0, "812 B"),
        (SIZE, 1_204_000.0, "1.20 MB"),
        (PARAMETERS, 4_600_000.0, "4.6 M"),
        (PARAMETERS, 12.0, "12"),
        (COMPUTE, 115e6, "115 M MAC"),
        (COMPUTE, 9.0, "9 MAC"),
    ],
)
def test_numbers_as_text(quantity: Quantity, value: float | None, text: str) -> None:
    """Every number has its unit."""
    assert quantity_text(quantity, value) == text


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        (WEIGHT_SQNR, "12", 12.0),
        (WEIGHT_SQNR, " −3,5 db ", -3.5),
        (WEIGHT_SQNR, "1e1", 10.0),
        (SIZE, "1.2 MB", 1.2e6),
        (SIZE, "812 B", 812.0),
        (SIZE, "5k", 5000.0),
        (PARAMETERS, "4.6M", 4.6e6),
        (COMPUTE, "115 M MAC", 115e6),
        (COMPUTE, "2 g", 2e9),
    ],
)
def test_text_as_numbers(quantity: Quantity, text: str, value: float) -> None:
    """With or without prefix and unit, in the forms that people type."""
    assert parse_quantity(quantity, text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "dB", "twelve", "12 k", "1e999", "1.2.3", "nan", "inf", "--4", "9" * 400, "1 2\n3"]
)
def test_what_is_no_number(text: str) -> None:
    """Nothing is guessed."""
    assert parse_quantity(WEIGHT_SQNR, text) is None


@given(QUANTITY, st.floats(1, 1e11))
def test_text_reads_back(quantity: Quantity, value: float) -> None:
    """What is shown can be typed again and means the same, to the digits shown."""
    again = parse_quantity(quantity, quantity_text(quantity, value))
    assert again == pytest.approx(value, rel=6e-3, abs=0.5)
