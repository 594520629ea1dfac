"""Visits the layers of a model in graph order, in float and quantized, on the same samples.

What was changed at one layer (its codes, its bias) is what the layers after it read: errors of the
quantized part before a layer are there to be made good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, UnsupportedError
from inspector.evaluate.layer_errors import all_float
from inspector.evaluate.preview import Numbers, Preview, weight_input
from inspector.evaluate.recovery.shelf import Shelf
from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.grids import Grids
from inspector.graph.model import Layer
from inspector.onnxio.segments import Piece, Pieces, Visit
from inspector.progress import Cancel, Progress

Floats = NDArray[np.float32]
Pair = tuple[Floats, Floats]
"""The same values in the float model and in the quantized one, in real units."""

_STREAMS = (False, True)


class Stop:
    """A layer that is being visited."""

    def __init__(self, walk: Walk, visit: Visit) -> None:
        """Made by a `Walk`."""
        self._walk = walk
        self._visit = visit
        self._has_run = False

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self._visit.layer

    def inputs(self) -> Iterator[Pair]:
        """What the layer reads, sample by sample, behind its quantizer."""
        steps = self._walk.read_steps(self.layer)
        return self._walk.pairs(self._visit.read, steps)

    def outputs(self) -> Iterator[Pair]:
        """What the layer computes, sample by sample, before any quantizer."""
        self.run()
        return self._walk.pairs(self._visit.written, (1.0, self._walk.written_step(self.layer)))

    def set_weight(self, values: Floats) -> None:
        """Let the quantized layer compute with other weights, before its outputs are asked for.

        Args:
            values: real values, on the layer's grid if it has one.
        """
        self._walk.set_weight(self.layer, values)
        self._has_run = False

    def shift(self, delta: NDArray[np.float64]) -> None:
        """Add to what the quantized layer computes, as a change of its bias does.

        Args:
            delta: one number for each output channel, in real units.
        """
        self.run()
        self._walk.shift(self._visit.written, self.layer, delta)

    def run(self) -> None:
        """Run the layer, if that was not done."""
        if not self._has_run:
            self._walk.run_piece(self._visit.itself)
            self._has_run = True


class Walk:
    """One pass over the layers with a constant weight.

    Cost: one float and one quantized forward pass a sample, and a session for each layer. Tensors
    that are still needed are on the shelf.
    """

    def __init__(
        self,
        preview: Preview,
        grids: Grids,
        samples: Iterable[Feeds],
        shelf: Shelf,
        *,
        chosen: Numbers | None = None,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Gets ready.

        Args:
            preview: of the float model; its simulation is cut.
            grids: the numbers of the quantized model.
            samples: what to run on.
            shelf: where tensors are kept between layers.
            chosen: the simulation's inputs for the quantized model, where its weights and biases
                are others than those of the float model rounded to their grids.
            cancel: asked between runs and while one runs.
            progress: told of (layers visited, all layers).
        """
        graph = preview.placement.graph
        self._preview = preview
        self._grids = grids
        self._shelf = shelf
        self._cancel = cancel
        self._progress = progress
        layers = [layer for layer in graph.layers if layer.weight is not None]
        self._pieces = Pieces(preview.simulation, layers, graph.inputs)
        idle = all_float(preview.placement)
        quantized = dict(preview.numbers(grids) if chosen is None else chosen)
        self._numbers: tuple[Numbers, Numbers] = preview.numbers(idle), quantized
        self._idle = idle
        self._steps: Mapping[str, float] = preview.output_steps(grids)
        self._types: dict[str, str] = {}
        self._count = 0
        for number, feeds in enumerate(samples):
            self._count += 1
            for name, values in feeds.items():
                for stream in _STREAMS:
                    self._keep(name, number, stream, values)

    def __iter__(self) -> Iterator[Stop]:
        """Visit each layer, in graph order.

        Raises:
            RunError: onnxruntime failed.
            UnsupportedError: the model hands on what is no tensor.
            CancelledError: `cancel` said so.
        """
        visits = self._pieces.visits
        for number, visit in enumerate(visits):
            if visit.before is not None:
                self.run_piece(visit.before)
                self._let_go(visit.before)
            stop = Stop(self, visit)
            yield stop
            stop.run()
            self._let_go(visit.itself)
            if self._progress is not None:
                self._progress(number + 1, len(visits))

    # What a stop asks for -------------------------------------------------------------------------

    def pairs(self, tensor: str, steps: tuple[float, float]) -> Iterator[Pair]:
        """A tensor in both streams, sample by sample, times these."""
        for number in range(self._count):
            self._stop_if_cancelled()
            one, other = (
                np.asarray(self._shelf.get((tensor, number, stream)) * np.float32(steps[stream]))
                for stream in _STREAMS
            )
            yield one, other

    def read_steps(self, layer: Layer) -> tuple[float, float]:
        """Real value of a unit of what a layer reads: in float, and quantized."""
        one, other = (self._preview.input_step(layer, grids) for grids in (self._idle, self._grids))
        return one, other

    def written_step(self, layer: Layer) -> float:
        """Real value of a unit of what the quantized layer writes."""
        return self._steps.get(layer.name, 1.0)

    def set_weight(self, layer: Layer, values: Floats) -> None:
        """See `Stop.set_weight`."""
        name = self._preview.simulation.layers[layer.name].weight
        assert name is not None
        self._numbers[1][name] = weight_input(layer, values, self._grids)

    def shift(self, tensor: str, layer: Layer, delta: NDArray[np.float64]) -> None:
        """See `Stop.shift`."""
        change = (delta / self.written_step(layer)).astype(np.float32)
        for number in range(self._count):
            key = (tensor, number, True)
            values = self._shelf.get(key)
            self._shelf.put(key, values + along_channels(change, layer, values.ndim))

    # Running --------------------------------------------------------------------------------------

    def run_piece(self, piece: Piece) -> None:
        """Run some nodes on every sample, in float and quantized."""
        session = open_session(
            self._pieces.runnable(piece, self._types), memory_pattern=False, spinning=False
        )
        for stream in _STREAMS:
            known = self._numbers[stream]
            numbers = {name: known[name] for name in piece.numbers}
            for number in range(self._count):
                self._run_sample(session, piece, number, stream, numbers)

    def _run_sample(
        self, session: Session, piece: Piece, number: int, stream: bool, numbers: Numbers
    ) -> None:
        feeds = {name: self._shelf.get((name, number, stream)) for name in piece.needs}
        for name, values in session.run({**feeds, **numbers}, cancel=self._cancel).items():
            self._keep(name, number, stream, values)

    def _keep(self, name: str, number: int, stream: bool, values: Any) -> None:
        if not isinstance(values, np.ndarray):
            raise UnsupportedError(
                f"The tensor {name!r} is no array, so layers cannot be visited one by one.",
                "Switch recovery off for this model.",
            )
        self._types[name] = values.dtype.name
        self._shelf.put((name, number, stream), values)

    def _let_go(self, piece: Piece) -> None:
        for name in piece.last:
            for number in range(self._count):
                for stream in _STREAMS:
                    self._shelf.drop((name, number, stream))

    def _stop_if_cancelled(self) -> None:
        if self._cancel is not None and self._cancel():
            raise CancelledError


def channels_of(layer: Layer) -> int | None:
    """How many output channels a layer has; None where its weight has no axis of them."""
    if layer.weight_shape is None or layer.channel_axis is None:
        return None
    count = layer.weight_shape[layer.channel_axis]
    return count * layer.group if layer.op_type == "ConvTranspose" else count


def output_axis(layer: Layer, ndim: int) -> int:
    """The axis of a layer's output that its channels run along."""
    if layer.op_type in {"Conv", "ConvTranspose"}:
        return 1
    return ndim - 2 if layer.weight_slot == 0 else ndim - 1


def along_channels(values: NDArray[Any], layer: Layer, ndim: int) -> NDArray[Any]:
    """One number a channel, shaped to broadcast against the layer's output."""
    axis = output_axis(layer, ndim)
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def per_channel(values: Floats, layer: Layer) -> NDArray[np.float64]:
    """A layer's output as (channels, everything else)."""
    axis = output_axis(layer, values.ndim)
    moved = np.moveaxis(values, axis, 0)
    return moved.reshape(moved.shape[0], -1).astype(np.float64)


__all__: Sequence[str] = (
    "Floats", "Pair", "Stop", "Walk", "along_channels", "channels_of", "output_axis", "per_channel",
)  # fmt: skip
