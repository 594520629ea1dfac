"""The QOperator format: operators that read and write integers.

It is made of the QDQ model of the same plan, so both do the same: an operator between quantizers
becomes the one that computes with the codes (ONNX operator specification, QLinearConv and
QLinearMatMul; onnxruntime contrib operators, QGemm and the others). What has none stays as it is,
in float between QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.byte_kernels import has_byte_kernel
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.writers.pairs import CONTRIB

_BYTES = (TensorProto.INT8, TensorProto.UINT8)

MOVING = frozenset(
    {
        "Concat", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Split",
        "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that move codes as they move values, and for which onnxruntime has byte kernels."""

_FUNCTIONS = frozenset({"LeakyRelu", "Sigmoid"})


@dataclass(frozen=True, slots=True)
class _Codes:
    """A tensor of codes and the numbers of its grid, all by name.

    Attributes:
        codes: the integers.
        scale: a constant.
        zero: a constant; its type is that of the codes.
        elem_type: ONNX element type of the codes.
        node: the quantizer.
    """

    codes: str
    scale: str
    zero: str
    elem_type: int
    node: NodeProto

    @property
    def operands(self) -> list[str]:
        """As most operators want them."""
        return [self.codes, self.scale, self.zero]


def to_qoperator(model: Model) -> Model:
    """Puts operators on integers in the place of floats between quantizers.

    Args:
        model: as `qdq.write_qdq` gave it.

    Cost: linear in the number of nodes; no weight is read.
    """
    return _Rewriter(model).run()


class _Rewriter:
    def __init__(self, model: Model) -> None:
        self._draft = Draft(model)
        self._nodes = list(self._draft.graph.node)
        self._producers = {name: node for node in self._nodes for name in node.output}
        self._uses = self._draft.uses()
        self._readers = self._draft.consumers()
        self._gone: set[int] = set()
        self._made: list[NodeProto] = []
        kernels: dict[str, Callable[[NodeProto], bool]] = {
            "Conv": self._conv,
            "MatMul": self._matmul,
            "Gemm": self._gemm,
            "Add": self._sum,
            "Mul": self._sum,
            "AveragePool": self._pool,
            "GlobalAveragePool": self._pool,
            "Softmax": self._softmax,
        }
        self._kernels: Mapping[str, Callable[[NodeProto], bool]] = {
            **dict.fromkeys(MOVING, self._move),
            **dict.fromkeys(_FUNCTIONS, self._function),
            **kernels,
        }

    def run(self) -> Model:
        for node in self._nodes:
            if id(node) in self._gone:
                continue
            kernel = self._kernels.get(node.op_type) if is_onnx_domain(node.domain) else None
            if kernel is None or not kernel(node):
                self._made.append(node)
        made = [NodeProto.FromString(node.SerializeToString()) for node in self._made]
        del self._draft.graph.node[:]
        self._draft.graph.node.extend(made)
        self._draft.sweep()
        imports = self._draft.proto.opset_import
        if all(known.domain != CONTRIB for known in imports):
            imports.append(helper.make_opsetid(CONTRIB, 1))
        return self._draft.finish()

    # What is around a node --------------------------------------------------------------------

    def _read(self, name: str, types: Sequence[int] = _BYTES) -> _Codes | None:
        """The codes that a tensor of floats was made of; None where it was not."""
        node = self._producers.get(name)
        if node is None or node.op_type != "DequantizeLinear" or len(node.input) < 3:
            return None
        return self._codes_of(node, node.input[0], types)

    def _written(self, name: str) -> _Codes | None:
        """The codes that alone are made of a tensor of floats; None where others read it."""
        readers = self._readers.get(name, [])
        if self._uses[name] != 1 or len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
            return None
        return self._codes_of(readers[0], readers[0].output[0], _BYTES)

    def _codes_of(self, node: NodeProto, codes: str, types: Sequence[int]) -> _Codes | None:
        scale, zero = node.input[1], node.input[2]
        if any(a.name == "block_size" and a.i for a in node.attribute):
            return None
        if not self._draft.is_constant(zero) or self._draft.constant_type(zero) not in types:
            return None
        return _Codes(codes, scale, zero, self._draft.constant_type(zero), node)

    def _bias(self, node: NodeProto) -> str | None:
        """The int32 codes of a bias, "" where there is none, None where it is another kind."""
        if len(node.input) < 3 or not node.input[2]:
            return ""
        found = self._read(node.input[2], (TensorProto.INT32,))
        return None if found is None else found.codes

    def _same_grid(self, a: _Codes, b: _Codes) -> bool:
        pairs = ((a.scale, b.scale), (a.zero, b.zero))
        return a.elem_type == b.elem_type and all(
            np.array_equal(self._draft.constant(x), self._draft.constant(y)) for x, y in pairs
        )

    # Kernels: each says whether it took the node's place --------------------------------------

    def _conv(self, node: NodeProto) -> bool:
        source, weight, bias = (
            self._read(node.input[0]),
            self._read(node.input[1]),
            self._bias(node),
        )
        written = self._written(node.output[0])
        if source is None or weight is None or bias is None or written is None:
            return False
        if not _fit(source, weight) or written.elem_type != source.elem_type:
            return False
        inputs = [*source.operands, *weight.operands, written.scale, written.zero]
        self._put("QLinearConv", [*inputs, *([bias] if bias else [])], written, node, domain="")
        return True

    def _matmul(self, node: NodeProto) -> bool:
        left, right = self._read(node.input[0]), self._read(node.input[1])
        if left is None or right is None or not _fit(left, right):
            return False
        written = self._written(node.output[0])
        if written is not None:
            if written.elem_type != left.elem_type:
                return False
            inputs = [*left.operands, *right.operands, written.scale, written.zero]
            self._put("QLinearMatMul", inputs, written, node, domain="")
            return True
        sums, floats, unit = (
            self._draft.unique_name(f"{node.name}/{part}") for part in ("sums", "floats", "unit")
        )
        scales = (self._draft.constant(operand.scale) for operand in (left, right))
        self._draft.set_constant(unit, np.asarray(np.multiply(*scales), np.float32))
        operands = [left.codes, right.codes, left.zero, right.zero]
        self._made += [
            helper.make_node("MatMulInteger", operands, [sums], node.name),
            helper.make_node("Cast", [sums], [floats], floats, to=TensorProto.FLOAT),
            helper.make_node("Mul", [floats, unit], [node.output[0]], unit),
        ]
        return True

    def _gemm(self, node: NodeProto) -> bool:
        source, weight, bias = (
            self._read(node.input[0]),
            self._read(node.input[1]),
            self._bias(node),
        )
        if source is None or weight is None or bias is None or not _fit(source, weight):
            return False
        written = self._written(node.output[0])
        if written is not None and written.elem_type != source.elem_type:
            return False
        if any(a.name in {"alpha", "beta"} and a.f != 1.0 for a in node.attribute):
            return False
        inputs = [*source.operands, *weight.operands, bias]
        turned = {a.name: a.i for a in node.attribute if a.name in {"transA", "transB"}}
        if written is not None:
            inputs += [written.scale, written.zero]
        elif not bias:
            inputs.pop()
        output = node.output[0] if written is None else written.codes
        made = helper.make_node("QGemm", inputs, [output], node.name, domain=CONTRIB, **turned)
        self._made.append(made)
        if written is not None:
            self._gone.add(id(written.node))
        return True

    def _sum(self, node: NodeProto) -> bool:
        first, second = self._read(node.input[0]), self._read(node.input[1])
        written = self._written(node.output[0])
        if first is None or second is None or written is None:
            return False
        if len({first.elem_type, second.elem_type, written.elem_type}) != 1:
            return False
        inputs = [*first.operands, *second.operands, written.scale, written.zero]
        self._put(f"QLinear{node.op_type}", inputs, written, node, domain=CONTRIB)
        return True

    def _pool(self, node: NodeProto) -> bool:
        if not has_byte_kernel(node.op_type, {a.name: a for a in node.attribute}):
            return False
        return self._function(node, channels_last=0)

    def _softmax(self, node: NodeProto) -> bool:
        """The axis is said, and how it was counted in the opset of the model."""
        opset = max(o.version for o in self._draft.proto.opset_import if is_onnx_domain(o.domain))
        axis = next((a.i for a in node.attribute if a.name == "axis"), -1 if opset >= 13 else 1)
        kept = [a for a in node.attribute if a.name != "axis"]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("axis", axis)])
        return self._function(node, opset=opset)

    def _function(self, node: NodeProto, **more: int) -> bool:
        source, written = self._read(node.input[0]), self._written(node.output[0])
        if source is None or written is None or source.elem_type != written.elem_type:
            return False
        inputs = [*source.operands, written.scale, written.zero]
        self._put(f"QLinear{node.op_type}", inputs, written, node, domain=CONTRIB, **more)
        return True

    def _move(self, node: NodeProto) -> bool:
        """Codes are moved as values are where every grid is the same; or they are joined anew."""
        count = len(node.input) if node.op_type == "Concat" else 1
        found = [self._read(name) for name in node.input[:count]]
        ends = [self._written(name) for name in node.output]
        reads = [one for one in found if one is not None]
        writes = [one for one in ends if one is not None]
        if len(reads) != count or len(writes) != len(node.output):
            return False
        if not all(self._same_grid(reads[0], other) for other in (*reads[1:], *writes)):
            return node.op_type == "Concat" and self._join(node, reads, writes[0])
        copy = NodeProto()
        copy.CopyFrom(node)
        for slot, read in enumerate(reads):
            copy.input[slot] = read.codes
        for slot, written in enumerate(writes):
            copy.output[slot] = written.codes
            self._gone.add(id(written.node))
        self._made.append(copy)
        return True

    def _join(self, node: NodeProto, reads: Sequence[_Codes], written: _Codes) -> bool:
        if len({one.elem_type for one in (*reads, written)}) != 1:
            return False
        inputs = [written.scale, written.zero, *(name for one in reads for name in one.operands)]
        self._put("QLinearConcat", inputs, written, node, domain=CONTRIB)
        return True

    def _put(
        self,
        op: str,
        inputs: list[str],
        written: _Codes,
        node: NodeProto,
        *,
        domain: str,
        **more: Any,
    ) -> None:
        """A node that writes what a quantizer wrote, with the attributes of the float operator."""
        made = helper.make_node(op, inputs, [written.codes], node.name, domain=domain, **more)
        made.attribute.extend(node.attribute)
        self._made.append(made)
        self._gone.add(id(written.node))


def _fit(left: _Codes, right: _Codes) -> bool:
    """Whether onnxruntime multiplies codes of these types: signed by unsigned it does not."""
    return left.elem_type == TensorProto.UINT8 or right.elem_type == TensorProto.INT8
