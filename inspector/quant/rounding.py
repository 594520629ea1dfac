"""Choosing the codes of a weight so that what the layer computes is kept, not the weight itself.

All work on rows of weights W (groups, rows, columns), each row one output channel, and on the
second moments H = E[x x^T] (groups, columns, columns) of what the columns are multiplied with: a
row's error is d H d^T for d = W - W of the codes. A row's error never ends larger than that of
rounding each weight to the nearest code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

DAMPING = 0.01
"""What is added to the diagonal of H, over its mean: keeps rare inputs from being trusted."""

_BLOCK = 128
_TURNS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The grid of each weight, in the shape of the rows.

    Attributes:
        scale: real value of one step.
        lowest: the lowest step of the grid.
        highest: the highest.
    """

    scale: Doubles
    lowest: Doubles
    highest: Doubles

    def nearest(self, weights: Doubles, where: Any = ...) -> Doubles:
        """Real values of the nearest codes.

        Args:
            weights: in the shape that `where` picks.
            where: picks some of the weights.
        """
        scale = self.scale[where]
        steps = np.clip(np.rint(weights / scale), self.lowest[where], self.highest[where])
        return np.asarray(steps * scale)


def row_errors(error: Doubles, moments: Doubles) -> Doubles:
    """The error of each row, d H d^T, (groups, rows)."""
    return np.asarray(np.maximum(((error @ moments) * error).sum(axis=-1), 0.0))


def round_to_nearest(weights: Doubles, grid: Steps) -> Doubles:
    """The codes that everybody starts from, as real values."""
    return grid.nearest(weights)


def gptq(
    weights: Doubles,
    moments: Doubles,
    grid: Steps,
    cancel: Callable[[], None] = lambda: None,
) -> Doubles:
    """Rounds column by column, and lets the columns to come make good each error.

    Frantar, Ashkboos, Hoefler, Alistarh: GPTQ: Accurate Post-Training Quantization for Generative
    Pre-trained Transformers, ICLR 2023, algorithm 1, with the columns of the largest moments first
    (its "act-order") and the Cholesky form of the inverse.

    Args:
        weights: (groups, rows, columns).
        moments: (groups, columns, columns).
        grid: of each weight.
        cancel: called now and then; raises to stop.

    Returns:
        Real values of the codes, (groups, rows, columns).
    """
    nearest = round_to_nearest(weights, grid)
    found = np.empty_like(weights)
    for group in range(weights.shape[0]):
        part = Steps(grid.scale[group], grid.lowest[group], grid.highest[group])
        found[group] = _gptq_group(weights[group], moments[group], part, cancel)
    return best_rows(weights, moments, (nearest, found))


def best_rows(weights: Doubles, moments: Doubles, offers: tuple[Doubles, ...]) -> Doubles:
    """Of several roundings, the one with the least error for each row; the first of equals."""
    errors = np.stack([row_errors(weights - offer, moments) for offer in offers])
    best = np.where(np.isfinite(errors), errors, np.inf).argmin(axis=0)
    result = offers[0].copy()
    for number, offer in enumerate(offers[1:], start=1):
        result[best == number] = offer[best == number]
    return result


def _gptq_group(
    weights: Doubles, moments: Doubles, grid: Steps, cancel: Callable[[], None]
) -> Doubles:
    """Of one group; columns are worked on as rows, which lie side by side in memory."""
    order = np.argsort(-np.diag(moments), kind="stable")
    back = np.argsort(order, kind="stable")
    upper = _inverse_cholesky(moments[np.ix_(order, order)], cancel)
    if upper is None:
        return grid.nearest(weights)
    left = weights.T[order]
    steps = Steps(grid.scale.T[order], grid.lowest.T[order], grid.highest.T[order])
    found = np.empty_like(left)
    columns = len(left)
    for start in range(0, columns, _BLOCK):
        cancel()
        stop = min(start + _BLOCK, columns)
        errors = np.empty((stop - start, left.shape[1]))
        for column in range(start, stop):
            found[column] = steps.nearest(left[column], column)
            error = (left[column] - found[column]) / upper[column, column]
            left[column:stop] -= upper[column, column:stop, None] * error
            errors[column - start] = error
        left[stop:] -= upper[start:stop, stop:].T @ errors
    return np.ascontiguousarray(found[back].T)


def _inverse_cholesky(moments: Doubles, cancel: Callable[[], None]) -> Doubles | None:
    """The upper Cholesky factor U of the inverse of H, U^T U; None where there is none.

    From back to front the factor of H itself is an upper R with H = R R^T, and U is its inverse:
    that costs a fifth of inverting H first.
    """
    mean = float(np.diag(moments).mean())
    if not np.isfinite(mean) or mean <= 0:
        return None
    damped = moments + np.eye(moments.shape[0]) * (DAMPING * mean)
    try:
        factor = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
        return _upper_inverse(np.ascontiguousarray(factor), cancel)
    except np.linalg.LinAlgError:
        return None


def _upper_inverse(upper: Doubles, cancel: Callable[[], None]) -> Doubles:
    """The inverse of an upper triangular matrix, by halves."""
    size = len(upper)
    if size <= _BLOCK:
        cancel()
        return np.asarray(np.triu(np.linalg.inv(upper)))
    half = size // 2
    result = np.zeros_like(upper)
    result[:half, :half] = _upper_inverse(upper[:half, :half], cancel)
    result[half:, half:] = _upper_inverse(upper[half:, half:], cancel)
    result[:half, half:] = -result[:half, :half] @ upper[:half, half:] @ result[half:, half:]
    return result


def adaround(
    weights: Doubles,
    moments: Doubles,
    grid: Steps,
    cancel: Callable[[], None] = lambda: None,
    *,
    iterations: int = 300,
    rate: float = 0.1,
    warm_up: float = 0.2,
    regularization: float = 1.0,
) -> Doubles:
    """Learns for each weight whether to round up or down.

    Nagel, Amjad, van Baalen, Louizos, Blankevoort: Up or Down? Adaptive Rounding for Post-Training
    Quantization, ICML 2020: equations 21 to 24 (rectified sigmoid, annealed regularizer), with the
    layer's error in its quadratic form (equation 20), for which H is all that is needed. That makes
    a step cheap and free of noise, so fewer and longer ones do than the paper's. In the end single
    weights go over to their other neighbour while that lowers the error.

    Args:
        weights: (groups, rows, columns).
        moments: (groups, columns, columns).
        grid: of each weight.
        cancel: called now and then; raises to stop.
        iterations: steps of Adam.
        rate: of Adam.
        warm_up: share of the steps without regularizer.
        regularization: its weight, over the mean error of rounding to nearest.

    Returns:
        Real values of the codes, (groups, rows, columns).
    """
    nearest = round_to_nearest(weights, grid)
    base = float(row_errors(weights - nearest, moments).mean())
    if base <= 0 or not np.isfinite(base):
        return nearest
    steps = weights / grid.scale
    floor = np.floor(steps)
    # Of what lies past the ends of the grid there is nothing to decide.
    open_ = (floor >= grid.lowest) & (floor < grid.highest)
    rest = np.clip(steps - floor, 1e-4, 1 - 1e-4)
    variable = -np.log(_STRETCH / (rest - _LOW) - 1)
    first, second = np.zeros_like(variable), np.zeros_like(variable)
    for number in range(iterations):
        if number % 20 == 0:
            cancel()
        share, slope = _rectified(variable)
        values = np.clip(floor + share, grid.lowest, grid.highest) * grid.scale
        gradient = 2.0 * ((values - weights) @ moments) * grid.scale / base
        progress = (number / iterations - warm_up) / (1 - warm_up)
        if progress > 0:
            gradient += regularization * _pull(share, 2.0 + 18.0 * (1.0 - progress))
        gradient *= slope * open_
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient * gradient
        change = first / (1 - 0.9 ** (number + 1))
        variable -= rate * change / (np.sqrt(second / (1 - 0.999 ** (number + 1))) + 1e-8)
    share, _ = _rectified(variable)
    found = np.clip(floor + (share >= 0.5), grid.lowest, grid.highest) * grid.scale
    found = np.where(open_, found, nearest)
    for group in range(weights.shape[0]):
        part = np.s_[group]
        _turn(found[part], weights[part], moments[part], grid.scale[part], floor[part], open_[part])
        cancel()
    return best_rows(weights, moments, (nearest, found))


def _turn(
    found: Doubles,
    weights: Doubles,
    moments: Doubles,
    scale: Doubles,
    floor: Doubles,
    open_: NDArray[np.bool_],
) -> None:
    """Moves the weight of each row that gains most to its other neighbour, while any gains.

    For a change c of weight j the row's error changes by -2 c (d H)_j + c^2 H_jj.
    """
    diagonal = np.diag(moments)
    slope = (weights - found) @ moments
    rows = np.arange(len(found))
    for _ in range(_TURNS):
        up = np.rint(found / scale) <= floor
        change = np.where(up, scale, -scale)
        gain = np.where(open_, 2 * change * slope - change * change * diagonal, -np.inf)
        best = gain.argmax(axis=1)
        moving = np.flatnonzero(gain[rows, best] > 0)
        if not moving.size:
            return
        where = moving, best[moving]
        by = change[where]
        found[where] += by
        slope[moving] -= by[:, None] * moments[best[moving]]


_LOW, _HIGH = -0.1, 1.1
_STRETCH = _HIGH - _LOW


def _rectified(variable: Doubles) -> tuple[Doubles, Doubles]:
    """Equation 23, and its slope."""
    sigmoid = 1.0 / (1.0 + np.exp(-variable))
    value = sigmoid * _STRETCH + _LOW
    inside = (value > 0) & (value < 1)
    return np.clip(value, 0, 1), np.where(inside, _STRETCH * sigmoid * (1 - sigmoid), 0.0)


def _pull(share: Doubles, beta: float) -> Doubles:
    """The slope of equation 24, 1 - |2h - 1|^beta, by h."""
    away = 2 * share - 1
    return np.asarray(-2 * beta * np.sign(away) * np.abs(away) ** (beta - 1))
