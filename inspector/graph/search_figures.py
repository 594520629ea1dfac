"""The figures of a graph's nodes and constants that a search compares with numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Tensor
from inspector.graph.search_query import Comparison, Relation
from inspector.graph.search_table import Table
from inspector.graph.search_text import Mask

Values = NDArray[np.float64]
FLOAT = "float"
"""The spec of what is left alone."""
OWN_QUANTITIES = frozenset({"inputs", "outputs", "params", "macs"})
"""What a graph says itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is known of a graph's nodes besides the graph itself.

    Attributes:
        specs: node name -> the texts of its specs ("int8:channel:minmax", "float").
        numbers: quantity name -> node name -> value, in the unit of
            :data:`~inspector.graph.search_numbers.QUANTITIES` (dB, bytes). Of `inputs`, `outputs`,
            `params` and `macs` the graph's own figures are taken where none are given here.
    """

    specs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def values(table: Table, figures: Figures, quantity: str) -> Values:
    """(items,) of one quantity; NaN where it is not known. O(items)."""
    found = np.full(table.items, np.nan)
    given = figures.numbers.get(quantity)
    if given is None:
        _own_figures(table, quantity, found)
    else:
        for name, value in given.items():
            item = table.place.get(name)
            if item is not None:
                found[item] = value
    if quantity in ("params", "size", "bits"):
        for item in range(table.nodes, table.items):
            tensor = table.tensor(item)
            if tensor.constant:
                found[item] = _of_constant(tensor, quantity)
    return found


def compare(numbers: Values, wanted: Comparison) -> Mask:
    """Where numbers are on the wanted side; never where they are NaN."""
    value = wanted.value
    sides: dict[Relation, Callable[[], Mask]] = {
        "<": lambda: numbers < value,
        "<=": lambda: numbers <= value,
        ">": lambda: numbers > value,
        ">=": lambda: numbers >= value,
        "=": lambda: (numbers == value) | (np.abs(numbers - value) < wanted.tolerance),
    }
    with np.errstate(invalid="ignore"):
        return sides[wanted.relation]()


def quantized(table: Table, figures: Figures) -> Mask:
    """(items,) of nodes with a spec that is not float."""
    return with_specs(table, figures, lambda specs: any(spec and spec != FLOAT for spec in specs))


def with_specs(table: Table, figures: Figures, test: Callable[[tuple[str, ...]], bool]) -> Mask:
    """(items,) of nodes whose specs pass a test, which is asked once for each kind of specs."""
    found = np.zeros(table.items, dtype=np.bool_)
    known: dict[tuple[str, ...], bool] = {}
    for name, specs in figures.specs.items():
        fits = known.get(specs)
        if fits is None:
            fits = known[specs] = test(specs)
        item = table.place.get(name) if fits else None
        if item is not None:
            found[item] = True
    return found


def _own_figures(table: Table, quantity: str, found: Values) -> None:
    """What the graph says itself."""
    if quantity in ("inputs", "outputs"):
        ends = (n.inputs if quantity == "inputs" else n.outputs for n in table.graph.nodes)
        found[: table.nodes] = [sum(map(bool, names)) for names in ends]
    elif quantity in ("params", "macs"):
        for layer in table.graph.layers:
            value = layer.parameters if quantity == "params" else layer.macs
            if value is not None and layer.name in table.place:
                found[table.place[layer.name]] = value


def _of_constant(tensor: Tensor, quantity: str) -> float:
    bits = _bits(tensor.dtype)
    if quantity == "bits":
        return bits
    size = np.nan if tensor.size is None else float(tensor.size)
    return size if quantity == "params" else np.ceil(size * bits / 8)


def _bits(dtype: str) -> float:
    """Width of a type by its name: float32 is 32, float8e4m3fn is 8; NaN where it says none."""
    if dtype == "bool":
        return 8.0
    digits = re.match(r"(?:bfloat|float|u?int|complex)(\d+)", dtype)
    return float(digits[1]) if digits is not None else np.nan
