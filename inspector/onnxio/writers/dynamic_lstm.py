"""DynamicQuantizeLSTM in the place of an LSTM whose two weights a plan has as dynamic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Layer
from inspector.graph.recurrent import CELL, WEIGHT_SLOTS, carried_shape
from inspector.onnxio.draft import Draft
from inspector.onnxio.dynamic_lstm import by_row, kernel
from inspector.onnxio.storage import Storage, as_unsigned, storage_of, stored_codes
from inspector.quant.qparams import QParams


def is_dynamic_cell(node: NodeProto, grids: Grids) -> bool:
    """Whether a node is a recurrent operator that a plan has as dynamic."""
    return node.name.endswith(CELL) and node.name.removesuffix(CELL) in grids.plan.dynamic


def write_dynamic_lstm(
    draft: Draft, graph: Graph, grids: Grids, node: NodeProto, *, unsigned: bool
) -> NodeProto:
    """The kernel for an LSTM, with its constants put into a draft.

    Args:
        draft: what is written.
        graph: the graph that was planned.
        grids: the numbers of the plan.
        node: the LSTM.
        unsigned: store weights in unsigned codes; see `storage.as_unsigned`.
    """
    made: list[tuple[str, str, str]] = []
    for ending in WEIGHT_SLOTS:
        layer = graph.layer(node.name.removesuffix(CELL) + ending)
        grid = grids.weights[layer.name]
        grid = as_unsigned(grid) if unsigned and storage_of(grid).signed else grid
        made.append(_weight(draft, layer, grid, carried_shape(graph, graph.node(layer.name))[0]))
    codes, scales, zeros = ([one[part] for one in made] for part in range(3))
    return kernel(node, codes, scales, zeros)


def _weight(draft: Draft, layer: Layer, grid: QParams, directions: int) -> tuple[str, str, str]:
    """Codes as (directions, columns, rows), scales and zero points as (directions, rows)."""
    assert layer.weight is not None
    assert layer.weight_shape is not None
    rows, columns = layer.weight_shape[0] // directions, layer.weight_shape[1]
    codes, scale, zero = (
        draft.unique_name(f"{layer.weight}_{part}") for part in ("quantized", "scale", "zero_point")
    )
    storage = storage_of(grid)
    compute = _codes(draft.reader(layer.weight), grid, storage, (directions, rows, columns))
    kind = helper.np_dtype_to_tensor_dtype(storage.dtype)
    draft.set_computed(codes, compute, kind, (directions, columns, rows), layer.weight)
    draft.set_constant(scale, by_row(grid.scale, (directions, rows)).astype(np.float32))
    draft.set_constant(zero, by_row(grid.zero_point, (directions, rows)).astype(storage.dtype))
    return codes, scale, zero


def _codes(
    read: Callable[[], NDArray[np.float32]],
    grid: QParams,
    storage: Storage,
    shape: tuple[int, int, int],
) -> Callable[[], NDArray[np.uint8]]:
    def compute() -> NDArray[np.uint8]:
        found = stored_codes(read(), grid, storage).reshape(shape)
        return np.ascontiguousarray(found.transpose(0, 2, 1)).reshape(-1)

    return compute
