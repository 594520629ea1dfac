"""What is really done to a layer's tensors where that is not what was asked for, and why.

Tensors share grids, and some exist on a grid only, so the plan of the whole model may give a layer
a finer grid than its own choice, or none. Pure functions on frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.graph.model import Graph, Layer
from inspector.graph.placement import Plan, Site
from inspector.graph.recurrent import WHY_FLOAT, is_recurrent
from inspector.graph.roles import stays_float
from inspector.quant.spec import FLOAT, RUN_TIME, LayerSpecs, QuantSpec


@dataclass(frozen=True, slots=True)
class Planned:
    """What one layer gets.

    Attributes:
        weights: spec of the weight as it would be written.
        activations: of each activation input, in the layer's order.
        why_weights: why the weights differ from what was asked; empty where they do not.
        why_activations: the same of the activations.
    """

    weights: QuantSpec
    activations: tuple[QuantSpec, ...]
    why_weights: str = ""
    why_activations: str = ""


def planned(graph: Graph, plan: Plan, layer: Layer, asked: LayerSpecs) -> Planned:
    """What a plan does to a layer for which these filled specs were asked."""
    weights = plan.weights.get(layer.name, FLOAT)
    sites = [plan.sites.get(Site(name, layer.name)) for name in layer.activations]
    activations = tuple(FLOAT if at is None else plan.points[at].spec for at in sites)
    if stays_float(graph, layer):
        why = "This layer does not compute in float32, so it is left as it is."
        wanted = asked.weights if layer.weight is not None else FLOAT
        return Planned(
            weights,
            activations,
            "" if wanted.is_float else why,
            "" if asked.activations.is_float else why,
        )
    if asked.dynamic:
        return _planned_dynamic(plan, layer, asked, weights)
    reasons = [
        _reason(graph, plan, tensor, at, layer, asked.activations)
        for tensor, at, got in zip(layer.activations, sites, activations, strict=True)
        if got != asked.activations
    ]
    return Planned(weights, activations, why_activations="\n".join(dict.fromkeys(reasons)))


def _planned_dynamic(plan: Plan, layer: Layer, asked: LayerSpecs, weights: QuantSpec) -> Planned:
    """What a layer gets whose grid is to be found when the model runs."""
    if layer.name not in plan.dynamic:
        why = "onnxruntime has no kernel that finds this layer's grid when the model runs."
        return Planned(weights, tuple(FLOAT for _ in layer.activations), why_activations=why)
    why = "The grid is found when the model runs, from the smallest and the largest value then."
    differs = asked.activations != RUN_TIME
    return Planned(weights, (RUN_TIME,), why_activations=why if differs else "")


def _reason(
    graph: Graph, plan: Plan, tensor: str, at: int | None, layer: Layer, asked: QuantSpec
) -> str:
    if at is None and is_recurrent(layer):
        return WHY_FLOAT
    if plan.pins is not None and asked.is_pinned:
        if at is None:
            return f"The file has no quantizer where '{layer.name}' reads '{tensor}'."
        return f"'{tensor}' has a grid of its own in the file."
    if at is None:
        return f"'{tensor}' is no float32 tensor that can be quantized."
    point = plan.points[at]
    others = [
        site.consumer
        for site, index in plan.sites.items()
        if index == at and site.consumer != layer.name and graph.find_layer(site.consumer)
    ]
    with_whom = f" with {_listed(others)}" if others else ""
    if tensor in plan.native:
        producer = graph.tensors[tensor].producer or "its operator"
        return (
            f"'{tensor}' comes from '{producer}' as integers and exists on one grid only, shared"
            f"{with_whom or ' by all its readers'}: the finest choice counts, {point.spec}."
        )
    return f"'{tensor}' shares its grid{with_whom}: the finest choice counts, {point.spec}."


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    text = ", ".join(f"'{name}'" for name in unique[:2])
    return text if len(unique) <= 2 else f"{text} and {len(unique) - 2} more"
