"""One sample for two models: what each is fed, and their outputs in the same terms.

The terms are those of the first model, in real numbers. Inputs and outputs are matched by name,
else in order; where one model takes or gives integers in the place of the other's floats, their
scale and zero point are found in its metadata or in the quantizer beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import ModelError
from inspector.evaluate.inputs import shape_text
from inspector.evaluate.integers import Arrays, as_fed, as_real
from inspector.graph.model import Dim, Graph, Tensor
from inspector.graph.quantized import Quantized
from inspector.graph.stored import Stored
from inspector.onnxio.loading import Model
from inspector.onnxio.writers.integer_io import End, ends_of

_FLOATS = frozenset({"float32", "float64", "float16"})
_HINT = "Compare a model with a quantized form of it."
_CODES = frozenset({"int8", "uint8", "int16", "uint16"})


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of one of the two models.

    Attributes:
        title: how messages call it.
        model: the model.
        graph: its graph, with shapes as far as they are known.
        quantized: what its quantizers say.
    """

    title: str
    model: Model
    graph: Graph
    quantized: Quantized

    def tensor(self, name: str) -> Tensor:
        """A tensor of the graph; of no type where nothing is known of it."""
        return self.graph.tensors.get(name, Tensor(name))


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """How samples go to both models, and what comes out of them.

    Attributes:
        graph: the first model's, its inputs in real numbers: data is opened for that.
        inputs: name of an input of the first -> its name in the second.
        outputs: name of an output of the first -> its name in the second.
        ends: the integer inputs and outputs of the first, and of the second.
        dtypes: the type of each input of the second, by name.
        notes: what the user should know of how they were matched.
    """

    graph: Graph
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    ends: tuple[tuple[End, ...], tuple[End, ...]]
    dtypes: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def feeds(self, sample: Mapping[str, NDArray[Any]]) -> tuple[Arrays, Arrays]:
        """What both are fed for a sample in real numbers, by the names of the first."""
        other = {self.inputs[name]: value for name, value in sample.items()}
        second = as_fed(other, self.ends[1])
        for name, dtype in self.dtypes.items():
            if dtype in _FLOATS and second[name].dtype != dtype:
                second[name] = second[name].astype(dtype)
        return as_fed(sample, self.ends[0]), second

    def results(self, first: Arrays, second: Arrays) -> tuple[Arrays, Arrays]:
        """The outputs of both that can be compared, in real numbers, by the names of the first."""
        ours, theirs = as_real(first, self.ends[0]), as_real(second, self.ends[1])
        return (
            {name: ours[name] for name in self.outputs},
            {name: theirs[other] for name, other in self.outputs.items()},
        )


def join(first: Known, second: Known) -> Joint:
    """Match the inputs and outputs of two models.

    Raises:
        ModelError: the second cannot be fed what the first is, or no output can be compared.
    """
    return _Joiner(first, second).run()


class _Joiner:
    def __init__(self, first: Known, second: Known) -> None:
        self._first, self._second = first, second
        self._ends: tuple[dict[str, End], dict[str, End]] = (_told(first), _told(second))
        self._notes: list[str] = []

    def run(self) -> Joint:
        inputs = self._inputs()
        outputs = self._outputs()
        first, second = (tuple(ends.values()) for ends in self._ends)
        return Joint(
            _in_real(self._first.graph, first),
            MappingProxyType(inputs),
            MappingProxyType(outputs),
            (first, second),
            MappingProxyType(
                {name: self._second.tensor(name).dtype for name in self._second.graph.inputs}
            ),
            tuple(self._notes),
        )

    def _inputs(self) -> dict[str, str]:
        ours, theirs = self._first.graph.inputs, self._second.graph.inputs
        if len(ours) != len(theirs):
            raise self._differ("inputs", ours, theirs)
        pairs = dict(zip(ours, theirs, strict=True))
        if set(ours) == set(theirs):
            pairs = {name: name for name in ours}
        else:
            self._tell_order("Inputs", pairs)
        for name, other in pairs.items():
            if not self._fits(name, other, is_input=True):
                raise self._differ("inputs", ours, theirs)
            one, two = self._first.tensor(name).shape, self._second.tensor(other).shape
            if not _agree(one, two):
                raise ModelError(
                    f"{self._first.title} and {self._second.title} read different shapes: "
                    f"'{name}' is {_shape(one)}, and '{other}' {_shape(two)}.",
                    _HINT,
                )
        return pairs

    def _outputs(self) -> dict[str, str]:
        ours, theirs = self._first.graph.outputs, self._second.graph.outputs
        pairs = {name: name for name in ours if name in theirs}
        if not pairs and len(ours) == len(theirs):
            pairs = dict(zip(ours, theirs, strict=True))
            self._tell_order("Outputs", pairs)
        found = {a: b for a, b in pairs.items() if self._fits(a, b, is_input=False)}
        found = {a: b for a, b in found.items() if self._same_shape(a, b)}
        if not found:
            raise self._differ("outputs", ours, theirs)
        for graph, left in (
            (self._first, [name for name in ours if name not in found]),
            (self._second, [name for name in theirs if name not in found.values()]),
        ):
            if left:
                names = ", ".join(left)
                self._notes.append(f"Outputs of {graph.title} that are not compared: {names}.")
        return found

    def _same_shape(self, name: str, other: str) -> bool:
        return _agree(self._first.tensor(name).shape, self._second.tensor(other).shape)

    def _fits(self, name: str, other: str, *, is_input: bool) -> bool:
        """Whether two ends carry the same, once integers are read as what they stand for."""
        ours, theirs = self._first.tensor(name).dtype, self._second.tensor(other).dtype
        ends = self._ends
        if name not in ends[0] and theirs in _FLOATS:
            self._look_for(0, self._first, name, is_input=is_input)
        if other not in ends[1] and ours in _FLOATS:
            self._look_for(1, self._second, other, is_input=is_input)
        ours = "float32" if name in ends[0] else ours
        theirs = "float32" if other in ends[1] else theirs
        if not ours or not theirs:
            return True
        return ours == theirs or {ours, theirs} <= _FLOATS

    def _look_for(self, side: int, known: Known, name: str, *, is_input: bool) -> None:
        """The grid that the quantizer beside an end says."""
        grid, dtype = _grid_of(known.quantized, name), known.tensor(name).dtype
        if grid is None or grid.axis is not None or dtype not in _CODES:
            return
        scale = np.asarray(known.model.constant(grid.scale)).reshape(-1)
        zero = np.zeros(1, np.int64)
        if grid.zero_point:
            zero = np.asarray(known.model.constant(grid.zero_point)).reshape(-1)
        if scale.size == 1 and zero.size == 1:
            self._ends[side][name] = End(name, is_input, dtype, float(scale[0]), int(zero[0]))

    def _tell_order(self, what: str, pairs: Mapping[str, str]) -> None:
        shown = ", ".join(f"'{name}' with '{other}'" for name, other in pairs.items())
        self._notes.append(f"{what} have other names and were matched in order: {shown}.")

    def _differ(self, what: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> ModelError:
        mine, others = self._shown(self._first, ours), self._shown(self._second, theirs)
        return ModelError(
            f"{self._first.title} and {self._second.title} do not have the same {what}: {mine} "
            f"and {others}.",
            _HINT,
        )

    @staticmethod
    def _shown(known: Known, names: tuple[str, ...]) -> str:
        texts = (f"{name} ({known.tensor(name).dtype or 'of unknown type'})" for name in names)
        return ", ".join(texts) or "none"


def _grid_of(quantized: Quantized, name: str) -> Stored | None:
    """The grid of a tensor of integers, under whatever name it goes on."""
    behind = (tensor for tensor, source in quantized.sources.items() if source == name)
    for tensor in (name, quantized.names.get(name, name), *behind):
        if tensor in quantized.tensors:
            return quantized.tensors[tensor]
    return None


def _told(known: Known) -> dict[str, End]:
    return {end.name: end for end in ends_of(known.model.metadata)}


def _in_real(graph: Graph, ends: tuple[End, ...]) -> Graph:
    """The same graph, its integer inputs and outputs as the floats that they stand for."""
    if not ends:
        return graph
    real = {end.name: replace(graph.tensors[end.name], dtype="float32") for end in ends}
    return replace(graph, tensors=MappingProxyType({**graph.tensors, **real}))


def _agree(one: tuple[Dim, ...] | None, two: tuple[Dim, ...] | None) -> bool:
    """Whether two shapes can be those of one tensor."""
    if one is None or two is None:
        return True
    if len(one) != len(two):
        return False
    sizes: Iterator[tuple[Dim, Dim]] = zip(one, two, strict=True)
    return all(a == b or not (isinstance(a, int) and isinstance(b, int)) for a, b in sizes)


def _shape(shape: tuple[Dim, ...] | None) -> str:
    return "of unknown shape" if shape is None else shape_text(shape)
