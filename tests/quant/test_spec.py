"""The text form of a spec: printing and parsing are inverse, and errors say what and where."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import SpecError, UnsupportedError
from inspector.quant.spec import (
    DTYPES,
    FLOAT,
    Granularity,
    LayerSpecs,
    QuantSpec,
    RangeMethod,
)
from inspector.quant.spec_parts import PLAIN_RANGES

axes = st.none() | st.integers(-4, 4)
granularities = (
    st.just(Granularity("tensor"))
    | st.builds(lambda axis: Granularity("channel", axis=axis), axes)
    | st.builds(lambda size, axis: Granularity("block", size, axis), st.integers(1, 4096), axes)
)
ends = st.floats(-3e38, 3e38, allow_nan=False)
ranges = (
    st.sampled_from(list(PLAIN_RANGES.values())).map(RangeMethod)
    | st.floats(50, 100, exclude_min=True).map(
        lambda p: RangeMethod("ort-percentile", percentile=p)
    )
    | st.floats(0, 1, exclude_min=True, exclude_max=True).map(
        lambda m: RangeMethod("movavg", momentum=m)
    )
    | st.integers(1, 10**9 - 1).map(lambda n: RangeMethod("meanminmax", batch=n))
    | st.tuples(st.integers(16, 4096), st.none() | st.integers(2, 16)).map(
        lambda pair: RangeMethod("kl", bins=pair[0], levels=pair[1])
    )
    | st.tuples(st.floats(0, 100), st.floats(0, 100))
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: RangeMethod("percentile", lo=min(pair), hi=max(pair)))
    | st.floats(50, 100, exclude_min=True).map(lambda p: RangeMethod("percentile", percentile=p))
    | st.tuples(ends, ends)
    .filter(lambda pair: pair != (0, 0))
    .map(lambda pair: RangeMethod("range", lo=min(pair), hi=max(pair)))
)
specs = st.just(FLOAT) | st.builds(
    QuantSpec,
    st.sampled_from([dtype for dtype in DTYPES if dtype != "float"]),
    st.none() | granularities,
    st.none() | ranges,
    st.none() | st.booleans(),
    st.booleans(),
)


@given(specs)
@settings(deadline=None)
def test_parsing_is_the_inverse_of_printing(spec: QuantSpec) -> None:
    """Parsing is the inverse of printing."""
    assert QuantSpec.parse(str(spec)) == spec
    assert str(QuantSpec.parse(str(spec))) == str(spec)


@given(specs, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_parts_may_come_in_any_order_and_case(spec: QuantSpec, random: object) -> None:
    """The parts may come in any order and case."""
    dtype, *parts = str(spec).split(":")
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert QuantSpec.parse(" : ".join([dtype, *parts]).upper()) == spec


@given(specs, st.sampled_from(["weights", "activations"]))
@settings(deadline=None)
def test_a_filled_spec_is_complete_and_stays_so(spec: QuantSpec, role: str) -> None:
    """A filled spec is complete and stays so."""
    filled = spec.filled(role)  # type: ignore[arg-type]
    if spec.is_float:
        assert filled == FLOAT
        return
    assert None not in (filled.granularity, filled.range, filled.symmetric)
    assert filled.filled("activations") == filled.filled("weights") == filled
    assert QuantSpec.parse(str(filled)) == filled


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("int8", "int8"),
        ("int8:channel:minmax", "int8:channel:minmax"),
        ("uint8:tensor:percentile99.990", "uint8:tensor:percentile99.99"),
        ("int4:block32@-1:mse:sym", "int4:block32@-1:mse:sym"),
        ("int8:range[-1e-3, 2.50]", "int8:range[-0.001,2.5]"),
        ("int8:percentile100.0", "int8:percentile100"),
        ("int8:pow2:sym:kl:channel@0", "int8:channel@0:kl:sym:pow2"),
        ("log4", "log4"),
        ("fp8e5m2:tensor", "fp8e5m2:tensor"),
        ("uint8:movavg0.990", "uint8:movavg0.99"),
        ("uint8:meanminmax8:asym", "uint8:meanminmax8:asym"),
        ("int8:kl4096/256", "int8:kl4096/256"),
        ("uint8:percentile[0, 99.90]", "uint8:percentile[0,99.9]"),
        ("uint8:ort-percentile99.999", "uint8:ort-percentile99.999"),
    ],
)
def test_what_is_printed(text: str, printed: str) -> None:
    """What is printed."""
    assert str(QuantSpec.parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "part", "column", "hint"),
    [
        ("itn8", "itn8", 1, "int8"),
        ("int17", "int17", 1, "int2 to int16"),
        ("int1", "int1", 1, "int2 to int16"),
        ("", "", 1, "Known types"),
        ("channel:int8", "channel", 1, "Known types"),
        ("int8:chanel", "chanel", 6, "channel"),
        ("int8::kl", "", 6, "extra colon"),
        ("int8:", "", 6, "extra colon"),
        ("int8:int4", "int4", 6, "first"),
        ("int8:minmax:kl", "kl", 13, "Keep one"),
        ("int8:tensor:channel", "channel", 13, "Keep one"),
        ("int8:sym:asym", "asym", 10, "not both"),
        ("int8:sym:sym", "sym", 10, "Keep one"),
        ("int8:pow2:pow2", "pow2", 11, "Keep one"),
        ("int8: percentile", "percentile", 7, "percentile99.99"),
        ("int8:percentile50", "percentile50", 6, "above 50"),
        ("int8:percentile100.1", "percentile100.1", 6, "at most 100"),
        ("int8:percentile1_00", "percentile1_00", 6, "percentile99.99"),
        ("int8:range[2,1]", "range[2,1]", 6, "range[1,2]"),
        ("int8:range[0,0]", "range[0,0]", 6, "range[-1,1]"),
        ("int8:range[1]", "range[1]", 6, "range[-1,1]"),
        ("int8:range(1,2)", "range(1,2)", 6, "range[-1,1]"),
        ("int8:range[nan,1]", "range[nan,1]", 6, "range[-1,1]"),
        ("int8:range[-1,1e39]", "range[-1,1e39]", 6, ""),
        ("int8:movavg1", "movavg1", 6, "between 0 and 1"),
        ("int8:movavgx", "movavgx", 6, "movavg0.99"),
        ("int8:meanminmax0", "meanminmax0", 6, "meanminmax8"),
        ("int8:kl8", "kl8", 6, "kl2048"),
        ("int8:kl999999999", "kl999999999", 6, "kl2048"),
        ("int8:kl64/128", "kl64/128", 6, "kl2048/128"),
        ("int8:klx", "klx", 6, "kl"),
        ("int8:percentile[99,1]", "percentile[99,1]", 6, "lower one first"),
        ("int8:percentile[1]", "percentile[1]", 6, "percentile[0.01,99.99]"),
        ("int8:ort-percentile", "ort-percentile", 6, "ort-percentile99.99"),
        ("int8:ort-kl", "ort-kl", 6, "ort-entropy"),
        ("int8:block", "block", 6, "block32"),
        ("int8:block0", "block0", 6, "block32"),
        ("int8:block8@", "block8@", 6, "block8@0"),
        ("int8:channel@x", "channel@x", 6, "channel@0"),
        ("int8:tensor@0", "tensor@0", 6, "tensor"),
        ("float:sym", "sym", 7, "float alone"),
    ],
)
def test_an_error_quotes_the_spec_and_says_where_and_what_would_be_right(
    text: str, part: str, column: int, hint: str
) -> None:
    """An error quotes the spec and says where and what would be right."""
    with pytest.raises(SpecError) as caught:
        QuantSpec.parse(text)
    assert f"'{text}'" in caught.value.message
    assert f"'{part}' at character {column} " in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: Granularity("tensor", axis=0),
        lambda: Granularity("channel", 4),
        lambda: Granularity("block"),
        lambda: Granularity("row"),  # type: ignore[arg-type]
        lambda: RangeMethod("percentile"),
        lambda: RangeMethod("minmax", percentile=99.0),
        lambda: RangeMethod("range", lo=0.0),
        lambda: RangeMethod("kl", lo=0.0, hi=1.0),
        lambda: RangeMethod("kl", momentum=0.5),
        lambda: RangeMethod("kl", levels=4),
        lambda: RangeMethod("minmax", bins=64),
        lambda: RangeMethod("movavg", batch=2),
        lambda: RangeMethod("percentile", lo=1.0),
        lambda: RangeMethod("ort-percentile"),
        lambda: RangeMethod("range", lo=float("nan"), hi=1.0),
        lambda: RangeMethod("widest"),  # type: ignore[arg-type]
        lambda: QuantSpec("int99"),
        lambda: QuantSpec("float", symmetric=True),
    ],
)
def test_what_the_text_cannot_say_cannot_be_built(make: object) -> None:
    """What the text cannot say cannot be built."""
    with pytest.raises(SpecError):
        make()  # type: ignore[operator]


def test_bits_sign_and_integer_range() -> None:
    """Bits sign and integer range."""
    assert [QuantSpec(d).bits for d in ("int2", "uint16", "fp8e4m3", "log3", "binary")] == [
        2,
        16,
        8,
        3,
        1,
    ]
    assert QuantSpec("int8").signed
    assert not QuantSpec("uint8").signed
    assert QuantSpec("int8", symmetric=True).integer_range() == (-127, 127)
    assert QuantSpec("int8", symmetric=False).integer_range() == (-128, 127)
    assert QuantSpec("uint4", symmetric=True).integer_range() == (0, 15)
    assert QuantSpec("int2", symmetric=True).integer_range() == (-1, 1)
    assert QuantSpec("uint16").integer_range() == (0, 65535)


def test_defaults_follow_what_the_tensor_is() -> None:
    """Defaults follow what the tensor is."""
    assert str(QuantSpec("int8").filled("weights")) == "int8:channel:minmax:sym"
    assert str(QuantSpec("uint8").filled("weights")) == "uint8:channel:minmax:asym"
    assert str(QuantSpec("int8").filled("activations")) == "int8:tensor:mse:asym"
    assert str(QuantSpec("uint8").filled("activations")) == "uint8:tensor:mse:asym"
    assert LayerSpecs(FLOAT, FLOAT).is_float
    assert not LayerSpecs(QuantSpec("int8"), FLOAT).is_float


@pytest.mark.parametrize("text", ["fp8e4m3", "fp8e5m2", "log4", "binary", "ternary", "float"])
def test_what_has_no_integer_grid_is_refused_where_one_is_needed(text: str) -> None:
    """What has no integer grid is refused where one is needed."""
    with pytest.raises(UnsupportedError) as caught:
        QuantSpec.parse(text).require_affine()
    assert text.split(":")[0] in caught.value.message
    assert caught.value.hint


def test_integer_types_are_accepted() -> None:
    """Integer types are accepted."""
    QuantSpec.parse("int5:block16").require_affine()
