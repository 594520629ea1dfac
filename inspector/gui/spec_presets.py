"""Specs that are chosen often, for menus. No widgets here."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.quant.spec import FLOAT, QuantSpec

_spec = QuantSpec.parse


@dataclass(frozen=True, slots=True)
class Preset:
    """A choice with a name.

    Attributes:
        title: as menus show it.
        tip: what it is good for.
        weights: the spec of the weights; None leaves them as they are.
        activations: the spec of the activations; None leaves them as they are.
    """

    title: str
    tip: str
    weights: QuantSpec | None
    activations: QuantSpec | None

    @property
    def specs_text(self) -> str:
        """What it sets, in words."""
        parts = (("Weights", self.weights), ("Activations", self.activations))
        return "\n".join(f"{role}: {spec}" for role, spec in parts if spec is not None)


PRESETS = (
    Preset(
        "8 bits",
        "What nearly all hardware runs, at a quarter of the size",
        _spec("int8:channel"),
        _spec("uint8:tensor"),
    ),
    Preset(
        "8 bits, signed and symmetric",
        "For hardware without zero points, such as most GPUs and many NPUs",
        _spec("int8:channel:sym"),
        _spec("int8:tensor:sym"),
    ),
    Preset(
        "8 bits, 16-bit activations",
        "For networks with large outliers in their activations, such as transformers",
        _spec("int8:channel"),
        _spec("uint16:tensor"),
    ),
    Preset(
        "8 bits, scales are powers of two",
        "For hardware that shifts instead of multiplying",
        _spec("int8:tensor:sym:pow2"),
        _spec("int8:tensor:sym:pow2"),
    ),
    Preset(
        "4-bit weights",
        "An eighth of the size; activations stay as they are",
        _spec("int4:channel:mse"),
        None,
    ),
    Preset(
        "4-bit weights in blocks of 32",
        "Usual for language models: a scale for every 32 weights",
        _spec("int4:block32:mse"),
        None,
    ),
    Preset(
        "2-bit weights in blocks of 16",
        "As small as it gets; expect to lose much",
        _spec("int2:block16:mse"),
        None,
    ),
    Preset("Float", "Left as it is", FLOAT, FLOAT),
)
