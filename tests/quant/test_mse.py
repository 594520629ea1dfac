"""The MSE search against brute force on the values themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.grid import RealRange, affine_parameters
from inspector.quant.kernels import fake_quantize
from inspector.quant.profile import error_profile
from inspector.quant.qparams import QParams, choose_qparams, qparams_from_range
from inspector.quant.spec import QuantSpec
from inspector.quant.squared_error import cost_of


def _error(values: np.ndarray, qp: QParams) -> float:
    return float(np.mean((values.astype(np.float64) - fake_quantize(values, qp)) ** 2))


def _brute_force(values: np.ndarray, spec: QuantSpec, steps: int) -> float:
    """The least error over a plain grid of ranges."""
    lo, hi = min(values.min(), 0.0), max(values.max(), 0.0)
    factors = np.linspace(1 / steps, 1, steps)
    pairs = (
        [(f, f) for f in factors]
        if spec.symmetric
        else np.stack(np.meshgrid(factors, factors), -1).reshape(-1, 2)
    )
    if spec.symmetric:
        hi = max(hi, -lo)
        lo = -hi
    best = np.inf
    for low, high in pairs:
        r = RealRange(np.array([lo * low]), np.array([hi * high]))
        best = min(best, _error(values, qparams_from_range(r, spec)))
    return best


def _cases() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(4000)
    cases = {
        "normal": normal,
        "laplace": rng.laplace(size=4000),
        "outliers": np.where(rng.random(4000) < 2e-3, normal * 100, normal),
        "skewed": np.exp(normal) - 0.5,
        "relu": np.maximum(normal, 0),
        "gelu": np.where(normal > 0, normal, normal * 0.1),
        "few": rng.standard_normal(9),
    }
    return {name: values.astype(np.float32) for name, values in cases.items()}


@pytest.mark.parametrize("flag", ["sym", "asym"])
@pytest.mark.parametrize("dtype", ["int2", "uint4", "int4", "int8", "uint8"])
@pytest.mark.parametrize("case", list(_cases()))
def test_the_range_is_about_as_good_as_brute_force(case: str, dtype: str, flag: str) -> None:
    """The range is about as good as brute force."""
    values = _cases()[case]
    spec = QuantSpec.parse(f"{dtype}:tensor:mse:{flag}")
    least = _brute_force(values, spec, 100 if flag == "sym" else 24)
    for dist in (ExactDistribution.of(values), Histogram.of(values)):
        found = _error(values, choose_qparams(dist, spec))
        assert found <= 1.05 * least + 1e-12


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 20)),
        elements=st.floats(-(2.0**60), 2.0**60, width=32) | st.floats(-4, 4, width=32),
    ),
    st.sampled_from(["int2", "uint3", "int4", "int8", "uint8", "int13", "int16"]),
    st.sampled_from(["sym", "asym"]),
)
@settings(deadline=None, max_examples=60)
def test_the_range_is_never_worse_than_minmax(values: np.ndarray, dtype: str, flag: str) -> None:
    """The range is never worse than minmax."""
    tiled = np.tile(values, (1, 50))
    for array in (values, tiled):
        dist = ExactDistribution.of(array, axis=0)
        errors = [
            error_profile(
                dist, choose_qparams(dist, QuantSpec.parse(f"{dtype}:{kind}:{flag}"), axis=0)
            ).mse
            for kind in ("mse", "minmax")
        ]
        power = np.square(array.astype(np.float64)).mean(axis=1)
        assert (errors[0] <= errors[1] * (1 + 1e-6) + 1e-13 * power).all()


@pytest.mark.parametrize("bits", [2, 4, 8, 11, 13, 16])
def test_the_cost_is_the_squared_error(bits: int) -> None:
    """The cost is the squared error."""
    rng = np.random.default_rng(1)
    values = (rng.standard_normal((3, 30_000)) * [[1.0], [10.0], [0.1]]).astype(np.float32)
    qmin, qmax = -(1 << bits - 1), (1 << bits - 1) - 1
    spec = QuantSpec(f"int{bits}", symmetric=False)
    factors = np.array([1.0, 0.7, 0.3, 0.05])
    lo, hi = values.min(axis=1)[:, None] * factors, values.max(axis=1)[:, None] * factors
    scale, zero_point = affine_parameters(lo, hi, spec)
    short, exact = values[:, :200], ExactDistribution.of(values, axis=0)
    found = cost_of(exact, qmin, qmax)(scale, zero_point)
    direct = cost_of(ExactDistribution.of(short, axis=0), qmin, qmax)(scale, zero_point)
    sketch = cost_of(Histogram.of(values[0]), qmin, qmax)(scale[:1], zero_point[:1])
    for row in range(3):
        for k in range(factors.size):
            qp = QParams(scale[row, k], zero_point[row, k], qmin, qmax)
            expected = _error(values[row], qp) * values.shape[1]
            wide = bits > 12
            assert found[row, k] == pytest.approx(expected, rel=2e-2 if wide else 1e-5)
            if not wide:
                expected_short = _error(short[row], qp) * short.shape[1]
                assert direct[row, k] == pytest.approx(expected_short, rel=1e-4)
            if row == 0:
                assert sketch[0, k] == pytest.approx(expected, rel=3e-2)


def test_outliers_are_cut_when_that_pays() -> None:
    """Outliers are cut when that pays."""
    values = _cases()["outliers"]
    spec = QuantSpec.parse("int4:tensor:mse:sym")
    values = np.append(np.tile(values[np.abs(values) < 4], 30), np.float32(30.0))
    for dist in (ExactDistribution.of(values), Histogram.of(values)):
        assert choose_qparams(dist, spec).hi < 6.0
