"""How far sums of products can go, and how many bits that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """The ends of what accumulators may hold, whatever the order of the sum.

    Attributes:
        lowest: int64, one for each output channel.
        highest: the same.
    """

    lowest: Int64s
    highest: Int64s

    @property
    def ends(self) -> tuple[int, int]:
        """Of all channels together."""
        return int(self.lowest.min(initial=0)), int(self.highest.max(initial=0))

    @property
    def bits(self) -> int:
        """How wide an accumulator has to be for all channels, in two's complement."""
        return bits_for(*self.ends)

    def overflowing(self, bits: int) -> int:
        """How many channels may leave an accumulator of that width."""
        low, high = limits(bits)
        return int(np.count_nonzero((self.lowest < low) | (self.highest > high)))


def reach_of_sums(
    positive: Int64s, negative: Int64s, ends: tuple[int, int], bias: tuple[Int64s, Int64s]
) -> Reach:
    """How far sums of weight times activation can go.

    Every activation may be at the end that is worst for its weight (Colbert et al. 2023,
    arXiv:2301.13376, section 3: the bound by the 1-norm of the weights, here with different ends
    for positive and negative weights). Partial sums stay between these ends as well, with the bias
    added first or last, because every activation may be zero.

    Args:
        positive: sum of the positive steps of the weights of each output channel.
        negative: sum of the negative ones, not above 0.
        ends: lowest and highest step of the activations: not above 0, and not below it.
        bias: lowest and highest code of the bias of each channel.
    """
    low, high = min(ends[0], 0), max(ends[1], 0)
    highest = positive * high + negative * low
    lowest = positive * low + negative * high
    return Reach(lowest + np.minimum(bias[0], 0), highest + np.maximum(bias[1], 0))


def bits_for(lowest: int, highest: int) -> int:
    """The width of the narrowest two's complement that holds both numbers, its sign included."""
    below = (-lowest - 1).bit_length() if lowest < 0 else lowest.bit_length()
    above = highest.bit_length() if highest >= 0 else (-highest - 1).bit_length()
    return max(below, above) + 1


def limits(bits: int) -> tuple[int, int]:
    """The ends of two's complement of a width."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def share_used(lowest: int, highest: int, bits: int) -> float:
    """How much of an accumulator's range is used: 1 where its end is reached, more beyond."""
    low, high = limits(bits)
    return max(highest / high, lowest / low, 0.0)


def headroom_bits(lowest: int, highest: int, bits: int) -> float:
    """How many times the ends could double before an accumulator overflows; negative beyond it."""
    used = share_used(lowest, highest, bits)
    return math.inf if used == 0 else -math.log2(used)
