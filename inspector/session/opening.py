"""From a path to everything that the program knows of a model before any data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from inspector.errors import UnsupportedError
from inspector.graph.model import Graph
from inspector.graph.operators import LAYERS, QUANTIZATION
from inspector.graph.placement import Placement, place
from inspector.graph.preparations import NO_SKIP
from inspector.graph.roles import stays_float
from inspector.onnxio.extract import extract_structure, with_shapes
from inspector.onnxio.functions import FunctionKey, function_graphs
from inspector.onnxio.inference import begin_to_infer, forget_types, infer_types
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.metadata import AS_IS_KEY
from inspector.onnxio.passes import AS_IS, PassReport, prepare, raise_to_quantizers
from inspector.progress import pause
from inspector.quant.pin import Pins


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A model as far as its file tells it: enough to draw it.

    Attributes:
        source: the model.
        graph: its graph, with the shapes that the file declares, and without layers.
        functions: the bodies of the functions that the model defines for itself.
    """

    source: Model
    graph: Graph
    functions: Mapping[FunctionKey, Graph] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def path(self) -> Path:
        """The file."""
        assert self.source.path is not None
        return self.source.path


@dataclass(frozen=True, slots=True, eq=False)
class OpenModel:
    """A model as the user gave it, and as it is quantized.

    Attributes:
        source: the file's own model: the float reference of every figure.
        prepared: the same function with foldings done, in an opset that holds quantizers.
        graph: the prepared model's graph; recipes speak of its layers.
        placement: where quantizers may sit in it.
        passes: what each folding did, in order.
        skip: names of the foldings that were left out.
        obstacle: why the model can be looked at but not quantized; None where it can.
        shown: the source's graph with inferred shapes; its nodes are those of the sketch. It is
            `graph` itself where nothing was prepared.
        functions: the bodies of the functions that the model defines for itself.
    """

    source: Model
    prepared: Model
    graph: Graph
    placement: Placement
    passes: tuple[PassReport, ...]
    obstacle: UnsupportedError | None
    shown: Graph
    functions: Mapping[FunctionKey, Graph] = field(default_factory=lambda: MappingProxyType({}))
    skip: frozenset[str] = NO_SKIP

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


def read_structure(path: Path) -> Sketch:
    """Loads a model as far as it takes to draw it, the first half of opening it.

    Raises:
        ModelError: the file is no model that can be read, or its graph is none.

    Cost: 0.3 s for 20,000 nodes, of whatever size the weights are.
    """
    source = load_model(path)
    begin_to_infer(source)
    return Sketch(source, extract_structure(source), function_graphs(source))


def open_model(
    path: Path | Sketch,
    *,
    skip: frozenset[str] = NO_SKIP,
) -> OpenModel:
    """Loads a model and makes it ready for quantization.

    Args:
        path: the file, or the sketch of a model that is to be opened.
        skip: names of the foldings to leave out.

    Raises:
        ModelError: the file is no model that can be read.
        InspectorError: a library crashed over it, in a process of its own.

    Cost: linear in the number of nodes, and in the weights that a folding changes.
    """
    sketch = path if isinstance(path, Sketch) else read_structure(path)
    shown = with_shapes(sketch.graph, infer_types(sketch.source))
    pause()
    return _prepared(sketch.source, shown, sketch.functions, skip)


def prepared_otherwise(opened: OpenModel, skip: frozenset[str]) -> OpenModel:
    """The same model made ready anew, with other foldings left out; see `open_model`."""
    if skip == opened.skip:
        return opened
    if not opened.passes:  # a quantized model that was opened as its recipe is taken as it is
        return replace(opened, skip=skip)
    return _prepared(opened.source, opened.shown, opened.functions, skip)


def _prepared(
    source: Model,
    shown: Graph,
    functions: Mapping[FunctionKey, Graph],
    skip: frozenset[str],
) -> OpenModel:
    left_out = AS_IS if AS_IS_KEY in source.metadata else skip
    prepared, passes = prepare(source, skip=left_out)
    units = tuple(unit for report in passes for unit in report.units)
    obstacle = None
    try:
        raised, report = raise_to_quantizers(prepared)
        if raised is not prepared:
            forget_types(prepared)
            prepared, passes = raised, (*passes, report)
    except UnsupportedError as error:
        obstacle = UnsupportedError(f"{source.path}: {error.message}", error.hint)
    is_shown = prepared is source and not units
    graph = shown if is_shown else replace(_graph_of(prepared), units=units)
    for model in (source, prepared):
        forget_types(model)
    pause()
    return OpenModel(
        source, prepared, graph, place(graph), passes, obstacle, shown, functions, skip
    )


def with_prepared(opened: OpenModel, prepared: Model) -> OpenModel:
    """The same open model with another rewriting of what is quantized in it."""
    graph = replace(_graph_of(prepared), units=opened.graph.units)
    forget_types(prepared)
    return replace(opened, prepared=prepared, graph=graph, placement=place(graph))


def with_grids(opened: OpenModel, pins: Pins | None) -> OpenModel:
    """The same open model with the places where a recipe says that quantizers stand."""
    return opened if pins is None else replace(opened, placement=place(opened.graph, pins))


def _graph_of(prepared: Model) -> Graph:
    return with_shapes(extract_structure(prepared), infer_types(prepared))
