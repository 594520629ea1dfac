"""The integer arithmetic of layers, against onnxruntime's integer kernels and by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import UnsupportedError
from inspector.graph.grids import BIAS_LIMIT
from inspector.graph.pipeline import Pipeline, pipeline_of
from inspector.quant.kernels import quantize

Quantize = Callable[..., Any]
_RNG = np.random.default_rng(11)


def network(nodes: list[Any], shape: tuple[Any, ...], constants: Mapping[str, Any]) -> Any:
    """From x through nodes to y."""
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in constants.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def pipeline(made: Any, name: str) -> Pipeline:
    """Of a layer of a quantized model."""
    return pipeline_of(made.placement, made.grids, name, made.model.constant)


def kernel_sums(codes: Any, weight: Any, zero: int, weight_zero: int) -> Any:
    """What onnxruntime's MatMulInteger adds up, int32."""
    inputs = {
        "a": np.asarray(codes, np.uint8),
        "b": np.asarray(weight),
        "za": np.asarray(zero, np.uint8),
        "zb": np.asarray(weight_zero, np.asarray(weight).dtype),
    }
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in inputs.items()
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", list(inputs), ["y"])],
        "kernel",
        infos,
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize("weights", ["int8", "int7:tensor", "uint7:asym:tensor"])
def test_the_worst_inputs_reach_the_ends(quantized: Quantize, weights: str) -> None:
    """An integer kernel adds up exactly what was said, and no other input goes further."""
    constants = {"w": _RNG.standard_normal((9, 5))}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    made = quantized(network(nodes, (3, 9), constants), weights, "uint8")
    found = pipeline(made, "product")
    assert found.reach is not None
    assert found.weight is not None
    read = found.reads[0]
    zero, weight_zero = int(read.zero_point), int(found.weight.zero_point.reshape(-1)[0])
    codes = quantize(made.model.constant("w"), found.weight)
    up = codes.T.astype(np.int64) > weight_zero
    worst = np.where(up, read.qmax, read.qmin)  # a row of inputs for each channel
    sums = kernel_sums(worst, codes, zero, weight_zero)
    assert np.diag(sums).tolist() == found.reach.highest.tolist()
    sums = kernel_sums(read.qmax + read.qmin - worst, codes, zero, weight_zero)
    assert np.diag(sums).tolist() == found.reach.lowest.tolist()
    some = kernel_sums(_RNG.integers(read.qmin, read.qmax + 1, (64, 9)), codes, zero, weight_zero)
    assert (some <= found.reach.highest).all()
    assert (some >= found.reach.lowest).all()
    assert found.depth == 9


@pytest.mark.parametrize(
    ("op_type", "attributes", "weight", "shape", "depth", "channels"),
    [
        ("Conv", {}, (6, 4, 3, 3), (1, 4, 5, 5), 36, 6),
        ("Conv", {"group": 4}, (8, 1, 3), (1, 4, 9), 3, 8),
        ("Gemm", {}, (7, 3), (2, 7), 7, 3),
        ("Gemm", {"transB": 1}, (3, 7), (2, 7), 7, 3),
        ("MatMul", {}, (2, 7, 3), (2, 5, 7), 7, 3),
        ("MatMul", {}, (7,), (2, 7), 7, 1),
    ],
)
def test_products_are_counted_by_output_channel(
    quantized: Quantize,
    op_type: str,
    attributes: dict[str, Any],
    weight: tuple[int, ...],
    shape: tuple[int, ...],
    depth: int,
    channels: int,
) -> None:
    """Whatever axis they lie along: with all weights at one code the reach is known."""
    constants = {"w": np.full(weight, 0.5)}
    nodes = [helper.make_node(op_type, ["x", "w"], ["y"], name="one", **attributes)]
    made = quantized(network(nodes, shape, constants), "int8:tensor", "uint8")
    found = pipeline(made, "one")
    assert found.reach is not None
    assert found.depth == depth
    read = found.reads[0]
    assert found.reach.highest.tolist() == [depth * 127 * (255 - int(read.zero_point))] * channels
    assert found.offsets == (-int(read.zero_point) * 127 * depth,) * 2


def test_the_ratio_of_scales_is_the_multiplier(quantized: Quantize) -> None:
    """And its integers are the same to 2^-31; what folds into the clamping is named."""
    constants = {"w": _RNG.standard_normal((6, 4, 3, 3)), "v": _RNG.standard_normal((2, 6, 1, 1))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "v"], ["y"], name="next"),
    ]
    made = quantized(network(nodes, (1, 4, 6, 6), constants))
    found = pipeline(made, "conv")
    assert found.requantization is not None
    assert found.output is not None
    assert found.weight is not None
    assert found.is_exact
    assert found.folded == ("Relu",)
    assert float(found.output.scale) == float(made.grids.at("r", "next").scale)
    real = float(found.reads[0].scale) * found.weight.scale / float(found.output.scale)
    made_of = found.requantization
    assert made_of.multipliers == pytest.approx(real, rel=1e-6)
    whole = made_of.whole.astype(float) * 2.0 ** (made_of.shifts - 31)
    assert whole == pytest.approx(made_of.multipliers, rel=2.0**-30)


def test_scales_that_are_powers_of_two_are_shifts(quantized: Quantize) -> None:
    """The multiplier is 2^30 everywhere."""
    constants = {"w": _RNG.standard_normal((6, 4, 3, 3)), "v": _RNG.standard_normal((2, 6, 1, 1))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("Conv", ["a", "v"], ["y"], name="next"),
    ]
    made = quantized(network(nodes, (1, 4, 6, 6), constants), "int8:pow2", "int8:sym:pow2")
    found = pipeline(made, "conv").requantization
    assert found is not None
    assert set(found.whole.tolist()) == {1 << 30}


def test_a_bias_costs_at_most_half_a_unit(quantized: Quantize) -> None:
    """And its SQNR is what numpy says."""
    bias = _RNG.standard_normal(6).astype(np.float32)
    constants = {"w": _RNG.standard_normal((6, 4, 3, 3)), "b": bias}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")]
    made = quantized(network(nodes, (1, 4, 6, 6), constants))
    found = pipeline(made, "conv")
    assert found.bias is not None
    codes = np.rint(bias.astype(float) / found.units.astype(float))
    errors = codes * found.units.astype(float) - bias
    assert (found.bias.lowest, found.bias.highest) == (codes.min(), codes.max())
    assert found.bias.worst == pytest.approx(np.abs(errors).max())
    assert found.bias.worst <= float(found.units.max()) / 2 * (1 + 1e-6)
    assert found.bias.sqnr_db == pytest.approx(
        10 * np.log10((bias.astype(float) ** 2).sum() / (errors**2).sum())
    )
    assert found.bias.is_stored
    assert found.bias.widened == 0
    assert found.reach is not None
    assert not pipeline(quantized(network(nodes, (1, 4, 6, 6), constants), "int4"), "conv").is_exact


def test_weights_that_made_room_for_a_bias_are_counted(quantized: Quantize) -> None:
    """A dead channel with an ordinary bias."""
    weight = _RNG.standard_normal((6, 4, 3, 3))
    weight[2] *= 1e-9
    constants = {"w": weight, "b": np.ones(6)}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")]
    found = pipeline(quantized(network(nodes, (1, 4, 6, 6), constants)), "conv")
    assert found.bias is not None
    assert found.bias.widened == 1
    assert found.bias.highest == pytest.approx(BIAS_LIMIT, rel=1e-6)
    assert found.reach is not None
    assert found.reach.bits <= 32


@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 1), (3, 2), (1,)])
def test_biases_of_any_shape_that_gemm_takes(quantized: Quantize, shape: tuple[int, ...]) -> None:
    """The constant may be the left operand: its rows are the output channels then."""
    values = _RNG.standard_normal(shape)
    constants = {"w": _RNG.standard_normal((3, 5)), "b": values}
    nodes = [helper.make_node("Gemm", ["w", "x", "b"], ["y"], name="gemm")]
    found = pipeline(quantized(network(nodes, (5, 2), constants), "int8:tensor", "int8"), "gemm")
    assert found.bias is not None
    assert found.reach is not None
    assert len(found.reach.lowest) == 3
    ends = np.rint(values.astype(np.float32) / found.units[0])
    assert (found.bias.lowest, found.bias.highest) == (ends.min(), ends.max())


def test_products_of_two_activations(quantized: Quantize) -> None:
    """Both ends of both; the bound is reached where all products are as large as they can be."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], name="turn", perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"], name="product"),
    ]
    found = pipeline(quantized(network(nodes, (3, 7), {}), "int8", "int8:sym"), "product")
    assert found.reach is not None
    assert (found.depth, found.weight, len(found.reads)) == (7, None, 2)
    assert found.reach.ends == (-7 * 128 * 127, 7 * 128 * 128)


@pytest.mark.parametrize(
    ("weights", "activations", "words"),
    [
        ("float", "uint8", "weights are not quantized"),
        ("int8", "float", "activations are"),
        ("float", "float", "nothing of it"),
        ("int4:block2", "uint8", "for each block"),
        ("int8:channel@0", "uint8", "several scales"),
        ("log4", "uint8", "not evenly spaced"),
    ],
)
def test_what_has_no_integer_arithmetic_says_why(
    quantized: Quantize, weights: str, activations: str, words: str
) -> None:
    """With the layer's name and what to do."""
    constants = {"w": _RNG.standard_normal((8, 4))}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    made = quantized(network(nodes, (3, 8), constants), weights, activations)
    with pytest.raises(UnsupportedError, match=words) as caught:
        pipeline(made, "product")
    assert "product" in caught.value.message
    assert caught.value.hint


def test_transposed_convolutions_have_none(quantized: Quantize) -> None:
    """No runtime here has integers for them."""
    constants = {"w": _RNG.standard_normal((4, 6, 3, 3))}
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up")]
    with pytest.raises(UnsupportedError, match="ConvTranspose has no integer kernel"):
        pipeline(quantized(network(nodes, (1, 4, 5, 5), constants)), "up")
