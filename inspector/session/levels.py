"""How many values fall on each level of a grid: the quantized histogram, without the tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.qparams import QParams

MAX_LEVELS = 512
_SEARCHED_ROWS = 1024
_CHUNK = 1 << 18


def level_counts(dist: Distribution, qp: QParams) -> NDArray[np.int64] | None:
    """Count the values on each level from qmin to qmax, over all rows.

    Args:
        dist: the values; exact ones are counted exactly (but for values a rounding error away from
            the middle between two levels), a histogram by the middles of its bins.
        qp: the grid, with one scale a row.

    Returns:
        (qmax - qmin + 1,) counts, or None for a grid with more levels than can be shown.
    """
    levels = qp.qmax - qp.qmin + 1
    if levels > MAX_LEVELS:
        return None
    scale = qp.scale.reshape(-1).astype(np.float64)
    zero = qp.zero_point.reshape(-1).astype(np.float64)
    if isinstance(dist, Histogram):
        edges = dist.edges()
        middles = (edges[:-1] + edges[1:]) / 2
        codes = np.clip(np.rint(middles / scale[0]) + zero[0], qp.qmin, qp.qmax)
        found = np.zeros(levels, np.int64)
        np.add.at(found, codes.astype(np.int64) - qp.qmin, dist.counts)
        return found
    if isinstance(dist, ExactDistribution):
        return _exact_counts(dist, qp, scale, zero)
    return None


def _exact_counts(
    dist: ExactDistribution, qp: QParams, scale: NDArray[np.float64], zero: NDArray[np.float64]
) -> NDArray[np.int64]:
    levels = qp.qmax - qp.qmin + 1
    if dist.rows <= _SEARCHED_ROWS:
        steps = np.arange(qp.qmin, qp.qmax) + 0.5
        below = np.zeros(levels - 1, np.int64)
        for row, values in enumerate(dist.values):
            middles = ((steps - zero[row]) * scale[row]).astype(np.float32)
            below += np.searchsorted(values[: dist.count[row]], middles)
        return np.diff(below, prepend=0, append=dist.total)
    found = np.zeros(levels, np.int64)
    width = max(dist.values.shape[1], 1)
    for start in range(0, dist.rows, max(1, _CHUNK // width)):
        part = slice(start, start + max(1, _CHUNK // width))
        codes = np.rint(dist.values[part] / scale[part, None].astype(np.float32))
        codes = np.clip(codes + zero[part, None].astype(np.float32), qp.qmin, qp.qmax)
        real = np.arange(width) < dist.count[part, None]
        found += np.bincount(codes[real].astype(np.int64) - qp.qmin, minlength=levels)
    return found
