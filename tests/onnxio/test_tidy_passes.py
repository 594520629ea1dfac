"""Constant nodes, Identity, Dropout and names."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import ModelError
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.passes.constants_to_initializers import constants_to_initializers
from inspector.onnxio.passes.drop_identity import drop_identity
from inspector.onnxio.passes.name_nodes import name_nodes

node = helper.make_node
X = {"x": np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)}


def types(model) -> list[str]:
    """The operators of a model, in order."""
    return [item.op_type for item in model.proto.graph.node]


def same(run, before, feeds=X):
    """Prepare a model, compare its outputs, and return it."""
    prepared, _ = prepare(model_of(before))
    after = whole_proto(prepared)
    names = [value.name for value in before.graph.output]
    assert [value.name for value in after.graph.output] == names
    for want, got in zip(
        run(before.SerializeToString(), feeds), run(after.SerializeToString(), feeds), strict=True
    ):
        np.testing.assert_array_equal(got, want)
    return prepared


def branch(nodes, output: str):
    """A subgraph that gives one tensor."""
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "branch", [], [value])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"value": numpy_helper.from_array(np.ones((2, 2), np.float32))}, np.ones((2, 2), "f")),
        ({"value_float": 1.5}, np.float32(1.5)),
        ({"value_floats": [1.0, 2.0]}, np.array([1, 2], np.float32)),
        ({"value_int": 3}, np.int64(3)),
        ({"value_ints": [3, 4]}, np.array([3, 4])),
        ({"value_string": "a"}, np.array("a", object)),
        ({"value_strings": ["a", "bc"]}, np.array(["a", "bc"], object)),
        (
            {
                "sparse_value": helper.make_sparse_tensor(
                    numpy_helper.from_array(np.array([5.0], np.float32)),
                    numpy_helper.from_array(np.array([2], np.int64)),
                    [2, 2],
                )
            },
            np.array([[0, 0], [5, 0]], np.float32),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_kind_of_constant_becomes_an_initializer(build, attributes, expected) -> None:
    """Each kind of constant becomes an initializer."""
    model = model_of(build([node("Constant", [], ["y"], "c", **attributes)], {}, ["y"]))
    np.testing.assert_array_equal(model.constant("y"), expected)
    after, report = constants_to_initializers(model)
    assert (types(after), report.changed) == ([], 1)
    assert after.proto.graph.initializer[0].name == "y"
    np.testing.assert_array_equal(after.constant("y"), expected)
    assert after.constant("y").dtype == np.asarray(expected).dtype


def test_constants_stay_in_subgraphs_and_can_be_read_by_them(build, run) -> None:
    """Constants stay in subgraphs and can be read by them."""
    one = numpy_helper.from_array(np.float32(1))
    then = branch([node("Add", ["x", "outer"], ["a"])], "a")
    other = branch(
        [node("Constant", [], ["inner"], value=one), node("Sub", ["x", "inner"], ["b"])], "b"
    )
    nodes = [
        node("Constant", [], ["outer"], value=one),
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Greater", ["sum", "outer"], ["test"]),
        node("If", ["test"], ["y"], then_branch=then, else_branch=other),
    ]
    prepared = same(run, build(nodes, {"x": (2, 3)}, ["y"]))
    assert types(prepared) == ["ReduceSum", "Greater", "If"]
    assert extract_graph(prepared).node("If_y").outer_inputs == ("x", "outer")


def test_old_models_that_list_weights_as_inputs(build, run) -> None:
    """IR version 3 lists every initializer among the graph's inputs."""
    before = build(
        [node("MatMul", ["x", "w"], ["y"], "fc")],
        {"x": (2, 3), "w": (3, 4)},
        ["y"],
        {"w": np.ones((3, 4), np.float32)},
        opset=8,
        ir_version=3,
    )
    prepared = same(run, before)
    assert [value.name for value in prepared.proto.graph.input] == ["x"]
    assert prepared.proto.ir_version == 4
    for model in (model_of(before), prepared):
        graph = extract_graph(model)
        assert graph.inputs == ("x",)
        assert graph.tensor("w").constant
        assert graph.layers[0].weight == "w"


def test_identities_vanish_and_outputs_keep_their_names(build, run) -> None:
    """Identities vanish and outputs keep their names."""
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Identity", ["r"], ["i"]),
        node("Identity", ["i"], ["j"]),
        node("Neg", ["i"], ["z"]),
        node("Identity", ["j"], ["y"]),
    ]
    prepared = same(run, build(nodes, {"x": (2, 3)}, ["y", "z"]))
    assert types(prepared) == ["Relu", "Neg"]


def test_identities_that_cannot_vanish_stay(build, run) -> None:
    """From input to output, from constant to output, between two outputs."""
    nodes = [
        node("Identity", ["x"], ["y"]),
        node("Identity", ["c"], ["z"]),
        node("Relu", ["x"], ["r"]),
        node("Identity", ["r"], ["s"]),
    ]
    before = build(nodes, {"x": (2, 3)}, ["y", "z", "r", "s"], {"c": np.ones(2, np.float32)})
    assert types(same(run, before)) == ["Identity", "Identity", "Relu", "Identity"]
    _, report = drop_identity(model_of(before))
    assert len(report.left) == 3


def test_two_outputs_of_one_tensor(build, run) -> None:
    """One identity can give its name to the tensor, the other cannot."""
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Identity", ["r"], ["y"]),
        node("Identity", ["r"], ["z"]),
    ]
    assert types(same(run, build(nodes, {"x": (2, 3)}, ["y", "z"]))) == ["Relu", "Identity"]


def test_identity_that_a_subgraph_reads(build, run) -> None:
    """What a subgraph reads from outside is renamed in it, and in its own subgraphs."""
    inner = branch([node("Add", ["i", "x"], ["c"])], "c")
    then = branch([node("If", ["test"], ["a"], then_branch=inner, else_branch=inner)], "a")
    other = branch([node("Neg", ["i"], ["b"])], "b")
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Identity", ["r"], ["i"]),
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Equal", ["sum", "sum"], ["test"]),
        node("If", ["test"], ["y"], then_branch=then, else_branch=other),
    ]
    prepared = same(run, build(nodes, {"x": (2, 3)}, ["y"]))
    assert "Identity" not in types(prepared)


def test_identity_whose_input_has_the_name_of_an_inner_tensor(build) -> None:
    """Renaming would let the subgraph read its own tensor."""
    then = branch([node("Neg", ["i"], ["r"])], "r")
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Identity", ["r"], ["i"]),
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Equal", ["sum", "sum"], ["test"]),
        node("If", ["test"], ["y"], then_branch=then, else_branch=then),
    ]
    after, report = drop_identity(model_of(build(nodes, {"x": (2, 3)}, ["y"])))
    assert "Identity" in types(after)
    assert "same name" in report.left[0]


@pytest.mark.parametrize(
    ("opset", "inputs", "outputs", "dropped"),
    [
        (7, ["x"], ["d"], True),
        (11, ["x"], ["d", "mask"], True),
        (13, ["x", "ratio"], ["d"], True),
        (13, ["x", "ratio", "off"], ["d", ""], True),
        (13, ["x", "", "off"], ["d"], True),
        (13, ["x", "ratio", "on"], ["d"], False),
    ],
)
def test_dropout_vanishes_where_it_does_nothing(build, opset, inputs, outputs, dropped) -> None:
    """Dropout vanishes where it does nothing."""
    constants = {"ratio": np.float32(0.5), "on": np.bool_(True), "off": np.bool_(False)}
    nodes = [node("Dropout", inputs, outputs, "drop"), node("Relu", ["d"], ["y"])]
    model = model_of(build(nodes, {"x": (2, 3)}, ["y"], constants, opset=opset))
    after, report = drop_identity(model)
    assert (types(after) == ["Relu"]) == dropped
    assert report.changed == dropped
    assert dropped or "training" in report.left[0]


def test_dropout_whose_mask_is_used_stays(build) -> None:
    """Dropout whose mask is used stays."""
    nodes = [node("Dropout", ["x"], ["y", "mask"], "drop"), node("Not", ["mask"], ["z"])]
    after, report = drop_identity(model_of(build(nodes, {"x": (2, 3)}, ["y", "z"])))
    assert types(after) == ["Dropout", "Not"]
    assert "mask" in report.left[0]


def test_names_are_unique_and_stable(build) -> None:
    """Names are unique and stable."""
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Relu", ["a"], ["b"], "twice"),
        node("Relu", ["b"], ["c"], "twice"),
        node("Relu", ["c"], ["d"], "twice_2"),
        node("Neg", ["d"], ["y"], "Relu_a"),
    ]
    model = model_of(build(nodes, {"x": (2, 3)}, ["y"]))
    after, _ = name_nodes(model)
    names = [item.name for item in after.proto.graph.node]
    assert names == ["Relu_a_2", "twice", "twice_3", "twice_2", "Relu_a"]
    assert [item.name for item in extract_graph(model).nodes] == names
    assert [item.name for item in extract_graph(after).nodes] == names
    again, report = name_nodes(after)
    assert again is after
    assert report.changed == 0


def test_unsorted_graphs_are_sorted(build, run) -> None:
    """Unsorted graphs are sorted."""
    nodes = [node("Neg", ["r"], ["y"], "second"), node("Relu", ["x"], ["r"], "first")]
    prepared = same(run, build(nodes, {"x": (2, 3)}, ["y"]))
    assert types(prepared) == ["Relu", "Neg"]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Add", ["x", "b"], ["a"], "n"), node("Relu", ["a"], ["b"], "m")], "cycle"),
        ([node("Relu", ["ghost"], ["y"], "n")], "reads the tensor 'ghost'"),
        ([node("Relu", ["x"], ["y"], "n"), node("Neg", ["x"], ["y"], "m")], "more than once"),
        ([node("Relu", ["x"], ["x"], "n")], "more than once"),
    ],
)
def test_graphs_that_are_none_are_refused(build, nodes, words) -> None:
    """Graphs that are none are refused."""
    model = model_of(build(nodes, {"x": (2, 3)}, ["y"]))
    with pytest.raises(ModelError, match=words):
        prepare(model)
    with pytest.raises(ModelError, match=words):
        extract_graph(model)


def test_what_is_dead_is_removed(build) -> None:
    """What nothing reads goes, and what is said of it."""
    nodes = [
        node("Constant", [], ["c"], value_float=1.0),
        node("Relu", ["x"], ["dead"]),
        node("Add", ["x", "c"], ["y"]),
    ]
    before = build(nodes, {"x": (2, 3)}, ["y"], {"unused": np.ones(3, np.float32)})
    before.graph.value_info.append(helper.make_tensor_value_info("dead", TensorProto.FLOAT, [2, 3]))
    before.graph.value_info.append(helper.make_tensor_value_info("gone", TensorProto.FLOAT, [2, 3]))
    prepared, _ = prepare(model_of(before))
    assert types(prepared) == ["Add"]
    assert set(prepared.constants) == {"c"}
    assert not prepared.proto.graph.value_info
