"""The operators of a unit are one card, with what it reads and writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inspector.graph.quantized import find_quantized
from inspector.graph.scene import build_scene
from inspector.graph.unit_cards import with_units
from inspector.graph.units import find_units
from inspector.onnxio.extract import extract_graph
from tests.graph.test_units import WRITTEN, model


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_unit_is_one_card_between_its_neighbours(kind: str) -> None:
    """However many operators it has; constants of its inside are not written on it."""
    text = "x0 = Abs x\n" + WRITTEN[kind][0].replace(" x", " x0").replace("y =", "y0 =")
    made = model(text + "\ny = Abs y0")
    bare = extract_graph(made)
    graph = replace(bare, units=find_units(bare, made.constant))
    scene = build_scene(graph, quantized=with_units(find_quantized(graph), graph))
    titles = [item.title for item in scene.items]
    shown = "Gelu (tanh)" if kind == "GeluTanh" else kind
    assert titles == ["x", "Abs", shown, "Abs", "y"]
    (unit,) = graph.units
    assert set(scene.items[2].members) == set(unit.nodes)
    pairs = [tuple(link) for link in scene.links.tolist()]
    assert pairs == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert scene.tensors == ("x", "x0", "y0", "y")
    assert unit.nodes[-1] not in scene.constants


def test_without_units_nothing_changes() -> None:
    """The same object comes back."""
    graph = extract_graph(model("y = Abs x"))
    known = find_quantized(graph)
    assert with_units(known, graph) is known
