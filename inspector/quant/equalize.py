"""Factors by which channels are divided where they are made and multiplied where they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

LIMIT = 1e4
"""Largest factor, and the inverse of the smallest: past it float32 itself would lose digits."""


def equalizing(made: Doubles, read: Doubles) -> Doubles:
    """Factors that give both sides of each channel the same range.

    Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
    equation 11: s = sqrt(r1 r2) / r2, with r1 / s = r2 s = sqrt(r1 r2).

    Args:
        made: (C,) the largest magnitude of the weights that make a channel.
        read: (C,) of those that read it.

    Returns:
        (C,) factors; 1 where a side is zero.
    """
    return _safe(np.sqrt(_ratio(made, read)), made, read)


def smoothing(activations: Doubles, weights: Doubles, strength: float = 0.5) -> Doubles:
    """Factors that move what is hard to round in activations into the weights that read them.

    Xiao et al., SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language
    Models, ICML 2023, equation 4: s = max|X|^a / max|W|^(1 - a).

    Args:
        activations: (C,) the largest magnitude of each channel.
        weights: (C,) of the weights that read it.
        strength: a, 0 to 1: how much is moved.

    Returns:
        (C,) factors with a geometric mean of 1; 1 where a side is zero. The mean changes nothing,
        as both sides are rounded relative to their ranges.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factors = activations**strength / weights ** (1.0 - strength)
    return _safe(_centred(factors), activations, weights)


def activation_aware(activations: Doubles, strength: float) -> Doubles:
    """Factors that give the weights of large activations finer steps.

    Lin et al., AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration,
    MLSys 2024, equation 5: s = mean|X|^a; whoever calls this looks for the a that costs least.

    Args:
        activations: (C,) the mean magnitude of each channel.
        strength: a, 0 to 1.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factors = activations**strength
    return _safe(_centred(factors), activations, activations)


def settle(
    count: int,
    factors: Callable[[int], Doubles],
    scale: Callable[[int, Doubles], None],
    bounds: Sequence[tuple[Doubles, Doubles]],
    *,
    rounds: int = 50,
    tolerance: float = 1e-3,
) -> list[Doubles]:
    """Equalizes neighbouring links in turn until nothing moves any more.

    A layer that two links share is scaled by both, so each changes what the other wants.

    Args:
        count: how many links there are.
        factors: gives what a link wants now.
        scale: carries out a further factor of a link.
        bounds: the least and the most that each link may be scaled by altogether.
        rounds: most turns.
        tolerance: of the logarithm of a factor.

    Returns:
        What each link was scaled by altogether.
    """
    total = [np.ones_like(low) for low, _ in bounds]
    for _ in range(rounds):
        moved = 0.0
        for index in range(count):
            low, high = bounds[index]
            wanted = np.clip(total[index] * factors(index), low, high)
            further = wanted / total[index]
            if further.size:
                moved = max(moved, float(np.abs(np.log(further)).max()))
            scale(index, further)
            total[index] = wanted
        if moved <= tolerance:
            break
    return total


def _ratio(first: Doubles, second: Doubles) -> Doubles:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(first / second)


def _centred(factors: Doubles) -> Doubles:
    good = factors[np.isfinite(factors) & (factors > 0)]
    return np.asarray(factors / np.exp(np.log(good).mean())) if good.size else factors


def _safe(factors: Doubles, *sides: Doubles) -> Doubles:
    good = np.isfinite(factors) & (factors > 0)
    for side in sides:
        good &= side > 0
    return np.asarray(np.clip(np.where(good, factors, 1.0), 1.0 / LIMIT, LIMIT))
