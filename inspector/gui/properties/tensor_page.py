"""What is said of one tensor. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inspector.graph.model import Graph, Tensor
from inspector.gui.properties.page import Page, Pair, Row, Section, Target
from inspector.gui.properties.prose import one_line
from inspector.gui.properties.words import (
    SHORT,
    UNKNOWN,
    number_text,
    shape_text,
    size_text,
)
from inspector.onnxio.dequantized import DequantizedValues
from inspector.onnxio.values import Dequantization
from inspector.quant.distribution import Histogram
from inspector.quant.summary import Summary
from inspector.report.units import count_text, percent_text, plural, value_text

MOST_READERS = 20
_FIGURES = ("Minimum", "Maximum", "Mean", "Std deviation", "Sparsity")
_WAITING = "…"


def tensor_page(
    graph: Graph,
    name: str,
    *,
    figures: tuple[Pair, ...] = (),
    figures_title: str = "Statistics",
    quantization: tuple[Pair, ...] = (),
) -> Page:
    """What is said of a tensor. Cost O(1).

    Args:
        graph: that holds the tensor.
        name: the tensor's.
        figures: what is known of its values.
        figures_title: what the figures are of.
        quantization: how its integers become real numbers.
    """
    tensor = graph.tensors.get(name) or Tensor(name)
    return Page(
        one_line(name, SHORT) or "(no name)",
        _kind(graph, tensor),
        (
            Section("", tuple(_head(tensor))),
            Section("Quantization", quantization),
            Section("Connections", tuple(_connections(graph, tensor))),
            Section(figures_title, figures),
        ),
        "constant" if tensor.constant else "",
        f"tensor {name}",
    )


def _kind(graph: Graph, tensor: Tensor) -> str:
    if tensor.constant:
        return "constant"
    if tensor.name in graph.inputs:
        return "input of the graph"
    if tensor.name in graph.outputs:
        return "output of the graph"
    return "activation" if tensor.producer else "from the graph around"


def _head(tensor: Tensor) -> Iterator[Row]:
    yield Pair("Name", one_line(tensor.name), long=tensor.name)
    yield Pair("Type", tensor.dtype or UNKNOWN)
    yield Pair("Shape", shape_text(tensor.shape))
    for axis, dim in enumerate(tensor.shape or ()):
        if isinstance(dim, str):
            yield Pair(f"Axis {axis}", one_line(dim, SHORT))
    if tensor.size is not None:
        yield Pair("Size", size_text(tensor))


def _connections(graph: Graph, tensor: Tensor) -> Iterator[Row]:
    if tensor.producer is not None:
        yield _link("Computed by", graph, tensor.producer)
    for number, reader in enumerate(tensor.consumers[:MOST_READERS]):
        yield _link("" if number else "Read by", graph, reader)
    left = len(tensor.consumers) - MOST_READERS
    if left > 0:
        yield Pair("", f"… and {left:,} more", "muted")
    if not tensor.consumers:
        yield Pair("Read by", "no node", "muted")


def _link(word: str, graph: Graph, node: str) -> Pair:
    return Pair(word, one_line(node, SHORT), "link", Target("node", node), long=one_line(node))


def waiting_figures() -> tuple[Pair, ...]:
    """Rows that keep the place of figures which are being computed."""
    return tuple(Pair(name, _WAITING, "muted", number=True) for name in _FIGURES)


def summary_figures(summary: Summary) -> tuple[Pair, ...]:
    """The figures of a constant, one a row."""
    if not summary.count:
        return (Pair("Values", "none", "muted"),)
    if summary.count == 1 and summary.minimum is not None:
        return (Pair("Value", number_text(summary.minimum), number=True),)
    values = (summary.minimum, summary.maximum, summary.mean, summary.std)
    shown = [UNKNOWN if value is None else number_text(value) for value in values]
    share = percent_text(summary.sparsity)
    if summary.zeros:
        share += f"  ({plural(summary.zeros, 'zero')})"
    rows = [Pair(n, v, number=True) for n, v in zip(_FIGURES, (*shown, share), strict=True)]
    if summary.distinct is not None:
        rows.append(Pair("Distinct values", count_text(summary.distinct), number=True))
    for name, count in (("NaN", summary.nans), ("Infinite", summary.infinities)):
        if count:
            rows.append(Pair(name, count_text(count), "warning", number=True))
    return tuple(rows)


def distribution_figures(distribution: Histogram) -> tuple[Pair, ...]:
    """The figures of an activation, from calibration."""
    if not distribution.total:
        return (Pair("Values", "none", "muted"),)
    zeros = distribution.zeros / distribution.total
    rows = (
        ("Minimum", number_text(float(distribution.lo[0]))),
        ("Maximum", number_text(float(distribution.hi[0]))),
        ("Zeros", percent_text(zeros)),
        ("Values seen", count_text(distribution.total)),
        ("Batches", count_text(len(distribution.batches))),
    )
    return tuple(Pair(name, value, number=True) for name, value in rows)


def quantization_rows(
    how: Dequantization, values: DequantizedValues | None = None
) -> tuple[Pair, ...]:
    """How the integers of a tensor become real numbers; values once they are read."""
    scale, zero = ("", "") if values is None else _ends(values)
    rows = [Pair("Scale", scale or one_line(how.scale, SHORT), "link", Target("tensor", how.scale))]
    if how.zero_point:
        target = Target("tensor", how.zero_point)
        rows.append(Pair("Zero point", zero or one_line(how.zero_point, SHORT), "link", target))
    else:
        rows.append(Pair("Zero point", "0"))
    axis = how.axis if values is None else values.axis
    rows.append(Pair("Granularity", _granularity(axis, how.block_size)))
    if values is not None and values.shape != values.stored_shape:
        rows.append(Pair("Real shape", shape_text(values.shape)))
    return tuple(rows)


def _granularity(axis: int | None, block_size: int) -> str:
    if axis is None:
        return "per tensor"
    if block_size:
        return f"blocks of {count_text(block_size)}, axis {axis}"
    return f"per channel, axis {axis}"


def _ends(values: DequantizedValues) -> tuple[str, str]:
    """The only value, or the ends of several."""

    def text(numbers: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
        if not numbers.size:
            return "none"
        low, high = float(numbers.min()), float(numbers.max())
        return value_text(low) if low == high else f"{value_text(low)} … {value_text(high)}"

    count = values.scale.size
    many = f"  ({count_text(count)})" if count > 1 else ""
    return text(values.scale) + many, text(values.zero_point)
