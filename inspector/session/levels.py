"""The quantized histogram as a view shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.quant import profile
from inspector.quant.distribution import Distribution
from inspector.quant.qparams import QParams

MAX_LEVELS = 512


def level_counts(dist: Distribution, qp: QParams) -> NDArray[np.float64] | None:
    """Count the values on each level from qmin to qmax, over all rows.

    Args:
        dist: the values.
        qp: the grid, with one scale a row.

    Returns:
        (qmax - qmin + 1,) counts as `inspector.quant.profile.level_counts`, or None for a grid with
        more levels than can be shown.
    """
    return None if qp.qmax - qp.qmin >= MAX_LEVELS else profile.level_counts(dist, qp)
