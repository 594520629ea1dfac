"""What finding a range costs, known before it is done."""

from __future__ import annotations

from inspector.quant.distribution import ExactDistribution
from inspector.quant.spec import QuantSpec

QUICK_MS = 16.0
"""What takes longer would be felt."""
_SORT_MS, _ROUND_MS = 5e-6, 4e-4
"""For each value: to order magnitudes, and to round it to many grids."""
_LOOK_UP_MS, _KL_MS, _MSE_MS = 0.007, 3.0, 0.6
"""For each row: to look a few values up, and to try many ranges."""
_UNEVEN = 3.0
"""So many times more where levels are looked up in a table."""


def is_quick(dist: ExactDistribution, spec: QuantSpec) -> bool:
    """Whether a weight's range is found without being felt: some methods try many for each row."""
    return range_ms(dist.values.size, dist.rows, spec) < QUICK_MS


def range_ms(values: int, rows: int, spec: QuantSpec) -> float:
    """About how many milliseconds it takes to find the ranges of sorted values.

    Args:
        values: how many there are.
        rows: how many ranges are wanted.
        spec: with its range method.
    """
    kind = spec.range.kind if spec.range is not None else "minmax"
    if kind == "percentile":
        return rows * _LOOK_UP_MS
    if kind == "kl":
        return values * _SORT_MS + rows * _KL_MS
    if kind == "mse":
        each = _UNEVEN if spec.table is not None else 1.0
        return each * min(values * _ROUND_MS, rows * _MSE_MS)
    return 0.0
