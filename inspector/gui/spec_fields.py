"""Changes of one field of a spec, and the choices offered for each. No widgets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from inspector.quant.spec import FLOAT, Granularity, QuantSpec, RangeMethod, Role

DEFAULT_PERCENTILE = 99.99
DEFAULT_LIMIT = 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a combo box: its text, what it means, and the field's value."""

    text: str
    tip: str
    value: object


@dataclass(frozen=True, slots=True)
class SpecChange:
    """What the user did to one part of a spec.

    Attributes:
        role: weights or activations.
        label: what it does, for the history.
        change: from the present spec to the new one.
        drag: changes with the same text in a row are one undo step; None never merges.
    """

    role: Role
    label: str
    change: Callable[[QuantSpec], QuantSpec]
    drag: str | None = None


def dtype_choices() -> tuple[Choice, ...]:
    """Types that can be computed today."""
    choices = [Choice("float", "Left alone: no quantization", "float")]
    for sign, what in (("int", "signed"), ("uint", "unsigned")):
        for bits in range(2, 17):
            levels = f"{1 << bits} levels"
            choices.append(
                Choice(f"{sign}{bits}", f"{bits} bits, {what}: {levels}", f"{sign}{bits}")
            )
    return tuple(choices)


def granularity_choices(role: Role) -> tuple[Choice, ...]:
    """Which values share a scale."""
    tensor = Choice("tensor", "One scale for the whole tensor", Granularity("tensor"))
    if role == "activations":
        return (tensor,)
    blocks = [
        Choice(f"block{size}", f"One scale for every {size} values", Granularity("block", size))
        for size in (16, 32, 64, 128)
    ]
    channel = Choice("channel", "One scale for each output channel", Granularity("channel"))
    return (tensor, channel, *blocks)


def range_choices(role: Role) -> tuple[Choice, ...]:
    """How the real range that the grid covers is chosen."""
    choices = [
        Choice("minmax", "From the smallest to the largest value: nothing is clipped", "minmax"),
        Choice("percentile", "Keeps this share of the values and clips the rest", "percentile"),
        Choice(
            "kl",
            "Smallest Kullback-Leibler divergence between the values before and after",
            "kl",
        ),
        Choice("mse", "Smallest mean squared error: best balance of clipping and rounding", "mse"),
        Choice("range", "Set by hand", "range"),
    ]
    if role == "activations":
        moving = Choice("movavg", "Moving average of each batch's smallest and largest", "movavg")
        choices.insert(1, moving)
    return tuple(choices)


FLAG_CHOICES: tuple[Choice, ...] = (
    Choice("sym", "Symmetric: real zero in the middle of the grid, zero point 0", True),
    Choice("asym", "Asymmetric: the zero point moves, the grid fits the range", False),
)


def set_dtype(spec: QuantSpec, dtype: str) -> QuantSpec:
    """Another type; float forgets the other fields, which make no sense there."""
    return FLOAT if dtype == "float" else replace(spec, dtype=dtype)


def set_granularity(spec: QuantSpec, value: Granularity | None) -> QuantSpec:
    """Another granularity; None is the default of the tensor."""
    return spec if spec.is_float else replace(spec, granularity=value)


def set_flag(spec: QuantSpec, value: bool | None) -> QuantSpec:
    """Symmetric or not; None is the default of the tensor."""
    return spec if spec.is_float else replace(spec, symmetric=value)


def set_range(spec: QuantSpec, value: RangeMethod | None) -> QuantSpec:
    """Another range method; None is the default of the tensor."""
    return spec if spec.is_float else replace(spec, range=value)


def range_of(kind: str, percentile: float, lo: float, hi: float) -> RangeMethod:
    """The range method of a kind, with the parameters that it takes."""
    if kind == "percentile":
        return RangeMethod("percentile", percentile=percentile)
    if kind == "range":
        return RangeMethod("range", lo=lo, hi=hi)
    plain: dict[str, RangeMethod] = {
        "minmax": RangeMethod("minmax"),
        "movavg": RangeMethod("movavg"),
        "kl": RangeMethod("kl"),
        "mse": RangeMethod("mse"),
    }
    return plain[kind]
