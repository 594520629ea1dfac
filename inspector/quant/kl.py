"""The range with the least Kullback-Leibler divergence of the quantized tensor."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.grid import Floats, RealRange, with_zero
from inspector.quant.spec import QuantSpec

KL_BINS = 2048


def kl_range(dist: Distribution, spec: QuantSpec) -> RealRange:
    """Entropy calibration as TensorRT defines it.

    Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017, slides 32 to 39. |x| is counted in
    2048 bins from 0 to its maximum. For i = levels..2048: P is the first i bins with all that lies
    beyond added to the last; Q is the same bins without that, merged to ``levels`` groups, each
    spread evenly over its bins that are not empty. Both are normalized; the i with the least KL(P
    || Q) gives the threshold T = (i + 0.5) * bin width, and [-T, T] is cut to the observed range.

    The first bin counts as much as the second. It holds the zeros that padding and ReLU make, and
    what is next to them: often half a tensor in one bin, which every wider group would seem to
    spoil, so that the narrowest range always won, though zero is exact on any grid. NVIDIA's own
    pytorch-quantization (calib/histogram.py) does the same.

    ``levels`` is 128 in the talk, for int8: here 2^(b-1), and 2^b for a tensor of one sign on an
    asymmetric grid, which has all its codes on that side. Where the talk leaves things open: group
    g covers the bins ceil(g i / levels) onwards (as even as whole bins allow); a bin that holds
    something in P but nothing in Q makes the divergence infinite; the first of equal minima wins.
    With as many levels as bins or more, nothing is cut.

    onnxruntime's Entropy calibrator differs: 128 bins over [-max, max] and 128 levels, so that
    nothing is ever cut, smoothing of empty bins by 1e-4, and Q truncated to whole counts.

    Both numbers can be given with the method (``kl2048/128``).

    A `Histogram` is rebinned in proportion from its 4096 to 8192 finer bins.

    Args:
        dist: what is known of the tensor.
        spec: affine, with ``symmetric`` set.
    """
    whole = with_zero(dist.lo, dist.hi)
    reach = np.maximum(-whole.lo, whole.hi)
    bins = (spec.range and spec.range.bins) or KL_BINS
    given = spec.range and spec.range.levels
    counts = magnitude_counts(dist, reach, bins)
    one_sided = (whole.lo >= 0) | (whole.hi <= 0)
    threshold = reach.copy()
    for row in range(dist.rows):
        levels = 1 << (spec.bits - 1)
        if one_sided[row] and not spec.symmetric:
            levels *= 2
        levels = given or levels
        if levels < bins and reach[row] > 0.0:
            counts[row, 0] = counts[row, 1]
            best = kl_threshold(counts[row], levels)
            threshold[row] = (best + 0.5) * reach[row] / bins
    return RealRange(np.maximum(whole.lo, -threshold), np.minimum(whole.hi, threshold))


def magnitude_counts(dist: Distribution, reach: Floats, bins: int = KL_BINS) -> Floats:
    """(rows, bins) counts of |x| in equal bins from 0 to ``reach``."""
    if isinstance(dist, Histogram):
        edges = dist.edges()
        below = np.concatenate(([0.0], np.cumsum(dist.counts)))
        wanted = np.linspace(0.0, reach[0], bins + 1)
        upper = np.interp(wanted, edges, below)
        lower = np.interp(-wanted, edges, below)
        inside = upper - lower
        # A single value makes a step that interpolation cannot see.
        if edges[0] == edges[-1]:
            inside = np.where(np.arange(bins + 1) == bins, below[-1], 0.0)
        return np.asarray(np.diff(inside)[None], np.float64)
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known counts.")
    result = np.zeros((dist.rows, bins))
    for row in range(dist.rows):
        if reach[row] > 0.0:
            values = np.abs(dist.values[row, : dist.count[row]])
            index = (values * (bins / reach[row])).astype(np.int32)
            np.minimum(index, bins - 1, out=index)
            result[row] = np.bincount(index, minlength=bins)
    return result


@lru_cache(maxsize=4)
def _groups(levels: int, bins: int) -> NDArray[np.int32]:
    """(candidates, levels + 1) the first bin of each group, for i = levels..bins."""
    i = np.arange(levels, bins + 1)[:, None]
    return (-(-np.arange(levels + 1) * i // levels)).astype(np.int32)


def kl_threshold(counts: Floats, levels: int) -> int:
    """The number of bins to keep, at least ``levels``.

    With N values in all, group sums S_g over n_g bins that are not empty, and s_i = S_1 + ... +
    S_G, Q is S_g / (n_g s_i) in those bins, so that

        KL(P || Q) = sum_k P_k log(P_k) - sum_g P_g log(S_g / (n_g s_i))

    with P_g what P holds in group g: prefix sums give the first term, and one look-up per group the
    second.

    Args:
        counts: (bins,) counts of |x|; not all zero.
        levels: groups to merge to.
    """
    bins = counts.size
    groups = _groups(levels, bins)
    kept = np.arange(levels, bins + 1)
    total = float(counts.sum())
    below = np.concatenate(([0.0], np.cumsum(counts)))
    filled = np.concatenate(([0], np.cumsum(counts > 0)))
    plogp = np.concatenate(([0.0], np.cumsum(_xlogx(counts / total))))
    outliers = total - below[kept]
    last = counts[kept - 1]
    sums = np.diff(below[groups], axis=1)
    sizes = np.diff(filled[groups], axis=1)
    inside = below[kept]
    density = np.where(sizes > 0, sums, 1.0) / np.maximum(sizes, 1)
    weighted = (sums * np.log(density)).sum(axis=1) + outliers * np.log(density[:, -1])
    safe = np.where(inside > 0, inside, 1.0)
    cross = (weighted - total * np.log(safe)) / total
    entropy = plogp[kept - 1] + _xlogx((last + outliers) / total)
    divergence = entropy - cross
    impossible = (inside <= 0) | ((last == 0) & (outliers > 0))
    return int(kept[np.argmin(np.where(impossible, np.inf, divergence))])


def _xlogx(p: Floats) -> Floats:
    return np.asarray(p * np.log(np.where(p > 0, p, 1.0)))
