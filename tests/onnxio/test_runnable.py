"""What is handed to onnxruntime runs, embedded or beside the model."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inspector.errors import ModelError
from inspector.onnxio.loading import load_model, model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.runnable import runnable

node = helper.make_node
RNG = np.random.default_rng(0)
FEEDS = {"x": RNG.normal(size=(2, 3, 16, 16)).astype(np.float32)}


@pytest.fixture
def proto(build) -> onnx.ModelProto:
    """A chain of convolutions with big weights, and a side branch."""
    constants = {
        "w1": RNG.normal(size=(64, 3, 3, 3)).astype(np.float32),
        "w2": RNG.normal(size=(64, 64, 3, 3)).astype(np.float32),
        "b2": RNG.normal(size=64).astype(np.float32),
        "w3": RNG.normal(size=(8, 64, 3, 3)).astype(np.float32),
        "shape": np.array([0, -1], np.int64),
    }
    nodes = [
        node("Conv", ["x", "w1"], ["c1"], "one"),
        node("Relu", ["c1"], ["r1"], "relu"),
        node("Conv", ["r1", "w2", "b2"], ["c2"], "two"),
        node("Conv", ["c2", "w3"], ["c3"], "three"),
        node("Reshape", ["c3", "shape"], ["y"], "flat"),
        node("Neg", ["r1"], ["z"], "side"),
    ]
    return build(nodes, {"x": ("N", 3, 16, 16)}, ["y", "z"], constants)


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("embed_below", [0, 1 << 30])
def test_both_ways_give_the_same(proto, run, embed_below, optimize) -> None:
    """Embedded and handed over, with and without the runtime's optimizations."""
    ready = runnable(model_of(proto), embed_below=embed_below)
    assert set(ready.arrays) == (set() if embed_below else {"w1", "w2", "w3"})
    assert all(not array.flags.writeable for array in ready.arrays.values())
    actual = run(ready.data, FEEDS, ready.arrays, optimize=optimize)
    expected = run(proto.SerializeToString(), FEEDS, optimize=optimize)
    for got, want in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_mapped_files_are_handed_over(proto, run, tmp_path) -> None:
    """Weights of an external data file never pass through a proto."""
    path = tmp_path / "model.onnx"
    expected = run(proto.SerializeToString(), FEEDS)
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    prepared, _ = prepare(load_model(path))
    ready = runnable(prepared, embed_below=0)
    assert len(ready.data) < 4000
    for got, want in zip(run(ready.data, FEEDS, ready.arrays), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("outputs", [["c1"], ["c2", "r1"], ["y"], ["z", "c3"]])
@pytest.mark.parametrize("embed_below", [0, 1 << 30])
def test_other_tensors_become_the_outputs(proto, run, outputs, embed_below) -> None:
    """In the order asked for, without types where none are known, and nothing else is run."""
    model = model_of(proto)
    ready = runnable(model, outputs=outputs, embed_below=embed_below)
    small = onnx.load_from_string(ready.data)
    assert [value.name for value in small.graph.output] == outputs
    assert len(small.graph.node) < 6
    assert {tensor.name for tensor in small.graph.initializer} >= set(ready.arrays)
    results = dict(zip(outputs, run(ready.data, FEEDS, ready.arrays), strict=True))
    everything = onnx.ModelProto()
    everything.CopyFrom(proto)
    del everything.graph.output[:]
    everything.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    for name, want in zip(outputs, run(everything.SerializeToString(), FEEDS), strict=True):
        np.testing.assert_array_equal(results[name], want)
    assert [value.name for value in model.proto.graph.output] == ["y", "z"]


@pytest.mark.parametrize("name", ["nothing", "x", "w1", ""])
def test_what_is_not_computed_cannot_be_an_output(proto, name) -> None:
    """What is not computed cannot be an output."""
    with pytest.raises(ModelError, match="not a tensor that the model computes"):
        runnable(model_of(proto), outputs=[name])


def test_types_that_numpy_lacks_are_embedded(build, run) -> None:
    """Brain floats and 4-bit numbers have no array that the runtime takes."""
    elem_type = TensorProto.INT4
    nodes = [
        node("DequantizeLinear", ["q", "s"], ["w"], "dq"),
        node("MatMul", ["x", "w"], ["y"], "fc"),
    ]
    proto = build(nodes, {"x": (1, 128)}, ["y"], {"s": np.float32(0.5)}, opset=21, ir_version=10)
    values = RNG.integers(-8, 8, (128, 128))
    proto.graph.initializer.append(helper.make_tensor("q", elem_type, [128, 128], values.ravel()))
    ready = runnable(model_of(proto), embed_below=0)
    assert not ready.arrays
    feeds = {"x": np.ones((1, 128), np.float32)}
    np.testing.assert_allclose(run(ready.data, feeds)[0][0], values.sum(0) * 0.5)
