"""What quantizing does to each layer, gathered for a report: distributions, errors, advice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, InspectorError
from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import Grids, operator_axis, point_distribution
from inspector.graph.model import Layer
from inspector.graph.placement import Site
from inspector.onnxio.loading import Model
from inspector.progress import Cancel
from inspector.quant.distribution import Distribution, Histogram
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.profile import error_profile
from inspector.quant.qparams import QParams
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.advice import Advice, advise
from inspector.session.facts import activation_facts, weight_distribution, weight_facts
from inspector.session.fitting import violations
from inspector.session.opening import OpenModel
from inspector.session.target_profile import Target

BINS = 96
WORST = 8
"""Layers that are looked at more closely."""


@dataclass(frozen=True, slots=True, eq=False)
class TensorStudy:
    """A tensor on its grid.

    Attributes:
        name: the tensor's.
        spec: what was chosen.
        lo: the smallest value.
        hi: the largest value.
        grid_lo: the lowest level of any scale.
        grid_hi: the highest level of any scale.
        scale: the smallest and the largest scale.
        sqnr_db: over all values.
        clipped: the share of values beyond the grid.
        zeroed: the share of values that become zero without being it.
        edges: (BINS + 1,) edges of the histogram.
        counts: (BINS,) values in each bin.
        exact: from all values; False for an estimate from what calibration gathered.
    """

    name: str
    spec: str
    lo: float
    hi: float
    grid_lo: float
    grid_hi: float
    scale: tuple[float, float]
    sqnr_db: float
    clipped: float
    zeroed: float
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    exact: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the histogram."""
        return {
            "name": self.name,
            "spec": self.spec,
            "range": [self.lo, self.hi],
            "grid": [self.grid_lo, self.grid_hi],
            "scale": list(self.scale),
            "sqnr_db": self.sqnr_db,
            "clipped": self.clipped,
            "zeroed": self.zeroed,
            "exact": self.exact,
        }


@dataclass(frozen=True, slots=True, eq=False)
class LayerStudy:
    """A layer under its specs.

    Attributes:
        name: the layer's.
        weight: its weight; None where that stays float or there is none.
        activations: what it reads on a grid.
        advice: what would do better; for the worst layers only.
        violations: what the target does not take of it.
    """

    name: str
    weight: TensorStudy | None
    activations: tuple[TensorStudy, ...]
    advice: tuple[Advice, ...] = ()
    violations: tuple[str, ...] = ()

    @property
    def worst_db(self) -> float:
        """The lowest SQNR of its tensors; inf where none is quantized."""
        tensors = [one for one in (self.weight, *self.activations) if one is not None]
        return min((one.sqnr_db for one in tensors), default=float("inf"))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "weight": None if self.weight is None else self.weight.to_json(),
            "activations": [one.to_json() for one in self.activations],
            "advice": [one.to_json() for one in self.advice],
            "violations": list(self.violations),
        }


def study_layers(
    opened: OpenModel,
    specs: Mapping[str, LayerSpecs],
    grids: Grids,
    calibration: Calibration | None,
    target: Target,
    *,
    model: Model | None = None,
    first: Sequence[str] = (),
    cancel: Cancel | None = None,
) -> tuple[LayerStudy, ...]:
    """Look at every layer, and at the worst more closely.

    Args:
        opened: the model.
        specs: the filled specs of its layers.
        grids: their numbers.
        calibration: what is known of the activations.
        target: the hardware; advice stays within what it takes.
        model: holds the weights, where they are not those of the prepared model.
        first: layers that hurt the outputs most, worst first, where that is known; these are the
            worst then, else those whose own tensors lose most.
        cancel: asked between layers.

    Raises:
        CancelledError: `cancel` said so.

    Cost: sorts every quantized weight, 0.1 s for a million values a core; the worst several times.
    """
    work = _Study(opened, specs, grids, calibration, target, model or opened.prepared, cancel)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(work.layer, opened.graph.layers))
        by_tensor = [one.name for one in sorted(found, key=lambda one: one.worst_db)]
        worst = set((list(first) or by_tensor)[:WORST])
        layers = opened.graph.layers
        pairs = [(la, one) for la, one in zip(layers, found, strict=True) if la.name in worst]
        closer = dict(pool.map(lambda pair: (pair[0].name, work.closer(*pair)), pairs))
    return tuple(closer.get(one.name, one) for one in found)


@dataclass(frozen=True, slots=True, eq=False)
class _Study:
    opened: OpenModel
    specs: Mapping[str, LayerSpecs]
    grids: Grids
    calibration: Calibration | None
    target: Target
    model: Model
    cancel: Cancel | None

    def layer(self, layer: Layer) -> LayerStudy:
        self._go_on()
        wrong = violations(self.target, layer, self.specs[layer.name])
        weight = None
        if layer.name in self.grids.weights:
            weight = self._weight(layer)
        activations = [self._activation(layer, name) for name in layer.activations]
        return LayerStudy(
            layer.name,
            weight,
            tuple(one for one in activations if one is not None),
            violations=tuple(one.why for one in wrong),
        )

    def closer(self, layer: Layer, study: LayerStudy) -> LayerStudy:
        self._go_on()
        specs = self.specs[layer.name]
        advice: list[Advice] = []
        if study.weight is not None:
            spec = self.grids.plan.weights[layer.name]
            advice += advise(
                "weights",
                spec,
                partial(self._weight_db, layer),
                study.weight.sqnr_db,
                lambda other: self._fits(layer, LayerSpecs(other, specs.activations)),
            )
        for one in study.activations:
            index = self.grids.plan.sites[Site(one.name, layer.name)]
            spec = self.grids.plan.points[index].spec
            advice += advise(
                "activations",
                spec,
                partial(self._activation_db, layer, one.name),
                one.sqnr_db,
                lambda other: self._fits(layer, LayerSpecs(specs.weights, other)),
            )
        return LayerStudy(
            study.name, study.weight, study.activations, tuple(advice), study.violations
        )

    def _go_on(self) -> None:
        if self.cancel is not None and self.cancel():
            raise CancelledError

    def _fits(self, layer: Layer, specs: LayerSpecs) -> bool:
        return not violations(self.target, layer, specs)

    def _weight(self, layer: Layer) -> TensorStudy:
        name, spec = layer.weight or "", self.grids.plan.weights[layer.name]
        values, grid = self.opened.prepared.constant(name), self.grids.weights[layer.name]
        dist = weight_distribution(values, spec, operator_axis(layer), name)
        found = _study(name, spec, dist, grid, exact=True)
        if self.model is self.opened.prepared:
            return found
        # Codes were chosen by what the layer computes, not the nearest ones.
        stored = fake_quantize(self.model.constant(name), grid)
        return replace(found, sqnr_db=sqnr_db(values, stored))

    def _activation(self, layer: Layer, name: str) -> TensorStudy | None:
        index = self.grids.plan.sites.get(Site(name, layer.name))
        if index is None:
            return None
        spec, dist = self.grids.plan.points[index].spec, self._values(layer, name)
        return _study(name, spec, dist, self.grids.points[index], exact=False)

    def _values(self, layer: Layer, name: str) -> Histogram:
        """What calibration gathered of a tensor, or of those that it was moved together from."""
        assert self.calibration is not None, "there are no grids without it"
        known = self.calibration.tensors
        if name in known:
            return known[name]
        point = self.grids.plan.points[self.grids.plan.sites[Site(name, layer.name)]]
        return point_distribution(point, known)

    def _weight_db(self, layer: Layer, spec: QuantSpec) -> float | None:
        try:
            values = self.opened.prepared.constant(layer.weight or "")
            facts = weight_facts(values, spec, operator_axis(layer), layer.weight or "")
        except InspectorError:  # a granularity that this weight does not have
            return None
        return None if facts.profile is None else facts.profile.total_sqnr_db

    def _activation_db(self, layer: Layer, name: str, spec: QuantSpec) -> float | None:
        facts = activation_facts(self._values(layer, name), spec, name)
        return None if facts.profile is None else facts.profile.total_sqnr_db


def _study(
    name: str, spec: QuantSpec, dist: Distribution, grid: QParams, *, exact: bool
) -> TensorStudy:
    edges, counts = dist.density(BINS)
    profile = error_profile(dist, grid)
    weights = np.maximum(np.asarray(dist.count, np.float64).reshape(-1), 1)
    return TensorStudy(
        name=name,
        spec=str(spec),
        lo=float(np.min(dist.lo, initial=np.inf)),
        hi=float(np.max(dist.hi, initial=-np.inf)),
        grid_lo=float(grid.lo.min(initial=0.0)),
        grid_hi=float(grid.hi.max(initial=0.0)),
        scale=(float(grid.scale.min()), float(grid.scale.max())),
        sqnr_db=profile.total_sqnr_db,
        clipped=float(np.average(profile.clipped, weights=weights)),
        zeroed=float(np.average(profile.zeroed, weights=weights)),
        edges=edges,
        counts=counts,
        exact=exact,
    )
