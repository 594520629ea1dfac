"""Compute what depends on nothing but constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.graph.model import Dim
from inspector.graph.operators import (
    ELEMENTWISE,
    PASS_THROUGH,
    QUANTIZATION,
    REDUCTIONS,
    is_onnx_domain,
)
from inspector.onnxio.draft import Draft, subgraphs
from inspector.onnxio.inference import ValueType, infer_types
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.shape_values import gathered, sliced
from inspector.onnxio.tensors import dtype_name

_NAME = "fold_constants"
MAX_BYTES: Final = 1 << 24
"""Larger results are left to the runtime: they would only make the file grow."""
_MAX_ROUNDS = 8

FOLDED: Final = (
    ELEMENTWISE
    | PASS_THROUGH
    | (REDUCTIONS - {"Einsum", "Det", "CumProd"})
    | {"Erf", "Relu", "Sigmoid", "Softmax", "Tanh"}
    | {
        "ConstantOfShape", "EyeLike", "MatMul", "NonZero", "OneHot", "Range", "ScatterElements",
        "ScatterND", "Shape", "Size", "Trilu",
    }
) - {"MaxPool", "Dropout", "ReverseSequence", "Identity", "GatherElements"}  # fmt: skip
"""Operators that onnx's reference implementation computes as onnxruntime does."""

_BOUNDED_BY_INPUT: Final = frozenset({"NonZero"})
"""Operators whose output's shape depends on values, but is no more than a few times the input."""


def fold_constants(model: Model) -> tuple[Model, PassReport]:
    """Replace nodes whose inputs are all constants by their value.

    Also Shape and Size of a tensor of known shape, and Gather and Slice of the known part of a
    shape. Results of more than 16 MB, control flow, random operators and QuantizeLinear and
    DequantizeLinear stay. Values come from onnx's own reference implementation.
    """
    changed = 0
    left: tuple[str, ...] = ()
    for _ in range(_MAX_ROUNDS):
        if not _has_work(model):
            break
        model, count, left = _Fold(model).run()
        changed += count
        if not count:
            break
    return model, PassReport(_NAME, changed, left)


def _has_work(model: Model) -> bool:
    """Whether any node may be foldable, told without inferring shapes."""
    graph = model.proto.graph
    constants = {tensor.name for tensor in graph.initializer} | {""}
    return any(
        node.op_type in {"Shape", "Size"} or (constants.issuperset(node.input) and any(node.input))
        for node in graph.node
    )


class _Fold:
    """One round over a graph."""

    def __init__(self, model: Model) -> None:
        """Copy a model."""
        self._model = model
        self._draft = Draft(model)
        # onnxruntime takes a branch whose condition is constant apart before it checks shapes, and
        # then refuses models that it runs otherwise; it folds such a condition itself later on.
        self._conditions = {n.input[0] for n in model.proto.graph.node if n.op_type == "If"}
        self._opset = next(
            (o.version for o in model.proto.opset_import if is_onnx_domain(o.domain)), 0
        )
        self._types: Mapping[str, ValueType] = {}
        self._shapes: dict[str, tuple[Dim, ...]] = {}
        self._left: list[str] = []

    def run(self) -> tuple[Model, int, tuple[str, ...]]:
        """The folded model, how many nodes were folded, and what was left."""
        draft = self._draft
        # What a file says of inner tensors may be out of date (an edited batch size, say).
        self._types = infer_types(self._model, declared=False).values
        gone = [node for node in draft.graph.node if self._fold(node)]
        if not gone:
            return self._model, 0, tuple(self._left)
        draft.remove_nodes(gone)
        draft.sweep()
        return draft.finish(), len(gone), tuple(self._left)

    def _is_candidate(self, node: NodeProto) -> bool:
        names = [name for name in node.input if name]
        return bool(names) and all(self._draft.is_constant(name) for name in names)

    def _fold(self, node: NodeProto) -> bool:
        if not is_onnx_domain(node.domain) or not self._conditions.isdisjoint(node.output):
            return False
        known = self._from_shapes(node)
        if known is not None:
            self._draft.set_constant(node.output[0], known)
            return True
        if not self._is_candidate(node) or node.op_type in QUANTIZATION:
            return False
        reason = self._why_not(node)
        if not reason:
            try:
                values = _evaluate(node, self._inputs(node), self._opset)
            # The reference implementation raises whatever its numpy code raises; the node stays.
            except Exception as error:
                reason = f"{type(error).__name__} while it was computed"
            else:
                reason = self._set(node, values)
        if reason:
            self._left.append(f"{node.name}: {node.op_type} of constants stays: {reason}.")
        return not reason

    def _inputs(self, node: NodeProto) -> dict[str, NDArray[Any]]:
        return {name: self._draft.constant(name) for name in node.input if name}

    def _why_not(self, node: NodeProto) -> str:
        if node.op_type not in FOLDED or any(True for _ in subgraphs(node)):
            return "the operator is not folded"
        if any(self._draft.constant_type(n) == TensorProto.STRING for n in node.input if n):
            return "it works on strings"
        total = 0
        for name in filter(None, node.output):
            dtype, shape = self._types.get(name, ("", None))
            if node.op_type in _BOUNDED_BY_INPUT:
                shape = (2, *self._draft.constant_shape(node.input[0]))
            sizes = [dim for dim in shape or () if isinstance(dim, int)]
            if shape is None or len(sizes) < len(shape) or dtype in {"", "string"}:
                return "the size of its result is not known"
            total += int(np.prod(sizes, dtype=np.float64)) * 8
        return "" if total <= 2 * MAX_BYTES else "its result is too large"

    def _set(self, node: NodeProto, values: Sequence[Any]) -> str:
        arrays = [np.asarray(value) for value in values]
        outputs = [(name, array) for name, array in zip(node.output, arrays, strict=False) if name]
        for name, array in outputs:
            if array.nbytes > MAX_BYTES:
                return "its result is too large"
            elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
            if dtype_name(elem_type) != self._types[name][0]:
                return "its result has an unexpected type"
        for name, array in outputs:
            self._draft.set_constant(name, array)
        return ""

    def _from_shapes(self, node: NodeProto) -> NDArray[np.int64] | None:
        """The value of a node that asks only for known dimensions."""
        if node.op_type not in {"Shape", "Size", "Gather", "Slice"}:
            return None
        source, output = node.input[0], node.output[0]
        if node.op_type in {"Shape", "Size"}:
            shape = self._types.get(source, ("", None))[1]
            if shape is None:
                return None
            if node.op_type == "Size":
                sizes = [dim for dim in shape if isinstance(dim, int)]
                full = len(sizes) == len(shape)
                return np.array(np.prod(sizes, dtype=np.int64)) if full else None
            bounds = {item.name: item.i for item in node.attribute}
            shape = shape[slice(bounds.get("start"), bounds.get("end"))]
            self._shapes[output] = shape
            return _as_array(np.array(shape, dtype=object))
        if source not in self._shapes:
            return None
        dims = np.array(self._shapes[source], dtype=object)
        picked = gathered(node, dims, self.constants) if node.op_type == "Gather" else None
        picked = sliced(node, dims, self.constants) if node.op_type == "Slice" else picked
        return None if picked is None else _as_array(picked)

    def constants(self, names: Sequence[str]) -> list[NDArray[Any]] | None:
        """The values of tensors, if all are constants."""
        if not all(self._draft.is_constant(name) for name in names):
            return None
        return [self._draft.constant(name) for name in names]


def _as_array(dims: NDArray[Any]) -> NDArray[np.int64] | None:
    if all(isinstance(dim, int) for dim in dims.reshape(-1)):
        return dims.astype(np.int64)
    return None


def _evaluate(node: NodeProto, inputs: Mapping[str, NDArray[Any]], opset: int) -> Sequence[Any]:
    """Run one node in onnx's reference implementation.

    float16 is computed in float32 and rounded at the end, as onnxruntime's CPU provider does.
    """
    half = any(array.dtype == np.float16 for array in inputs.values())
    if half and node.op_type not in {"Cast", "CastLike"}:
        wide = {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in inputs.items()
        }
        results = (np.asarray(value) for value in _evaluate(node, wide, opset))
        return [r.astype(np.float16) if r.dtype == np.float32 else r for r in results]
    # Loading the implementation takes a third of a second, which most models never need.
    from onnx.reference import ReferenceEvaluator

    values = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in inputs.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "constant", values, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    evaluator = ReferenceEvaluator(model)
    with np.errstate(all="ignore"):
        return list(evaluator.run(None, dict(inputs)))
