"""Two models that are to be compared: what is known of each, and what of one is in the other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError
from inspector.evaluate.joint import Joint, Known, join
from inspector.graph.model import Graph, Node
from inspector.graph.operators import LAYERS
from inspector.graph.partners import Partners, match
from inspector.graph.quantized import Quantized, find_quantized
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.opset import opset_of

FLOAT = "float"


@dataclass(frozen=True, slots=True, eq=False)
class ModelPair:
    """Two models, matched.

    Attributes:
        first: the reference.
        second: the other model.
        partners: what of one is in the other.
        joint: how samples go to both; None where they cannot be run on the same ones.
        obstacle: why not.
    """

    first: Known
    second: Known
    partners: Partners
    joint: Joint | None
    obstacle: InspectorError | None = None

    def require_joint(self) -> Joint:
        """How samples go to both; raises what stands against it."""
        if self.joint is None:
            assert self.obstacle is not None
            raise self.obstacle
        return self.joint


@dataclass(frozen=True, slots=True)
class Stock:
    """What a model is made of, as far as its file tells.

    Attributes:
        opset: of the operators of ONNX; 0 where there is none.
        nodes: how many there are.
        weights: (dtype, bytes) of its constants, the largest first.
        specs: (how weights and activations are stored, layers), the most frequent first.
    """

    opset: int
    nodes: int
    weights: tuple[tuple[str, int], ...]
    specs: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "opset": self.opset,
            "nodes": self.nodes,
            "constant_bytes": dict(self.weights),
            "layer_types": dict(self.specs),
        }


def open_pair(first: Path | Known, second: Path | Known) -> ModelPair:
    """Load two models and match them.

    Raises:
        ModelError: a file is no model that can be read.

    Cost: linear in the number of nodes; weights are not read.
    """
    one, two = (known if isinstance(known, Known) else read(known) for known in (first, second))
    partners = match(one.graph, two.graph, (one.quantized, two.quantized))
    joint, obstacle = None, None
    try:
        joint = join(one, two)
    except InspectorError as error:
        obstacle = error
    return ModelPair(one, two, partners, joint, obstacle)


def read(path: Path) -> Known:
    """A model file as it is compared.

    Raises:
        ModelError: it is no model that can be read.
    """
    model = load_model(path)
    return known_of(model, extract_graph(model), str(path))


def known_of(model: Model, graph: Graph, title: str) -> Known:
    """The same of a model that is open already; its graph should have shapes."""
    return Known(title, model, graph, quantizers_of(model, graph))


def quantizers_of(model: Model, graph: Graph) -> Quantized:
    """What the quantizers say, with what only constants tell where those can be read."""
    try:
        return find_quantized(graph, model.constant)
    except (InspectorError, KeyError):
        return find_quantized(graph)


def stock_of(known: Known) -> Stock:
    """What a model is made of. Cost: linear in the number of nodes and tensors."""
    graph = known.graph
    weights: Counter[str] = Counter()
    for constant in known.model.constants.values():
        size = math.prod(dim for dim in constant.shape)
        weights[constant.dtype] += -(-size * _bits(constant.dtype) // 8)
    specs = Counter(
        layer_types(known, node)
        for node in graph.nodes
        if known.quantized.title.get(node.name, node.op_type) in LAYERS
        and node.name not in known.quantized.hidden
    )
    sizes = tuple((dtype, size) for dtype, size in weights.most_common() if size)
    return Stock(opset_of(known.model), len(graph.nodes), sizes, tuple(specs.most_common()))


def layer_types(known: Known, node: Node) -> str:
    """How an operator's weights and activations are stored: "int8:channel / uint8:tensor"."""
    found = known.quantized
    weights = found.weights.get(node.name)
    grids = dict.fromkeys(one.spec or one.dtype for one in found.activations.get(node.name, ()))
    if weights is None and not grids:
        return FLOAT
    weight = FLOAT if weights is None else weights.spec or weights.dtype
    return f"{weight} / {'+'.join(grids) or FLOAT}"


def types_by_node(known: Known) -> Mapping[str, str]:
    """`layer_types` of every operator that is on integers."""
    found = known.quantized
    names = dict.fromkeys((*found.weights, *found.activations))
    return {name: layer_types(known, known.graph.node(name)) for name in names}


def lone_nodes(pair: ModelPair) -> tuple[frozenset[str], frozenset[str]]:
    """Nodes of the first, and of the second, that have no partner and are part of none that has.

    Quantizers belong to an operator, and constants to whoever reads them.
    """
    return (
        frozenset(_lone(pair.first, pair.partners.there)),
        frozenset(_lone(pair.second, pair.partners.back)),
    )


def _lone(known: Known, partners: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for node in known.graph.nodes:
        if node.name in partners or node.name in known.quantized.hidden:
            continue
        if node.op_type != "Constant":
            yield node.name


def _bits(dtype: str) -> int:
    digits = "".join(c for c in dtype.partition("e")[0] if c.isdigit())
    return int(digits) if digits else 8 * (dtype == "bool")
