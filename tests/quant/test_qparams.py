"""Scale and zero point: valid for every tensor, and the grid is the one that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnxruntime.quantization.quant_utils import compute_scale_zp

from inspector.errors import DataError, UnsupportedError
from inspector.quant.distribution import ExactDistribution
from inspector.quant.grid import MIN_SCALE, RealRange
from inspector.quant.kernels import dequantize, fake_quantize, quantize
from inspector.quant.qparams import (
    QParams,
    block_axis,
    choose_qparams,
    qparams_from_range,
    weight_qparams,
)
from inspector.quant.spec import QuantSpec

DTYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in range(2, 17)]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def _spec(text: str) -> QuantSpec:
    return QuantSpec.parse(text).filled("weights")


def _range(lo: float, hi: float) -> RealRange:
    return RealRange(np.array([lo]), np.array([hi]))


@given(st.tuples(finite, finite), st.sampled_from(DTYPES), st.booleans())
@settings(deadline=None, max_examples=300)
def test_every_range_gives_a_valid_grid_that_holds_zero(
    ends: tuple[float, float], dtype: str, symmetric: bool
) -> None:
    """Every range gives a valid grid that holds zero."""
    lo, hi = min(*ends, 0.0), max(*ends, 0.0)
    qp = qparams_from_range(_range(lo, hi), QuantSpec(dtype, symmetric=symmetric))
    scale = float(qp.scale)
    assert qp.scale.dtype == np.float32
    assert qp.scale.shape == qp.zero_point.shape == ()
    assert MIN_SCALE <= scale < np.inf
    assert qp.qmin <= qp.zero_point <= qp.qmax
    assert np.isfinite([qp.lo, qp.hi]).all()
    assert quantize(0.0, qp) == qp.zero_point
    if symmetric and max(-lo, hi) > 1.7e38:
        return  # the lowest level of an unsigned grid would not be a float32
    # The grid reaches the range but for half a step, by which the zero point was rounded.
    reach = np.float32(scale) * 0.5001 + 1e-5 * (hi - lo)
    assert float(qp.lo) <= lo + reach
    assert float(qp.hi) >= hi - reach


def test_known_grids() -> None:
    """Known grids."""
    ours = [
        ("int8:sym", -1.0, 0.5, 1 / 127, 0, (-127, 127)),
        ("int8:asym", -1.0, 0.5, 1.5 / 255, 42, (-128, 127)),
        ("uint8:asym", 0.0, 2.55, 0.01, 0, (0, 255)),
        ("uint8:asym", -2.55, 0.0, 0.01, 255, (0, 255)),
        ("uint8:sym", -1.0, 0.5, 1 / 127, 128, (0, 255)),
        ("int4:sym", -7.0, 3.0, 1.0, 0, (-7, 7)),
        ("int2:sym", -3.0, 1.0, 3.0, 0, (-1, 1)),
        ("uint2:sym", -3.0, 1.0, 3.0, 2, (0, 3)),
        ("int16:sym", -1.0, 1.0, 1 / 32767, 0, (-32767, 32767)),
    ]
    for text, lo, hi, scale, zero_point, codes in ours:
        qp = qparams_from_range(_range(lo, hi), QuantSpec.parse(text))
        assert float(qp.scale) == np.float32(scale), text
        assert int(qp.zero_point) == zero_point, text
        assert (qp.qmin, qp.qmax) == codes, text


@given(finite, finite, st.sampled_from(["int8", "uint8", "int16", "uint16"]))
@settings(deadline=None, max_examples=200)
def test_asymmetric_grids_are_those_of_onnxruntime(a: float, b: float, dtype: str) -> None:
    """Asymmetric grids are those of onnxruntime."""
    lo, hi = min(a, b, 0.0), max(a, b, 0.0)
    width = np.float64(hi) - lo
    if not 1e-20 < width < 1e38:
        return
    spec = QuantSpec(dtype, symmetric=False)
    qp = qparams_from_range(_range(lo, hi), spec)
    zero_point, scale = compute_scale_zp(
        np.array(lo, np.float64),
        np.array(hi, np.float64),
        *(np.array(code, dtype) for code in spec.integer_range()),
        symmetric=False,
    )
    assert float(qp.scale) == np.float32(scale)
    # onnxruntime divides by the scale before it is rounded to float32, and may round a tie away.
    assert abs(int(qp.zero_point) - int(zero_point)) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flag", ["sym", "asym"])
def test_zeros_constants_and_extremes(dtype: str, flag: str) -> None:
    """Zeros constants and extremes."""
    spec = _spec(f"{dtype}:tensor:minmax:{flag}")
    for constant in (0.0, 1.0, -2.5, 3.4e38, 1.7e38, -1.7e38, 1e-45, -1e-40):
        values = np.full((2, 3), constant, np.float32)
        qp = weight_qparams(values, spec, 0, "w")
        found = fake_quantize(values, qp)
        assert np.isfinite(found).all()
        if constant == 0.0:
            assert qp.scale == 1.0
        if abs(constant) < 1e-30:
            assert np.abs(found).max() <= 1e-30
        elif constant not in (0.0, 3.4e38):
            assert np.abs(found / constant - 1).max() < 1e-5


def test_a_symmetric_unsigned_grid_uses_as_many_steps_on_both_sides() -> None:
    """A symmetric unsigned grid uses as many steps on both sides."""
    values = np.linspace(-3, 3, 1001, dtype=np.float32)
    qp = weight_qparams(values, _spec("uint8:tensor:sym"))
    codes = quantize(values, qp)
    assert (codes.min(), codes.max()) == (1, 255)
    assert np.array_equal(fake_quantize(-values, qp), -fake_quantize(values, qp))


@pytest.mark.parametrize("kind", ["minmax", "movavg", "range[-0.5,0.25]", "percentile99", "mse"])
@pytest.mark.parametrize(
    ("granularity", "shape", "scales"),
    [
        ("tensor", (6, 4, 3), ()),
        ("channel", (6, 4, 3), (6,)),
        ("channel@-1", (6, 4, 3), (3,)),
        ("channel@1", (6, 4, 3), (4,)),
        ("block2", (6, 4, 3), (6, 2, 3)),
        ("block3", (6, 4, 3), (6, 2, 3)),
        ("block4@0", (6, 4, 3), (2, 4, 3)),
        ("block2@-1", (6, 4, 3), (6, 4, 2)),
        ("block99", (6, 4, 3), (6, 1, 3)),
    ],
)
def test_each_scale_is_that_of_its_own_values(
    granularity: str, shape: tuple[int, ...], scales: tuple[int, ...], kind: str
) -> None:
    """Each scale is that of its own values."""
    rng = np.random.default_rng(4)
    values = (rng.standard_normal(shape) * np.exp(rng.standard_normal(shape))).astype(np.float32)
    spec = _spec(f"int4:{granularity}:{kind}:asym")
    qp = weight_qparams(values, spec, 0, "w")
    assert qp.scale.shape == qp.zero_point.shape == scales
    alone = QuantSpec.parse(f"int4:tensor:{kind}:asym")
    for index in np.ndindex(*scales):
        part = values
        if qp.axis is not None and qp.block:
            cut = [slice(i, i + 1) for i in index]
            cut[qp.axis] = slice(index[qp.axis] * qp.block, (index[qp.axis] + 1) * qp.block)
            part = values[tuple(cut)]
        elif qp.axis is not None:
            part = np.take(values, index[0], axis=qp.axis)
        single = weight_qparams(part, alone)
        assert single.scale == qp.scale[index]
        assert single.zero_point == qp.zero_point[index]
    assert fake_quantize(values, qp).shape == shape


def test_looking_for_the_ends_gives_what_sorting_gives() -> None:
    """Looking for the ends gives what sorting gives."""
    values = np.random.default_rng(0).standard_normal((5, 7, 4)).astype(np.float32)
    for text, axis, block in (("tensor", None, 0), ("channel", 0, 0), ("block3@1", 1, 3)):
        spec = _spec(f"uint8:{text}")
        dist = ExactDistribution.of(values, axis=axis, block=block)
        sorted_qp = choose_qparams(dist, spec, axis=axis, block=block, shape=values.shape)
        found = weight_qparams(values, spec, 0)
        assert np.array_equal(found.scale, sorted_qp.scale)
        assert np.array_equal(found.zero_point, sorted_qp.zero_point)


@pytest.mark.parametrize(
    ("channel", "ndim", "expected"),
    [(0, 4, 1), (1, 2, 0), (0, 2, 1), (-1, 2, 0), (-1, 3, 1), (2, 3, 1), (-2, 2, 1), (-2, 3, 2),
     (1, 4, 0), (None, 2, 0), (0, 1, 0)],
)  # fmt: skip
def test_blocks_run_along_the_axis_that_is_summed_over(
    channel: int | None, ndim: int, expected: int
) -> None:
    """Blocks run along the axis that is summed over."""
    assert block_axis(channel, ndim) == expected


@pytest.mark.parametrize("kind", ["minmax", "mse", "percentile99.9"])
@pytest.mark.parametrize("granularity", ["tensor", "channel", "block2"])
def test_nan_and_infinity_are_errors_that_name_the_weight(granularity: str, kind: str) -> None:
    """NaN and infinity are errors that name the weight."""
    for bad in (np.nan, np.inf, -np.inf):
        values = np.ones((3, 4), np.float32)
        values[1, 2] = bad
        with pytest.raises(DataError, match=r"'fc\.weight'"):
            weight_qparams(values, _spec(f"int8:{granularity}:{kind}"), 0, "fc.weight")


@pytest.mark.parametrize("granularity", ["tensor", "channel", "block2"])
@pytest.mark.parametrize("kind", ["minmax", "mse", "kl", "percentile99.9", "movavg"])
@pytest.mark.parametrize("shape", [(4, 0), (0, 4)])
def test_empty_weights_give_valid_scales(
    granularity: str, kind: str, shape: tuple[int, ...]
) -> None:
    """Empty weights give valid scales."""
    qp = weight_qparams(np.zeros(shape, np.float32), _spec(f"int8:{granularity}:{kind}"), 0)
    assert (qp.scale == 1).all()


@pytest.mark.parametrize("text", ["int8:channel@4", "int8:block8@-3", "fp8e4m3:kl", "log4:asym"])
def test_what_cannot_be_done_is_refused(text: str) -> None:
    """What cannot be done is refused."""
    with pytest.raises(UnsupportedError):
        weight_qparams(np.ones((2, 2), np.float32), _spec(text), 0, "w")


def test_channels_without_an_axis_are_refused() -> None:
    """Channels without an axis are refused."""
    with pytest.raises(UnsupportedError, match="'w'"):
        weight_qparams(np.ones((2, 2), np.float32), _spec("int8"), None, "w")


def test_a_scalar_weight_is_one_tensor() -> None:
    """A scalar weight is one tensor."""
    qp = weight_qparams(np.float32(3.0), _spec("int8"), 0, "w")
    assert qp.axis is None
    assert dequantize(quantize(np.float32(3.0), qp), qp) == np.float32(3.0)


def test_ends_of_the_grid() -> None:
    """Ends of the grid."""
    qp = QParams(np.array([1, 2], np.float32), np.array([0, -1], np.int32), -8, 7, 0)
    assert qp.lo.tolist() == [-8, -14]
    assert qp.hi.tolist() == [7, 16]


@given(arrays(np.float32, (3, 5), elements=finite), st.sampled_from(DTYPES))
@settings(deadline=None, max_examples=60)
def test_values_within_the_grid_are_off_by_half_a_step_at_most(
    values: np.ndarray, dtype: str
) -> None:
    """Values within the grid are off by half a step at most."""
    qp = weight_qparams(values, _spec(f"{dtype}:channel:minmax"), 0)
    wide = values.astype(np.float64)
    step = qp.scale.astype(np.float64)[:, None]
    error = np.abs(fake_quantize(values, qp) - wide)
    # Plus the rounding of the scale, of the quotient and of the zero point at the ends.
    inside = (wide >= qp.lo[:, None]) & (wide <= qp.hi[:, None])
    assert (error <= step * 0.5 + np.abs(wide) * 3e-7)[inside].all()
    assert (error <= step * 1.01 + np.abs(wide) * 1e-5).all()
