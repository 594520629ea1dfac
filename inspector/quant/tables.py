"""Types whose levels are not evenly spaced: each is a table of levels for the scale 1.

Rounding is to the nearest level; halfway between two it is the one whose code is even, which for
float8 is the round-half-to-even of IEEE 754.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LevelTable:
    """The levels of a type and where they meet, in units of the scale.

    Attributes:
        name: the type's name in a spec.
        lowest: the code of the first level; the others follow without a gap.
        steps: (levels,) float32 levels, ascending.
        middles: (levels + 1,) halfway to the level below, and behind the last one: so far the
            table would go on, and values beyond the two ends are clipped.
        upwards: (levels + 1,) whether what lies exactly there goes to the upper level.
        power_of_two: the scale of the type is always a power of two.
        unit: the scale of the type is always 1: its numbers are what they say.
    """

    name: str
    lowest: int
    steps: Floats
    middles: Floats
    upwards: NDArray[np.bool_]
    power_of_two: bool = False
    unit: bool = False

    def __eq__(self, other: object) -> bool:
        """Tables of one name are one table."""
        return isinstance(other, LevelTable) and self.name == other.name

    def __hash__(self) -> int:
        """By name."""
        return hash(self.name)

    @property
    def highest(self) -> int:
        """The code of the last level."""
        return self.lowest + self.steps.size - 1

    @property
    def top(self) -> float:
        """The largest level: what a scale is to be multiplied with to reach as far as a range."""
        return float(self.steps[-1])

    @property
    def zero_place(self) -> int | None:
        """Which level is zero; None if no one is."""
        place = int(np.searchsorted(self.steps, 0.0))
        return place if self.steps[place] == 0.0 else None

    @property
    def firsts(self) -> Floats:
        """(levels + 1,) the smallest float32 number above each threshold."""
        beyond = np.nextafter(self.middles, np.float32(np.inf))
        return np.where(self.upwards, self.middles, beyond)

    def places(self, quotients: Floats) -> NDArray[np.intp]:
        """Which level is nearest to each value / scale; NaN has the last one."""
        return self.firsts[1:-1].searchsorted(quotients, side="right")


@lru_cache(maxsize=32)
def table_of(dtype: str) -> LevelTable | None:
    """The table of a type; None for evenly spaced ones and for ``float``.

    - ``fp8e4m3``: FLOAT8E4M3FN of ONNX, 126 magnitudes from 2^-9 to 448; ``fp8e5m2``: FLOAT8E5M2,
      123 from 2^-16 to 57344; and zero. Both saturate. Source: Micikevicius et al. 2022
      (arXiv:2209.05433), table 1. The code is the byte without its sign bit, with that sign.
    - ``logB``: zero and plus or minus 2^-k for k = 0 .. 2^(B-1) - 2, so that 2^B - 1 of the 2^B
      codes are used and both signs reach equally far; the code of 2^-k is 2^(B-1) - 1 - k. The
      scale is a power of two, so all levels are. log2 is -1, 0, 1; log4 reaches down to 2^-6. The
      levels of Zhou et al. 2017 (arXiv:1702.03044, equation 1), which spends a bit on zero, and
      of Miyashita et al. 2016 (arXiv:1603.01025, section 3), which rounds the logarithm instead.
    - ``float16``: the 31743 magnitudes of IEEE 754 binary16, 2^-24 to 65504, and zero;
      ``bfloat16``: the 32639 of the upper half of a float32, 2^-133 to 3.39e38. Their scale is 1.
    - ``ternary``: -1, 0, 1 (Li et al. 2016, arXiv:1605.04711, equation 1).
    - ``binary``: -1 and 1, codes 0 and 1; zero becomes 1 (Rastegari et al. 2016,
      arXiv:1603.05279, section 3.1).
    """
    if dtype == "fp8e4m3":
        return _signed(dtype, _minifloat(126, 3, 7))
    if dtype == "fp8e5m2":
        return _signed(dtype, _minifloat(123, 2, 15))
    if dtype == "float16":
        halves = np.arange(1, 0x7C00, dtype=np.uint16).view(np.float16)
        return _signed(dtype, halves.astype(np.float64))
    if dtype == "bfloat16":
        upper = np.arange(1, 0x7F80, dtype=np.uint32) << np.uint32(16)
        return _signed(dtype, upper.view(np.float32).astype(np.float64))
    if dtype == "ternary":
        return _signed(dtype, [1.0])
    if dtype == "binary":
        always = np.ones(3, np.bool_)
        return LevelTable(dtype, 0, _f32([-1, 1]), _f32([-2, 0, 2]), always)
    if dtype.startswith("log"):
        most = (1 << (int(dtype[3:]) - 1)) - 1
        return _signed(dtype, [2.0 ** (k - most) for k in range(1, most + 1)], beyond=2.0)
    return None


def _f32(values: list[float]) -> Floats:
    return np.array(values, np.float32)


def _minifloat(count: int, mantissa: int, bias: int) -> list[float]:
    """The first positive numbers of a float type, in the order of their bytes."""
    found = []
    for byte in range(1, count + 1):
        exponent, part = byte >> mantissa, (byte & ((1 << mantissa) - 1)) / (1 << mantissa)
        found.append((part * 2.0 if exponent == 0 else 1.0 + part) * 2.0 ** (exponent - bias))
    return found


def _signed(
    name: str, magnitudes: list[float] | NDArray[np.float64], beyond: float | None = None
) -> LevelTable:
    """The table of zero and some magnitudes with both signs.

    Args:
        name: of the type.
        magnitudes: ascending.
        beyond: the level that would come next; None for one as far away as the last two are.
    """
    upper = np.array([0.0, *magnitudes])
    if beyond is None:
        beyond = 2.0 * upper[-1] - upper[-2]
    middles = (upper + np.append(upper[1:], beyond)) / 2
    count = len(magnitudes)
    # The threshold below code c is the one between c - 1 and c; the even one of the two has it.
    codes = np.arange(-count, count + 2)
    return LevelTable(
        name,
        -count,
        np.concatenate((-upper[:0:-1], upper)).astype(np.float32),
        np.concatenate((-middles[::-1], middles)).astype(np.float32),
        codes % 2 == 0,
        power_of_two=name.startswith("log"),
        unit=name.endswith("float16"),
    )
