"""Which of many boxes lie in an area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF


def numbers_within(boxes: NDArray[np.float64], area: QRectF) -> NDArray[np.intp]:
    """Which boxes (n, 4) touch an area, in their order."""
    hit = (boxes[:, 0] <= area.right()) & (boxes[:, 2] >= area.left())
    hit &= (boxes[:, 1] <= area.bottom()) & (boxes[:, 3] >= area.top())
    return np.flatnonzero(hit)
