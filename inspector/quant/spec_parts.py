"""The parts of a quantization spec: which values share a scale, and how its range is chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from inspector.errors import SpecError

GranularityKind = Literal["tensor", "channel", "block"]
RangeKind = Literal["minmax", "movavg", "percentile", "kl", "mse", "range"]

PLAIN_RANGES: dict[str, RangeKind] = {
    "minmax": "minmax",
    "movavg": "movavg",
    "kl": "kl",
    "mse": "mse",
}
_RANGE_NAMES = "minmax, movavg, percentileP, kl, mse or range[LO,HI]"


def number_text(value: float) -> str:
    """The shortest text that reads back as the same float, without a trailing ``.0``."""
    return repr(value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Granularity:
    """Which values share one scale: the tensor, a channel, or a block of values along an axis.

    Args:
        kind: ``tensor``, ``channel`` or ``block``.
        size: values per block; 0 unless the kind is ``block``.
        axis: the axis of the channels, or along which the blocks run; negative counts from the
            end; None lets the operator decide.

    Raises:
        SpecError: the parts contradict one another.
    """

    kind: GranularityKind
    size: int = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        """Refuse parts that contradict one another."""
        if self.kind not in ("tensor", "channel", "block"):
            raise SpecError(f"{self.kind!r} is not a granularity.", "Use tensor, channel or block.")
        if self.kind == "block" and self.size < 1:
            raise SpecError("A block needs a size of at least 1.", "Write it as in block32.")
        if self.kind != "block" and self.size != 0:
            raise SpecError(f"Granularity {self.kind} takes no size.", "Only a block has one.")
        if self.kind == "tensor" and self.axis is not None:
            raise SpecError("Granularity tensor takes no axis.", "Use channel@AXIS or blockN@AXIS.")

    def __str__(self) -> str:
        """The text form of this part."""
        size = str(self.size) if self.kind == "block" else ""
        axis = "" if self.axis is None else f"@{self.axis}"
        return f"{self.kind}{size}{axis}"


@dataclass(frozen=True, slots=True)
class RangeMethod:
    """How the real range that the grid covers is chosen.

    Args:
        kind: ``minmax``, ``movavg``, ``percentile``, ``kl``, ``mse`` or ``range``.
        percentile: for ``percentile``: how much of the mass is kept, in % (50 < P <= 100).
        lo: for ``range``: the lower end of the range set by hand, finite.
        hi: for ``range``: the upper end, finite, not below ``lo``.

    Raises:
        SpecError: a number is missing, out of bounds or not wanted.
    """

    kind: RangeKind
    percentile: float | None = None
    lo: float | None = None
    hi: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are missing, out of bounds or not wanted."""
        if self.kind not in (*PLAIN_RANGES, "percentile", "range"):
            raise SpecError(f"{self.kind!r} is not a range method.", f"Use {_RANGE_NAMES}.")
        if (self.kind == "percentile") != (self.percentile is not None):
            raise SpecError("Only percentile takes a percentage.", "Write percentile99.99.")
        if self.percentile is not None:
            if not 50.0 < self.percentile <= 100.0:
                raise SpecError(
                    f"A percentile of {number_text(float(self.percentile))} is out of bounds.",
                    "It must be above 50 and at most 100, as in percentile99.99.",
                )
            object.__setattr__(self, "percentile", float(self.percentile))
        self._check_ends()

    def _check_ends(self) -> None:
        if self.kind != "range":
            if self.lo is not None or self.hi is not None:
                raise SpecError(f"Range {self.kind} takes no ends.", "Write range[LO,HI].")
            return
        if self.lo is None or self.hi is None:
            raise SpecError("A range set by hand needs both ends.", "Write range[-1,1].")
        lo, hi = float(self.lo) + 0.0, float(self.hi) + 0.0
        limit = 3.4028234663852886e38  # the largest float32
        if not (math.isfinite(lo) and math.isfinite(hi) and max(abs(lo), abs(hi)) <= limit):
            raise SpecError("The ends of a range must be finite float32 numbers.")
        if lo > hi:
            raise SpecError(
                f"The range [{number_text(lo)},{number_text(hi)}] ends before it starts.",
                f"Write range[{number_text(hi)},{number_text(lo)}].",
            )
        if lo == hi == 0.0:
            raise SpecError("The range [0,0] holds nothing but zero.", "Write range[-1,1].")
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)

    def __str__(self) -> str:
        """The text form of this part."""
        if self.percentile is not None:
            return f"percentile{number_text(self.percentile)}"
        if self.lo is not None and self.hi is not None:
            return f"range[{number_text(self.lo)},{number_text(self.hi)}]"
        return self.kind
