"""The whole way from a quantized model to its float model and grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inspector.errors import UnsupportedError
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.constants_to_initializers import constants_to_initializers
from inspector.onnxio.passes.name_nodes import name_nodes
from inspector.onnxio.unquantize.expand import expand
from inspector.onnxio.unquantize.fold import fold_pairs
from inspector.quant.pin import Pin

_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.ms.internal.nhwc"})
_NO_FORM = "integer operators that are not taken apart here"
_FORMATS = {
    "QDQ": "qdq",
    "QOperator": "qoperator",
    "dynamic": "dynamic",
    "MatMulNBits": "weight-only",
}


@dataclass(frozen=True, slots=True)
class Unquantized:
    """What a quantized model stands for.

    Attributes:
        model: the float model.
        constants: the grids of weights and biases, by the name of the float constant.
        fenced: names of the weights with a fence between their quantizer and the layer.
        reads: (tensor, reader, grid) of activations; the reader "" is the model's own output.
        dynamic: names of the layers whose activations are quantized when the model runs.
        kind: "QDQ", "QOperator", "dynamic" or "MatMulNBits".
        left: names of the quantizers and operators that stayed in the model, by the reason.
    """

    model: Model
    constants: dict[str, Pin]
    fenced: frozenset[str]
    reads: tuple[tuple[str, str, Pin], ...]
    dynamic: frozenset[str]
    kind: str
    left: Mapping[str, tuple[str, ...]]

    @property
    def format(self) -> str:
        """The format of a recipe that writes such a file."""
        return _FORMATS[self.kind]


def unquantize(model: Model) -> Unquantized:
    """Takes the quantizers out of a model.

    Raises:
        UnsupportedError: they are operators of a tool that ONNX does not define.
        ModelError: the graph is no graph.
    """
    _check_domains(model)
    named, _ = name_nodes(model)
    plain, _ = constants_to_initializers(named)
    expanded = expand(plain)
    folded = fold_pairs(expanded.model)
    return Unquantized(
        folded.model,
        folded.constants,
        folded.fenced,
        folded.reads,
        expanded.dynamic,
        expanded.kind,
        {**({_NO_FORM: expanded.left} if expanded.left else {}), **folded.left},
    )


def _check_domains(model: Model) -> None:
    """Refuses quantizers whose arithmetic is that of one tool alone."""
    foreign = {
        (node.domain, node.op_type)
        for node in model.proto.graph.node
        if node.domain not in _DOMAINS | {"trt"} and "Quant" in node.op_type
    }
    if not foreign:
        return
    domain, op_type = min(foreign)
    raise UnsupportedError(
        f"{model.path or 'The model'} is quantized with the operator {op_type} of the domain "
        f"'{domain}', which ONNX does not define.",
        "Export it with QuantizeLinear and DequantizeLinear (QDQ).",
    )
