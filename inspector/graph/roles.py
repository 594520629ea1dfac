"""What a node is to a quantizer: a kernel, a follower of grids, or neither."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from inspector.graph import operators
from inspector.graph.model import Graph, Layer, Node
from inspector.graph.operators import LAYERS, RANGE_FOLDED, is_onnx_domain, passes_through
from inspector.graph.recurrent import is_recurrent, partner
from inspector.quant.spec import LayerSpecs, QuantSpec

OWN_GRID = frozenset({"Add", "Mul", "AveragePool", "GlobalAveragePool"})
"""Operators beside the layers whose integer kernels write a grid of their own."""


def is_integer_kernel(layer: Layer, specs: LayerSpecs) -> bool:
    """Whether onnxruntime has a kernel for a layer's operands as these specs store them.

    Both have to be in 8-bit types, and the weight's scales per tensor, or per output channel of a
    matrix that is the right operand: the kernels have no scales per row, nor any for stacks of
    matrices.
    """
    if layer.weight is None or layer.op_type not in {"Conv", "Gemm", "MatMul"}:
        return False
    if not is_byte(specs.weights) or not is_byte(specs.activations):
        return False
    granularity = specs.weights.granularity
    if granularity is None or granularity.kind == "tensor":
        return True
    rank = len(layer.weight_shape or ())
    if granularity.kind == "block" or layer.weight_slot == 0:
        return False
    if layer.channel_axis is None:
        return granularity.axis is None
    if layer.op_type == "MatMul" and rank > 2:
        return False
    return granularity.axis is None or granularity.axis % rank == layer.channel_axis


def is_dynamic(graph: Graph, layer: Layer, specs: LayerSpecs) -> bool:
    """Whether a layer's activations can be, and are to be, put on a grid when the model runs.

    ConvInteger has one zero point for all channels; a Gemm has to be a product and a sum.
    """
    if specs.dynamic and layer.op_type == "LSTM":
        return _is_dynamic_lstm(specs)
    if not specs.dynamic or not is_integer_kernel(layer, specs):
        return False
    if layer.op_type == "Conv":
        granularity = specs.weights.granularity
        one = granularity is None or granularity.kind == "tensor"
        return one or bool(specs.weights.symmetric)
    if layer.op_type == "MatMul":
        return True
    attributes = graph.node(layer.name).attributes
    factors = (attributes.get("alpha", 1.0), attributes.get("beta", 1.0))
    return layer.weight_slot == 1 and factors == (1.0, 1.0) and not attributes.get("transA")


def _is_dynamic_lstm(specs: LayerSpecs) -> bool:
    """Whether DynamicQuantizeLSTM takes a weight: bytes, with one zero point for all channels."""
    if not is_byte(specs.weights) or not is_byte(specs.activations):
        return False
    granularity = specs.weights.granularity
    if granularity is None or granularity.kind == "tensor":
        return True
    along_rows = granularity.axis in {None, 0, -2}
    return granularity.kind == "channel" and along_rows and bool(specs.weights.symmetric)


def both_dynamic(graph: Graph, names: Collection[str]) -> frozenset[str]:
    """Those of some layers of which a recurrent operator's other weight is among them, too."""
    found = set()
    for name in names:
        layer = graph.layer(name)
        other = partner(graph, layer) if is_recurrent(layer) else layer
        if other is not None and other.name in names:
            found.add(name)
    return frozenset(found)


def has_kernel_bias(graph: Graph, layer: Layer) -> bool:
    """Whether a layer's bias, if any, is one that integer kernels add: a constant per channel."""
    node = graph.node(layer.name)
    if layer.op_type == "MatMul" or not node.input(2):
        return True
    if layer.bias is None or layer.weight_shape is None or layer.channel_axis is None:
        return False
    shape = graph.tensors[layer.bias].shape or ()
    if layer.weight_slot == 0:
        return False
    channels = layer.weight_shape[layer.channel_axis]
    return bool(shape) and shape[-1] == channels and all(dim == 1 for dim in shape[:-1])


@dataclass(frozen=True, slots=True)
class AddedBias:
    """An Add that does for a MatMul what a bias does for a Gemm.

    Attributes:
        node: the Add's name.
        constant: the constant that it adds.
    """

    node: str
    constant: str


def added_bias(graph: Graph, layer: Layer) -> AddedBias | None:
    """The Add that alone reads a MatMul's output and adds a constant; None where there is none.

    Runtimes make the two one Gemm, whatever the number of dimensions.
    """
    readers = graph.consumers(layer.output)
    if layer.op_type != "MatMul" or len(readers) != 1 or layer.output in graph.outputs:
        return None
    node = readers[0]
    if node.op_type != "Add" or not is_onnx_domain(node.domain):
        return None
    others = [name for name in node.inputs if name != layer.output and graph.tensors[name].constant]
    return AddedBias(node.name, others[0]) if others else None


def is_byte(spec: QuantSpec) -> bool:
    """Whether codes of this width are stored in an 8-bit type."""
    return not spec.is_float and spec.is_affine and 5 <= spec.bits <= 8


def is_activation(graph: Graph, name: str) -> bool:
    """Whether a tensor is computed, or given, in floats that can be quantized.

    What an operator that shape inference does not know has computed is known to be float32 by the
    weights that it is multiplied with.
    """
    tensor = graph.tensors.get(name)
    if tensor is None or tensor.constant:
        return False
    if tensor.dtype:
        return tensor.dtype == "float32"
    return any(_multiplies_float32(graph, node, name) for node in graph.consumers(name))


def _multiplies_float32(graph: Graph, node: Node, name: str) -> bool:
    if node.op_type not in LAYERS or not is_onnx_domain(node.domain) or name not in node.inputs[:2]:
        return False
    others = (graph.tensors.get(other) for other in node.inputs[:2] if other != name)
    return any(other is not None and other.dtype == "float32" for other in others)


def stays_float(graph: Graph, layer: Layer) -> bool:
    """Whether a layer computes in a float type that has no quantizers here (float16)."""
    names = (layer.weight or "", layer.output, *layer.activations)
    known = (graph.tensors[name].dtype for name in names if name in graph.tensors)
    return any(dtype not in {"", "float32"} for dtype in known)


def data_inputs(graph: Graph, node: Node) -> tuple[str, ...]:
    """The inputs of a follower that carry activations (not shapes, indices or constants)."""
    if is_pass_through(node):
        slots: Iterable[int] = operators.data_inputs(node.op_type, len(node.inputs))
    else:
        slots = range(len(node.inputs))
    return tuple(node.inputs[i] for i in slots if is_activation(graph, node.inputs[i]))


def is_own_grid(graph: Graph, node: Node) -> bool:
    """Whether a node has an integer kernel that reads and writes grids.

    One with a constant operand has none worth its cost: the constant would need a grid as well.
    Inside a unit (a SiLU, say) nothing is put on a grid.
    """
    if not is_onnx_domain(node.domain) or node.op_type not in OWN_GRID:
        return False
    if graph.unit_of(node.name) is not None:
        return False
    return all(is_activation(graph, name) for name in node.inputs if name)


def is_pass_through(node: Node) -> bool:
    """Whether a node only moves values of its data inputs."""
    # A value that Pad fills in is an input: where it is there, it need not be on the grid.
    filled = node.op_type == "Pad" and bool(node.input(2))
    return passes_through(node.op_type, node.attributes, domain=node.domain) and not filled


def is_range_folded(node: Node) -> bool:
    """Whether a node is an activation that a grid's own ends can do."""
    return is_onnx_domain(node.domain) and node.op_type in RANGE_FOLDED
