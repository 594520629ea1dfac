"""The arithmetic of one element, against the simulation, the written file and sums by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from inspector.errors import UnsupportedError
from inspector.evaluate.layer_errors import LayerErrors, LayerRequest
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.evaluate.worked import Bench, Worked, work_through
from inspector.onnxio.runnable import runnable

Quantize = Callable[..., Any]
_RNG = np.random.default_rng(4)
_CONV = {
    "plain": ({"pads": [1, 1, 1, 1]}, (6, 4, 3, 3), 1),
    "strided": ({"strides": [2, 2], "pads": [0, 1, 1, 0]}, (6, 4, 3, 3), 1),
    "dilated": ({"dilations": [2, 1], "pads": [2, 1, 2, 1]}, (6, 4, 3, 3), 1),
    "grouped": ({"group": 2, "pads": [1, 1, 1, 1]}, (6, 2, 3, 3), 2),
    "upper": ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (6, 4, 2, 2), 1),
    "lower": ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (6, 4, 2, 2), 1),
    "valid": ({"auto_pad": "VALID"}, (6, 4, 3, 3), 1),
}


def network(nodes: list[Any], shape: tuple[int, ...], constants: dict[str, Any]) -> Any:
    """From x through nodes to y."""
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in constants.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def bench_of(made: Any) -> Bench:
    """What work_through wants."""
    preview = Preview(made.model, made.placement, threads=1)
    request = LayerRequest.of(preview, made.grids)
    return Bench(made.model, made.placement, made.grids, request, LayerErrors(preview, threads=1))


def places(shape: tuple[int, ...], count: int = 12) -> list[tuple[int, ...]]:
    """Some elements, the first and the last among them."""
    size = int(np.prod(shape))
    flat = {0, size - 1, *_RNG.integers(0, size, count).tolist()}
    return [tuple(int(i) for i in np.unravel_index(one, shape)) for one in sorted(flat)]


def check(made: Any, name: str, next_layer: str | None = None) -> list[Worked]:
    """Every element agrees with the simulation to the last bit."""
    bench = bench_of(made)
    feeds = made.feeds[-1]
    values = bench.errors.values(bench.request, name, feeds)
    assert values is not None
    after = bench.errors.values(bench.request, next_layer, feeds) if next_layer else None
    found = []
    for index in places(values.output.shape):
        one = work_through(bench, name, feeds, index)
        assert one.accumulator == one.products + (one.bias or 0)
        assert -(2**31) <= one.accumulator < 2**31
        assert one.seen[0] <= one.accumulator <= one.seen[1]
        cross = one.cross
        assert one.products == cross.raw + cross.left + cross.right + cross.both
        if one.requantized is None:
            assert np.float32(one.real) == values.output[index]
        else:
            assert np.float32(one.requantized.scaled) == values.output[index]
            assert abs(one.requantized.code - one.requantized.integer_code) <= 1
        if after is not None and one.requantized is not None:
            steps = one.requantized.code - one.requantized.zero_point
            assert steps == after.reads[0][index]
        found.append(one)
    return found


@pytest.mark.parametrize("kind", list(_CONV))
@pytest.mark.parametrize("weights", ["int8", "int6:tensor"])
@pytest.mark.parametrize("activation", ["", "Relu", "Clip"])
def test_convolutions(quantized: Quantize, kind: str, weights: str, activation: str) -> None:
    """With every kind of border, step and group; the code is what the next layer reads."""
    attributes, shape, _ = _CONV[kind]
    constants: dict[str, Any] = {
        "w": _RNG.standard_normal(shape),
        "b": _RNG.standard_normal(6),
        "v": _RNG.standard_normal((2, 6, 1, 1)),
        "low": -0.5,
        "high": 0.7,
    }
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["a"], name="conv", **attributes)]
    end = "a"
    if activation:
        more = ["low", "high"] if activation == "Clip" else []
        nodes.append(helper.make_node(activation, ["a", *more], ["r"], name="act"))
        end = "r"
    nodes.append(helper.make_node("Conv", [end, "v"], ["y"], name="next"))
    made = quantized(network(nodes, (1, 4, 6, 7), constants), weights, "uint8")
    found = check(made, "conv", "next")
    assert all(one.activation == activation and one.is_exact for one in found)
    assert all(one.count + one.padded == int(np.prod(shape[1:])) for one in found)
    if attributes.get("auto_pad") != "VALID":
        assert any(one.padded for one in found)


def codes_in_file(made: Any, reader: str) -> Any:
    """The codes that a layer of the written file reads, as onnxruntime computes them."""
    proto = onnx.ModelProto.FromString(made.proto.SerializeToString())
    written = {name: node for node in proto.graph.node for name in node.output}
    node = next(node for node in proto.graph.node if node.name == reader)
    codes = written[node.input[0]].input[0]
    proto.graph.output.append(helper.make_tensor_value_info(codes, 2, None))
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([codes], made.feeds[-1])[0]


@pytest.mark.parametrize("kind", ["plain", "strided", "grouped"])
@pytest.mark.parametrize("activation", ["", "Relu"])
def test_the_written_file_has_the_same_codes(
    quantized: Quantize, kind: str, activation: str
) -> None:
    """Every one of them, from onnxruntime's own integer kernel."""
    attributes, shape, _ = _CONV[kind]
    constants = {
        "w": _RNG.standard_normal(shape),
        "b": _RNG.standard_normal(6),
        "v": _RNG.standard_normal((2, 6, 1, 1)),
    }
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["a"], name="conv", **attributes)]
    if activation:
        nodes.append(helper.make_node(activation, ["a"], ["r"], name="act"))
    last = ["r" if activation else "a", "v"]
    nodes.append(helper.make_node("Conv", last, ["y"], name="next"))
    made = quantized(network(nodes, (1, 4, 6, 7), constants))
    codes, bench = codes_in_file(made, "next"), bench_of(made)
    for index in places(codes.shape, 30):
        one = work_through(bench, "conv", made.feeds[-1], index)
        assert one.requantized is not None
        assert one.requantized.code == codes[index]


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("weights", ["int8", "uint8:asym:tensor"])
def test_products_with_a_bias(quantized: Quantize, turned: int, weights: str) -> None:
    """A Gemm whose result nobody asked to be on a grid writes floats."""
    size = (5, 12) if turned else (12, 5)
    constants = {"w": _RNG.standard_normal(size), "b": _RNG.standard_normal(5)}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="gemm", transB=turned)]
    made = quantized(network(nodes, (3, 12), constants), weights, "int8")
    found = check(made, "gemm")
    assert all(one.requantized is None and one.bias is not None for one in found)
    layer = made.placement.graph.layer("gemm")
    session = open_session(runnable(made.model, outputs=[layer.output]), threads=1)
    expected = session.run(made.feeds[-1])[layer.output]
    for one in found:
        assert one.expected == pytest.approx(float(expected[one.index]), rel=1e-5, abs=1e-6)
        assert one.real == pytest.approx(one.expected, abs=0.3)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3, 8), (8, 4)), ((1, 8), (8, 4)), ((2, 3, 8), (8,))]
)
def test_matrix_products(
    quantized: Quantize, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    """Stacks, single rows and vectors."""
    constants = {"w": _RNG.standard_normal(right)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    check(quantized(network(nodes, left, constants)), "product")


def test_the_weight_may_be_the_left_operand(quantized: Quantize) -> None:
    """The activation's codes come first all the same."""
    constants = {"w": _RNG.standard_normal((4, 6))}
    nodes = [helper.make_node("MatMul", ["w", "x"], ["y"], name="product")]
    made = quantized(network(nodes, (6, 5), constants), "int8:tensor", "uint8")
    grid = made.grids.at("x", "product")
    for one in check(made, "product"):
        assert float(one.left.scale) == float(grid.scale)


def test_a_sum_by_hand(quantized: Quantize) -> None:
    """Codes, products, bias and scales of a product that is small enough to write down."""
    constants = {"w": [[1.0], [-0.5], [0.25]], "b": [0.3]}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="gemm")]
    made = quantized(network(nodes, (1, 3), constants), "int8:tensor", "int8:sym:minmax")
    one = work_through(bench_of(made), "gemm", made.feeds[0], (0, 0))
    x = made.feeds[0]["x"][0]
    left, right = np.float32(one.left.scale), np.float32(1 / 127)
    assert float(one.right.scale) == pytest.approx(float(right), rel=1e-6)
    codes = np.rint(x / left).astype(int)
    assert [term.left for term in one.terms] == codes.tolist()
    assert [term.right for term in one.terms] == [127, -64, 32]
    assert [term.product for term in one.terms] == (codes * [127, -64, 32]).tolist()
    assert one.bias == round(0.3 / (float(left) * float(one.right.scale)))
    assert one.accumulator == int((codes * [127, -64, 32]).sum()) + one.bias
    assert one.real == pytest.approx(one.accumulator * float(left) * float(right), rel=1e-5)


def test_narrow_weights_are_worked_through_as_a_target_would(quantized: Quantize) -> None:
    """The file computes them in floats; the integers say the same but for float32's rounding."""
    constants = {"w": _RNG.standard_normal((6, 4, 3, 3)), "b": _RNG.standard_normal(6)}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")]
    made = quantized(network(nodes, (1, 4, 6, 6), constants), "int4", "uint8")
    bench = bench_of(made)
    for index in places((1, 6, 4, 4)):
        one = work_through(bench, "conv", made.feeds[0], index)
        assert not one.is_exact
        unit = one.unit
        assert one.real == pytest.approx(one.simulated, abs=unit + 1e-5)


def test_what_has_no_integer_arithmetic_says_why(quantized: Quantize) -> None:
    """Floats, blocks, and elements that are not there."""
    constants = {"w": _RNG.standard_normal((8, 4))}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    proto = network(nodes, (3, 8), constants)
    for weights, activations, words in (
        ("float", "uint8", "float"),
        ("int8", "float", "float"),
        ("int4:block2", "uint8", "block"),
    ):
        made = quantized(proto, weights, activations)
        with pytest.raises(UnsupportedError, match=words):
            work_through(bench_of(made), "product", made.feeds[0])
    made = quantized(proto)
    for index in ((0,), (3, 0), (0, -1), (0, 0, 0)):
        with pytest.raises(UnsupportedError, match="no element"):
            work_through(bench_of(made), "product", made.feeds[0], index)
    assert work_through(bench_of(made), "product", made.feeds[0]).index == (1, 2)
