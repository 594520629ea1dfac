"""Scale selection: from what is known of a tensor to the real range that its grid covers."""

from __future__ import annotations

import numpy as np

from inspector.quant.distribution import Distribution
from inspector.quant.grid import RealRange, with_zero
from inspector.quant.spec import QuantSpec, RangeMethod

__all__ = ["RealRange", "choose_range", "given_range"]

MOVAVG_MOMENTUM = 0.9


def given_range(method: RangeMethod, rows: int) -> RealRange:
    """The range set by hand, for every row."""
    return with_zero(np.full(rows, method.lo or 0.0), np.full(rows, method.hi or 0.0))


def choose_range(dist: Distribution, spec: QuantSpec) -> RealRange:
    """The real range to keep."""
    spec.require_affine()
    method = spec.range or RangeMethod("minmax")
    if method.kind == "range":
        return given_range(method, dist.rows)
    return with_zero(dist.lo, dist.hi)
