"""Which kernels really run the operators of a model, once the runtime has rewritten its graph.

Both graphs are needed: the model's own, and the one that onnxruntime says it runs. It keeps the
names of operators, or adds something known to them; what is found under none of these names has
become a part of another operator.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from inspector.graph.model import Graph, Node
from inspector.graph.operators import LAYERS
from inspector.graph.quantized import Quantized

INTEGER = frozenset({
    "ConvInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger",
    "MatMulInteger16", "MatMulIntegerToFloat", "QAttention", "QGemm", "QLinearConv",
    "QLinearMatMul", "QOrderedMatMul", "QuantizeConv",
})  # fmt: skip
"""Operators of layers whose products are sums of integers."""
PACKED = frozenset({"MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"})
"""Operators that unpack their weights as they go."""
FLOAT = frozenset({
    "Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul",
    "NhwcFusedConv", "TransposeMatMul", "FusedMatMulActivation", "GemmFastGelu",
})  # fmt: skip
_CONVERTING = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
_AGAIN = re.compile(r"_token_[0-9]+$")
_BLOCKED = "_nchwc"
_FOLLOWED = 4
"""Operators behind a layer that may have become a part of it."""

How = Literal["integer", "packed", "float", "part"]


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """How a model is run.

    Attributes:
        operators: operator -> how many nodes of it run, the most frequent first.
        layers: layer of the model -> the operator that runs it; "" where it has become a part of
            another.
        quantized: layers that the file stores on integers.
    """

    operators: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    layers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    quantized: frozenset[str] = frozenset()

    def how(self, layer: str) -> How:
        """How a layer is computed."""
        operator = self.layers[layer]
        if not operator:
            return "part"
        if operator in INTEGER:
            return "integer"
        return "packed" if operator in PACKED else "float"

    def in_integers(self) -> tuple[str, ...]:
        """Layers that run on integers, or unpack them as they go."""
        return tuple(name for name in self.layers if self.how(name) in ("integer", "packed"))

    def not_fused(self) -> tuple[str, ...]:
        """Layers that the file stores on integers and that are computed in float all the same."""
        return tuple(
            name for name in self.layers if name in self.quantized and self.how(name) == "float"
        )

    def conversions(self) -> int:
        """How many nodes do nothing but change between floats and integers."""
        return sum(self.operators.get(name, 0) for name in _CONVERTING)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "operators": dict(self.operators),
            "layers": dict(self.layers),
            "in_integers": list(self.in_integers()),
            "not_fused": list(self.not_fused()),
            "conversions": self.conversions(),
        }


def find_kernels(graph: Graph, quantized: Quantized, run: Iterable[Node]) -> Kernels:
    """What runs the layers of a model.

    Args:
        graph: the model's own.
        quantized: what its quantizers say.
        run: the nodes that the runtime has after all its rewriting.

    Cost: linear in the number of nodes.
    """
    nodes = tuple(run)
    named = {_AGAIN.sub("", node.name): node.op_type for node in nodes if node.name}
    written = {name: node.op_type for node in nodes for name in node.outputs if name}
    layers: dict[str, str] = {}
    for node in graph.nodes:
        title = quantized.title.get(node.name, node.op_type)
        if title in LAYERS and node.name not in quantized.hidden:
            found = (named.get(node.name), *_behind(graph, node, named, written))
            layers[node.name] = next((op for op in found if op in _ALL), "")
    counts = Counter(node.op_type for node in nodes)
    marked = frozenset((*quantized.weights, *quantized.activations))
    return Kernels(
        MappingProxyType(dict(counts.most_common())),
        MappingProxyType(layers),
        marked & frozenset(layers),
    )


_ALL = INTEGER | PACKED | FLOAT


def _behind(
    graph: Graph, node: Node, named: Mapping[str, str], written: Mapping[str, str]
) -> Iterator[str | None]:
    """What writes the layer's output, or that of an operator which alone reads it."""
    for _ in range(_FOLLOWED):
        for output in node.outputs:
            yield named.get(f"{output}{_BLOCKED}")
            yield written.get(output)
        readers = graph.tensors[node.outputs[0]].consumers if node.outputs[0] else ()
        if len(readers) != 1:
            return
        node = graph.node(readers[0])
        if not node.outputs or not node.outputs[0]:
            return
        yield named.get(node.name)
