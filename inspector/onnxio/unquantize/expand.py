"""Operators that compute with codes, written as float operators between quantizers.

The inverse of `inspector.onnxio.writers.qoperator`, `dynamic` and `matmul_nbits`: what those would
not write again stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.byte_kernels import has_byte_kernel
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.unquantize.grids import is_linear, number
from inspector.onnxio.unquantize.packed import expand_packed
from inspector.onnxio.unquantize.sums import expand_sums
from inspector.onnxio.writers.pairs import CONTRIB
from inspector.onnxio.writers.qoperator import MOVING

_MARKS = (
    "QLinear", "QGemm", "MatMulInteger", "ConvInteger", "MatMulNBits", "TRT_", "QAttention",
    "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "GatherBlockQuantized",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expanded:
    """A model whose integer operators are float operators between quantizers.

    Attributes:
        model: the model.
        dynamic: names of the operators whose input is quantized when the model runs.
        kind: what it was: "QDQ", "QOperator", "dynamic" or "MatMulNBits".
        left: names of the integer operators that stayed.
    """

    model: Model
    dynamic: frozenset[str]
    kind: str
    left: tuple[str, ...]


def expand(model: Model) -> Expanded:
    """Puts float operators between quantizers in the place of operators on codes.

    Args:
        model: with named nodes in topological order, its constants as initializers.

    Cost: linear in the number of nodes; weights are read when they are used.
    """
    if not any(node.op_type.startswith(_MARKS) for node in model.proto.graph.node):
        return Expanded(model, frozenset(), "QDQ", ())
    draft = Draft(model)
    dynamic = expand_sums(draft, model)
    packed = expand_packed(draft)
    writer = _Writer(draft)
    writer.run()
    kinds = {
        "QOperator": bool(writer.done),
        "dynamic": bool(dynamic),
        "MatMulNBits": bool(packed),
    }
    kind = next((name for name, found in kinds.items() if found), "QDQ")
    left = [node.name for node in draft.graph.node if node.op_type.startswith(_MARKS)]
    draft.sweep()
    return Expanded(draft.finish(), frozenset(dynamic), kind, tuple(left))


class _Writer:
    """Goes through the nodes once, in order."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._nodes: list[NodeProto] = []
        self._reals: dict[tuple[str, str, str], str] = {}  # codes, scale, zero -> real numbers
        self._grids: dict[str, tuple[str, str]] = {}  # codes -> scale, zero point
        self._again: dict[str, str] = {}  # real numbers -> codes made of them
        self.done = 0
        kernels: dict[str, Callable[[NodeProto], bool]] = {
            "QLinearConv": self._conv,
            "QLinearMatMul": self._matmul,
            "QGemm": self._gemm,
            "QLinearConcat": self._concat,
            "QLinearSoftmax": self._softmax,
            "QLinearAveragePool": self._pool,
            "QLinearGlobalAveragePool": self._pool,
            **dict.fromkeys(("QLinearAdd", "QLinearMul"), self._sum),
            **dict.fromkeys(("QLinearSigmoid", "QLinearLeakyRelu"), self._function),
            **dict.fromkeys(MOVING, self._move),
        }
        self._kernels: Mapping[str, Callable[[NodeProto], bool]] = kernels

    def run(self) -> None:
        for node in list(self._draft.graph.node):
            self._name_tensorrt(node)
            kernel = self._kernels.get(node.op_type) if _is_known(node) else None
            if kernel is None or not kernel(node):
                self._nodes.append(node)
            elif node.op_type not in MOVING:
                self.done += 1
            if is_linear(node, "QuantizeLinear") and len(node.input) > 2:
                self._grids[node.output[0]] = (node.input[1], node.input[2])
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        del self._draft.graph.node[:]
        self._draft.graph.node.extend(nodes)

    def _name_tensorrt(self, node: NodeProto) -> None:
        """Writes TensorRT's own quantizers as those of ONNX (ModelOpt, its exports before both)."""
        if node.domain != "trt" or not node.op_type.startswith("TRT_"):
            return
        node.op_type = node.op_type.removeprefix("TRT_FP8").removeprefix("TRT_INT4")
        node.domain = ""
        if node.op_type == "QuantizeLinear" and len(node.input) == 2:
            zero = self._draft.unique_name(f"{node.input[1]}_zero_point")
            kind = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E4M3FN)
            self._draft.set_constant(zero, np.zeros((), kind), TensorProto.FLOAT8E4M3FN)
            node.input.append(zero)

    # Quantizers -------------------------------------------------------------------------------

    def _real(self, codes: str, scale: str, zero: str, axis: int | None = None) -> str:
        key = (codes, scale, zero)
        if key not in self._reals:
            stem = codes.removesuffix("_quantized")
            real = self._draft.unique_name(stem if stem != codes else f"{codes}_real")
            inputs = [codes, scale, zero] if zero else [codes, scale]
            name = f"{real}_DequantizeLinear"
            made = helper.make_node("DequantizeLinear", inputs, [real], name)
            if axis is not None:
                made.attribute.append(helper.make_attribute("axis", axis))
            self._nodes.append(made)
            self._reals[key] = real
        return self._reals[key]

    def _operands(self, node: NodeProto, start: int, axis: int | None = None) -> str | None:
        """The real numbers of an operand that is codes, scale and zero point; None where odd."""
        codes, scale = node.input[start], node.input[start + 1]
        zero = node.input[start + 2] if len(node.input) > start + 2 else ""
        if not all(self._draft.is_constant(name) for name in (scale, zero) if name):
            return None
        if self._draft.constant(scale).size == 1:
            axis = None
        elif axis is None or not self._draft.is_constant(codes):
            return None
        if not self._draft.is_constant(codes) and codes not in self._grids:
            codes = self._anew(codes, scale, zero)
        return self._real(codes, scale, zero, axis)

    def _anew(self, codes: str, scale: str, zero: str) -> str:
        """Codes that no quantizer writes, given as floats and put on their grid again.

        That changes none, and lets what reads them be a layer like any other.
        """
        real = self._real(codes, scale, zero)
        if real not in self._again:
            same, made = (self._draft.unique_name(f"{real}_{part}") for part in ("same", "codes"))
            self._nodes.append(helper.make_node("Identity", [real], [same], same))
            self._quantize(same, made, (scale, zero))
            self._again[real] = made
        return self._again[real]

    def _put(
        self,
        node: NodeProto,
        op: str,
        inputs: list[str],
        grid: tuple[str, str] | None,
        without: tuple[str, ...] = (),
    ) -> bool:
        """The float operator, and the quantizer behind it that writes what the node wrote."""
        codes = node.output[0]
        made = helper.make_node(op, inputs, [codes], node.name)
        made.attribute.extend(one for one in node.attribute if one.name not in without)
        self._nodes.append(made)
        if grid is None:
            return True
        stem = codes.removesuffix("_quantized")
        made.output[0] = self._draft.unique_name(stem if stem != codes else f"{codes}_float")
        self._quantize(made.output[0], codes, grid)
        return True

    def _quantize(self, real: str, codes: str, grid: tuple[str, str]) -> None:
        self._nodes.append(
            helper.make_node("QuantizeLinear", [real, *grid], [codes], f"{codes}_QuantizeLinear")
        )
        self._grids[codes] = grid

    def _output_grid(self, node: NodeProto, at: int) -> tuple[str, str] | None:
        if len(node.input) < at + 2 or not node.input[at] or not node.input[at + 1]:
            return None
        names = (node.input[at], node.input[at + 1])
        return names if all(self._draft.is_constant(name) for name in names) else None

    def _bias(self, node: NodeProto, slot: int, scales: tuple[str, str]) -> str | None:
        """The real numbers of an int32 bias, whose steps are the product of two scales."""
        codes = node.input[slot] if slot < len(node.input) else ""
        if not codes:
            return ""
        if not self._draft.is_constant(codes):
            return None
        product = np.multiply(*(self._draft.constant(name) for name in scales)).reshape(-1)
        scale = self._draft.unique_name(f"{codes}_scale")
        product = product.reshape(()) if product.size == 1 else product
        self._draft.set_constant(scale, np.asarray(product, np.float32))
        return self._real(codes, scale, "", None if not product.ndim else 0)

    # Operators: each says whether it took the node's place ------------------------------------

    def _conv(self, node: NodeProto) -> bool:
        grid = self._output_grid(node, 6)
        source, weight = self._operands(node, 0), self._operands(node, 3, 0)
        if grid is None or source is None or weight is None or number(node, "channels_last", 0):
            return False
        bias = self._bias(node, 8, (node.input[1], node.input[4]))
        if bias is None:
            return False
        return self._put(node, "Conv", [source, weight, *([bias] if bias else [])], grid)

    def _matmul(self, node: NodeProto) -> bool:
        grid = self._output_grid(node, 6)
        rank = 2
        if self._draft.is_constant(node.input[3]):
            rank = len(self._draft.constant_shape(node.input[3]))
        left, right = self._operands(node, 0), self._operands(node, 3, rank - 1)
        if grid is None or left is None or right is None:
            return False
        return self._put(node, "MatMul", [left, right], grid)

    def _gemm(self, node: NodeProto) -> bool:
        alpha = next((one.f for one in node.attribute if one.name == "alpha"), 1.0)
        source = self._operands(node, 0)
        weight = self._operands(node, 3, 0 if number(node, "transB", 0) else 1)
        grid = self._output_grid(node, 7)
        odd = len(node.input) > 7 and node.input[7] and grid is None
        if source is None or weight is None or alpha != 1.0 or odd:
            return False
        bias = self._bias(node, 6, (node.input[1], node.input[4]))
        if bias is None:
            return False
        return self._put(node, "Gemm", [source, weight, *([bias] if bias else [])], grid)

    def _sum(self, node: NodeProto) -> bool:
        grid = self._output_grid(node, 6)
        left, right = self._operands(node, 0), self._operands(node, 3)
        if grid is None or left is None or right is None:
            return False
        return self._put(node, node.op_type.removeprefix("QLinear"), [left, right], grid)

    def _function(self, node: NodeProto, without: tuple[str, ...] = ()) -> bool:
        grid, source = self._output_grid(node, 3), self._operands(node, 0)
        if grid is None or source is None:
            return False
        return self._put(node, node.op_type.removeprefix("QLinear"), [source], grid, without)

    def _pool(self, node: NodeProto) -> bool:
        known = {one.name: one for one in node.attribute if one.name != "channels_last"}
        plain = has_byte_kernel(node.op_type.removeprefix("QLinear"), known)
        if number(node, "channels_last", 0) or not plain:
            return False
        return self._function(node, ("channels_last",))

    def _softmax(self, node: NodeProto) -> bool:
        """Softmax counts its axis in another way before opset 13."""
        imports = self._draft.proto.opset_import
        own = max((one.version for one in imports if is_onnx_domain(one.domain)), default=0)
        if (number(node, "opset", own) >= 13) != (own >= 13):
            return False
        return self._function(node, ("opset",))

    def _concat(self, node: NodeProto) -> bool:
        grid = self._output_grid(node, 0)
        found = [self._operands(node, at) for at in range(2, len(node.input), 3)]
        inputs = [name for name in found if name is not None]
        if grid is None or len(inputs) != len(found):
            return False
        return self._put(node, "Concat", inputs, grid)

    def _move(self, node: NodeProto) -> bool:
        """Codes that are moved stand for values that are moved; all on one grid."""
        count = len(node.input) if node.op_type == "Concat" else 1
        grids = [self._grids.get(name) for name in node.input[:count]]
        outputs = [name for name in node.output if name]
        known = [grid for grid in grids if grid is not None]
        if not known or len(known) != count or len(set(known)) != 1:
            return False
        if any(name in {one.name for one in self._draft.graph.output} for name in outputs):
            return False
        for slot in range(count):
            node.input[slot] = self._real(node.input[slot], *known[0])
        self._nodes.append(node)
        for slot, codes in enumerate(node.output):
            if codes:
                stem = codes.removesuffix("_quantized")
                node.output[slot] = self._draft.unique_name(
                    stem if stem != codes else f"{codes}_float"
                )
                self._quantize(node.output[slot], codes, known[0])
        return True


def _is_known(node: NodeProto) -> bool:
    return is_onnx_domain(node.domain) or node.domain == CONTRIB
