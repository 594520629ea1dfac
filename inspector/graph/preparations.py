"""What is done to a model before it is quantized: the passes, as the user reads of them.

What they do is in `inspector.onnxio.passes`, one module each. Here are their names, so that a
recipe can be read, and a window built, without a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from inspector.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Preparation:
    """One pass that can be switched off.

    Attributes:
        name: as recipes, options and reports call it.
        title: as the window calls it.
        counted: what it counts, in the singular.
        summary: what it does, in a sentence.
    """

    name: str
    title: str
    counted: str
    summary: str


_ALL: Final = (
    Preparation(
        "drop_identity",
        "Drop Identity",
        "node",
        "Takes out Identity, and Dropout, which does nothing at inference.",
    ),
    Preparation(
        "fold_constants",
        "Fold constants",
        "node",
        "Computes what depends on nothing but constants and known shapes.",
    ),
    Preparation(
        "fold_shapes",
        "Fold shape arithmetic",
        "Reshape",
        "Makes the target of a Reshape a constant where at most one of its sizes is open.",
    ),
    Preparation(
        "cancel_transposes",
        "Cancel transposes",
        "Transpose",
        "Takes out Transposes that undo one another, also around element-wise operators, and makes "
        "two in a row one.",
    ),
    Preparation(
        "merge_clips",
        "Merge clipping",
        "node",
        "Makes Max and Min with a constant, and clippings in a row, one Relu or Clip, which the "
        "range of a quantizer does.",
    ),
    Preparation(
        "normalize_gemm",
        "Normalize Gemm",
        "factor",
        "Multiplies the factors alpha and beta of a Gemm into its constants.",
    ),
    Preparation(
        "fold_bias",
        "Fold biases",
        "node",
        "Makes a constant added behind a Conv, ConvTranspose or Gemm its bias.",
    ),
    Preparation(
        "fold_batch_norm",
        "Fold BatchNormalization",
        "BatchNormalization",
        "Multiplies a BatchNormalization into the weights and bias of the layer before it.",
    ),
    Preparation(
        "fold_scale",
        "Fold factors",
        "node",
        "Multiplies a constant factor behind a layer into its weights and bias.",
    ),
    Preparation(
        "fuse_gemm",
        "Fuse MatMul and Add",
        "Gemm",
        "Makes a product of two matrices and the bias added to it one Gemm.",
    ),
    Preparation(
        "fold_pad",
        "Fold Pad",
        "Pad",
        "Lets a Conv pad with zeros itself instead of a Pad before it.",
    ),
    Preparation(
        "fuse_gelu",
        "Recognize GELU",
        "unit",
        "Takes the operators of a GELU (with erf or tanh) as one unit: the operator Gelu from "
        "opset 20 on.",
    ),
    Preparation(
        "fuse_silu",
        "Recognize SiLU",
        "unit",
        "Takes x * Sigmoid(x) as one unit, also with the factor 1.702 (QuickGelu).",
    ),
    Preparation(
        "fuse_hard_swish",
        "Recognize HardSwish",
        "unit",
        "Takes the operators of a hard swish as one unit: the operator HardSwish from opset 14 on.",
    ),
    Preparation(
        "fuse_layer_norm",
        "Recognize LayerNorm",
        "unit",
        "Takes the operators of a layer or RMS normalization as one unit: the operator "
        "LayerNormalization from opset 17 on.",
    ),
)

PREPARATIONS: Final[Mapping[str, Preparation]] = MappingProxyType({one.name: one for one in _ALL})
"""The passes that can be switched off, in the order in which they run."""

NO_SKIP: Final[frozenset[str]] = frozenset()


def title_of(name: str) -> str:
    """What a pass is called where people read it, also one that cannot be switched off."""
    known = PREPARATIONS.get(name)
    return name.replace("_", " ").capitalize() if known is None else known.title


def skip_of(names: Iterable[str]) -> frozenset[str]:
    """A set of passes to leave out.

    Raises:
        RecipeError: there is no pass of some name, or it cannot be left out.
    """
    found = frozenset(names)
    for name in sorted(found):
        if name not in PREPARATIONS:
            choices = ", ".join(PREPARATIONS)
            raise RecipeError(
                f"There is no pass {name!r} that can be left out.", f"The passes are: {choices}."
            )
    return found


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of passes in the order in which these run."""
    found = frozenset(names)
    return tuple(name for name in PREPARATIONS if name in found)
