"""Random inputs, for a first look at a model when no data is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.evaluate.data import Dataset
from inspector.evaluate.image_options import DEFAULT_SIDE, image_layout
from inspector.evaluate.inputs import InputSpec, input_specs
from inspector.evaluate.samples import Feeds
from inspector.graph.model import Dim, Graph

FREE_SIZE = 16
"""Size of an axis that the model leaves free and that is neither a batch nor a picture's side."""

_IMAGE_RANK = 4
_PIXEL_VALUES = 256
_SMALL_RANGE = 2


def random_data(graph: Graph, *, samples: int = 8, seed: int = 0) -> Dataset:
    """Make random inputs for a model, the same for the same seed.

    Floats are normal with mean 0 and standard deviation 1. Integers that choose rows of a constant
    table (a Gather, as token numbers do) are drawn from all its rows, integer pictures from 0 to
    255, all other integers from {0, 1}: small enough to be valid as a mask, a flag or a type.

    An axis that the model leaves free is 1 long if it is the first, the sides of a picture are 224,
    any other is 16; axes of the same name get the same length.

    Args:
        graph: the model.
        samples: how many.
        seed: of the random numbers, not negative.

    Raises:
        DataError: an input cannot be fed, or a number is out of range.
    """
    if samples < 1 or seed < 0:
        raise DataError(
            f"{samples} random samples of seed {seed} cannot be made.",
            "Ask for 1 or more samples; a seed is 0 or more.",
        )
    source = RandomSamples(graph, samples, seed)
    data = Dataset.of(f"random inputs (seed {seed})", [source])
    return replace(data, random=True, seed=seed)


class RandomSamples:
    """Random samples, each made when it is asked for."""

    labels = None
    notes = ("The inputs are random numbers: figures from them say little about real data.",)

    def __init__(self, graph: Graph, count: int, seed: int) -> None:
        """Describe `count` samples for the inputs of `graph`."""
        self._count = count
        self._seed = seed
        specs = input_specs(graph)
        self._shapes = random_shapes(specs)
        self._inputs = [(spec, _integers_below(graph, spec)) for spec in specs]

    def __len__(self) -> int:
        """How many samples there are."""
        return self._count

    def read(self, index: int) -> Feeds:
        """Make one sample; it depends on the seed and its number only."""
        generator = np.random.default_rng([self._seed, index])
        return {
            spec.name: _values(generator, spec, self._shapes[spec.name], below)
            for spec, below in self._inputs
        }

    def size_of(self, index: int) -> int:
        """How many elements a sample has; the same for all."""
        del index
        return sum(prod(shape) for shape in self._shapes.values())


def random_shapes(specs: Sequence[InputSpec]) -> Mapping[str, tuple[int, ...]]:
    """Choose a size for every axis that a model leaves free; see `random_data`."""
    named: dict[str, int] = {}
    for spec in specs:  # a name that is a batch anywhere is one everywhere
        if spec.shape and isinstance(spec.shape[0], str):
            named.setdefault(spec.shape[0], 1)
    for spec in specs:
        for axis, dim in enumerate(spec.shape):
            if isinstance(dim, str):
                named.setdefault(dim, _free_size(spec, axis))
    return {
        spec.name: tuple(_size(spec, axis, dim, named) for axis, dim in enumerate(spec.shape))
        for spec in specs
    }


def _size(spec: InputSpec, axis: int, dim: Dim, named: Mapping[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    return _free_size(spec, axis) if dim is None else named[dim]


def _free_size(spec: InputSpec, axis: int) -> int:
    if axis == 0:
        return 1
    if len(spec.shape) != _IMAGE_RANK:
        return FREE_SIZE
    channel = 3 if image_layout(spec) == "NHWC" else 1
    return 3 if axis == channel else DEFAULT_SIDE


def _values(
    generator: np.random.Generator, spec: InputSpec, shape: tuple[int, ...], below: int
) -> NDArray[Any]:
    dtype = spec.numpy_dtype
    if dtype.kind == "f":
        return np.asarray(generator.standard_normal(shape, np.float32)).astype(dtype)
    return np.asarray(generator.integers(0, below, shape)).astype(dtype)


def _integers_below(graph: Graph, spec: InputSpec) -> int:
    """Find how large the integers of an input may be."""
    if spec.dtype == "bool":
        return _SMALL_RANGE
    rows = _table_rows(graph, spec.name)
    if rows:
        return min(rows, np.iinfo(spec.numpy_dtype).max) if spec.dtype[0] in "iu" else rows
    if spec.dtype == "uint8" and image_layout(spec) and len(spec.shape) == _IMAGE_RANK:
        return _PIXEL_VALUES
    return _SMALL_RANGE


def _table_rows(graph: Graph, name: str) -> int | None:
    """Find how many rows the tables have from which a tensor chooses; None if it does not."""
    rows: list[int] = []
    for reader in graph.tensors[name].consumers:
        node = graph.node(reader)
        if node.op_type == "Cast":
            inner = _table_rows(graph, node.outputs[0])
            rows += [inner] if inner else []
        if node.op_type == "Gather" and node.inputs[1] == name:
            table = graph.tensors.get(node.inputs[0])
            axis = node.attributes.get("axis", 0)
            shape = table.shape if table is not None and table.constant else None
            if shape and isinstance(axis, int):
                size = shape[axis]
                rows += [size] if isinstance(size, int) else []
    return min(rows, default=None)
