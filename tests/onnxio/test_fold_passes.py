"""Every pass keeps the float outputs: random graphs, run by onnxruntime before and after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper

from inspector.onnxio.draft import whole_proto
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.passes.fold_batch_norm import fold_batch_norm

node = helper.make_node
examples = settings(deadline=None, max_examples=60)


def op_types(proto: ModelProto) -> list[str]:
    """The operators of a model, in order."""
    return [item.op_type for item in proto.graph.node]


def random(rng, *shape: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Uniform random float32 values."""
    return rng.uniform(low, high, shape).astype(np.float32)


def norm_constants(rng, channels: int, prefix: str = "n") -> dict[str, np.ndarray]:
    """Parameters of a normalization."""
    return {
        f"{prefix}.gamma": random(rng, channels, low=-2, high=2),
        f"{prefix}.beta": random(rng, channels),
        f"{prefix}.mean": random(rng, channels),
        f"{prefix}.var": random(rng, channels, low=0.01, high=4),
    }


def norm(source: str, output: str, prefix: str = "n", **attributes: float) -> NodeProto:
    """A BatchNormalization that reads norm_constants of the same prefix."""
    parameters = [f"{prefix}.{name}" for name in ("gamma", "beta", "mean", "var")]
    return node("BatchNormalization", [source, *parameters], [output], f"{prefix}/bn", **attributes)


def assert_same(run, before: ModelProto, feeds: dict[str, np.ndarray]) -> ModelProto:
    """Prepare a model and compare; returns what became of it."""
    bytes_before = before.SerializeToString(deterministic=True)
    prepared, _ = prepare(model_of(before))
    assert before.SerializeToString(deterministic=True) == bytes_before
    after = whole_proto(prepared)
    expected = run(bytes_before, feeds)
    actual = run(after.SerializeToString(), feeds)
    names = [value.name for value in before.graph.output]
    assert [value.name for value in after.graph.output] == names
    for want, got in zip(expected, actual, strict=True):
        assert want.dtype == got.dtype
        scale = max(float(np.abs(want).max(initial=0)), 1e-3)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * scale)
    return after


@st.composite
def convolutions(draw):
    """A Conv or ConvTranspose + BatchNormalization, in all their configurations."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    transposed = draw(st.booleans())
    spatial = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inside, outside = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if draw(st.booleans()):
        inside, groups = 1, draw(st.integers(2, 6))  # depthwise
    kernel = draw(st.integers(1, 3))
    shape = (groups * inside, outside) if transposed else (groups * outside, inside)
    constants = {"conv.weight": random(rng, *shape, *[kernel] * spatial)}
    inputs = ["x", "conv.weight"]
    if draw(st.booleans()):
        constants["conv.bias"] = random(rng, groups * outside)
        inputs.append("conv.bias")
    constants |= norm_constants(rng, groups * outside)
    epsilon = draw(st.sampled_from([None, 1e-3, 0.5]))
    conv = node(
        "ConvTranspose" if transposed else "Conv",
        inputs,
        ["c"],
        "conv",
        group=groups,
        strides=[draw(st.integers(1, 2))] * spatial,
        dilations=[draw(st.integers(1, 2))] * spatial,
    )
    extra = {} if epsilon is None else {"epsilon": epsilon}
    size = (2, groups * inside, *[6] * spatial)
    return [conv, norm("c", "y", **extra)], size, constants, rng, draw(st.sampled_from([9, 14, 17]))


@given(case=convolutions())
@examples
def test_norm_is_folded_into_any_convolution(build, run, case) -> None:
    """Norm is folded into any convolution."""
    nodes, shape, constants, rng, opset = case
    before = build(nodes, {"x": shape}, ["y"], constants, opset=opset)
    after = assert_same(run, before, {"x": random(rng, *shape)})
    assert op_types(after) == [nodes[0].op_type]
    assert after.graph.node[0].name == "conv"
    assert len(after.graph.initializer) == 2


@given(
    seed=st.integers(0, 2**32 - 1),
    trans_a=st.booleans(),
    trans_b=st.booleans(),
    alpha=st.sampled_from([1.0, 0.5, -2.0]),
    beta=st.sampled_from([1.0, 0.25, 0.0]),
    bias=st.sampled_from([None, (), (1,), (5,), (1, 5), (4, 1), (4, 5)]),
    folded=st.booleans(),
)
@examples
def test_gemm_takes_up_its_factors_and_the_norm(
    build, run, seed, trans_a, trans_b, alpha, beta, bias, folded
) -> None:
    """Gemm takes up its factors and the norm."""
    rng = np.random.default_rng(seed)
    constants = {"w": random(rng, *((5, 3) if trans_b else (3, 5)))}
    inputs = ["x", "w"]
    if bias is not None:
        constants["b"] = random(rng, *bias)
        inputs.append("b")
    gemm = node("Gemm", inputs, ["g"], "fc", alpha=alpha, beta=beta, transA=trans_a, transB=trans_b)
    shape = (3, 4) if trans_a else (4, 3)
    nodes = [gemm, norm("g", "y") if folded else node("Relu", ["g"], ["y"], "relu")]
    constants |= norm_constants(rng, 5) if folded else {}
    before = build(nodes, {"x": shape}, ["y"], constants)
    after = assert_same(run, before, {"x": random(rng, *shape)})
    assert op_types(after) == (["Gemm"] if folded else ["Gemm", "Relu"])
    factors = {item.name: item.f for item in after.graph.node[0].attribute}
    assert factors.get("alpha", 1.0) == 1.0
    assert factors.get("beta", 1.0) == 1.0 or bias is None


@given(
    seed=st.integers(0, 2**32 - 1),
    added=st.sampled_from([None, (), (5,), (1, 5), (4, 5)]),
    first=st.booleans(),
)
@examples
def test_norm_is_folded_into_matmul_with_and_without_add(build, run, seed, added, first) -> None:
    """Norm is folded into matmul with and without add."""
    rng = np.random.default_rng(seed)
    constants = {"w": random(rng, 3, 5)} | norm_constants(rng, 5)
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc")]
    if added is not None:
        constants["b"] = random(rng, *added)
        nodes.append(node("Add", ["b", "m"] if first else ["m", "b"], ["a"], "add"))
    nodes.append(norm("m" if added is None else "a", "y"))
    before = build(nodes, {"x": (4, 3)}, ["y"], constants)
    after = assert_same(run, before, {"x": random(rng, 4, 3)})
    matrix = added != (4, 5)
    assert op_types(after) == (["Gemm"] if matrix else ["MatMul", "Add"])


@given(seed=st.integers(0, 2**32 - 1), rank=st.sampled_from([2, 3, 4]), left=st.booleans())
@examples
def test_norm_over_other_axes_of_matmul_keeps_the_outputs(build, run, seed, rank, left) -> None:
    """Norm over other axes of matmul keeps the outputs."""
    rng = np.random.default_rng(seed)
    shape = (2, 3, 4, 5)[4 - rank :] if rank < 4 else (2, 3, 4, 5)
    weight = random(rng, 6, shape[-2]) if left else random(rng, shape[-1], 6)
    out = (*shape[:-2], 6, shape[-1]) if left else (*shape[:-1], 6)
    constants = {"w": weight} | norm_constants(rng, out[1])
    nodes = [node("MatMul", ["w", "x"] if left else ["x", "w"], ["m"], "fc"), norm("m", "y")]
    before = build(nodes, {"x": shape}, ["y"], constants)
    after = assert_same(run, before, {"x": random(rng, *shape)})
    assert ("BatchNormalization" in op_types(after)) == (
        (left, rank) not in {(True, 3), (False, 2)}
    )


def conv_norm(build, *, opset: int = 17, outputs=("y",), extra=(), **attributes) -> ModelProto:
    """A Conv and a BatchNormalization behind it."""
    rng = np.random.default_rng(0)
    constants = {"w": random(rng, 4, 3, 3, 3)} | norm_constants(rng, 4)
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), norm("c", "y", **attributes), *extra]
    return build(nodes, {"x": (1, 3, 8, 8)}, list(outputs), constants, opset=opset)


IMAGE = {"x": np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)}


def test_norm_stays_where_the_convolution_is_read_elsewhere(build, run) -> None:
    """Norm stays where the convolution is read elsewhere."""
    before = conv_norm(build, outputs=("y", "z"), extra=[node("Relu", ["c"], ["z"], "relu")])
    assert "BatchNormalization" in op_types(assert_same(run, before, IMAGE))
    _, report = fold_batch_norm(model_of(before))
    assert report.changed == 0
    assert report.left == ("n/bn: its input is read elsewhere too.",)


def test_norm_stays_where_the_convolution_is_an_output(build, run) -> None:
    """Norm stays where the convolution is an output."""
    before = conv_norm(build, outputs=("y", "c"))
    assert "BatchNormalization" in op_types(assert_same(run, before, IMAGE))


def test_norm_stays_where_a_subgraph_reads_the_convolution(build, run) -> None:
    """Norm stays where a subgraph reads the convolution."""
    branch = helper.make_graph(
        [node("Neg", ["c"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    extra = [
        node("ReduceSum", ["y"], ["sum"], keepdims=0),
        node("Greater", ["sum", "sum"], ["test"]),
        node("If", ["test"], ["z"], then_branch=branch, else_branch=branch),
    ]
    before = conv_norm(build, outputs=("y", "z"), extra=extra)
    after = assert_same(run, before, IMAGE)
    assert op_types(after)[:2] == ["Conv", "BatchNormalization"]


def test_norm_folds_where_it_is_the_graph_output(build, run) -> None:
    """Norm folds where it is the graph output."""
    assert op_types(assert_same(run, conv_norm(build), IMAGE)) == ["Conv"]


def test_norm_in_training_mode_stays(build) -> None:
    """Norm in training mode stays."""
    before = conv_norm(build, training_mode=1)
    before.graph.node[1].output.extend(["m", "v"])
    prepared, reports = prepare(model_of(before))
    assert "BatchNormalization" in op_types(prepared.proto)
    assert any("training mode" in text for report in reports for text in report.left)


@pytest.mark.parametrize(("spatial", "folded"), [(1, True), (0, False), (None, True)])
def test_norm_of_opset_7_minds_spatial(build, spatial, folded) -> None:
    """Norm of opset 7 minds spatial."""
    extra = {} if spatial is None else {"spatial": spatial}
    prepared, _ = prepare(model_of(conv_norm(build, opset=7, **extra)))
    assert ("BatchNormalization" not in op_types(prepared.proto)) == folded


def test_norm_with_computed_parameters_stays(build, run) -> None:
    """Norm with computed parameters stays."""
    before = conv_norm(build)
    before.graph.node[1].input[1] = "given"
    before.graph.input.append(helper.make_tensor_value_info("given", TensorProto.FLOAT, [4]))
    feeds = IMAGE | {"given": np.ones(4, np.float32)}
    assert "BatchNormalization" in op_types(assert_same(run, before, feeds))


def test_norm_of_negative_variance_stays(build) -> None:
    """Norm of negative variance stays."""
    before = conv_norm(build)
    for tensor in before.graph.initializer:
        if tensor.name == "n.var":
            tensor.raw_data = np.full(4, -1, np.float32).tobytes()
    _, report = fold_batch_norm(model_of(before))
    assert "no finite factors" in report.left[0]


def test_shared_weights_are_folded_apart(build, run) -> None:
    """Shared weights are folded apart."""
    rng = np.random.default_rng(2)
    constants = {"w": random(rng, 4, 3, 1, 1), "b": random(rng, 4)}
    constants |= norm_constants(rng, 4, "p") | norm_constants(rng, 4, "q")
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], "one"), norm("c", "y", "p"),
        node("Conv", ["x", "w", "b"], ["d"], "two"), norm("d", "z", "q"),
        node("Conv", ["x", "w", "b"], ["plain"], "three"),
    ]  # fmt: skip
    before = build(nodes, {"x": (1, 3, 8, 8)}, ["y", "z", "plain"], constants)
    after = assert_same(run, before, IMAGE)
    assert op_types(after) == ["Conv"] * 3
    assert len({item.input[1] for item in after.graph.node}) == 3


@given(seed=st.integers(0, 2**32 - 1), data=st.data())
@examples
def test_bias_behind_a_convolution_is_folded(build, run, seed, data) -> None:
    """Bias behind a convolution is folded."""
    rng = np.random.default_rng(seed)
    shape = data.draw(st.sampled_from([(4, 1, 1), (1, 4, 1, 1), (1,), (), (1, 1, 1, 1)]))
    constants = {"w": random(rng, 4, 3, 3, 3), "add": random(rng, *shape)}
    inputs = ["x", "w"]
    if data.draw(st.booleans()):
        constants["b"] = random(rng, 4)
        inputs.append("b")
    nodes = [
        node("Conv", inputs, ["c"], "conv"),
        node("Add", ["c", "add"] if data.draw(st.booleans()) else ["add", "c"], ["y"], "add"),
    ]
    folds = len(shape) >= 2 or shape == (1,) or shape == ()
    before = build(nodes, {"x": (1, 3, 8, 8)}, ["y"], constants)
    after = assert_same(run, before, IMAGE)
    assert op_types(after) == (["Conv"] if folds else ["Conv", "Add"])


@pytest.mark.parametrize("shape", [(6,), (6, 6), (4, 6, 6), (2, 4, 1, 1), (1, 1, 4, 1, 1)])
def test_what_is_no_bias_stays(build, run, shape) -> None:
    """What is no bias stays."""
    rng = np.random.default_rng(3)
    constants = {"w": random(rng, 4, 3, 3, 3), "add": random(rng, *shape)}
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Add", ["c", "add"], ["y"], "add")]
    before = build(nodes, {"x": (1, 3, 8, 8)}, ["y"], constants)
    assert op_types(assert_same(run, before, IMAGE)) == ["Conv", "Add"]


def test_half_precision_is_folded_in_half_precision(build) -> None:
    """Half precision is folded in half precision."""
    before = conv_norm(build)
    for tensor in before.graph.initializer:
        values = np.frombuffer(tensor.raw_data, np.float32).astype(np.float16)
        tensor.data_type, tensor.raw_data = TensorProto.FLOAT16, values.tobytes()
    for value in (*before.graph.input, *before.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    prepared, _ = prepare(model_of(before))
    assert op_types(prepared.proto) == ["Conv"]
    assert {info.dtype for info in prepared.constants.values()} == {"float16"}


def test_half_precision_that_would_overflow_stays(build) -> None:
    """Half precision that would overflow stays."""
    before = conv_norm(build)
    for tensor in before.graph.initializer:
        values = np.frombuffer(tensor.raw_data, np.float32).astype(np.float16)
        values = np.full_like(values, 60000) if tensor.name == "n.gamma" else values
        values = np.full_like(values, 1e-3) if tensor.name == "n.var" else values
        tensor.data_type, tensor.raw_data = TensorProto.FLOAT16, values.tobytes()
    _, report = fold_batch_norm(model_of(before))
    assert "leave the range" in report.left[0]


def test_layers_keep_their_names_through_all_passes(build) -> None:
    """Layers keep their names through all passes."""
    rng = np.random.default_rng(4)
    constants = {"w": random(rng, 4, 3, 3, 3), "v": random(rng, 2, 4, 1, 1)}
    constants |= norm_constants(rng, 4)
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        norm("c", "b"),
        node("Identity", ["b"], ["i"]),
        node("Conv", ["i", "v"], ["y"]),
    ]
    model = model_of(build(nodes, {"x": (1, 3, 8, 8)}, ["y"], constants))
    prepared, _ = prepare(model)
    before = [layer.name for layer in extract_graph(model).layers]
    assert (
        [layer.name for layer in extract_graph(prepared).layers] == before == ["Conv_c", "Conv_y"]
    )
