"""Models that take and give integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from inspector.errors import ModelError
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import activation_grid
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.integer_io import KEY, ends_of, float_ends, to_integer_io
from inspector.onnxio.writers.qoperator import to_qoperator
from inspector.quant.distribution import Histogram
from inspector.quant.kernels import dequantize, quantize
from inspector.quant.spec import QuantSpec

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]

_rng = np.random.default_rng(2)
_SPEC = QuantSpec.parse("uint8:minmax").filled("activations")


def _values(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape).astype(np.float32)


def _model(build: Build) -> ModelProto:
    """X is read twice in integers and once in float; y is on a grid and read on, z is float."""
    nodes = [
        helper.make_node("Conv", ["x", "c1"], ["a"], "c1", pads=[1] * 4),
        helper.make_node("Conv", ["x", "c2"], ["y"], "c2", pads=[1] * 4),
        helper.make_node("Add", ["a", "y"], ["s"], "add"),
        helper.make_node("Exp", ["x"], ["e"], "exp"),
        helper.make_node("Flatten", ["s"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "g"], ["z"], "gemm"),
        helper.make_node("Sub", ["e", "other"], ["w"], "sub"),
    ]
    constants = {"c1": _values(4, 3, 3, 3), "c2": _values(4, 3, 3, 3), "g": _values(64, 5)}
    shapes = {"x": [2, 3, 4, 4], "other": [2, 3, 4, 4]}
    proto = build(nodes, shapes, ["y", "z", "w"], constants)
    written = {"y": [2, 4, 4, 4], "z": [2, 5], "w": [2, 3, 4, 4]}
    del proto.graph.output[:]
    proto.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in written.items()
    )
    return proto


@pytest.mark.parametrize("rewrite", [lambda model: model, to_qoperator])
@pytest.mark.parametrize("activations", ["uint8", "int8:sym", "uint16"])
def test_numbers_that_are_told_are_those_of_the_file(
    build: Build, quantized: Quantize, activations: str, rewrite: Callable[[Any], Any]
) -> None:
    """Quantizing outside gives, to the last bit, what the quantizers inside gave."""
    made = quantized(_model(build), "int8", activations, unsigned=activations != "int8:sym")
    values = [one["z"] for one in made.measured(optimize=False)]
    grid = activation_grid(Histogram.of(np.concatenate(values)), _SPEC)
    model = to_integer_io(rewrite(made.written), {"z": grid})
    proto = whole_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    ends = {end.name: end for end in ends_of(model.metadata)}
    on_grid = {"x", "z"} if activations == "uint16" else {"x", "y", "z"}
    assert set(ends) == on_grid
    assert set(float_ends(model)) == {"other", "w", "y"} - on_grid
    types = {
        v.name: v.type.tensor_type.elem_type for v in (*proto.graph.input, *proto.graph.output)
    }
    assert types["x"] == getattr(TensorProto, ends["x"].dtype.upper())
    assert types["w"] == TensorProto.FLOAT
    session = open_session(runnable(model), threads=1, optimize=False)
    chosen = replace(made.grids, outputs={"z": grid})
    preview = Preview(made.model, made.placement, threads=1)
    for feeds, inside in zip(made.feeds, made.measured(optimize=False), strict=True):
        codes = quantize(feeds["x"], ends["x"].grid).astype(ends["x"].dtype)
        found = session.run({**feeds, "x": codes})
        assert found["z"].dtype == np.uint8
        real = {n: dequantize(v, ends[n].grid) if n in ends else v for n, v in found.items()}
        if "y" in on_grid:
            np.testing.assert_array_equal(real["y"], inside["y"])
        np.testing.assert_allclose(real["z"], inside["z"], atol=0.51 * float(grid.scale))
        predicted = preview.run(chosen, feeds)
        np.testing.assert_allclose(real["z"], predicted["z"], atol=1.01 * float(grid.scale))


def test_a_model_without_quantizers_at_its_ends_stays_as_it_is(
    build: Build, quantized: Quantize
) -> None:
    """Weights alone: nothing to leave out, and so it is told."""
    made = quantized(_model(build), "int8", "float")
    model = to_integer_io(made.written, {})
    assert ends_of(model.metadata) == ()
    assert set(float_ends(model)) == {"x", "other", "y", "z", "w"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": {"x": {}}, "outputs": {}}', "{"])
def test_metadata_that_is_no_such_thing(text: str) -> None:
    """Of a model that somebody else wrote."""
    with pytest.raises(ModelError, match="cannot be understood"):
        ends_of({KEY: text})
    assert ends_of({}) == ()
