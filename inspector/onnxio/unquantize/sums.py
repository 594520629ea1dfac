"""ConvInteger and MatMulInteger of activations that are quantized when the model runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from inspector.graph.integer_chains import Chain, find_chains
from inspector.onnxio.draft import Draft
from inspector.onnxio.extract import extract_structure
from inspector.onnxio.loading import Model
from inspector.onnxio.unquantize.grids import DTYPES


def expand_sums(draft: Draft, model: Model) -> set[str]:
    """Puts float operators in the place of integer ones with the nodes that scale their sums.

    Args:
        draft: changed.
        model: what it is a draft of.

    Returns:
        The names of the float operators.
    """
    nodes = {node.name: node for node in draft.graph.node}
    producers = {name: node for node in draft.graph.node for name in node.output if name}
    made: dict[str, list[NodeProto]] = {}
    gone: set[str] = set()
    found: set[str] = set()
    for chain in find_chains(extract_structure(model)):
        written = _float_nodes(draft, chain, nodes, producers)
        if written:
            made[chain.nodes[-1].name] = written
            gone |= {chain.operator.name, *(node.name for node in chain.nodes)}
            found.add(written[-1].name)
    if not found:
        return found
    kept: list[NodeProto] = []
    for node in draft.graph.node:
        kept += made.get(node.name, [])
        if node.name not in gone:
            kept.append(node)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in kept]
    del draft.graph.node[:]
    draft.graph.node.extend(copies)
    return found


def _float_nodes(
    draft: Draft, chain: Chain, nodes: dict[str, NodeProto], producers: dict[str, NodeProto]
) -> list[NodeProto]:
    """The dequantized weight and the operator; nothing where it is another kind of chain."""
    operator = nodes[chain.operator.name]
    dynamic = [
        (slot, producers[name])
        for slot, name in enumerate(operator.input[:2])
        if name in producers and producers[name].op_type == "DynamicQuantizeLinear"
    ]
    # The two scales are multiplied first: other orders round in other ways.
    products = [node for node in chain.aside if node.op_type == "Mul"]
    if len(dynamic) != 1 or len(products) != 1:
        return []
    (slot, quantizer), weight_slot = dynamic[0], 1 - dynamic[0][0]
    codes, scale = operator.input[weight_slot], chain.scales.get(weight_slot, "")
    if not draft.is_constant(codes) or not draft.is_constant(scale):
        return []
    own_zero = operator.input[slot + 2] if len(operator.input) > slot + 2 else ""
    if draft.constant_type(codes) not in DTYPES or own_zero != quantizer.output[2]:
        return []
    is_conv = operator.op_type == "ConvInteger"
    rank = len(draft.constant_shape(codes))
    axis = 0 if is_conv else rank - 1
    numbers = draft.constant(scale)
    if numbers.size > 1 and (weight_slot == 0 or numbers.size != draft.constant_shape(codes)[axis]):
        return []
    zero = operator.input[weight_slot + 2] if len(operator.input) > weight_slot + 2 else ""
    if zero and not draft.is_constant(zero):
        return []
    if zero and draft.constant(zero).size not in {1, numbers.size}:
        return []
    grid = _grid(draft, codes, numbers, zero)
    real = draft.unique_name(codes.removesuffix("_quantized"))
    restore = helper.make_node(
        "DequantizeLinear", [codes, *grid], [real], f"{real}_DequantizeLinear", axis=axis
    )
    inputs = [quantizer.input[0], real] if slot == 0 else [real, quantizer.input[0]]
    if chain.bias:
        bias = draft.constant(chain.bias).reshape(-1)
        inputs.append(draft.unique_name(f"{chain.bias}_float"))
        draft.set_constant(inputs[-1], bias)
    op = "Conv" if is_conv else "MatMul"
    made = helper.make_node(op, inputs, list(nodes[chain.nodes[-1].name].output), operator.name)
    made.attribute.extend(operator.attribute)
    return [restore, made]


def _grid(draft: Draft, codes: str, scale: NDArray[Any], zero: str) -> list[str]:
    """Names of the scales and zero points, as DequantizeLinear wants them."""
    names = [draft.unique_name(f"{codes}_{part}") for part in ("scale_of", "zero_of")]
    scale = scale.reshape(-1) if scale.size > 1 else scale.reshape(())
    draft.set_constant(names[0], np.asarray(scale, np.float32))
    kind = draft.constant_type(codes)
    zeros = draft.constant(zero) if zero else np.zeros(1, helper.tensor_dtype_to_np_dtype(kind))
    if zeros.size != scale.size:
        zeros = np.repeat(zeros.reshape(-1)[:1], scale.size)
    draft.set_constant(names[1], zeros.reshape(scale.shape), kind)
    return names
