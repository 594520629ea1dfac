"""Fold BatchNormalization into the weights of what comes before it."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.into_layer import Affine, CannotFoldError, LayerFolder, along
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import attribute, bias_name

_NAME = "fold_batch_norm"


def fold_batch_norm(model: Model) -> tuple[Model, PassReport]:
    """Fold inference-time BatchNormalization into Conv, ConvTranspose, Gemm and MatMul (+ Add).

    y = gamma * (x - mean) / sqrt(var + epsilon) + beta (Ioffe and Szegedy 2015, algorithm 2; ONNX
    operator BatchNormalization) is y = x * factor + shift per channel: factor scales the output
    channels of the weights, shift joins the bias, which is added where there was none. The node
    before takes over the output's name. A MatMul without Add gets one in the normalization's place.

    It stays where its input is read elsewhere or is a graph output, or where a parameter, weight or
    bias is not constant; the report says why.
    """
    folder = LayerFolder(model)
    gone: list[NodeProto] = []
    left: list[str] = []
    changed = 0
    for node in folder.draft.graph.node:
        if node.op_type != "BatchNormalization" or not is_onnx_domain(node.domain):
            continue
        try:
            if _fold(folder, node):
                gone.append(node)
            changed += 1
        except CannotFoldError as reason:
            left.append(f"{node.name}: {reason}")
    if not changed:
        return model, PassReport(_NAME, 0, tuple(left))
    folder.draft.remove_nodes(gone)
    folder.draft.sweep()
    return folder.draft.finish(), PassReport(_NAME, changed, tuple(left))


def _fold(folder: LayerFolder, norm: NodeProto) -> bool:
    """Fold one normalization; True if the node is to be removed, False if it was rewritten."""
    affine = _affine(folder, norm)
    source = folder.source(norm.input[0])
    if source.op_type == "MatMul":
        _into_product(folder, source, affine, norm)
        return False
    rank = None
    if source.op_type == "Add":
        # Axis 1 is the last one of a product of rank 2 only.
        rank = folder.rank(source.output[0]) or 0
    folder.fold(source, affine, rank=rank)
    folder.take_over(source, norm)
    return True


def _affine(folder: LayerFolder, norm: NodeProto) -> Affine:
    trains = attribute(norm, "training_mode", 0) or any(norm.output[1:])
    if trains:
        raise CannotFoldError("it is in training mode.")
    if not attribute(norm, "spatial", 1):
        raise CannotFoldError("it normalizes each element by itself (spatial=0).")
    if not all(folder.constants.has(norm, slot) for slot in range(1, 5)):
        raise CannotFoldError("its parameters are not constant.")
    gamma, beta, mean, var = (
        folder.constants.get(norm, slot).astype(np.float64).reshape(-1) for slot in range(1, 5)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = gamma / np.sqrt(var + np.float64(attribute(norm, "epsilon", 1e-5)))
        shift = beta - mean * factor
    if not (np.isfinite(factor).all() and np.isfinite(shift).all()):
        raise CannotFoldError("its parameters give no finite factors.")
    return Affine(factor, shift)


def _into_product(folder: LayerFolder, matmul: NodeProto, affine: Affine, norm: NodeProto) -> None:
    """Scale the weight of a MatMul, and make the normalization the Add of what is left."""
    assert affine.shift is not None
    rank = folder.rank(matmul.output[0]) or 0
    folder.fold(matmul, Affine(affine.factor), rank=rank)
    slot = 1 if folder.constants.has(matmul, 1) else 0
    weight = folder.constants.get(matmul, slot)
    name = folder.draft.unique_name(bias_name(matmul.input[slot]))
    folder.draft.set_constant(name, along(affine.shift, 0, rank - 1).astype(weight.dtype))
    folder.constants.uses[name] = 1
    inputs = [norm.input[0], name]
    del norm.input[:], norm.attribute[:], norm.output[1:]
    norm.op_type = "Add"
    norm.input.extend(inputs)
