"""From what is known of a tensor to the lines on a plot. Pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.quant.distribution import ExactDistribution
from inspector.quant.profile import row_counts
from inspector.quant.qparams import QParams

Floats = NDArray[np.float64]

MOST_POINTS = 512
MOST_ROWS = 48
FEW = 12
"""Values a bin below which a histogram is more noise than shape."""
MOST_LINES = 64
"""More levels than this are too close together to be drawn one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class HistogramShape:
    """A histogram with the quantization grid over it.

    Attributes:
        edges: (bins + 1,) edges.
        counts: (bins,) values in each bin.
        quantized_edges: edges of the quantized histogram; None where there is none.
        quantized: its heights, on the scale of `counts`.
        step: between two levels; 0 where the rows have grids of their own, or it is not one.
        count: levels of the grid.
        low: lower end of the grid (of the widest channel); None for float.
        high: its upper end.
        symmetric: both ends belong together.
        note: the figures in words.
        places: (count,) levels that are not evenly spaced; else None.
    """

    edges: Floats
    counts: Floats
    quantized_edges: Floats | None = None
    quantized: Floats | None = None
    step: float = 0.0
    count: int = 0
    low: float | None = None
    high: float | None = None
    symmetric: bool = False
    note: str = ""
    places: Floats | None = None


def levels(qp: QParams, row: int) -> Floats:
    """The real values of the levels of one row's grid."""
    scale = float(qp.scale.reshape(-1)[row])
    if qp.table is not None:
        return qp.table.steps * np.float64(scale)
    zero = int(qp.zero_point.reshape(-1)[row])
    codes = np.arange(qp.qmin, qp.qmax + 1, dtype=np.float64)
    places: Floats = (codes - zero) * scale
    return places


def quantized_steps(
    qp: QParams, row: int, counts: NDArray[Any], bin_width: float
) -> tuple[Floats, Floats]:
    """The quantized histogram of values that share one scale.

    Args:
        qp: the grid.
        row: which of its rows.
        counts: values on each level.
        bin_width: of the histogram that it is drawn over.

    Returns:
        (levels + 1,) edges half a step around each level, and heights of equal area.
    """
    places = levels(qp, row)
    scale = float(qp.scale.reshape(-1)[row])
    edges: Floats = np.append(places - scale / 2, places[-1] + scale / 2)
    heights: Floats = counts.astype(np.float64) * (bin_width / scale)
    most = min(max(int(counts.sum()) // FEW, MOST_LINES), MOST_POINTS)
    return thinned(edges, heights, most)


def level_bins(places: Floats, counts: NDArray[Any], edges: Floats) -> Floats:
    """The values on each level, counted in the evenly spaced bins that the levels lie in."""
    bins = len(edges) - 1
    at = ((places - edges[0]) * (bins / (edges[-1] - edges[0]))).astype(np.int64)
    inside = (at >= 0) & (at <= bins)
    return np.bincount(np.minimum(at[inside], bins - 1), counts[inside], bins).astype(np.float64)


def quantized_bins(dist: ExactDistribution, qp: QParams, edges: Floats) -> Floats:
    """The quantized histogram of values with a scale for each row, in the bins of another.

    Of many rows some, spread evenly, stand for all. The edges are evenly spaced.
    """
    step = -(-dist.rows // MOST_ROWS)
    rows = np.arange(0, dist.rows, step)
    scale, zero = qp.scale.reshape(-1, 1)[rows].astype(np.float64), qp.zero_point.reshape(-1, 1)
    if qp.table is not None:
        places = qp.table.steps * scale
    else:
        places = (np.arange(qp.qmin, qp.qmax + 1, dtype=np.float64) - zero[rows]) * scale
    return level_bins(places.ravel(), row_counts(dist, qp, rows).ravel(), edges) * step


def coarse(edges: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Neighbouring bins added up while there are too few values to fill them."""
    step = 1
    while step < 8 and counts.sum() < FEW * len(counts) / step and len(counts) % (2 * step) == 0:
        step *= 2
    return edges[::step], counts.reshape(-1, step).sum(axis=1)


def thinned(edges: Floats, heights: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """Neighbouring bins averaged until no more are left than can be drawn."""
    step = -(-len(heights) // most)
    if step <= 1:
        return edges, heights
    whole = len(heights) // step * step
    joined = heights[:whole].reshape(-1, step).mean(axis=1)
    kept = edges[: whole + 1 : step]
    if whole < len(heights):
        joined = np.append(joined, heights[whole:].mean())
        kept = np.append(kept, edges[-1])
    return kept, joined


def error_curve(qp: QParams, row: int, low: float, high: float) -> tuple[Floats, Floats]:
    """The error of quantization as a function of the value, exactly.

    Between half a step below the lowest level and half a step above the highest it is a sawtooth
    of half a step in height; beyond, clipping makes it grow with the distance. Where levels are not
    evenly spaced, each tooth is as high as half the gap that it stands in.

    Args:
        qp: the grid.
        row: which of its rows.
        low: the smallest value to plot.
        high: the largest.

    Returns:
        Corners (x, error) of the polyline. Where the teeth are too many to be drawn it is the
        outline of the band that they fill, with the wings; NaN where the line is interrupted.
    """
    scale = float(qp.scale.reshape(-1)[row])
    places = levels(qp, row)
    if qp.table is not None:
        inner = np.repeat(qp.table.middles[1:-1] * np.float64(scale), 2)
        ends = min(low, float(places[0])), max(high, float(places[-1]))
        x = np.concatenate((ends[:1], inner, ends[1:]))
        return x, np.repeat(places, 2) - x
    if len(places) > MOST_LINES:
        first, last = places[0] - scale / 2, places[-1] + scale / 2
        half = scale / 2
        x = np.array(
            [min(low, first), first, first, last, last, first, np.nan, last, max(high, last)]
        )
        y = np.array(
            [places[0] - x[0], half, -half, -half, half, half, np.nan, -half, places[-1] - x[-1]]
        )
        return x, y
    x = np.repeat(places, 2)
    x[0::2] -= scale / 2
    x[1::2] += scale / 2
    error = np.tile([scale / 2, -scale / 2], len(places))
    if low < x[0]:
        x, error = np.insert(x, 0, low), np.insert(error, 0, places[0] - low)
    if high > x[-1]:
        x, error = np.append(x, high), np.append(error, places[-1] - high)
    return x, error


def channel_bars(sqnr: Floats) -> tuple[Floats, Floats, bool]:
    """SQNR of each channel, ready to draw.

    Returns:
        (n + 1,) edges, (n,) heights in dB, and whether they were sorted and joined because there
        are more channels than can be drawn.
    """
    finite = np.where(np.isfinite(sqnr), sqnr, 0.0)
    if len(finite) <= MOST_POINTS:
        return np.arange(len(finite) + 1, dtype=np.float64) - 0.5, finite, False
    ordered = np.sort(finite)
    picked = ordered[np.linspace(0, len(ordered) - 1, MOST_POINTS).astype(int)]
    edges: Floats = np.linspace(-0.5, len(ordered) - 0.5, MOST_POINTS + 1)
    return edges, picked, True
