"""From a path to everything that the program knows of a model before any data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inspector.errors import UnsupportedError
from inspector.graph.model import Graph
from inspector.graph.operators import LAYERS, QUANTIZATION
from inspector.graph.placement import Placement, place
from inspector.graph.roles import stays_float
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.opset import QDQ_OPSET, raise_opset
from inspector.onnxio.passes import PassReport, prepare


@dataclass(frozen=True, slots=True, eq=False)
class OpenModel:
    """A model as the user gave it, and as it is quantized.

    Attributes:
        source: the file's own model: the float reference of every figure.
        prepared: the same function with foldings done, in an opset that holds quantizers.
        graph: the prepared model's graph; recipes speak of its layers.
        placement: where quantizers may sit in it.
        passes: what the foldings did.
        obstacle: why the model can be looked at but not quantized; None where it can.
    """

    source: Model
    prepared: Model
    graph: Graph
    placement: Placement
    passes: tuple[PassReport, ...]
    obstacle: UnsupportedError | None = None

    @property
    def path(self) -> Path:
        """The file."""
        assert self.source.path is not None
        return self.source.path

    def require_quantizable(self) -> None:
        """Raises UnsupportedError, saying why, for a model that can only be looked at."""
        if self.obstacle is not None and self.graph.layers:
            raise self.obstacle
        if all(stays_float(self.graph, layer) for layer in self.graph.layers):
            raise _nothing_to_quantize(self.path, self.graph)


def _nothing_to_quantize(path: Path, graph: Graph) -> UnsupportedError:
    """Says why a model has no layer that can be quantized."""
    if graph.layers:
        return UnsupportedError(
            f"{path}: its layers compute in float16, which cannot be quantized.",
            "Export the model in float32.",
        )
    message = (
        f"{path} has no Conv, ConvTranspose, Gemm or MatMul layer in float, so there is nothing to "
        "quantize."
    )
    if any(_holds_layers(inner) for node in graph.nodes for inner in node.subgraphs.values()):
        return UnsupportedError(
            f"{path} has layers only in the subgraphs of If, Loop or Scan, which stay in float.",
            "Export it without control flow: one file for each branch.",
        )
    if any(node.op_type in QUANTIZATION for node in graph.nodes):
        return UnsupportedError(message, "It is quantized already. Open it to look at it.")
    return UnsupportedError(message, "Open it to look at it.")


def _holds_layers(graph: Graph) -> bool:
    return any(
        node.op_type in LAYERS or any(map(_holds_layers, node.subgraphs.values()))
        for node in graph.nodes
    )


def open_model(path: Path) -> OpenModel:
    """Loads a model and makes it ready for quantization.

    Raises:
        ModelError: the file is no model that can be read.

    Cost: linear in the number of nodes, and in the weights that a folding changes.
    """
    source = load_model(path)
    prepared, passes = prepare(source)
    obstacle = None
    try:
        prepared = raise_opset(prepared, QDQ_OPSET)
    except UnsupportedError as error:
        obstacle = UnsupportedError(f"{path}: {error.message}", error.hint)
    graph = extract_graph(prepared)
    return OpenModel(source, prepared, graph, place(graph), passes, obstacle)
