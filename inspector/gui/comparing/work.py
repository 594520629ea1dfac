"""What comparing asks of the background: frozen requests, and their frozen answers."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QColor

from inspector.errors import CancelledError, DataError, InspectorError
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.pixels import pixel_hint
from inspector.evaluate.random_data import random_data
from inspector.graph.model import Graph, Node
from inspector.graph.operators import LAYERS
from inspector.gui.comparing.alignment import SIDES, Alignment, SideName, align
from inspector.gui.comparing.tensor_table import TensorRow
from inspector.gui.graph_view.cards import Fonts
from inspector.gui.graph_view.look import Badge
from inspector.gui.graph_view.picture import Picture
from inspector.gui.saving import SaveRequest
from inspector.gui.staged import Known as Remembered
from inspector.gui.staged import Request as Layout
from inspector.gui.staged import Shown, lay_out
from inspector.gui.tasks import Context
from inspector.gui.theme import heat
from inspector.onnxio.loading import Model
from inspector.report.quantity_text import quantity_text
from inspector.session.quantities import DIFFERENCE, place

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.joint import Known
    from inspector.evaluate.latency import Latencies
    from inspector.session.comparison import Comparison, Side
    from inspector.session.pairing import ModelPair

SAMPLES = 16
"""So many samples are compared, spread over the data."""
RANDOM_SAMPLES = 4
_TELL_SECONDS = 0.4
NO_PARTNER = "No partner in the other model"
FIGURE_ROOM = 84.0
"""Pixels for a figure beside the title of a card."""


class Folder:
    """A folder that goes when nobody has use for it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="quant-inspector-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where one of the models comes from.

    Attributes:
        title: how the window calls it.
        path: its file, where it is not open.
        model: the model that is open in the window.
        graph: of that, with shapes.
        choices: it is what would be saved now: made first.
    """

    title: str
    path: Path | None = None
    model: Model | None = None
    graph: Graph | None = None
    choices: SaveRequest | None = None

    def read(self, folder: Folder | None, context: Context) -> Known:
        """The model as it is compared; raises InspectorError, and CancelledError."""
        from inspector.session.pairing import known_of, read

        if self.model is not None and self.graph is not None:
            return known_of(self.model, self.graph, self.title)
        if self.choices is not None and folder is not None:
            path = folder.path / f"{self.choices.opened.path.stem}_as_chosen.onnx"
            self.choices.run(path, context)
            return read(path)
        assert self.path is not None
        return read(self.path)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Two models ready to be looked at.

    Attributes:
        pair: the models, matched.
        pictures: of their graphs.
        alignment: what of one picture is in the other.
        badges: what is said on the cards before anything was run.
        sides: what is known of both.
        folder: holds what was written for the comparison; None where nothing was.
    """

    pair: ModelPair
    pictures: Mapping[SideName, Picture]
    alignment: Alignment
    badges: Mapping[SideName, Mapping[str, Badge]]
    sides: Mapping[SideName, Side]
    folder: Folder | None


def prepare(
    first: Source, second: Source, fonts: Fonts, context: Context
) -> Prepared | InspectorError:
    """Read, match and lay out both models."""
    from inspector.session.comparison import sides_of
    from inspector.session.pairing import lone_nodes, open_pair

    import_module("inspector.report.comparison")  # asked for as soon as there are figures
    try:
        folder = Folder() if first.choices or second.choices else None
        one, two = (source.read(folder, context) for source in (first, second))
        if context.cancelled():
            raise CancelledError
        pair = open_pair(one, two)
        context.breathe()
        pictures = [_picture(known, fonts) for known in (pair.first, pair.second)]
    except InspectorError as error:
        return error
    if context.cancelled():
        raise CancelledError
    joint, sides, lone = pair.joint, sides_of(pair), lone_nodes(pair)
    return Prepared(
        pair,
        {"first": pictures[0], "second": pictures[1]},
        align(
            pictures[0],
            pictures[1],
            pair.partners,
            None if joint is None else joint.inputs,
            None if joint is None else joint.outputs,
        ),
        {
            "first": dict(_plain_badges(pair.first, lone[0])),
            "second": dict(_plain_badges(pair.second, lone[1])),
        },
        {"first": sides[0], "second": sides[1]},
        folder,
    )


def _picture(known: Known, fonts: Fonts) -> Picture:
    remembered = Remembered(quantized={known.graph: known.quantized})
    request = Layout(
        known.graph, Shown(), remembered, fonts, frozenset(), None, None, None, FIGURE_ROOM
    )
    return lay_out(request).picture


def _plain_badges(known: Known, lone: frozenset[str]) -> list[tuple[str, Badge]]:
    """How each operator is stored, and which have no partner."""
    found = known.quantized
    badges: list[tuple[str, Badge]] = []
    for node in known.graph.nodes:
        weight = found.weights.get(node.name)
        grids = dict.fromkeys(one.spec for one in found.activations.get(node.name, ()))
        is_lone = node.name in lone
        weights = weight.spec if weight else ""
        reads = "/".join(filter(None, grids))
        is_float_layer = weight is None and not grids and node.op_type in LAYERS
        if is_float_layer:
            weights, reads = _weight_dtype(known.graph, node), _dtype(known.graph, node, 0)
        if weights or reads or is_lone:
            why = NO_PARTNER if is_lone else ""
            badges.append((node.name, Badge(weights, reads, lone=is_lone, why=why)))
    return badges


def _weight_dtype(graph: Graph, node: Node) -> str:
    """The type of a layer's weight; "" where it multiplies two activations."""
    known = (graph.tensors.get(node.input(slot)) for slot in (0, 1))
    return next((one.dtype for one in known if one is not None and one.constant), "")


def _dtype(graph: Graph, node: Node, slot: int) -> str:
    known = graph.tensors.get(node.input(slot))
    return known.dtype if known is not None else ""


# Figures


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What a comparison has found so far.

    Attributes:
        comparison: all of it.
        rows: the tensors, in the order of the first model.
        values: by side, node -> SQNR in dB of what it computes.
    """

    comparison: Comparison
    rows: tuple[TensorRow, ...]
    values: Mapping[SideName, Mapping[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What the models are run on.

    Attributes:
        dataset: samples that are open already, for the first model.
        path: data to be opened; None for those, or for random numbers.
        images: how pictures are fed.
    """

    dataset: Dataset | None = None
    path: Path | None = None
    images: ImageOptions = field(default_factory=ImageOptions)

    def open(self, pair: ModelPair) -> Dataset:
        """The samples; raises DataError, or what stands against running both models."""
        joint = pair.require_joint()
        if self.path is not None:
            model = pair.first.model
            hint = pixel_hint(model, joint.graph)
            return load_data(self.path, joint.graph, images=self.images, hint=hint)
        if self.dataset is not None and not joint.ends[0]:
            if not set(joint.inputs) <= set(self.dataset.feeds(0)):
                raise DataError(
                    f"{self.dataset.source} is data for the inputs of the other model.",
                    "Choose data for the first one with Data….",
                )
            return self.dataset
        return random_data(joint.graph, samples=RANDOM_SAMPLES)


def compare(prepared: Prepared, data: Data, context: Context) -> Figures | InspectorError:
    """Run both models; tells Figures now and then."""
    from inspector.gui.estimate import cores
    from inspector.session.comparison import compare_pair

    told = 0.0

    def tell(found: Comparison) -> None:
        nonlocal told
        context.progress(found.fidelity.samples, len(samples))
        context.breathe()
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            context.tell(figures(found))

    try:
        samples = data.open(prepared.pair).spread(SAMPLES)
        found = compare_pair(
            prepared.pair,
            samples,
            threads=max(cores() - 1, 1),  # one is left to the window
            tell=tell,
            cancel=context.cancelled,
        )
        return figures(found)
    except CancelledError:
        raise
    except InspectorError as error:
        return error


def time_both(prepared: Prepared, data: Data, context: Context) -> Latencies | InspectorError:
    """How long both take, and how much memory."""
    from inspector.session.comparison import measure_pair

    try:
        samples = data.open(prepared.pair)
        return measure_pair(prepared.pair, samples, cancel=context.cancelled)
    except CancelledError:
        raise
    except InspectorError as error:
        return error


def figures(found: Comparison) -> Figures:
    """The figures of both graphs: each operator has that of the last tensor that it computes."""
    rows = tuple(
        TensorRow(
            number,
            one.node,
            one.other,
            one.op_type,
            found.types_of(one),
            one.sqnr_db,
            one.max_abs,
        )
        for number, one in enumerate(found.layers, 1)
    )
    first: dict[str, float] = {}
    second: dict[str, float] = {}
    for layer in found.layers:
        first[layer.node] = layer.sqnr_db
        second[layer.other] = layer.sqnr_db
    return Figures(found, rows, {"first": first, "second": second})


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What is said on the cards of one side."""

    side: SideName
    badges: Mapping[str, Badge]


def paint(
    prepared: Prepared, found: Figures, ends: tuple[float, float] | None, context: Context
) -> None:
    """Tells the figures on the cards, one side after the other: to show them takes a while.

    Args:
        prepared: the models.
        found: the figures.
        ends: of the heat colours; None for no heat.
        context: of the task.

    Cost: some 10 microseconds for each node.
    """
    for side in SIDES:
        badges = _with_figures(prepared.badges[side], found.values[side], ends)
        context.breathe()
        context.tell(Painted(side, badges))


def _with_figures(
    plain: Mapping[str, Badge], values: Mapping[str, float], ends: tuple[float, float] | None
) -> dict[str, Badge]:
    badges = dict(plain)
    empty, title = Badge("", ""), f"{DIFFERENCE.title}:"
    for name, value in values.items():
        if not math.isnan(value):
            figure = quantity_text(DIFFERENCE, value)
            colour = None if ends is None else _colour(value, ends)
            before = badges.get(name, empty)
            badges[name] = replace(before, figure=figure, title=title, colour=colour)
    return badges


def _colour(value: float, ends: tuple[float, float]) -> QColor | None:
    where = place(DIFFERENCE, value, *ends)
    return None if where is None else heat(where)
