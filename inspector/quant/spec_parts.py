"""The parts of a quantization spec: which values share a scale, and how its range is chosen."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from inspector.errors import SpecError
from inspector.quant.pin import Pin

GranularityKind = Literal["tensor", "channel", "block"]
RangeKind = Literal[
    "minmax",
    "meanminmax",
    "movavg",
    "percentile",
    "kl",
    "mse",
    "range",
    "ort-minmax",
    "ort-entropy",
    "ort-percentile",
    "pinned",
]

PLAIN_RANGES: dict[str, RangeKind] = {
    "minmax": "minmax",
    "meanminmax": "meanminmax",
    "movavg": "movavg",
    "kl": "kl",
    "mse": "mse",
    "ort-minmax": "ort-minmax",
    "ort-entropy": "ort-entropy",
    "pinned": "pinned",
}
_SHARES: dict[str, RangeKind] = {
    "percentile": "percentile",
    "ort-percentile": "ort-percentile",
}
RANGE_STARTS = ("percentile", "range", "movavg", "meanminmax", "kl", "ort-")
"""What the text of a method with numbers begins with."""

_RANGE_NAMES = (
    "minmax, meanminmax, movavg, percentileP, kl, mse, range[LO,HI], ort-minmax, ort-entropy, "
    "ort-percentileP or pinned"
)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?", re.ASCII)
_KL = re.compile(r"kl([0-9]{1,9})(?:/([0-9]{1,9}))?", re.ASCII)
_BATCHES = re.compile(r"meanminmax([0-9]{1,9})", re.ASCII)

MOST_KL_BINS = 4096


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


class RangeSyntaxError(SpecError):
    """The text of a range method cannot be read; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class RangeMethod:
    """How the real range that the grid covers is chosen.

    Args:
        kind: which method.
        percentile: for ``percentile`` and ``ort-percentile``: how much of the mass is kept, in %
            (50 < P <= 100); None for ``percentile`` with two ends of its own.
        lo: for ``range``: the lower end of the range set by hand, finite; for ``percentile``
            without a share: the part below the lower end, in % (0 <= LO < HI).
        hi: for ``range``: the upper end, finite, not below ``lo``; for ``percentile`` without a
            share: the part below the upper end, in % (HI <= 100).
        momentum: for ``movavg``: the part of the average that stays with each batch (0 < M < 1);
            None for 0.9.
        batch: for ``meanminmax``: samples that make up a batch (at least 1); None for 1.
        bins: for ``kl``: bins of the histogram of magnitudes; None for 2048.
        levels: for ``kl``: levels that the bins are merged to; None for those of the type.
        pin: for ``pinned``: the grid that a recipe gives for the tensor. The text form leaves it
            out: it is found by the tensor's name.

    Raises:
        SpecError: a number is missing, out of bounds or not wanted.
    """

    kind: RangeKind
    percentile: float | None = None
    lo: float | None = None
    hi: float | None = None
    momentum: float | None = None
    batch: int | None = None
    bins: int | None = None
    levels: int | None = None
    pin: Pin | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are missing, out of bounds or not wanted."""
        if self.kind not in (*PLAIN_RANGES, *_SHARES, "range"):
            raise SpecError(f"{self.kind!r} is not a range method.", f"Use {_RANGE_NAMES}.")
        self._check_share()
        self._check_own("momentum", "movavg", "A moving average", "movavg0.99")
        self._check_own("batch", "meanminmax", "An average over batches", "meanminmax8")
        self._check_own("bins", "kl", "KL calibration", "kl2048")
        self._check_own("levels", "kl", "KL calibration", "kl2048/128")
        self._check_own("pin", "pinned", "A pinned range", "pinned")
        if self.momentum is not None and not 0.0 < self.momentum < 1.0:
            raise SpecError(
                f"A momentum of {number_text(float(self.momentum))} is out of bounds.",
                "It must be between 0 and 1, as in movavg0.99.",
            )
        if self.batch is not None and self.batch < 1:
            raise SpecError("A batch has at least one sample.", "Write it as in meanminmax8.")
        self._check_bins()
        self._check_ends()

    def _check_own(self, field: str, kind: str, what: str, example: str) -> None:
        if getattr(self, field) is not None and self.kind != kind:
            raise SpecError(f"Only {kind} takes this number.", f"{what} does, as in {example}.")

    def _check_share(self) -> None:
        ends = self.lo is not None or self.hi is not None
        wanted = self.kind == "ort-percentile" or (self.kind == "percentile" and not ends)
        if wanted != (self.percentile is not None):
            raise SpecError("Only percentile takes a percentage.", "Write percentile99.99.")
        if self.percentile is None:
            return
        if not 50.0 < self.percentile <= 100.0:
            raise SpecError(
                f"A percentile of {number_text(float(self.percentile))} is out of bounds.",
                "It must be above 50 and at most 100, as in percentile99.99.",
            )
        object.__setattr__(self, "percentile", float(self.percentile))

    def _check_bins(self) -> None:
        if self.bins is None:
            if self.levels is not None:
                raise SpecError("Levels come after bins.", "Write kl2048/128.")
            return
        if not 16 <= self.bins <= MOST_KL_BINS:
            raise SpecError(
                f"A histogram of {self.bins} bins is out of bounds.",
                f"It may have 16 to {MOST_KL_BINS}, as in kl2048.",
            )
        if self.levels is not None and not 2 <= self.levels <= self.bins:
            raise SpecError(
                f"{self.bins} bins cannot be merged to {self.levels} levels.",
                "Write no more levels than bins, as in kl2048/128.",
            )

    def _check_ends(self) -> None:
        if self.kind not in ("range", "percentile"):
            if self.lo is not None or self.hi is not None:
                raise SpecError(f"Range {self.kind} takes no ends.", "Write range[LO,HI].")
            return
        if self.percentile is not None:
            return
        if self.lo is None or self.hi is None:
            raise SpecError("A range set by hand needs both ends.", "Write range[-1,1].")
        lo, hi = float(self.lo) + 0.0, float(self.hi) + 0.0
        if self.kind == "percentile":
            if not 0.0 <= lo < hi <= 100.0:
                raise SpecError(
                    f"The percentiles {number_text(lo)} and {number_text(hi)} are out of bounds.",
                    "Both are from 0 to 100, the lower one first, as in percentile[0.01,99.99].",
                )
        else:
            _check_by_hand(lo, hi)
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)

    @classmethod
    def parse(cls, text: str) -> RangeMethod:
        """Read the text form; the inverse of ``str``.

        Raises:
            RangeSyntaxError: a number is missing or is none.
            SpecError: a number is out of bounds.
        """
        if text in PLAIN_RANGES:
            return cls(PLAIN_RANGES[text])
        if match := _KL.fullmatch(text):
            return cls("kl", bins=int(match[1]), levels=int(match[2]) if match[2] else None)
        if match := _BATCHES.fullmatch(text):
            return cls("meanminmax", batch=int(match[1]))
        if text.startswith("movavg"):
            return cls("movavg", momentum=_number(text, "movavg", "a momentum", "movavg0.99"))
        for name, kind in _SHARES.items():
            if text.startswith(name) and not text.startswith(f"{name}["):
                example = f"{name}99.99"
                return cls(
                    kind,
                    percentile=_number(text, name, "a percentage", example, "how much is kept"),
                )
        for name in ("range", "percentile"):
            if text.startswith(name):
                lo, hi = _ends(text.removeprefix(name), name)
                return cls("range" if name == "range" else "percentile", lo=lo, hi=hi)
        raise RangeSyntaxError("is not a range method", f"Use {_RANGE_NAMES}.")

    def __str__(self) -> str:
        """The text form of this part."""
        if self.percentile is not None:
            return f"{self.kind}{number_text(self.percentile)}"
        if self.lo is not None and self.hi is not None:
            return f"{self.kind}[{number_text(self.lo)},{number_text(self.hi)}]"
        if self.momentum is not None:
            return f"{self.kind}{number_text(self.momentum)}"
        if self.bins is not None:
            return f"kl{self.bins}" + ("" if self.levels is None else f"/{self.levels}")
        return self.kind if self.batch is None else f"{self.kind}{self.batch}"


def _check_by_hand(lo: float, hi: float) -> None:
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


def _number(text: str, name: str, what: str, example: str, meaning: str = "a number") -> float:
    found = text.removeprefix(name)
    if not _NUMBER.fullmatch(found):
        raise RangeSyntaxError(f"lacks {what}", f"Write {meaning}, as in {example}.")
    return float(found)


def _ends(text: str, name: str) -> tuple[float, float]:
    ends = [end.strip() for end in text[1:-1].split(",")]
    framed = text.startswith("[") and text.endswith("]")
    if not framed or len(ends) != 2 or not all(_NUMBER.fullmatch(end) for end in ends):
        example = "range[-1,1]" if name == "range" else "percentile[0.01,99.99]"
        raise RangeSyntaxError("is not a range of two numbers", f"Write it as in {example}.")
    return float(ends[0]), float(ends[1])
