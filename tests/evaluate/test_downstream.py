"""Runs from a cut on, against runs of the whole simulation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import load_data
from inspector.evaluate.downstream import Downstream
from inspector.evaluate.preview import Preview
from inspector.evaluate.random_data import random_data
from inspector.graph.grids import GridChooser, Grids
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.gather import all_tensors
from inspector.session.opening import OpenModel, open_model

FLOATS = LayerSpecs(FLOAT, FLOAT)


def specs(weights: str, activations: str) -> LayerSpecs:
    """Filled specs."""
    return LayerSpecs(
        QuantSpec.parse(weights).filled("weights"),
        QuantSpec.parse(activations).filled("activations"),
    )


BYTES, NIBBLES = specs("int8", "uint8"), specs("int4", "uint4")


class Case:
    """A model with its calibration and a few samples."""

    def __init__(self, path: Path, data: Path | None = None) -> None:
        """Calibrates, with random samples where there is no data."""
        self.opened: OpenModel = open_model(path)
        graph = self.opened.graph
        samples = random_data(graph, samples=4) if data is None else load_data(data, graph)
        self.feeds = [dict(feeds) for feeds in samples.spread(2).samples()]
        found = calibrate(self.opened.prepared, all_tensors(self.opened), samples.spread(4))
        self.names = [layer.name for layer in graph.layers]
        self.preview = Preview(self.opened.prepared, self.opened.placement, threads=1)
        self._chooser = GridChooser(graph, self.opened.prepared.constant, found.tensors)

    def grids(self, everywhere: LayerSpecs, **changed: LayerSpecs) -> Grids:
        """All layers the same but for some."""
        return self.of({**dict.fromkeys(self.names, everywhere), **changed})

    def of(self, chosen: Mapping[str, LayerSpecs]) -> Grids:
        """The numbers of a choice."""
        return self._chooser.choose(self.opened.placement.plan(chosen))

    def check(self, near: Downstream, grids: Grids) -> int | None:
        """That outputs are those of the whole simulation; where the run began."""
        change = near.change(grids)
        for number, feeds in enumerate(self.feeds):
            expected, found = self.preview.run(grids, feeds), near.run(change, number)
            assert found.keys() == expected.keys()
            for name, values in expected.items():
                assert found[name].dtype == values.dtype
                largest = float(np.abs(values).max())
                np.testing.assert_allclose(found[name], values, rtol=0, atol=2e-6 * largest)
        return change.piece


def branching(folder: Path) -> Path:
    """A residual, a Concat, an output in the middle, one of integers, a batch of any size."""
    rng = np.random.default_rng(3)
    shapes = {"w1": (6, 3, 3, 3), "w2": (6, 6, 3, 3), "w3": (6, 6, 1, 1), "w4": (12, 5)}
    weights = {n: (rng.standard_normal(s) / 4).astype(np.float32) for n, s in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w2"], ["b"], name="second", pads=[1] * 4),
        helper.make_node("Add", ["b", "r"], ["s"], name="add"),
        helper.make_node("Conv", ["s", "w3"], ["c"], name="third"),
        helper.make_node("Concat", ["c", "r"], ["j"], name="join", axis=1),
        helper.make_node("GlobalAveragePool", ["j"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("MatMul", ["f", "w4"], ["y"], name="last"),
        helper.make_node("ArgMax", ["y"], ["class"], name="argmax", axis=1),
    ]
    outputs = [("y", TensorProto.FLOAT), ("s", TensorProto.FLOAT), ("class", TensorProto.INT64)]
    graph = helper.make_graph(
        nodes,
        "branching",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    path = folder / "branching.onnx"
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def cases(sample_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """A model that branches, and two of the samples."""
    data = sample_models / "digits_calibration.npz"
    return {
        "branching": Case(branching(tmp_path_factory.mktemp("models"))),
        "digits_mobile": Case(sample_models / "digits_mobile.onnx", data),
        "digits_vit": Case(sample_models / "digits_vit.onnx", data),
    }


NAMES = pytest.mark.parametrize("name", ["branching", "digits_mobile", "digits_vit"])


@NAMES
@pytest.mark.parametrize("own", [BYTES, NIBBLES], ids=["8", "4"])
def test_one_layer_alone(cases: dict[str, Case], name: str, own: LayerSpecs) -> None:
    """Each layer in turn, in a model that is left in float otherwise; all of it was expected."""
    case = cases[name]
    every = [case.of({**dict.fromkeys(case.names, FLOATS), n: own}) for n in case.names]
    near = Downstream(case.preview, case.grids(FLOATS), case.feeds, every, cuts=4)
    pieces = [case.check(near, grids) for grids in every]
    assert all(near.change(grids).is_expected for grids in every)
    assert pieces[0] == 0
    assert max(piece for piece in pieces if piece is not None) == near.pieces - 1 > 0


@NAMES
def test_all_but_one(cases: dict[str, Case], name: str) -> None:
    """What a layer in float does to the grids before it is run anew as well."""
    case = cases[name]
    every = [case.of({**dict.fromkeys(case.names, BYTES), n: FLOATS}) for n in case.names]
    near = Downstream(case.preview, case.grids(BYTES), case.feeds, every, cuts=4)
    for grids in every:
        case.check(near, grids)


def test_what_was_not_expected_is_right_too(cases: dict[str, Case]) -> None:
    """Other layers, several of them, at other widths: slower, and the same numbers."""
    case = cases["branching"]
    expected = [case.grids(FLOATS, third=NIBBLES)]
    near = Downstream(case.preview, case.grids(FLOATS), case.feeds, expected)
    for changed in ({"third": BYTES, "last": NIBBLES}, {"first": BYTES}, {"second": NIBBLES}):
        grids = case.grids(FLOATS, **changed)
        assert not near.change(grids).is_expected
        case.check(near, grids)


def test_no_change_runs_nothing(cases: dict[str, Case]) -> None:
    """The base's own outputs are handed out."""
    case = cases["branching"]
    near = Downstream(case.preview, case.grids(BYTES), case.feeds, [case.grids(FLOATS)])
    assert near.change(case.grids(BYTES)).piece is None
    assert case.check(near, case.grids(BYTES)) is None


def test_without_room_everything_is_found_again(cases: dict[str, Case]) -> None:
    """What flows through cuts is not kept then, and comes out the same."""
    case = cases["branching"]
    every = [case.of({**dict.fromkeys(case.names, FLOATS), n: BYTES}) for n in case.names]
    near = Downstream(case.preview, case.grids(FLOATS), case.feeds, every, budget=0)
    for grids in [*every, *every[::-1]]:
        case.check(near, grids)


def test_an_output_in_the_middle_is_not_run_again(cases: dict[str, Case]) -> None:
    """A change behind it leaves it as it was, to the last bit."""
    case = cases["branching"]
    grids = case.grids(FLOATS, last=NIBBLES)
    near = Downstream(case.preview, case.grids(FLOATS), case.feeds, [grids])
    plain: list[dict[str, Any]] = [case.preview.run(case.grids(FLOATS), f) for f in case.feeds]
    for number, expected in enumerate(plain):
        found = near.run(near.change(grids), number)
        np.testing.assert_array_equal(found["s"], expected["s"])
        assert not np.array_equal(found["y"], expected["y"])
