"""Recurrent operators (LSTM, GRU, RNN): two weights each, so two layers each.

The weights of one operator are tensors of three dimensions, (directions, gates * hidden, columns):
W meets what is read, R the hidden state of the step before (ONNX operator specification, LSTM). A
prepared model holds each as a matrix with a row for each direction and unit, which a Reshape gives
its shape again: that node carries the layer. W's layer has the name of the operator, R's that name
and "/R"; the operator itself is called "/cell" for as long. So the rows are the channels, and W
and R are chosen, looked at and measured like any other weight.

No runtime here has recurrent kernels on grids that are fixed before: what is read stays float.
onnxruntime's DynamicQuantizeLSTM finds grids for it, and for the hidden state, when it runs.
"""

from __future__ import annotations

from typing import Final

from inspector.graph.model import Graph, Layer, Node
from inspector.graph.operators import is_onnx_domain

RECURRENT_LAYERS: Final = frozenset({"LSTM", "GRU", "RNN"})
"""Operators of ONNX's own domain whose two weights are layers."""

CELL: Final = "/cell"
"""What the name of a recurrent operator ends in while W's layer has its name."""

HIDDEN: Final = "/R"
"""What the name of R's layer ends in."""

WEIGHT_SLOTS: Final = {"": 1, HIDDEN: 2}
"""Input positions of the two weights, by the endings of their layers' names."""

WHY_FLOAT: Final = (
    "What a recurrent operator reads stays float: onnxruntime has no such kernels on fixed grids."
)


def is_recurrent(layer: Layer) -> bool:
    """Whether a layer is a weight of a recurrent operator."""
    return layer.op_type in RECURRENT_LAYERS


def cell_of(graph: Graph, node: Node) -> Node | None:
    """The recurrent operator whose weight a node carries; None where it carries none."""
    if node.op_type != "Reshape" or not node.outputs or not is_onnx_domain(node.domain):
        return None
    readers = graph.tensors[node.outputs[0]].consumers
    cell = graph.node(readers[0]) if len(readers) == 1 else None
    if cell is None or cell.op_type not in RECURRENT_LAYERS or not cell.name.endswith(CELL):
        return None
    return cell


def carried_shape(graph: Graph, node: Node) -> tuple[int, int, int]:
    """(directions, gates * hidden, columns) of the weight that a node carries."""
    directions, rows, columns = graph.tensors[node.outputs[0]].shape or (1, 1, 1)
    assert isinstance(directions, int)
    assert isinstance(rows, int)
    assert isinstance(columns, int)
    return directions, rows, columns


def partner(graph: Graph, layer: Layer) -> Layer | None:
    """The layer of the other weight of the same operator."""
    if layer.name.endswith(HIDDEN):
        return graph.find_layer(layer.name.removesuffix(HIDDEN))
    return graph.find_layer(f"{layer.name}{HIDDEN}")


def operator_name(layer: Layer) -> str:
    """The name of the node in the user's file that a layer belongs to."""
    return layer.name.removesuffix(HIDDEN) if is_recurrent(layer) else layer.name
