"""Changes of one field of a spec. No widgets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from inspector.quant.spec import CASTS, Granularity, QuantSpec, RangeMethod, Role
from inspector.quant.spec_parts import PLAIN_RANGES

DEFAULT_PERCENTILE = 99.99
DEFAULT_LIMIT = 1.0
ORT_PERCENTILE = 99.999
"""What onnxruntime's Percentile calibrator keeps, unless told otherwise."""


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


def set_dtype(spec: QuantSpec, dtype: str) -> QuantSpec:
    """Another type, which forgets the fields that make no sense there; float forgets all."""
    if dtype == "float" or dtype in CASTS:
        return QuantSpec(dtype)
    found = QuantSpec(dtype) if spec.is_cast else replace(spec, dtype=dtype)
    if found.is_affine:
        return found
    kind = None if spec.range is None else spec.range.kind
    blocks = spec.granularity is not None and spec.granularity.kind == "block"
    return replace(
        found,
        symmetric=spec.symmetric or None,
        range=None if kind == "kl" else spec.range,
        granularity=None if blocks and not dtype.startswith("fp8") else spec.granularity,
    )


def set_granularity(spec: QuantSpec, value: Granularity | None) -> QuantSpec:
    """Another granularity; None is the default of the tensor."""
    return spec if spec.is_float else replace(spec, granularity=value)


def set_flag(spec: QuantSpec, value: bool | None) -> QuantSpec:
    """Symmetric or not; None is the default of the tensor."""
    return spec if spec.is_float else replace(spec, symmetric=value)


def set_range(spec: QuantSpec, value: RangeMethod | None) -> QuantSpec:
    """Another range method; None is the default of the tensor."""
    return spec if spec.is_float else replace(spec, range=value)


def set_pow2(spec: QuantSpec, value: bool) -> QuantSpec:
    """Scales that are powers of two, or any."""
    return spec if spec.is_float else replace(spec, pow2=value)


def range_of(kind: str, percentile: float, lo: float, hi: float) -> RangeMethod:
    """The range method of a kind, with the parameters that it takes."""
    if kind == "percentile":
        return RangeMethod("percentile", percentile=percentile)
    if kind == "range":
        return RangeMethod("range", lo=lo, hi=hi)
    if kind == "ort-percentile":
        return RangeMethod("ort-percentile", percentile=ORT_PERCENTILE)
    return RangeMethod(PLAIN_RANGES[kind])
