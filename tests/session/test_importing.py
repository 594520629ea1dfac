"""Models that other tools quantized, opened as recipes and saved again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from inspector.errors import UnsupportedError
from inspector.onnxio.loading import Model, load_model, model_of
from inspector.quant.kernels import pack_subbyte
from inspector.session.importing import Imported, open_as_recipe
from inspector.session.recipe import Recipe
from inspector.session.round_trip import round_trip, written_again

Codes = dict[str, int]


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(np.float32)


def _proto(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    constants: Mapping[str, Any],
    opset: int = 17,
) -> ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            value
            if isinstance(value, TensorProto)
            else numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
        ],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _float_net() -> ModelProto:
    """Convolutions, a sum, pools, a join, a product: what integer kernels there are."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "c1", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "r1"),
        helper.make_node("Conv", ["r", "w2", "b2"], ["b"], "c2", pads=[1] * 4),
        helper.make_node("Add", ["r", "b"], ["s"], "add"),
        helper.make_node("MaxPool", ["s"], ["m"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["m", "m"], ["j"], "join", axis=1),
        helper.make_node("Sigmoid", ["j"], ["g"], "gate"),
        helper.make_node("GlobalAveragePool", ["g"], ["p"], "mean"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("MatMul", ["f", "w3"], ["t"], "m1"),
        helper.make_node("Softmax", ["t"], ["y"], "soft"),
    ]
    constants = {
        "w1": _random(6, 3, 3, 3), "b1": _random(6), "w2": _random(6, 6, 3, 3), "b2": _random(6),
        "w3": _random(12, 5),
    }  # fmt: skip
    return _proto(nodes, {"x": [1, 3, 8, 8]}, ["y"], constants, 13)


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        self._left = [{"x": _random(1, 3, 8, 8, seed=seed)} for seed in range(3)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


@pytest.fixture(scope="module")
def by_onnxruntime(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Quantizes the small net by onnxruntime's own tool."""
    folder = tmp_path_factory.mktemp("ort")
    source = folder / "float.onnx"
    onnx.save(_float_net(), source)
    logging.getLogger().setLevel(logging.ERROR)

    def make(*, dynamic: bool = False, **options: Any) -> Path:
        target = folder / f"{abs(hash(repr(options)))}.onnx"
        if dynamic:
            quantize_dynamic(source, target, **options)
        else:
            quantize_static(source, target, _Samples(), **options)
        return target

    return make


def _codes(model: Model) -> list[bytes]:
    """The integer constants of 8 bits and more than one element, sorted: codes of weights."""
    found = []
    for tensor in model.proto.graph.initializer:
        values = model.constant(tensor.name)
        if values.dtype in (np.int8, np.uint8) and values.ndim > 1:
            found.append(values.tobytes())
    return sorted(found)


def _check(path: Path | Model) -> Imported:
    """Opens, saves again, and compares numbers and codes."""
    source = path if isinstance(path, Model) else load_model(path)
    found = open_as_recipe(source)
    assert Recipe.parse(found.recipe.to_toml()) == found.recipe
    result = round_trip(source, found)
    assert result.same, result.text
    assert _codes(written_again(found)) == _codes(source)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"per_channel": False, "activation_type": QuantType.QUInt8},
        {"per_channel": True, "activation_type": QuantType.QUInt8},
        {"per_channel": True, "activation_type": QuantType.QInt8},
        {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8},
        {"activation_type": QuantType.QUInt16, "extra_options": {"UseQDQContribOps": True}},
        {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
        {"activation_type": QuantType.QUInt8, "extra_options": {"DedicatedQDQPair": True}},
    ],
)
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_onnxruntimes_static_models(
    by_onnxruntime: Callable[..., Path], form: QuantFormat, options: dict[str, Any]
) -> None:
    """Every layer is read back, and nothing changes by saving."""
    if form == QuantFormat.QOperator and "UInt16" in str(options["activation_type"]):
        pytest.skip("onnxruntime has no integer operators of 16 bits")
    found = _check(by_onnxruntime(quant_format=form, **options))
    assert found.kind == ("QDQ" if form == QuantFormat.QDQ else "QOperator")
    assert found.taken == 3
    assert not found.notes
    plan = found.opened.placement.plan(found.recipe.resolve_all(found.opened.graph.layers))
    assert not plan.open_points  # no data is needed
    assert plan.as_given == {"c1", "c2", "m1"} or form == QuantFormat.QOperator


@pytest.mark.parametrize(
    "options",
    [{"per_channel": False}, {"per_channel": True}, {"weight_type": QuantType.QUInt8}],
)
def test_onnxruntimes_dynamic_models(
    by_onnxruntime: Callable[..., Path], options: dict[str, Any]
) -> None:
    """The grids of weights; those of activations are found when the model runs."""
    found = _check(by_onnxruntime(dynamic=True, **options))
    assert found.kind == found.recipe.format == "dynamic"
    assert found.taken == 3


def _pair(tensor: str, grid: str, name: str, zero: bool = True, **more: Any) -> list[NodeProto]:
    numbers = [f"{grid}_s", f"{grid}_z"] if zero else [f"{grid}_s"]
    return [
        helper.make_node("QuantizeLinear", [tensor, *numbers], [f"{name}_q"], f"{name}_Q", **more),
        helper.make_node("DequantizeLinear", [f"{name}_q", *numbers], [name], f"{name}_D", **more),
    ]


def test_pytorch_trains_float_weights_behind_quantizers() -> None:
    """The weights stay float in the file, their codes cut to [-127, 127]; biases are float."""
    weight = _random(4, 3, 3, 3)
    scale = (np.abs(weight).max(axis=(1, 2, 3)) / 127).astype(np.float32)
    scale[0] *= 0.5  # codes that the cut does change
    nodes = [
        *_pair("x", "x", "xd"),
        helper.make_node("QuantizeLinear", ["w", "w_s", "w_z"], ["wq"], "wq", axis=0),
        helper.make_node("Clip", ["wq", "low", "high"], ["wc"], "cut"),
        helper.make_node("DequantizeLinear", ["wc", "w_s", "w_z"], ["wd"], "wd", axis=0),
        helper.make_node("Conv", ["xd", "wd", "b"], ["a"], "conv"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        *_pair("r", "r", "rd"),
        *_pair("v", "v", "vd", axis=0),
        helper.make_node("Transpose", ["vd"], ["vt"], "turn", perm=[1, 0]),
        helper.make_node("Flatten", ["rd"], ["f"], "flat"),
        helper.make_node("MatMul", ["f", "vt"], ["y"], "fc"),
    ]
    constants = {
        "x_s": np.float32(0.02), "x_z": np.uint8(120), "r_s": np.float32(0.05), "r_z": np.uint8(0),
        "w": weight, "w_s": scale, "w_z": np.zeros(4, np.int8), "low": np.int8(-127),
        "high": np.int8(127), "b": _random(4), "v": _random(2, 144),
        "v_s": np.float32([0.03, 0.02]), "v_z": np.zeros(2, np.int8),
    }  # fmt: skip
    found = _check_codes_from_floats(_proto(nodes, {"x": [1, 3, 8, 8]}, ["y"], constants))
    assert found.taken == 2
    layers = {layer.name: layer for layer in found.opened.graph.layers}
    chosen = found.recipe.resolve(layers["fc"])
    assert str(chosen.weights) == "int8:channel:pinned:sym"
    floats = found.opened.prepared.constant(layers["fc"].weight or "")
    np.testing.assert_array_equal(floats, constants["v"].T)  # what was trained, not what it becomes


def _check_codes_from_floats(proto: ModelProto) -> Imported:
    source = model_of(proto)
    found = open_as_recipe(source)
    result = round_trip(source, found)
    assert result.same, result.text
    return found


def test_modelopt_has_symmetric_grids_without_zero_points() -> None:
    """Zero points are left out, and outputs are on no grid."""
    nodes = [
        *_pair("x", "x", "xd"),
        helper.make_node("DequantizeLinear", ["wq", "w_s"], ["wd"], "wd", axis=0),
        helper.make_node("Conv", ["xd", "wd", "b"], ["a"], "conv"),
        helper.make_node("Add", ["a", "x2"], ["y"], "add"),
    ]
    constants = {
        "x_s": np.float32(0.02), "x_z": np.int8(0), "b": _random(4),
        "wq": np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "w_s": np.float32([0.01, 0.02, 0.03, 0.04]),
    }  # fmt: skip
    inputs = {"x": [1, 3, 8, 8], "x2": [1, 4, 6, 6]}
    found = _check(model_of(_proto(nodes, inputs, ["y"], constants)))
    layer = found.opened.graph.layer("conv")
    assert str(found.recipe.resolve(layer).activations) == "int8:tensor:pinned:sym"


def test_float8_and_blocks_of_4_bits() -> None:
    """As TensorRT wants them."""
    eight = numpy_helper.from_array(_random(6, 5).astype(ml_dtypes.float8_e4m3fn), "vq")
    zero = numpy_helper.from_array(np.zeros((), ml_dtypes.float8_e4m3fn), "x_z")
    codes = np.random.default_rng(0).integers(-8, 8, (32, 6))
    four = helper.make_tensor(
        "wq", TensorProto.INT4, (32, 6), pack_subbyte(codes, 4).tobytes(), True
    )
    nodes = [
        helper.make_node("DequantizeLinear", ["wq", "w_s"], ["wd"], "wd", axis=0, block_size=16),
        helper.make_node("MatMul", ["x", "wd"], ["a"], "four"),
        *_pair("a", "x", "ad"),
        helper.make_node("DequantizeLinear", ["vq", "v_s"], ["vd"], "vd"),
        helper.make_node("MatMul", ["ad", "vd"], ["y"], "eight"),
    ]
    constants = {
        "wq": four, "w_s": np.abs(_random(2, 6)) / 8, "x_s": np.float32(0.05), "x_z": zero,
        "vq": eight, "v_s": np.float32(0.25),
    }  # fmt: skip
    found = _check(model_of(_proto(nodes, {"x": [3, 32]}, ["y"], constants, 21)))
    chosen = {one.name: found.recipe.resolve(one) for one in found.opened.graph.layers}
    assert str(chosen["four"].weights) == "int4:block16:pinned:sym"
    assert chosen["four"].activations.is_float
    assert str(chosen["eight"].activations) == "fp8e4m3:tensor:pinned:sym"


@pytest.mark.parametrize("symmetric", [True, False])
def test_matmul_nbits(symmetric: bool) -> None:
    """Codes, scales and packed zero points, with a depth that does not fill the last block."""
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (6, 3, 8), dtype=np.uint8)
    scales = np.abs(_random(18)) / 8
    zeros = rng.integers(0, 256, 12, dtype=np.uint8)
    nodes = [
        helper.make_node(
            "MatMulNBits", ["x", "q", "s", *([] if symmetric else ["z"])], ["a"], "product",
            domain="com.microsoft", K=40, N=6, bits=4, block_size=16, accuracy_level=1,
        ),
        helper.make_node("Relu", ["a"], ["y"], "relu"),
    ]  # fmt: skip
    constants = {"q": packed, "s": scales, **({} if symmetric else {"z": zeros})}
    source = model_of(_proto(nodes, {"x": [3, 40]}, ["y"], constants))
    found = open_as_recipe(source)
    assert found.kind == "MatMulNBits"
    assert found.recipe.matmul_nbits
    result = round_trip(source, found)
    assert result.same, result.text


def test_every_reader_has_its_own_grid() -> None:
    """One tensor on two grids, and a product of two tensors on a grid each."""
    nodes = [
        *_pair("x", "a", "left"),
        helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[1, 0]),
        *_pair("t", "b", "right"),
        helper.make_node("MatMul", ["left", "right"], ["m"], "product"),
        *_pair("x", "c", "other"),
        helper.make_node("DequantizeLinear", ["wq", "w_s"], ["w"], "wd"),
        helper.make_node("MatMul", ["other", "w"], ["n"], "layer"),
        helper.make_node("Sigmoid", ["x"], ["y"], "free"),
    ]
    constants = {
        "a_s": np.float32(0.05), "a_z": np.uint8(128), "b_s": np.float32(0.01),
        "b_z": np.int8(-3), "c_s": np.float32(0.001), "c_z": np.uint16(30000),
        "wq": np.arange(-10, 10).reshape(5, 4).astype(np.int8), "w_s": np.float32(0.1),
    }  # fmt: skip
    proto = _proto(nodes, {"x": [5, 5]}, ["m", "n", "y"], constants, 21)
    found = _check(model_of(proto))
    plan = found.opened.placement.plan(found.recipe.resolve_all(found.opened.graph.layers))
    types = {(s.tensor, s.consumer): plan.points[p].spec.dtype for s, p in plan.sites.items()}
    assert types == {
        ("x", "product"): "uint8", ("t", "product"): "int8", ("x", "layer"): "uint16",
    }  # fmt: skip


def test_what_cannot_be_said_stays_and_is_named() -> None:
    """Scales that are computed, two pairs in a row, a constant that is no weight."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], "top", keepdims=0),
        helper.make_node("QuantizeLinear", ["x", "top"], ["xq"], "computed_Q"),
        helper.make_node("DequantizeLinear", ["xq", "top"], ["xd"], "computed"),
        *_pair("xd", "a", "first"),
        *_pair("first", "b", "second"),
        helper.make_node("DequantizeLinear", ["wq", "w_s"], ["w"], "wd"),
        helper.make_node("MatMul", ["second", "w"], ["m"], "layer"),
        helper.make_node("DequantizeLinear", ["cq", "w_s"], ["c"], "added"),
        helper.make_node("Add", ["m", "c"], ["y"], "add"),
    ]
    constants = {
        "a_s": np.float32(0.05), "a_z": np.uint8(128), "b_s": np.float32(0.01), "b_z": np.uint8(3),
        "wq": np.arange(20).reshape(5, 4).astype(np.int8), "w_s": np.float32(0.1),
        "cq": np.arange(4).astype(np.int8),
    }  # fmt: skip
    found = _check(model_of(_proto(nodes, {"x": [5, 5]}, ["y"], constants, 13)))
    said = " ".join(found.notes)
    assert all(name in said for name in ("'computed'", "'first_D'", "'added'"))


@pytest.mark.parametrize(
    "scale", [np.float32(0), np.float32(-1), np.float32(np.nan), np.float32([1, 2, 3])]
)
def test_impossible_scales_leave_the_tensor_alone(scale: np.ndarray) -> None:
    """The weight is named; the rest is read."""
    nodes = [
        *_pair("x", "a", "xd"),
        helper.make_node("DequantizeLinear", ["wq", "w_s"], ["w"], "bad", axis=1),
        helper.make_node("MatMul", ["xd", "w"], ["m"], "layer"),
        helper.make_node("MatMul", ["xd", "v"], ["n"], "other"),
    ]
    constants = {
        "a_s": np.float32(0.05), "a_z": np.uint8(128), "w_s": scale, "v": _random(5, 2),
        "wq": np.arange(20).reshape(5, 4).astype(np.int8),
    }  # fmt: skip
    found = open_as_recipe(model_of(_proto(nodes, {"x": [5, 5]}, ["m", "n"], constants, 13)))
    assert any("'bad'" in note for note in found.notes)
    assert found.taken == 2


def test_operators_of_one_tool_are_refused_by_name() -> None:
    """Vitis AI and QONNX have quantizers whose arithmetic is their own."""
    nodes = [
        helper.make_node("VitisQuantizeLinear", ["x"], ["q"], "q", domain="com.vai.quantize"),
        helper.make_node("MatMul", ["q", "w"], ["y"], "m"),
    ]
    proto = _proto(nodes, {"x": [5, 5]}, ["y"], {"w": _random(5, 2)})
    with pytest.raises(UnsupportedError, match=r"VitisQuantizeLinear.*com\.vai\.quantize"):
        open_as_recipe(model_of(proto))


def test_a_float_model_is_no_quantized_one() -> None:
    """There is nothing to read back."""
    with pytest.raises(UnsupportedError, match="no layer whose quantizers"):
        open_as_recipe(model_of(_float_net()))


@pytest.mark.parametrize("name", ["micro_kws_qdq_ort", "micro_kws_qoperator_ort"])
def test_models_of_others(shared_models: Path, name: str) -> None:
    """Real files."""
    path = shared_models / "quantized" / f"{name}.onnx"
    source = load_model(path)
    found = open_as_recipe(source)
    result = round_trip(source, found)
    assert result.same, result.text
    assert found.taken == 6
