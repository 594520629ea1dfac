"""What each layer does to the outputs when it alone is quantized.

For one layer after the other the plan of the whole model is made with all others in float, and run
in the simulation beside the float model: what a file with only that layer quantized would do. It
tells which layers hurt. It does not tell what a recipe does as a whole: errors of several layers
add up, or cancel, and a grid that two layers share counts for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.preview import Preview, Written
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import GridChooser
from inspector.graph.placement import Placement, Plan
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel
from inspector.quant.distribution import Histogram
from inspector.quant.spec import FLOAT, LayerSpecs

_ALL_FLOAT = LayerSpecs(FLOAT, FLOAT)
_Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Alone:
    """What the outputs are like with one layer quantized and all others in float.

    Attributes:
        layer: the layer.
        specs: how it is quantized.
        fidelity: how near the outputs are to the float model's, over the samples seen so far.
        is_final: all samples were seen.
    """

    layer: str
    specs: LayerSpecs
    fidelity: Fidelity
    is_final: bool


class OneByOne:
    """Quantizes layers one at a time, in one session that is built once.

    What was chosen and computed for a layer is kept, so that asking again costs the forward passes
    alone. Not safe to use from two threads at once.

    Cost: one forward pass for each layer and sample, and linear in the number of nodes beside it.
    The quantized weights take as much memory as the model, and the outputs of the samples are kept.
    """

    def __init__(
        self,
        source: Model,
        prepared: Model,
        placement: Placement,
        distributions: Mapping[str, Histogram],
        samples: Dataset,
        written: Written | None = None,
    ) -> None:
        """Does nothing yet: the sessions are built by the first run.

        Args:
            source: the model as the user gave it: the float reference.
            prepared: the model whose layers are quantized.
            placement: the sites of its graph.
            distributions: what calibration gathered, by tensor.
            samples: what to run on; a few are enough to tell layers apart.
            written: weights that a method of recovery rounded; see `Preview`.
        """
        self._source = source
        self._prepared = prepared
        self._placement = placement
        self._samples = samples
        self._chooser = GridChooser(placement.graph, prepared.constant, distributions)
        self._written = written
        self._preview: Preview | None = None
        self._expected: list[tuple[_Arrays, _Arrays]] = []

    def run(
        self,
        specs: Mapping[str, LayerSpecs],
        layers: Sequence[str],
        cancel: Cancel | None = None,
    ) -> Iterator[Alone]:
        """Quantize each layer alone; figures come as they are found.

        All layers are run on the first sample, then all on the second and so on: each has a first
        figure soon, and a better one with every round. A layer of whose tensors nothing is
        quantized gives none.

        Args:
            specs: the filled specs of each of the layers.
            layers: names of the layers, in the order wanted.
            cancel: asked between runs and while one runs.

        Raises:
            RunError: onnxruntime refuses the model or the samples.
            DataError: a tensor was not measured, or a weight holds no numbers.
            CancelledError: `cancel` said so.
        """
        meters: dict[str, FidelityMeter] = {}
        classes = class_output(self._placement.graph)
        samples = self._references(cancel)
        for number, (feeds, expected) in enumerate(samples, start=1):
            for name in layers:
                plan = self.plan(name, specs[name])
                if not plan.weights and not plan.sites:
                    continue
                outputs = self._simulated(plan, feeds, cancel)
                meter = meters.setdefault(name, FidelityMeter(classes))
                meter.add(expected, outputs)
                yield Alone(name, specs[name], meter.result(), number == len(samples))

    def plan(self, layer: str, specs: LayerSpecs) -> Plan:
        """What is quantized when one layer is, and every other stays in float."""
        everywhere = {one.name: _ALL_FLOAT for one in self._placement.graph.layers}
        return self._placement.plan({**everywhere, layer: specs})

    def _simulated(self, plan: Plan, feeds: _Arrays, cancel: Cancel | None) -> _Arrays:
        grids = self._chooser.choose(plan, cancel)
        if self._preview is None or not self._preview.suits(grids):
            self._preview = Preview.suiting(
                grids, self._prepared, self._placement, written=self._written
            )
        return self._preview.run(grids, feeds, cancel)

    def _references(self, cancel: Cancel | None) -> list[tuple[_Arrays, _Arrays]]:
        """The samples with the float model's outputs, found once."""
        if not self._expected:
            session = open_session(runnable(self._source))
            self._expected = [
                (feeds, session.run(feeds, cancel=cancel)) for feeds in self._samples.samples()
            ]
        return self._expected
