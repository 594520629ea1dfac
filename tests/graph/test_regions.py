"""Parts of a graph that are planned apart: the same plan as that of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.graph.placement import Placement
from inspector.graph.regions import Regions
from inspector.gui.planned import planned
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.opening import open_model

_WEIGHTS = [QuantSpec.parse(text).filled("weights") for text in ("float", "int8", "int4", "int16")]
_ACTIVATIONS = [
    QuantSpec.parse(text).filled("activations")
    for text in ("float", "uint8", "int8:tensor:minmax", "uint6", "uint4", "uint16")
]
_NAMES = ("digits_cnn", "digits_vit")
_SHARED = ("squeezenet1.1_imagenet", "yolox_nano", "fastestdet", "gtcrn_simple", "basic_pitch_nmp")


def _same_as_whole(placement: Placement, specs: dict[str, LayerSpecs]) -> None:
    graph, regions = placement.graph, Regions(placement)
    whole = placement.plan(specs)
    for layer in graph.layers:
        part = regions.plan(regions.read_by(layer.name), specs)
        asked = specs[layer.name]
        assert planned(graph, part, layer, asked) == planned(graph, whole, layer, asked)


@pytest.fixture(scope="module", params=_NAMES)
def placement(request: pytest.FixtureRequest, sample_models: Path) -> Placement:
    """A sample model's sites."""
    return open_model(sample_models / f"{request.param}.onnx").placement


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_choices_are_planned_as_in_the_whole(placement: Placement, data: st.DataObject) -> None:
    """Also where a layer asks for floats, or for what has no integer kernel."""
    layers = placement.graph.layers
    few = data.draw(st.lists(st.sampled_from(_ACTIVATIONS), min_size=1, max_size=3))
    specs = {
        layer.name: LayerSpecs(
            data.draw(st.sampled_from(_WEIGHTS)), data.draw(st.sampled_from(few))
        )
        for layer in layers
    }
    _same_as_whole(placement, specs)


@pytest.mark.parametrize("name", _SHARED)
def test_models_with_joins_and_residuals(shared_models: Path, name: str) -> None:
    """Where one tensor has many readers, and grids are joined."""
    placement = open_model(shared_models / "float" / f"{name}.onnx").placement
    for shift in range(4):
        specs = {
            layer.name: LayerSpecs(
                _WEIGHTS[(number * 7 + shift) % len(_WEIGHTS)],
                _ACTIVATIONS[(number * (shift + 1) + shift) % len(_ACTIVATIONS)],
            )
            for number, layer in enumerate(placement.graph.layers)
        }
        _same_as_whole(placement, specs)


def test_a_change_concerns_no_layer_outside_what_it_reads_and_writes(placement: Placement) -> None:
    """So no more than that need be planned anew."""
    graph, regions = placement.graph, Regions(placement)
    default = LayerSpecs(_WEIGHTS[1], _ACTIVATIONS[1])
    before = dict.fromkeys((layer.name for layer in graph.layers), default)
    plan = placement.plan(before)
    for changed in graph.layers:
        around = {reader for one in regions.around(changed.name) for reader in one.readers}
        for spec in _ACTIVATIONS:
            after = before | {changed.name: LayerSpecs(_WEIGHTS[2], spec)}
            other = placement.plan(after)
            for layer in graph.layers:
                if layer.name not in around:
                    was = planned(graph, plan, layer, before[layer.name])
                    assert planned(graph, other, layer, before[layer.name]) == was
