"""The model as the program sees it: nodes, tensors and the layers that can be quantized.

Everything here is frozen and knows nothing of files: a graph can be handed to another thread, kept
in an undo step or compared by identity. Made by :func:`inspector.onnxio.extract.extract_graph`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from numpy.typing import NDArray

Dim: TypeAlias = int | str | None
"""One dimension: fixed, symbolic (named by the model) or unknown."""

AttributeValue: TypeAlias = "int | float | str | bytes | tuple[Any, ...] | NDArray[Any] | Graph"
"""A node's attribute. A subgraph is a :class:`Graph`; a tensor too big to show is its text form."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that flows between nodes, or a constant.

    Attributes:
        name: the tensor's name, unique in its graph.
        dtype: as numpy spells it ("float32", "int64"), ONNX's lower-case name where numpy has none
            ("bfloat16", "int4", "string"), "sequence", "optional" or "map" for what is not a
            tensor, and "" where it is not known.
        shape: dimensions, or None where not even the rank is known.
        constant: whether an initializer or a Constant node gives the values.
        producer: name of the node that computes it; None for inputs and initializers.
        consumers: names of the nodes that read it (also inside their subgraphs), in graph order.
    """

    name: str
    dtype: str = ""
    shape: tuple[Dim, ...] | None = None
    constant: bool = False
    producer: str | None = None
    consumers: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """Number of elements; None where a dimension is not known."""
        if self.shape is None:
            return None
        total = 1
        for dim in self.shape:
            if not isinstance(dim, int):
                return None
            total *= dim
        return total


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph.

    Attributes:
        name: unique in its graph and stable: the file's own name, or one made from the operator and
            its first output where the file has none.
        op_type: the operator, "Conv".
        domain: "" for ONNX's own operators.
        inputs: tensor names by position; "" where an optional input is left out.
        outputs: tensor names by position; "" where an optional output is left out.
        attributes: by name; not part of equality.
        outer_inputs: tensors of this graph, or of one around it, that the node's subgraphs read.
    """

    name: str
    op_type: str
    domain: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(
        default_factory=lambda: MappingProxyType({}), compare=False
    )
    outer_inputs: tuple[str, ...] = ()

    def input(self, position: int) -> str:
        """The tensor at an input position; "" where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""

    @property
    def subgraphs(self) -> Mapping[str, Graph]:
        """The graphs among the attributes (branches of If, bodies of Loop and Scan)."""
        return {key: value for key, value in self.attributes.items() if isinstance(value, Graph)}


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that can be quantized, with its tensors.

    Attributes:
        name: the node's name.
        op_type: Conv, ConvTranspose, Gemm, MatMul, or the recurrent operator whose weight it is.
        weight: the constant tensor of weights; None for a product of two activations.
        bias: the constant bias of Conv, ConvTranspose and Gemm; None where there is none.
        activations: the activation inputs: one, or two where there is no weight.
        output: the output tensor.
        weight_shape: shape of the weight; None without weight.
        channel_axis: the weight's axis that is the output channel: 0 for Conv, 1 for ConvTranspose
            (whose axis 0 is the input channel), 0 or 1 for Gemm by transB, the last for MatMul, and
            the last but one where the weight is the left operand. Never negative; None without
            weight or where a MatMul's weight is a vector.
        weight_slot: input position of the weight; None without weight.
        activation_slots: input positions of the activations; none where the node carries a weight
            of a recurrent operator, which reads them itself.
        parameters: number of weight and bias elements.
        group: the groups of Conv and ConvTranspose; 1 for others.
        macs: multiply-accumulates of one run; None where shapes are not known.
    """

    name: str
    op_type: str
    weight: str | None
    bias: str | None
    activations: tuple[str, ...]
    output: str
    weight_shape: tuple[int, ...] | None
    channel_axis: int | None
    weight_slot: int | None = None
    activation_slots: tuple[int, ...] = (0,)
    parameters: int = 0
    group: int = 1
    macs: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """Nodes that compute one known function together, such as a GELU written out.

    Attributes:
        kind: what they compute, "Gelu" (see `inspector.graph.units`).
        nodes: their names in graph order; the last one writes the result.
        source: the only tensor beside constants that they read from outside.
        output: the only tensor of theirs that others read.
    """

    kind: str
    nodes: tuple[str, ...]
    source: str
    output: str


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A whole graph, its nodes in topological order. Equal only to itself.

    Attributes:
        name: the graph's name; may be empty.
        nodes: in an order in which each comes after what it reads.
        tensors: every tensor of this graph by name; for a subgraph also those of outer graphs that
            it reads (without producer).
        inputs: graph inputs, without those that are initializers.
        outputs: graph outputs.
        layers: nodes that can be quantized, in graph order. Empty for subgraphs, which run in
            float.
        opset: version of ONNX's own operators; 0 where the model imports none.
        opsets: version by domain ("" is ONNX's own).
        units: nodes that are quantized as one: nothing inside of them is put on a grid.
    """

    name: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...] = ()
    opset: int = 0
    opsets: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    units: tuple[Unit, ...] = ()
    _nodes: Mapping[str, Node] = field(init=False, repr=False)
    _layers: Mapping[str, Layer] = field(init=False, repr=False)
    _units: Mapping[str, Unit] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index nodes, layers and units by name."""
        object.__setattr__(self, "_nodes", {node.name: node for node in self.nodes})
        object.__setattr__(self, "_layers", {layer.name: layer for layer in self.layers})
        units = {name: unit for unit in self.units for name in unit.nodes}
        object.__setattr__(self, "_units", units)

    def node(self, name: str) -> Node:
        """The node of that name; KeyError where there is none."""
        return self._nodes[name]

    def layer(self, name: str) -> Layer:
        """The layer of that name; KeyError where there is none."""
        return self._layers[name]

    def find_layer(self, name: str) -> Layer | None:
        """The layer of that name; None where there is none."""
        return self._layers.get(name)

    def unit_of(self, node: str) -> Unit | None:
        """The unit that a node is part of; None where it is in none."""
        return self._units.get(node)

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name; KeyError where there is none."""
        return self.tensors[name]

    def producer(self, tensor: str) -> Node | None:
        """The node that computes a tensor; None for inputs, initializers and outer tensors."""
        name = self.tensors[tensor].producer
        return None if name is None else self._nodes[name]

    def consumers(self, tensor: str) -> tuple[Node, ...]:
        """The nodes that read a tensor, in graph order."""
        return tuple(self._nodes[name] for name in self.tensors[tensor].consumers)
