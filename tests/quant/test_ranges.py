"""Range methods against onnxruntime's calibrators where the definitions agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime.quantization.calibrate import HistogramCollector

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.ranges import MOVAVG_MOMENTUM, choose_range
from inspector.quant.spec import QuantSpec


def _ends(dist: Distribution, text: str) -> tuple[float, float]:
    found = choose_range(dist, QuantSpec.parse(text).filled("activations"))
    assert found.lo.shape == found.hi.shape == (dist.rows,)
    return float(found.lo[0]), float(found.hi[0])


def _both(values: np.ndarray) -> list[Distribution]:
    return [ExactDistribution.of(values), Histogram.of(values)]


def _normal(seed: int = 0, size: int = 100_000) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(size).astype(np.float32)


METHODS = ["minmax", "movavg", "percentile99.9", "percentile75:sym", "kl", "kl:sym", "mse",
           "mse:sym"]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["int2", "uint4", "int8", "uint8", "int16"])
@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [3.0],
        [-3.0, -3.0],
        [0.0, 5.0],
        [1e-42, -1e-42],
        [3e38, -3e38],
        [1.0, 2.0, 3.0],
        [-1.0, -2.0],
        [0.0] * 50 + [1e-3] * 40 + [1e4],
    ],
)
def test_every_method_gives_a_range_around_zero_within_the_values(
    values: list[float], dtype: str, method: str
) -> None:
    """Every method gives a range around zero within the values."""
    array = np.array(values, np.float32)
    for dist in _both(array):
        lo, hi = _ends(dist, f"{dtype}:{method}")
        slack = 1.0001 if dtype in ("int2", "uint4") else 1.0
        assert min(array.min(), 0.0) * slack <= lo <= 0.0 or "mse" in method
        assert 0.0 <= hi <= max(array.max(), 0.0) * slack or "mse" in method
        assert np.isfinite([lo, hi]).all()
        assert lo <= 0.0 <= hi


@pytest.mark.parametrize("method", METHODS)
def test_no_values_give_an_empty_range(method: str) -> None:
    """No values give an empty range."""
    for dist in (Histogram.empty(), ExactDistribution.of(np.zeros(0))):
        assert _ends(dist, f"int8:{method}") == (0.0, 0.0)


def test_minmax_is_exact() -> None:
    """Minmax is exact."""
    values = _normal()
    for dist in _both(values):
        assert _ends(dist, "int8:minmax") == (values.min(), values.max())


def test_a_range_set_by_hand_is_taken_as_it_is_but_holds_zero() -> None:
    """A range set by hand is taken as it is but holds zero."""
    for dist in _both(_normal(size=100)):
        assert _ends(dist, "int8:range[-0.25,7]") == (-0.25, 7.0)
        assert _ends(dist, "int8:range[2,7]") == (0.0, 7.0)
        assert _ends(dist, "int8:range[-3,-2]") == (-3.0, 0.0)


def test_a_moving_average_runs_in_the_order_of_batches() -> None:
    """A moving average runs in the order of batches."""
    batches = [_normal(seed, 50) * (seed + 1) for seed in range(6)]
    low, high = batches[0].min(), batches[0].max()
    for batch in batches[1:]:
        low = MOVAVG_MOMENTUM * low + (1 - MOVAVG_MOMENTUM) * batch.min()
        high = MOVAVG_MOMENTUM * high + (1 - MOVAVG_MOMENTUM) * batch.max()
    found = [Histogram.of(batch, batch=i) for i, batch in enumerate(batches)]
    joined = Histogram.empty()
    for i in (3, 0, 5, 1, 4, 2):
        joined = joined.merge(found[i])
    assert _ends(joined, "int8:movavg") == pytest.approx((low, high))


def test_the_moving_average_of_weights_is_minmax() -> None:
    """The moving average of weights is minmax."""
    dist = ExactDistribution.of(_normal(size=1000))
    assert _ends(dist, "int8:movavg") == _ends(dist, "int8:minmax")


@pytest.mark.parametrize("percentile", [60.0, 99.0, 99.9, 99.99, 100.0])
def test_percentiles_of_sorted_values_are_those_of_numpy(percentile: float) -> None:
    """Percentiles of sorted values are those of numpy."""
    values = _normal(1)
    cut = (100 - percentile) / 2
    exact, sketch = _both(values)
    expected = np.percentile(values.astype(np.float64), [cut, 100 - cut])
    assert _ends(exact, f"int8:percentile{percentile}") == pytest.approx(expected, rel=1e-6)
    assert _ends(sketch, f"int8:percentile{percentile}") == pytest.approx(expected, abs=2e-2)
    reach = np.percentile(np.abs(values).astype(np.float64), percentile)
    ends = (max(-reach, values.min()), min(reach, values.max()))
    assert _ends(exact, f"int8:percentile{percentile}:sym") == pytest.approx(ends, rel=1e-6)
    assert _ends(sketch, f"int8:percentile{percentile}:sym") == pytest.approx(ends, abs=2e-2)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("percentile", [90.0, 99.0])
@pytest.mark.parametrize("relu", [False, True])
def test_percentiles_are_those_of_onnxruntime_but_for_its_bins(
    percentile: float, symmetric: bool, relu: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Percentiles are those of onnxruntime but for its bins."""
    values = np.maximum(_normal(2), 0) if relu else _normal(2)
    collector = HistogramCollector("percentile", symmetric, 2048, 128, percentile, "same")
    collector.collect({"x": values})
    low, high = (float(end) for end in collector.compute_collection_result()["x"][:2])
    capsys.readouterr()
    width = 2 * float(np.abs(values).max()) / 2048
    flag = "sym" if symmetric else "asym"
    for dist in _both(values):
        ends = _ends(dist, f"int8:percentile{percentile}:{flag}")
        assert ends == pytest.approx((min(low, 0.0), high), abs=1.01 * width)


def test_minmax_is_that_of_the_entropy_calibrator_of_onnxruntime(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # With its own bins and levels it has one candidate: the whole range.
    """Minmax is that of the entropy calibrator of onnxruntime."""
    values = _normal(3, 5000)
    collector = HistogramCollector("entropy", False, 128, 128, 99.99, "same")
    collector.collect({"x": values})
    low, high = (float(end) for end in collector.compute_collection_result()["x"][:2])
    capsys.readouterr()
    assert _ends(Histogram.of(values), "int8:minmax") == pytest.approx((low, high))


def test_every_row_has_its_own_range() -> None:
    """Every row has its own range."""
    values = np.stack([_normal(seed, 4000) * 10.0**seed for seed in range(4)])
    for method in METHODS:
        spec = QuantSpec.parse(f"int8:{method}").filled("activations")
        found = choose_range(ExactDistribution.of(values, axis=0), spec)
        for row in range(4):
            alone = choose_range(ExactDistribution.of(values[row]), spec)
            assert (found.lo[row], found.hi[row]) == (alone.lo[0], alone.hi[0])


@pytest.mark.parametrize("text", ["fp8e4m3:kl", "binary:kl", "log4:mse:asym"])
def test_methods_that_suppose_even_levels_are_refused(text: str) -> None:
    """Methods that suppose even levels are refused."""
    with pytest.raises(UnsupportedError):
        choose_range(Histogram.of([1.0]), QuantSpec.parse(text).filled("activations"))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.lists(
        st.lists(
            st.sampled_from([-3.0, -1.5, -1.0, -0.0, 0.0, 0.5, 1.0, 2.5]), min_size=5, max_size=5
        ),
        min_size=1,
        max_size=4,
    ),
    percentile=st.sampled_from([50.5, 66.0, 75.0, 90.0, 99.9, 100.0]),
)
def test_percentiles_of_magnitudes_are_those_of_the_sorted_magnitudes(
    rows: list[list[float]], percentile: float
) -> None:
    """Found without sorting them, with many equal values and both zeros."""
    values = np.array(rows, np.float32)
    dist = ExactDistribution.of(values, axis=0)
    found = choose_range(dist, QuantSpec.parse(f"int8:channel:percentile{percentile}:sym"))
    expected = np.percentile(np.abs(values).astype(np.float64), percentile, axis=1)
    low, high = values.min(axis=1), values.max(axis=1)
    np.testing.assert_allclose(found.hi, np.clip(np.minimum(high, expected), 0, None), rtol=1e-12)
    np.testing.assert_allclose(found.lo, np.clip(np.maximum(low, -expected), None, 0), rtol=1e-12)


def _batches(*batches: list[float]) -> Histogram:
    found = Histogram.empty()
    for number, batch in enumerate(batches):
        found = found.merge(Histogram.of(batch, batch=number))
    return found


def _kept(dist: Histogram | ExactDistribution, text: str) -> tuple[float, float]:
    found = choose_range(dist, QuantSpec.parse(f"uint8:tensor:{text}").filled("activations"))
    return float(found.lo[0]), float(found.hi[0])


def test_averages_by_hand() -> None:
    """The moving average with its constant, and the mean over samples or over batches of them."""
    dist = _batches([-1.0, 2.0], [-3.0, 4.0], [-5.0, 12.0])
    assert _kept(dist, "minmax") == (-5.0, 12.0)
    assert _kept(dist, "meanminmax") == (-3.0, 6.0)
    assert _kept(dist, "meanminmax2") == (-4.0, 8.0)
    assert _kept(dist, "meanminmax9") == (-5.0, 12.0)
    half = (((-1 - 3) / 2 - 5) / 2, ((2 + 4) / 2 + 12) / 2)
    assert _kept(dist, "movavg0.5") == pytest.approx(half)
    slow = _kept(dist, "movavg0.99")
    assert slow == pytest.approx(
        (-(0.99**2) - 0.99 * 0.03 - 0.05, 2 * 0.99**2 + 0.99 * 0.04 + 0.12)
    )


def test_one_and_two_sided_percentiles() -> None:
    """Each end is cut at its own quantile, numpy's where all values are known."""
    values = _normal(3, 5000)
    exact = ExactDistribution.of(values)
    for low, high in ((0.0, 99.0), (1.0, 100.0), (0.5, 90.0)):
        found = _kept(exact, f"percentile[{low},{high}]")
        assert found == pytest.approx(tuple(np.percentile(values, [low, high])), rel=1e-6)
        assert _kept(Histogram.of(values), f"percentile[{low},{high}]") == pytest.approx(
            found, abs=0.02
        )
    assert _kept(exact, "percentile[0.5,99.5]") == _kept(exact, "percentile99:asym")


def test_entropy_with_its_bins() -> None:
    """The numbers of the talk are the usual ones; with as many levels as bins nothing is cut."""
    values = ExactDistribution.of(_normal(4, 20_000))
    whole = _kept(values, "minmax")
    talk = choose_range(values, QuantSpec.parse("int8:tensor:kl:sym"))
    assert _kept(values, "kl2048/128:sym") == (float(talk.lo[0]), float(talk.hi[0]))
    assert _kept(values, "kl512/512") == whole
    assert _kept(values, "kl4096/64") != _kept(values, "kl4096/256")
