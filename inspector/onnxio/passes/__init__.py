"""Rewrites of a model that keep its float outputs.

Each pass is a function from a Model to a new Model and a report. None changes the model it is
given, and all share the weights that they do not rewrite. `prepare` runs them, in an order that is
always the same; those that make work for one another run again until none finds any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from inspector.graph.operators import RECURRENT
from inspector.graph.preparations import NO_SKIP
from inspector.onnxio.inference import keep_types
from inspector.onnxio.loading import Model
from inspector.onnxio.opset import QDQ_OPSET, raise_opset
from inspector.onnxio.passes.cancel_transposes import cancel_transposes
from inspector.onnxio.passes.constants_to_initializers import constants_to_initializers
from inspector.onnxio.passes.drop_identity import drop_identity
from inspector.onnxio.passes.fold_batch_norm import fold_batch_norm
from inspector.onnxio.passes.fold_bias import fold_bias
from inspector.onnxio.passes.fold_constants import fold_constants
from inspector.onnxio.passes.fold_pad import fold_pad
from inspector.onnxio.passes.fold_scale import fold_scale
from inspector.onnxio.passes.fold_shapes import fold_shapes
from inspector.onnxio.passes.fuse_gemm import fuse_gemm
from inspector.onnxio.passes.fuse_units import (
    fuse_gelu,
    fuse_hard_swish,
    fuse_layer_norm,
    fuse_silu,
)
from inspector.onnxio.passes.merge_clips import merge_clips
from inspector.onnxio.passes.name_nodes import name_nodes
from inspector.onnxio.passes.normalize_gemm import normalize_gemm
from inspector.onnxio.passes.recurrent_weights import recurrent_weights
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.trace import trace
from inspector.progress import pause

_CONVOLUTIONS: Final = frozenset({"Conv", "ConvTranspose"})
_PRODUCTS: Final = frozenset({"Gemm", "MatMul"})
_MOST_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass.

    Attributes:
        run: it.
        needs: a graph has to have an operator of each of these sets, or there is no work for it.
        tells: after it inference may find out more, or something else; other passes leave every
            tensor's type as it was.
    """

    run: Callable[[Model], tuple[Model, PassReport]]
    needs: tuple[frozenset[str], ...] = ()
    tells: bool = False

    @property
    def name(self) -> str:
        """As reports, recipes and options call it."""
        return self.run.__name__

    def may_work(self, operators: Collection[str]) -> bool:
        """Whether a graph with these operators may have work for it."""
        return all(not one.isdisjoint(operators) for one in self.needs)


_LAYERS: Final = _CONVOLUTIONS | _PRODUCTS

STAGES: Final[tuple[tuple[Pass, ...], ...]] = (
    (Pass(name_nodes),),
    (Pass(constants_to_initializers),),
    (Pass(drop_identity, (frozenset({"Identity", "Dropout"}),), tells=True),),
    (
        Pass(fold_constants, tells=True),
        Pass(fold_shapes, (frozenset({"Reshape"}),), tells=True),
    ),
    (Pass(cancel_transposes, (frozenset({"Transpose"}),), tells=True),),
    (Pass(merge_clips, (frozenset({"Relu", "Clip", "Max", "Min"}),)),),
    (Pass(normalize_gemm, (frozenset({"Gemm"}),)),),
    (
        Pass(fold_bias, (frozenset({"Add", "Sub"}), _CONVOLUTIONS | {"Gemm"})),
        Pass(fold_batch_norm, (frozenset({"BatchNormalization"}),)),
        Pass(fold_scale, (frozenset({"Mul", "Div"}), _LAYERS)),
        Pass(fuse_gemm, (frozenset({"MatMul"}), frozenset({"Add"}))),
    ),
    (Pass(fold_pad, (frozenset({"Pad"}), frozenset({"Conv"}))),),
    (Pass(fuse_gelu, (frozenset({"Erf", "Tanh", "Sigmoid"}), frozenset({"Mul"}))),),
    (Pass(fuse_silu, (frozenset({"Sigmoid", "Tanh"}), frozenset({"Mul"}))),),
    (Pass(fuse_hard_swish, (frozenset({"HardSigmoid", "Clip"}), frozenset({"Mul"}))),),
    (Pass(fuse_layer_norm, (frozenset({"ReduceMean"}), frozenset({"Sqrt", "Pow"}))),),
    (Pass(recurrent_weights, (RECURRENT,)),),
)
"""The passes before quantization, in order; those of a stage run until none changes anything."""

AS_IS: Final = frozenset(one.name for stage in STAGES[2:] for one in stage)
"""All passes but the first two, which change no number and no tensor."""

__all__ = ["AS_IS", "STAGES", "Pass", "PassReport", "prepare", "raise_to_quantizers"]


def prepare(
    model: Model,
    *,
    skip: Collection[str] = NO_SKIP,
) -> tuple[Model, tuple[PassReport, ...]]:
    """Make a model ready for quantization; its float outputs stay as they are within rounding.

    Args:
        model: as loaded; not changed.
        skip: names of passes to leave out (`inspector.graph.preparations.PREPARATIONS`).

    Returns:
        The model that all later steps work on, and what each pass did and left, in order.

    Raises:
        ModelError: if the graph is no graph: a cycle, a tensor with two producers or with none.
    """
    found: dict[str, PassReport] = {}
    for stage in STAGES:
        wanted = [one for one in stage if one.name not in skip]
        found.update((one.name, PassReport(one.name, skipped=True)) for one in stage)
        found.update((one.name, PassReport(one.name)) for one in wanted)
        for _ in range(_MOST_ROUNDS):
            before = model
            for one in wanted:
                model = _run(one, model, found)
                pause()
            if model is before or (len(wanted) < 2 and not wanted[0].tells):
                break
    return model, tuple(found.values())


def raise_to_quantizers(model: Model) -> tuple[Model, PassReport]:
    """A prepared model in an opset that has quantizers, and what that changed.

    Raises:
        UnsupportedError: an operator of the model cannot be converted.
    """
    raised = raise_opset(model, QDQ_OPSET)
    if raised is model:
        return model, PassReport("raise_opset")
    # What were attributes are Constant nodes now.
    tidy, _ = constants_to_initializers(raised)
    gone, made = trace(model, tidy)
    return tidy, PassReport("raise_opset", 1, gone=gone, made=made)


def _run(one: Pass, model: Model, found: dict[str, PassReport]) -> Model:
    """Run a pass if there may be work for it, and add what it did to what it has done before."""
    if not one.may_work({node.op_type for node in model.proto.graph.node}):
        return model
    after, report = one.run(model)
    if after is not model:
        if one.run is not name_nodes:
            gone, made = trace(model, after)
            report = replace(report, gone=gone, made=made)
        if not one.tells:
            keep_types(model, after)
    found[one.name] = _both(found[one.name], report)
    return after


def _both(first: PassReport, second: PassReport) -> PassReport:
    """What a pass did in two runs; what it left is what it left in the second."""
    return replace(
        second,
        changed=first.changed + second.changed,
        gone=MappingProxyType({**first.gone, **second.gone}),
        made=_unique((*first.made, *second.made)),
        units=(*first.units, *second.units),
    )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
