"""Targets of Reshape that are computed from shapes become constants where they can."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnxio.passes_support import node, op_types, prepared


def _heads(*, both_open: bool, of: str = "x"):
    """(N, T, 12) -> (N, T, 3, 4), the target computed as exporters do it."""
    constants = {
        "zero": np.array([0]), "one": np.array([1]), "heads": np.array([3]), "width": np.array([4]),
    }  # fmt: skip
    nodes = [
        node("Shape", [of], ["s"], "shape"),
        node("Gather", ["s", "zero"], ["n"], "batch", axis=0),
        node("Gather", ["s", "one"], ["t"], "length", axis=0),
        node("Concat", ["n", "t", "heads", "width"], ["target"], "target", axis=0),
        node("Reshape", ["x", "target"], ["r"], "reshape"),
        node("Relu", ["r"], ["y"], "relu"),
    ]
    shape = ("N", "T", 12) if both_open else ("N", 5, 12)
    return nodes, shape, constants


@pytest.mark.parametrize("opset", [9, 13, 17, 21, 23])
@pytest.mark.parametrize("both_open", [False, True])
def test_sizes_that_are_open_are_taken_over_or_follow(build, run, opset, both_open) -> None:
    """The saved graph still takes any batch and length."""
    nodes, shape, constants = _heads(both_open=both_open)
    before = build(nodes, {"x": shape}, ["y"], constants, opset=opset, ir_version=9)
    for batch in (1, 3):
        x = np.random.default_rng(0).normal(size=(batch, 5, 12)).astype(np.float32)
        after, reports = prepared(run, before, {"x": x})
    assert op_types(after) == ["Reshape", "Relu"]
    assert reports["fold_shapes"].changed == 1
    assert set(reports["fold_shapes"].gone) >= {"target", "batch"}
    empty = {"x": np.zeros((0, 5, 12), np.float32)}
    prepared(run, before, empty)


def test_two_open_sizes_of_another_tensor_stay(build, run) -> None:
    """Two sizes that are not those of the input cannot both follow."""
    nodes, _, constants = _heads(both_open=True, of="other")
    shapes = {"x": (6, 10, 2), "other": ("N", "T", 12)}
    before = build(nodes, shapes, ["y"], constants)
    feeds = {"x": np.ones((6, 10, 2), np.float32), "other": np.ones((2, 5, 12), np.float32)}
    after, _ = prepared(run, before, feeds)
    assert "Concat" in op_types(after)


def test_a_reshape_that_gives_an_output_stays(build, run) -> None:
    """What a file declares of its outputs may be out of date."""
    nodes, shape, constants = _heads(both_open=False)
    before = build(nodes[:-1], {"x": shape}, ["r"], constants)
    x = np.ones((2, 5, 12), np.float32)
    assert "Concat" in op_types(prepared(run, before, {"x": x})[0])


def test_shapes_that_the_file_declares_wrongly_are_not_believed(build, run) -> None:
    """An edited batch size leaves old shapes of inner tensors behind."""
    from onnx import TensorProto, helper

    nodes, shape, constants = _heads(both_open=False)
    before = build(nodes, {"x": shape}, ["y"], constants)
    before.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [9, 9]))
    from inspector.onnxio.loading import model_of
    from inspector.onnxio.passes.fold_shapes import fold_shapes

    folded, report = fold_shapes(model_of(before))
    assert report.changed == 1
    assert [-1, 5, 3, 4] in [
        folded.constant(name).tolist() for name in folded.constants if "shape" in name
    ] or [0, 5, 3, 4] in [
        folded.constant(name).tolist() for name in folded.constants if "shape" in name
    ]
