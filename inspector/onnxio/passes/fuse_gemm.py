"""Make a matrix product and the bias added behind it one Gemm."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.inference import ValueType, infer_types
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import Constants

_NAME = "fuse_gemm"


def fuse_gemm(model: Model) -> tuple[Model, PassReport]:
    """Turn MatMul and Add of a constant bias into Gemm, where the product is of two matrices.

    onnxruntime does the same, but before it looks for quantizers, so that it would find a Gemm
    whose bias is not int32 and run it in float. A product of more dimensions is no Gemm.
    """
    operators = {node.op_type for node in model.proto.graph.node}
    if not {"MatMul", "Add"} <= operators:
        return model, PassReport(_NAME)
    draft = Draft(model)
    constants = Constants(draft)
    products = {n.output[0]: n for n in draft.graph.node if _is_product(n, draft, constants)}
    if not products:
        return model, PassReport(_NAME)
    types = infer_types(model).values
    gone: list[NodeProto] = []
    for node in draft.graph.node:
        product = _product_before(node, products, draft)
        if product is None or not _is_matrix(types.get(product.input[0])):
            continue
        slot = 0 if node.input[1] == product.output[0] else 1
        product.op_type = "Gemm"
        # Its one row says nothing more, and kernels want a vector.
        constants.put(node, slot, constants.get(node, slot).reshape(-1))
        product.input.append(node.input[slot])
        product.output[0] = node.output[0]
        gone.append(node)
    if not gone:
        return model, PassReport(_NAME)
    draft.remove_nodes(gone)
    draft.sweep()
    return draft.finish(), PassReport(_NAME, len(gone))


def _is_product(node: NodeProto, draft: Draft, constants: Constants) -> bool:
    return (
        node.op_type == "MatMul"
        and is_onnx_domain(node.domain)
        and constants.uses[node.output[0]] == 1
        and constants.has(node, 1)
        and len(draft.constant_shape(node.input[1])) == 2
    )


def _product_before(
    node: NodeProto, products: Mapping[str, NodeProto], draft: Draft
) -> NodeProto | None:
    """The product that an Add of one number per column reads; None for other nodes."""
    if node.op_type != "Add" or not is_onnx_domain(node.domain):
        return None
    slot = next((slot for slot in (0, 1) if node.input[slot] in products), None)
    if slot is None or not draft.is_constant(node.input[1 - slot]):
        return None
    product = products[node.input[slot]]
    columns = draft.constant_shape(product.input[1])[1]
    shape = draft.constant_shape(node.input[1 - slot])
    return product if shape in {(columns,), (1, columns)} else None


def _is_matrix(kind: ValueType | None) -> bool:
    if kind is None or kind[1] is None:
        return False
    return kind[0] in {"float32", "float16", "float64"} and len(kind[1]) == 2
