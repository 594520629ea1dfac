"""What would do better for a tensor, in words that follow from figures.

Every piece of advice is one change of the spec that was tried on the tensor's own values, with what
it gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from inspector.quant.spec import Granularity, QuantSpec, RangeMethod, Role

LEAST_GAIN_DB = 1.0
"""A change that gains less is not worth a word."""
_MOST = 2
_ENOUGH_DB = 30.0
"""A tensor that loses no more than this needs no more bits."""

Judge = Callable[[QuantSpec], float | None]


@dataclass(frozen=True, slots=True)
class Advice:
    """One change that would do better.

    Attributes:
        role: of the tensor in its layer.
        spec: what to choose instead, as text.
        gain_db: by how much the tensor's SQNR rises.
        why: what it does, as a sentence.
    """

    role: Role
    spec: str
    gain_db: float
    why: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"role": self.role, "spec": self.spec, "gain_db": self.gain_db, "why": self.why}


def advise(
    role: Role,
    spec: QuantSpec,
    judge: Judge,
    present_db: float,
    fits: Callable[[QuantSpec], bool] = lambda _: True,
) -> list[Advice]:
    """The changes that gain most, at most two: those that cost no bits first.

    Args:
        role: of the tensor.
        spec: what it has now, filled.
        judge: the SQNR under another spec in dB; None where that cannot be.
        present_db: under the present one.
        fits: whether the target takes a spec.
    """
    free: list[Advice] = []
    wider: list[Advice] = []
    for other, why in _changes(role, spec):
        found = judge(other) if fits(other) else None
        if found is None or not found - present_db >= LEAST_GAIN_DB:
            continue
        kind = wider if other.bits > spec.bits else free
        kind.append(Advice(role, str(other), found - present_db, why))
    free.sort(key=lambda one: -one.gain_db)
    return (free or (wider if present_db < _ENOUGH_DB else []))[:_MOST]


def _changes(role: Role, spec: QuantSpec) -> Iterator[tuple[QuantSpec, str]]:
    """Specs that differ in one respect, with what that respect means."""
    if not spec.is_affine:
        return
    kind = spec.granularity.kind if spec.granularity is not None else "tensor"
    if role == "weights" and kind == "tensor":
        yield (
            replace(spec, granularity=Granularity("channel")),
            "Channels reach unequally far: a scale for each serves the small ones too.",
        )
    method = spec.range.kind if spec.range is not None else "minmax"
    if method != "mse":
        yield replace(spec, range=RangeMethod("mse")), _of_range(method)
    if method in ("percentile", "kl", "range"):
        yield (
            replace(spec, range=RangeMethod("minmax")),
            "Clipping dominates the error: a range that holds all values loses less.",
        )
    if spec.symmetric:
        yield (
            replace(spec, symmetric=False),
            "The values reach farther to one side: with a zero point no codes lie idle.",
        )
    if spec.pow2:
        yield replace(spec, pow2=False), "A scale that need not be a power of two is finer."
    for bits in (8, 16):
        if bits > spec.bits:
            sign = "" if spec.signed else "u"
            yield replace(spec, dtype=f"{sign}int{bits}"), "No range helps; more bits do."


def _of_range(method: str) -> str:
    if method in ("minmax", "movavg"):
        return "A few outliers stretch the grid: clipping them makes it finer for all others."
    return "Another clip threshold balances clipping against rounding."
