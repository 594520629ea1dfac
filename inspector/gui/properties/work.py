"""What the sidebar does in the background: functions of frozen requests, with frozen answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, InspectorError
from inspector.graph.model import Graph
from inspector.gui.properties.export import write_npy
from inspector.gui.properties.node_page import small_constants
from inspector.gui.properties.page import Pair
from inspector.gui.properties.slices import Picture, Plane, picture
from inspector.gui.properties.tensor_page import summary_figures
from inspector.gui.properties.words import LONG, number_text, value_text
from inspector.gui.tasks import Context
from inspector.onnxio.dequantized import DequantizedValues, dequantized
from inspector.onnxio.loading import Model
from inspector.onnxio.values import Dequantization, Values, tensor_values
from inspector.quant.summary import Summary, summarize
from inspector.report.units import bytes_text, count_text


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The values of a constant.

    Attributes:
        stored: as they are in the file.
        real: the real numbers they stand for; None where that is the same, or cannot be told.
        trouble: why the real numbers cannot be told.
    """

    stored: Values
    real: DequantizedValues | None = None
    trouble: InspectorError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is known of values.

    Attributes:
        rows: to be shown.
        summary: of numbers; None of strings.
    """

    rows: tuple[Pair, ...]
    summary: Summary | None = None


def open_values(
    model: Model, graph: Graph, name: str, how: Dequantization | None
) -> Opened | InspectorError:
    """Find the values of a constant. Cost: a view, or the decoding of a small tensor."""
    try:
        stored = tensor_values(model, name, graph)
    except InspectorError as error:
        return error
    if how is None:
        return Opened(stored)
    try:
        return Opened(stored, dequantized(model, stored, how))
    except InspectorError as error:
        return Opened(stored, None, error)


def figures(context: Context, values: Values, zero: float | None) -> Figures | InspectorError:
    """The figures of values. Cost O(values), in stretches; stops when it is cancelled.

    Args:
        context: asked whether to stop.
        values: of any type.
        zero: the value that stands for zero; None where that differs along the tensor.
    """
    try:
        if values.is_text:
            return Figures((Pair("Strings", count_text(values.size), number=True),))
        summary = summarize(
            lambda: _numbers(values),
            zero=0.0 if zero is None else zero,
            absent=values.absent,
            cancelled=context.cancelled,
        )
    except CancelledError:
        raise
    except InspectorError as error:
        return error
    rows = summary_figures(summary)
    if zero is None:
        rows = tuple(row for row in rows if row.name != "Sparsity")
    elif zero:
        where = number_text(zero)
        rows = tuple(_renamed(row, f"At zero point {where}") for row in rows)
    if values.dtype.startswith("complex"):
        rows = (Pair("Of", "magnitudes", "muted", number=True), *rows)
    return Figures(rows, summary)


def _renamed(row: Pair, name: str) -> Pair:
    if row.name != "Sparsity":
        return row
    return Pair(name, row.value, row.tone, number=True)


def _numbers(values: Values) -> Iterator[NDArray[Any]]:
    for chunk in values.chunks():
        yield np.abs(chunk) if chunk.dtype.kind == "c" else chunk


def plane_picture(
    context: Context, values: Values, plane: Plane
) -> Picture | InspectorError | None:
    """The picture of a plane; None where there is nothing to paint."""
    try:
        return picture(values, plane, context.cancelled)
    except CancelledError:
        raise
    except InspectorError as error:
        return error


def export(
    context: Context, values: Values, path: Path, read: tuple[Path | None, ...]
) -> str | InspectorError:
    """Write values to a file; what to say of it."""
    try:
        size = write_npy(
            values, path, read=read, cancelled=context.cancelled, progress=context.progress
        )
    except CancelledError:
        raise
    except InspectorError as error:
        return error
    return f"Wrote {path.name}, {bytes_text(size)}"


def small_values(model: Model, graph: Graph, name: str) -> Mapping[str, str]:
    """The values of the small constants that a node reads, as text."""
    found: dict[str, str] = {}
    for tensor in small_constants(graph, graph.node(name)):
        try:
            values = tensor_values(model, tensor, graph)
            array = values.read(0, values.size)
        except InspectorError:
            continue  # the tensor's own page tells what is wrong with it
        text = value_text(array.tolist() if len(values.shape) else array[0], LONG)
        found[tensor] = text
    return found
