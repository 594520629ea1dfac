"""What a model says of its pixels, and that pictures are fed so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from inspector.evaluate.data import load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.pixels import pixel_hint
from inspector.evaluate.runtime import open_session
from inspector.graph.model import Graph
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable

ModelOf = Callable[..., Model]
CAFFE, MEAN, STD = [104.0, 117.0, 123.0], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def chain(model_from: ModelOf, *steps: tuple[str, Any]) -> Model:
    """A model that takes its input through these steps, each with a constant."""
    nodes, constants, name = [], {}, "x"
    for number, (op_type, value) in enumerate(steps):
        out = f"t{number}"
        if value is None:
            nodes.append(helper.make_node(op_type, [name], [out]))
        else:
            array = np.float32(value)
            constants[f"c{number}"] = array.reshape(1, -1, 1, 1) if array.size > 1 else array
            nodes.append(helper.make_node(op_type, [name, f"c{number}"], [out]))
        name = out
    nodes.append(helper.make_node("Relu", [name], ["y"]))
    return model_from(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants)


@pytest.mark.parametrize(
    ("steps", "scale", "mean", "channels"),
    [
        ([("Add", [-v for v in CAFFE])], 1.0, 0.0, "BGR"),
        ([("Sub", CAFFE[::-1])], 1.0, 0.0, "RGB"),
        ([("Identity", None), ("Sub", [127.5]), ("Div", [127.5])], 1.0, 0.0, None),
        ([("Div", [255.0]), ("Sub", MEAN), ("Div", STD)], 1.0, 0.0, "RGB"),
        ([("Mul", [1 / 255])], 1.0, 0.0, None),
        ([("Sub", MEAN), ("Div", STD)], 1 / 255, 0.0, "RGB"),
        ([("Sub", MEAN[::-1])], 1 / 255, 0.0, "BGR"),
        ([("Mul", [255.0]), ("Sub", CAFFE)], 1 / 255, 0.0, "BGR"),
        ([("Mul", [255.0])], 1 / 255, 0.0, None),
        ([("Mul", [2.0]), ("Sub", [1.0])], 1 / 255, 0.0, None),
        ([("Add", [1.0]), ("Mul", [127.5])], 1 / 127.5, 1.0, None),
    ],
)
def test_first_operators_tell(
    model_from: ModelOf, steps: Any, scale: float, mean: float, channels: str | None
) -> None:
    """By their constants: which values, and in which order."""
    model = chain(model_from, *steps)
    hint = pixel_hint(model, extract_graph(model))
    assert hint is not None
    assert (hint.scale, hint.mean, hint.channels) == (pytest.approx(scale), mean, channels)
    assert "the model itself" in hint.reason


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (("Relu", None), ("Sub", [127.5])),
        (("Add", [0.0]),),
        (("Mul", [1.0]),),
        (("Mul", [0.0]),),
        (("Div", [np.nan]),),
        (("Sub", np.ones(4)),),
    ],
)
def test_what_tells_nothing(model_from: ModelOf, steps: Any) -> None:
    """Nothing at all, something else first, no step, or a constant of another kind."""
    model = chain(model_from, *steps)
    assert pixel_hint(model, extract_graph(model)) is None


def test_a_constant_less_the_input_tells_nothing(model_from: ModelOf) -> None:
    """1 - x is no mean that is taken out."""
    nodes = [helper.make_node("Sub", ["c", "x"], ["y"])]
    model = model_from(nodes, {"x": ["N", 3, 4, 4]}, ["y"], {"c": np.float32(127.5)})
    assert pixel_hint(model, extract_graph(model)) is None


def test_inputs_that_are_no_pictures(model_from: ModelOf) -> None:
    """Of two axes, or more than one of them."""
    node = helper.make_node("Sub", ["x", "c"], ["y"])
    flat = model_from([node], {"x": ["N", 3]}, ["y"], {"c": np.float32(127.5)})
    assert pixel_hint(flat, extract_graph(flat)) is None
    other = helper.make_node("Relu", ["z"], ["w"])
    shapes = {"x": ["N", 3, 4, 4], "z": [1]}
    two = model_from([node, other], shapes, ["y", "w"], {"c": np.float32(127.5)})
    assert pixel_hint(two, extract_graph(two)) is None


def test_pictures_reach_the_model_as_it_was_trained(model_from: ModelOf, tmp_path: Path) -> None:
    """Behind the model's own normalisation stands the pixel less the mean, blue first."""
    model = chain(model_from, ("Sub", CAFFE))
    graph: Graph = extract_graph(model)
    Image.new("RGB", (4, 4), (250, 128, 120)).save(tmp_path / "a.png")
    data = load_data(tmp_path, graph, hint=pixel_hint(model, graph))
    found = open_session(runnable(model)).run(data.feeds(0))["y"][0, :, 0, 0]
    assert found.tolist() == [120 - 104, 128 - 117, 250 - 123]
    assert "subtracts 104, 117, 123" in data.notes[0]


def test_what_the_user_says_goes_first(model_from: ModelOf, tmp_path: Path) -> None:
    """The order alone leaves the values to the model; any of the values takes them all over."""
    model = chain(model_from, ("Sub", CAFFE))
    graph = extract_graph(model)
    hint = pixel_hint(model, graph)
    Image.new("RGB", (4, 4), (250, 128, 120)).save(tmp_path / "a.png")

    def fed(text: str) -> list[float]:
        data = load_data(tmp_path, graph, images=ImageOptions.parse(text), hint=hint)
        return [round(float(v), 4) for v in data.feeds(0)["x"][0, :, 0, 0]]

    assert fed("channels=RGB") == [250, 128, 120]
    note = load_data(tmp_path, graph, images=ImageOptions(channels="RGB"), hint=hint).notes[0]
    assert "it takes 0 to 255" in note
    assert "first" not in note
    assert fed("scale=0.5") == [60, 64, 125]
    assert fed("mean=0 std=1") == [round(v / 255, 4) for v in (120, 128, 250)]
