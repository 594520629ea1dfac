"""The whole model with today's choices, without rebuilding anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.runtime import open_session
from inspector.graph.grids import Grids, quantize_bias
from inspector.graph.model import Layer
from inspector.graph.placement import Placement
from inspector.onnxio.loading import Model
from inspector.onnxio.simulation import simulate, site_values
from inspector.quant.kernels import fake_quantize
from inspector.quant.qparams import QParams


class Preview:
    """One session that predicts any choice for any layer in one forward pass.

    Weights that a choice quantizes are computed when first asked for and kept until their grid
    changes, so that a change of one layer costs that layer. Not safe to use from two threads at
    once.

    Cost: the session holds no weights; the fake-quantized ones take as much memory as the model.
    """

    def __init__(self, model: Model, placement: Placement, *, threads: int = 0) -> None:
        """Builds the session.

        Args:
            model: the prepared model, in opset 13 or later.
            placement: the sites of its graph.
            threads: threads within an operator; 0 means one for every core.

        Raises:
            RunError: onnxruntime refuses the model.
        """
        self._model = model
        self._placement = placement
        self._simulation = simulate(model, placement)
        title = str(model.path or "the model")
        self._session = open_session(self._simulation.runnable, threads=threads, title=title)
        self._held: dict[tuple[str, str], tuple[bytes, NDArray[Any]]] = {}

    def run(
        self,
        grids: Grids,
        feeds: Mapping[str, NDArray[Any]],
        cancel: Callable[[], bool] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """The model's outputs for one sample under these grids.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.
        """
        return self._session.run({**feeds, **self._numbers(grids)}, cancel=cancel)

    def _numbers(self, grids: Grids) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = {}
        for site, names in self._simulation.sites.items():
            index = grids.plan.sites.get(site)
            grid = None if index is None else grids.points[index]
            values.update(zip(names, site_values(grid), strict=True))
        for layer in self._placement.graph.layers:
            for tensor in (layer.weight, layer.bias):
                name = self._simulation.constants.get((layer.name, tensor or ""))
                if name is not None and tensor is not None:
                    values[name] = self._constant(layer, tensor, grids)
        return values

    def _constant(self, layer: Layer, tensor: str, grids: Grids) -> NDArray[Any]:
        """A weight or bias as the quantized model has it."""
        weight = grids.weights.get(layer.name) if tensor == layer.weight else None
        bias = grids.bias_scales.get(layer.name) if tensor == layer.bias else None
        identity = _identity(weight, bias)
        held = self._held.get((layer.name, tensor))
        if held is not None and held[0] == identity:
            return held[1]
        values = self._model.constant(tensor)
        if weight is not None:
            values = fake_quantize(values, weight)
        elif bias is not None:
            codes = quantize_bias(values.reshape(-1), bias)
            values = (codes * bias).astype(np.float32).reshape(values.shape)
        self._held[layer.name, tensor] = (identity, values)
        return values


def _identity(weight: QParams | None, bias: NDArray[np.float32] | None) -> bytes:
    if weight is not None:
        ends = repr((weight.qmin, weight.qmax, weight.axis, weight.block)).encode()
        return ends + weight.scale.tobytes() + weight.zero_point.tobytes()
    return b"" if bias is None else bias.tobytes()
