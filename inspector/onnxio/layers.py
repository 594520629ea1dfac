"""Which nodes of a graph can be quantized, and with which tensors."""

from __future__ import annotations

from math import prod

from inspector.graph.model import Dim, Graph, Layer, Node, Tensor
from inspector.graph.operators import LAYERS, is_onnx_domain
from inspector.graph.recurrent import cell_of
from inspector.progress import paced

_FLOATS = frozenset({"float32", "float16"})


def find_layers(graph: Graph) -> tuple[Layer, ...]:
    """The layers of a main graph, in graph order.

    A layer is a Conv, ConvTranspose, Gemm or MatMul of float32 or float16, or what carries a weight
    of a recurrent operator (see `inspector.graph.recurrent`). No layers are: a
    convolution whose weights are computed, a node whose data inputs are all constants, and one that
    reads from a DequantizeLinear (it is quantized already).
    """
    found = (_layer(graph, node) for node in paced(graph.nodes))
    return tuple(layer for layer in found if layer is not None)


def _layer(graph: Graph, node: Node) -> Layer | None:
    cell = cell_of(graph, node)
    if cell is not None:
        return _recurrent(graph, node, cell)
    if node.op_type not in LAYERS or not is_onnx_domain(node.domain) or len(node.inputs) < 2:
        return None
    operands = tuple(graph.tensors.get(name) for name in node.inputs[:2])
    first, second = operands
    if first is None or second is None or not node.outputs:
        return None
    slots = _slots(node.op_type, first, second)
    if slots is None or _quantized_already(graph, first, second):
        return None
    weight_slot, activation_slots = slots
    weight = None if weight_slot is None else operands[weight_slot]
    if not _is_float(graph, node, weight):
        return None
    shape = None if weight is None else _fixed(weight)
    bias = graph.tensors.get(node.input(2))
    bias = bias if bias is not None and bias.constant and node.op_type != "MatMul" else None
    parameters = (prod(shape) if shape else 0) + ((bias.size or 0) if bias else 0)
    return Layer(
        name=node.name,
        op_type=node.op_type,
        weight=weight.name if weight else None,
        bias=bias.name if bias else None,
        activations=tuple(node.inputs[slot] for slot in activation_slots),
        output=node.outputs[0],
        weight_shape=shape,
        channel_axis=None if shape is None else _channel_axis(node, weight_slot, len(shape)),
        weight_slot=weight_slot,
        activation_slots=activation_slots,
        parameters=parameters,
        group=_int(node, "group", 1) if node.op_type.startswith("Conv") else 1,
        macs=_macs(graph, node, shape),
    )


def _recurrent(graph: Graph, node: Node, cell: Node) -> Layer | None:
    """The layer of a weight of a recurrent operator; what it reads and writes is the operator's."""
    weight = graph.tensors[node.inputs[0]]
    shape = _fixed(weight)
    if shape is None or len(shape) != 2 or not weight.constant or weight.dtype not in _FLOATS:
        return None
    steps = _elements(graph.tensors[cell.inputs[0]].shape)
    columns = graph.tensors[cell.inputs[0]].shape
    width = columns[-1] if columns else None
    macs = steps // width * prod(shape) if steps and isinstance(width, int) and width else None
    return Layer(
        name=node.name,
        op_type=cell.op_type,
        weight=weight.name,
        bias=None,
        activations=(cell.inputs[0],),
        output=next(name for name in cell.outputs if name),
        weight_shape=shape,
        channel_axis=0,
        weight_slot=0,
        activation_slots=(),
        parameters=prod(shape),
        macs=macs,
    )


def _slots(
    op_type: str, first: Tensor, second: Tensor
) -> tuple[int | None, tuple[int, ...]] | None:
    """Input positions of weight and activations; None where the node is no layer."""
    if first.constant and second.constant:
        return None
    if second.constant:
        return 1, (0,)
    if op_type.startswith("Conv"):
        return None
    return (0, (1,)) if first.constant else (None, (0, 1))


def _quantized_already(graph: Graph, *operands: Tensor) -> bool:
    producers = (graph.producer(operand.name) for operand in operands)
    return any(node is not None and node.op_type == "DequantizeLinear" for node in producers)


def _is_float(graph: Graph, node: Node, weight: Tensor | None) -> bool:
    if weight is not None:
        return weight.dtype in _FLOATS and _fixed(weight) is not None
    names = (*node.inputs[:2], node.outputs[0])
    known = {graph.tensors[name].dtype for name in names if graph.tensors[name].dtype}
    return bool(known) and known <= _FLOATS


def _fixed(tensor: Tensor) -> tuple[int, ...] | None:
    """A tensor's shape where it is fully known."""
    dims = tuple(dim for dim in tensor.shape or () if isinstance(dim, int))
    return dims if tensor.shape is not None and len(dims) == len(tensor.shape) else None


def _channel_axis(node: Node, weight_slot: int | None, rank: int) -> int | None:
    match node.op_type:
        case "Conv":
            return 0
        case "ConvTranspose":
            return 1
        case "Gemm" if weight_slot == 1:
            return 0 if _int(node, "transB", 0) else 1
        case "Gemm":
            return 1 if _int(node, "transA", 0) else 0
    if rank < 2:
        return None
    return rank - 2 if weight_slot == 0 else rank - 1


def _int(node: Node, name: str, default: int) -> int:
    value = node.attributes.get(name, default)
    return value if isinstance(value, int) else default


def _elements(shape: tuple[Dim, ...] | None) -> int | None:
    """Number of elements of one sample: an open first dimension counts as 1."""
    if shape is None:
        return None
    total = 1
    for axis, dim in enumerate(shape):
        if isinstance(dim, int):
            total *= dim
        elif axis:
            return None
    return total


def _macs(graph: Graph, node: Node, weight_shape: tuple[int, ...] | None) -> int | None:
    """Multiply-accumulates of one sample, without the bias."""
    operands = [graph.tensors[name].shape for name in node.inputs[:2]]
    if node.op_type in {"Conv", "ConvTranspose"} and weight_shape:
        # Each output element (of a transposed convolution: input element) meets one filter.
        source = node.outputs[0] if node.op_type == "Conv" else node.inputs[0]
        elements = _elements(graph.tensors[source].shape)
        return None if elements is None else elements * prod(weight_shape[1:])
    elements = _elements(graph.tensors[node.outputs[0]].shape)
    left = operands[0]
    if elements is None or not left:
        return None
    depth = left[0] if node.op_type == "Gemm" and _int(node, "transA", 0) else left[-1]
    if not isinstance(depth, int):
        depth = weight_shape[0] if weight_shape and node.op_type == "MatMul" else None
    return elements * depth if isinstance(depth, int) else None
