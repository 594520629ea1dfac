"""Make the constant that is added behind a layer its bias."""

from __future__ import annotations

from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.into_layer import (
    Affine,
    CannotFoldError,
    LayerFolder,
    channels_of,
    constant_slot,
    fold_each,
    per_channel,
)
from inspector.onnxio.passes.report import PassReport


def fold_bias(model: Model) -> tuple[Model, PassReport]:
    """Fold an Add or Sub of one constant per channel into the layer before it.

    Some exporters write the bias of a Conv, ConvTranspose or Gemm as a node of its own. As a bias
    it is added in the accumulator; behind the layer it would need quantizers of its own. For the
    Add behind a MatMul see `fuse_gemm`.
    """
    return fold_each(model, "fold_bias", _fold)


def _fold(folder: LayerFolder, node: NodeProto) -> bool:
    if node.op_type not in {"Add", "Sub"} or not is_onnx_domain(node.domain):
        return False
    slot = constant_slot(folder, node)
    if slot is None or (node.op_type == "Sub" and slot == 0):
        return False
    try:
        source = folder.source(node.input[1 - slot])
        if source.op_type not in {"Conv", "ConvTranspose", "Gemm"}:
            return False
        weight = folder.weight(source)
        channels, axis = channels_of(source, weight)
        shift = per_channel(folder.constants.get(node, slot), weight, channels, axis)
        if shift is None:
            return False
        folder.fold(source, Affine(None, shift if node.op_type == "Add" else -shift))
    except CannotFoldError:
        return False
    folder.take_over(source, node)
    return True
