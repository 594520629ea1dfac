"""Statistics for any recipe, and what a model holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import DataError
from inspector.graph.model import Graph
from inspector.quant.spec import QuantSpec
from inspector.session.chosen import measured_tensors
from inspector.session.describe import describe, describe_opened
from inspector.session.gather import all_tensors
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import DEFAULT_RECIPE
from inspector.session.samples import SampleRequest

NAMES = ("digits_cnn", "digits_mobile", "digits_vit")
SPECS = st.sampled_from([QuantSpec.parse(text) for text in ("float", "uint8", "int4", "int16")])


@pytest.fixture(scope="module")
def opened(sample_models: Path) -> dict[str, OpenModel]:
    """The sample models."""
    return {name: open_model(sample_models / f"{name}.onnx") for name in NAMES}


@given(st.sampled_from(NAMES), st.data())
@settings(deadline=None, max_examples=30)
def test_statistics_know_whatever_a_recipe_quantizes(
    opened: dict[str, OpenModel], name: str, data: st.DataObject
) -> None:
    """So that they are gathered once."""
    model = opened[name]
    recipe = DEFAULT_RECIPE.with_default(data.draw(SPECS), data.draw(SPECS))
    for layer in data.draw(st.lists(st.sampled_from(model.graph.layers), max_size=6)):
        recipe = recipe.with_layer(layer.name, data.draw(SPECS), data.draw(SPECS))
    plan = model.placement.plan(recipe.resolve_all(model.graph.layers))
    assert set(measured_tensors(plan)) <= set(all_tensors(model))


def test_a_description_reads_no_more_than_it_must(opened: dict[str, OpenModel]) -> None:
    """Of an open model it is the same as of its file."""
    model = opened["digits_cnn"]
    info = describe_opened(model)
    assert info.to_json() == describe(model.path).to_json()
    assert info.operators["BatchNormalization"] == 9
    assert [p.name for p in info.passes if p.changed] == ["fold_batch_norm"]
    assert info.obstacle == ""
    assert info.recipe is None


def test_no_samples_are_told(opened: dict[str, OpenModel]) -> None:
    """With what to do."""
    graph: Graph = opened["digits_cnn"].graph
    with pytest.raises(DataError, match="--random-data"):
        SampleRequest().open(opened["digits_cnn"].prepared, graph)
    request = SampleRequest(random_samples=3, seed=1)
    assert len(request.open(opened["digits_cnn"].prepared, graph)) == 3
