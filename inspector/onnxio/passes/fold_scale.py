"""Fold a constant factor behind a layer into its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.into_layer import (
    Affine,
    CannotFoldError,
    Doubles,
    LayerFolder,
    channels_of,
    constant_slot,
    fold_each,
    per_channel,
)
from inspector.onnxio.passes.report import PassReport


def fold_scale(model: Model) -> tuple[Model, PassReport]:
    """Fold Mul or Div by one constant per channel into the layer before it.

    The layer is a Conv, ConvTranspose, Gemm, MatMul, or a MatMul with a constant added behind it.
    """
    return fold_each(model, "fold_scale", _fold)


def _fold(folder: LayerFolder, node: NodeProto) -> bool:
    if node.op_type not in {"Mul", "Div"} or not is_onnx_domain(node.domain):
        return False
    slot = constant_slot(folder, node)
    if slot is None or (node.op_type == "Div" and slot == 0):
        return False
    tensor = node.input[1 - slot]
    try:
        source = folder.source(tensor)
        factor = _factor(folder, source, folder.constants.get(node, slot), tensor)
        if factor is None:
            return False
        folder.fold(source, Affine(1.0 / factor if node.op_type == "Div" else factor))
    except CannotFoldError:
        return False
    folder.take_over(source, node)
    return True


def _factor(
    folder: LayerFolder, source: NodeProto, values: NDArray[Any], tensor: str
) -> Doubles | None:
    """The factor of each output channel; None where the constant is no such."""
    if source.op_type in {"Conv", "ConvTranspose", "Gemm"}:
        weight = folder.weight(source)
        channels, axis = channels_of(source, weight)
        found = per_channel(values, weight, channels, axis)
    elif source.op_type in {"MatMul", "Add"}:
        found = _last_axis(folder, values, tensor)
    else:
        return None
    usable = found is not None and bool((found != 0).all())
    return found if usable else None


def _last_axis(folder: LayerFolder, values: NDArray[Any], tensor: str) -> Doubles | None:
    """A constant that is one number for each column, or one for all; its rank must add no axes."""
    if values.size != (values.shape or (1,))[-1] or values.dtype.kind != "f":
        return None
    if values.ndim > 1 and values.ndim > (folder.rank(tensor) or 0):
        return None
    found = values.reshape(-1).astype(np.float64)
    return found if np.isfinite(found).all() else None
