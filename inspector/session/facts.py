"""What a view shows of a layer under a spec: pure functions, requests for workers, and a cache.

A worker gets a frozen request, calls `run` and returns the response. The main thread gives that to
`Facts.accept`, which keeps it unless another model or calibration has come since.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.cache import CachePool
from inspector.errors import UnsupportedError
from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import operator_axis, weight_spec
from inspector.graph.model import Layer
from inspector.onnxio.loading import Model
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.profile import ErrorProfile, profile_and_counts
from inspector.quant.qparams import QParams, choose_qparams, weight_axis
from inspector.quant.spec import QuantSpec
from inspector.session.effort import is_quick
from inspector.session.levels import MAX_LEVELS

Density = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(bins + 1,) edges and (bins,) counts."""
PLOT_BINS = 256
_FACTS_BYTES = 1024


@dataclass(frozen=True, slots=True, eq=False)
class TensorFacts:
    """What is known of a tensor under a spec, ready to be plotted.

    Attributes:
        spec: with every field set.
        lo: the smallest value.
        hi: the largest value.
        edges: (bins + 1,) edges of the histogram.
        counts: (bins,) values in each bin, over all rows.
        qparams: the grid; None for float.
        profile: the error that the grid makes; None for float.
        levels: (qmax - qmin + 1,) values on each level; None for float, and for grids too fine to
            be shown level by level.
        exact: every figure is exact; False for what a sketch estimates.
    """

    spec: QuantSpec
    lo: float
    hi: float
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    qparams: QParams | None
    profile: ErrorProfile | None
    levels: NDArray[np.float64] | None
    exact: bool


def weight_distribution(
    values: ArrayLike, spec: QuantSpec, axis: int | None, name: str = ""
) -> ExactDistribution:
    """Sort a weight as its granularity needs it: about 80 ms for a million values.

    Args:
        values: the weight.
        spec: filled; only its granularity matters.
        axis: the operator's axis of output channels.
        name: what an error calls the tensor.

    Raises:
        DataError: NaN or infinity in the weight.
        UnsupportedError: it has no such axis.
    """
    where, block = weight_axis(spec, axis, np.ndim(values), name)
    return ExactDistribution.of(values, axis=where, block=block, name=name)


def weight_facts(
    values: ArrayLike, spec: QuantSpec, axis: int | None, name: str = ""
) -> TensorFacts:
    """All about a weight, from its values; the sorting is nearly all of the cost.

    Args:
        values: the weight.
        spec: filled.
        axis: the operator's axis of output channels.
        name: what an error calls the tensor.

    Raises:
        DataError: NaN or infinity in the weight.
        UnsupportedError: the spec cannot be computed, or the weight has no such axis.
    """
    dist = weight_distribution(values, spec, axis, name)
    return weight_facts_of(dist, spec, axis, np.shape(values), name)


def weight_facts_of(
    dist: ExactDistribution,
    spec: QuantSpec,
    axis: int | None,
    shape: tuple[int, ...],
    name: str = "",
    density: Density | None = None,
) -> TensorFacts:
    """All about a weight that was sorted before: milliseconds, without the weight itself.

    Args:
        dist: sorted as the granularity of `spec` needs it (`weight_distribution`).
        spec: filled.
        axis: the operator's axis of output channels.
        shape: of the weight.
        name: what an error calls the tensor.
        density: of `dist`, where it is known: counting costs more than all the rest.

    Raises:
        UnsupportedError: the spec cannot be computed.
    """
    if spec.is_float:
        return _facts(dist, spec, None, density)
    where, block = weight_axis(spec, axis, len(shape), name)
    qp = choose_qparams(dist, spec, axis=where, block=block, shape=shape)
    return _facts(dist, spec, qp, density)


def activation_facts(histogram: Histogram, spec: QuantSpec, name: str = "") -> TensorFacts:
    """All about an activation from its histogram: milliseconds.

    Args:
        histogram: from the calibration.
        spec: filled.
        name: what an error calls the tensor.

    Raises:
        UnsupportedError: the spec cannot be computed, or not from one histogram a tensor.
    """
    if spec.is_float:
        return _facts(histogram, spec, None)
    if spec.granularity is not None and spec.granularity.kind != "tensor":
        where = f"The activation '{name}'" if name else "An activation"
        raise UnsupportedError(
            f"{where} cannot be quantized by {spec.granularity}.",
            "Activations have one scale for the whole tensor: use the granularity tensor.",
        )
    return _facts(histogram, spec, choose_qparams(histogram, spec))


def _facts(
    dist: Distribution, spec: QuantSpec, qp: QParams | None, density: Density | None = None
) -> TensorFacts:
    edges, counts = density or dist.density(PLOT_BINS)
    profile = levels = None
    if qp is not None:
        profile, levels = profile_and_counts(dist, qp, most=MAX_LEVELS)
    return TensorFacts(
        spec=spec,
        lo=float(dist.lo.min(initial=np.inf)),
        hi=float(dist.hi.max(initial=-np.inf)),
        edges=edges,
        counts=counts,
        qparams=qp,
        profile=profile,
        levels=levels,
        exact=isinstance(dist, ExactDistribution),
    )


@dataclass(frozen=True, slots=True, eq=False)
class WeightRequest:
    """What a worker needs to find the facts of a layer's weight; shares nothing that changes.

    Attributes:
        model: where the weight is.
        layer: whose weight.
        spec: filled.
        distribution: the sorted weight, if it is known already.
        density: its histogram, if that is known too.
    """

    model: Model
    layer: Layer
    spec: QuantSpec
    distribution: ExactDistribution | None = None
    density: Density | None = None

    def run(self) -> WeightResponse:
        """Read and sort the weight unless that was done before, and find the facts.

        Raises:
            InspectorError: as `weight_facts`, and ModelError where the weight cannot be read.
        """
        name, axis = self.layer.weight or "", operator_axis(self.layer)
        spec = weight_spec(self.layer, self.spec)
        dist = self.distribution
        if dist is None:
            values = self.model.constant(name)
            dist = weight_distribution(values, spec, axis, name)
        shape = self.layer.weight_shape or ()
        facts = weight_facts_of(dist, spec, axis, shape, name, self.density)
        return WeightResponse(self, dist, facts)


@dataclass(frozen=True, slots=True, eq=False)
class WeightResponse:
    """The answer to a `WeightRequest`."""

    request: WeightRequest
    distribution: ExactDistribution
    facts: TensorFacts


@dataclass(frozen=True, slots=True, eq=False)
class ActivationRequest:
    """What a worker needs to find the facts of an activation.

    Attributes:
        calibration: the statistics that hold it.
        tensor: its name.
        spec: filled.
    """

    calibration: Calibration
    tensor: str
    spec: QuantSpec

    def run(self) -> ActivationResponse:
        """Find the facts.

        Raises:
            InspectorError: as `activation_facts`.
        """
        histogram = self.calibration.tensors[self.tensor]
        return ActivationResponse(self, activation_facts(histogram, self.spec, self.tensor))


@dataclass(frozen=True, slots=True, eq=False)
class ActivationResponse:
    """The answer to an `ActivationRequest`."""

    request: ActivationRequest
    facts: TensorFacts


class Facts:
    """The facts known so far, the sorted weights behind them, and requests for the rest.

    Args:
        pool: where they are kept; what was used longest ago goes first.
    """

    def __init__(self, pool: CachePool) -> None:
        """Start with no model."""
        self._sorted_weights = pool.section("Sorted weights")
        self._densities = pool.section("Histograms of weights")
        self._weights = pool.section("Error profiles of weights")
        self._activations = pool.section("Error profiles of activations")
        self._held: WeightResponse | None = None
        self._model: Model | None = None
        self._calibration: Calibration | None = None

    def reset(self, model: Model | None) -> None:
        """Forget everything; facts are of this model from now on."""
        for cache in (self._sorted_weights, self._densities, self._weights, self._activations):
            cache.clear()
        self._held = None
        self._model = model
        self._calibration = None

    def set_calibration(self, calibration: Calibration | None) -> None:
        """Forget what was known of activations; they come from this calibration from now on."""
        self._calibration = calibration
        self._activations.clear()

    def weight_request(self, layer: Layer, spec: QuantSpec) -> WeightRequest | None:
        """What a worker is to run; None for a layer without weights or without a model."""
        if self._model is None or layer.weight is None:
            return None
        density: Density | None = self._densities.get(_sorted_key(layer, spec))
        return WeightRequest(self._model, layer, spec, self._sorted(layer, spec), density)

    def activation_request(self, tensor: str, spec: QuantSpec) -> ActivationRequest | None:
        """What a worker is to run; None where the calibration does not know the tensor."""
        if self._calibration is None or tensor not in self._calibration.tensors:
            return None
        return ActivationRequest(self._calibration, tensor, spec)

    def accept(self, response: WeightResponse | ActivationResponse, *, hold: bool = False) -> bool:
        """Keep a response; False if it is of another model or calibration than the present.

        Args:
            response: to a request.
            hold: keep it until the next one that is held, however large it is: it is looked at.
        """
        if isinstance(response, WeightResponse):
            request = response.request
            if request.model is not self._model:
                return False
            dist, layer, spec = response.distribution, request.layer, request.spec
            if hold:
                self._held = response
            if request.distribution is None:
                self._sorted_weights.put(_sorted_key(layer, spec), dist)
            density = response.facts.edges, response.facts.counts
            self._densities.put(_sorted_key(layer, spec), density)
            self._weights.put(_weight_key(layer, spec), response.facts, _size(response.facts))
            return True
        if response.request.calibration is not self._calibration:
            return False
        key = response.request.tensor, response.request.spec
        self._activations.put(key, response.facts, _size(response.facts))
        return True

    def known_weight(self, layer: Layer, spec: QuantSpec) -> TensorFacts | None:
        """The facts of a weight, if they are known: a look-up."""
        key, held = _weight_key(layer, spec), self._held
        found: TensorFacts | None = self._weights.get(key)
        if found is None and held is not None:
            is_same = key == _weight_key(held.request.layer, held.request.spec)
            return held.facts if is_same else None
        return found

    def known_activation(self, tensor: str, spec: QuantSpec) -> TensorFacts | None:
        """The facts of an activation, if they are known: a look-up."""
        found: TensorFacts | None = self._activations.get((tensor, spec))
        return found

    def is_sorted(self, layer: Layer, spec: QuantSpec) -> bool:
        """Whether `weight` answers within milliseconds, without reading or sorting the weight."""
        dist = self._sorted(layer, spec)
        return dist is not None and is_quick(dist, spec)

    def weight(self, layer: Layer, spec: QuantSpec) -> TensorFacts | None:
        """The facts of a weight, found now if need be; None for a layer without weights.

        Costs a look-up if they are known, milliseconds if the weight is sorted (`is_sorted`), else
        about 80 ms for a million values: ask a worker to run `weight_request` then.

        Raises:
            InspectorError: as `weight_facts`.
        """
        known = self.known_weight(layer, spec)
        request = self.weight_request(layer, spec) if known is None else None
        if request is None:
            return known
        response = request.run()
        self.accept(response)
        return response.facts

    def activation(self, tensor: str, spec: QuantSpec) -> TensorFacts | None:
        """The facts of an activation, found now if need be (milliseconds); None if uncalibrated.

        Raises:
            InspectorError: as `activation_facts`.
        """
        known = self.known_activation(tensor, spec)
        request = self.activation_request(tensor, spec) if known is None else None
        if request is None:
            return known
        response = request.run()
        self.accept(response)
        return response.facts

    def _sorted(self, layer: Layer, spec: QuantSpec) -> ExactDistribution | None:
        key, held = _sorted_key(layer, spec), self._held
        found: ExactDistribution | None = self._sorted_weights.get(key)
        if found is None and held is not None:
            is_same = key == _sorted_key(held.request.layer, held.request.spec)
            return held.distribution if is_same else None
        return found


def _sorted_key(layer: Layer, spec: QuantSpec) -> Hashable:
    """Specs of the same granularity share the sorted weight."""
    return (layer.weight, layer.channel_axis, spec.granularity)


def _weight_key(layer: Layer, spec: QuantSpec) -> Hashable:
    return (layer.weight, layer.channel_axis, spec)


def _size(facts: TensorFacts) -> int:
    """As `bytes_of`, without looking at every field: there may be thousands at a time."""
    arrays: list[NDArray[Any] | None] = [facts.edges, facts.counts, facts.levels]
    if facts.qparams is not None:
        arrays += [facts.qparams.scale, facts.qparams.zero_point]
    if facts.profile is not None:
        profile = facts.profile
        arrays += [profile.mse, profile.sqnr_db, profile.clipped, profile.zeroed]
    return _FACTS_BYTES + sum(array.nbytes for array in arrays if array is not None)
