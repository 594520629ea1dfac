"""Quantizing bit for bit as onnxruntime does, and packing as ONNX stores it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.errors import DataError
from inspector.quant.kernels import (
    dequantize,
    fake_quantize,
    outside,
    pack_subbyte,
    quantize,
    storage_dtype,
    unpack_subbyte,
)
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec

TYPES = ["int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2"]
EDGES = np.array(
    [0.0, -0.0, 1e30, -1e30, 3.4e38, -3.4e38, 1e-45, -1e-45, 1e-39, -1e-39, 2147483648.0, -3e9],
    np.float32,
)


def _bits(dtype: str) -> tuple[int, bool]:
    return int(dtype.lstrip("uint")), not dtype.startswith("u")


def _range(dtype: str) -> tuple[int, int]:
    bits, signed = _bits(dtype)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def _model(dtype: str, qp: QParams, shape: tuple[int, ...]) -> onnx.ModelProto:
    """A model: x -> QuantizeLinear -> (codes as int32, DequantizeLinear)."""
    bits, _ = _bits(dtype)
    element = getattr(TensorProto, dtype.upper())
    zero = np.asarray(qp.zero_point)
    if bits < 8:
        packed = pack_subbyte(zero, bits).tobytes()
        zero_tensor = helper.make_tensor("z", element, zero.shape, packed, raw=True)
    else:
        zero_tensor = helper.make_tensor("z", element, zero.shape, zero.reshape(-1).tolist())
    attributes: dict[str, int] = {}
    if qp.axis is not None:
        attributes["axis"] = qp.axis
        if qp.block:
            attributes["block_size"] = qp.block
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **attributes),
        helper.make_node("Cast", ["q"], ["codes"], to=TensorProto.INT32),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], **attributes),
    ]
    graph = helper.make_graph(
        nodes,
        "quantize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("codes", TensorProto.INT32, shape),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
        ],
        [numpy_helper.from_array(np.asarray(qp.scale), "s"), zero_tensor],
    )
    opset = helper.make_opsetid("", 25 if bits == 2 else 21)
    return helper.make_model(graph, opset_imports=[opset], ir_version=13 if bits == 2 else 10)


def _run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, {"x": x}))


def _values(shape: tuple[int, ...], qp: QParams, rng: np.random.Generator) -> np.ndarray:
    """Random values, ties between codes, and the odd ones, in random places."""
    size = int(np.prod(shape))
    scale = float(np.asarray(qp.scale).flat[0])
    width = qp.qmax - qp.qmin
    pool = [
        rng.standard_normal(size) * scale * width / 3,
        (rng.integers(-width, width, size) + 0.5) * scale,
        rng.choice(EDGES, size),
        np.exp(rng.uniform(-90, 88, size)) * rng.choice([-1, 1], size),
    ]
    kind = rng.choice(4, size, p=[0.4, 0.4, 0.1, 0.1])
    return np.choose(kind, pool).astype(np.float32).reshape(shape)


def _qparams(dtype: str, shape: tuple[int, ...], layout: str, rng: np.random.Generator) -> QParams:
    qmin, qmax = _range(dtype)
    axis, block = {"tensor": (None, 0), "axis": (1, 0), "blocks": (1, 4)}[layout]
    size = {
        "tensor": (),
        "axis": (shape[1],),
        "blocks": (shape[0], -(-shape[1] // 4), *shape[2:]),
    }[layout]
    scale = np.exp(rng.uniform(-12, 8, size)).astype(np.float32)
    if rng.random() < 0.3:
        scale = np.exp2(np.round(np.log2(scale))).astype(np.float32)
    zero_point = rng.integers(qmin, qmax + 1, size).astype(np.int32)
    return QParams(np.asarray(scale), np.asarray(zero_point), qmin, qmax, axis, block)


def _within_int32(x: np.ndarray, qp: QParams) -> np.ndarray:
    """Where x / scale fits int32.

    onnxruntime's kernels for blocks and for 2 and 4 bits convert the quotient to int32 before they
    clamp it, so that a huge positive x becomes the lowest code; ONNX asks for saturation, as here.
    """
    one = QParams(qp.scale, np.zeros_like(qp.zero_point), 0, 1, qp.axis, qp.block)
    scale = dequantize(np.ones(x.shape, np.int32), one)
    return np.abs(x.astype(np.float64) / scale) < 2.0**31 - 2.0**17


@pytest.mark.parametrize("layout", ["tensor", "axis", "blocks"])
@pytest.mark.parametrize("dtype", TYPES)
def test_codes_and_values_are_those_of_onnxruntime(dtype: str, layout: str) -> None:
    """Codes and values are those of onnxruntime."""
    rng = np.random.default_rng(TYPES.index(dtype))
    for shape in ((3, 8, 5), (2, 12), (4, 16, 3, 2)):
        qp = _qparams(dtype, shape, layout, rng)
        x = _values(shape, qp, rng)
        codes, values = _run(_model(dtype, qp, shape), x)
        if layout == "blocks" or _bits(dtype)[0] < 8:
            right = _within_int32(x, qp)
            assert right.mean() > 0.7
        else:
            right = np.ones(shape, np.bool_)
        assert np.array_equal(quantize(x, qp)[right], codes[right])
        assert dequantize(quantize(x, qp), qp)[right].tobytes() == values[right].tobytes()
        assert fake_quantize(x, qp)[right].tobytes() == values[right].tobytes()
        beyond = np.where(x > 0, qp.qmax, qp.qmin)[~right]
        assert np.array_equal(quantize(x, qp)[~right], beyond)


@pytest.mark.parametrize("dtype", TYPES)
def test_many_ties_round_to_even_as_in_onnxruntime(dtype: str) -> None:
    """Many ties round to even as in onnxruntime."""
    rng = np.random.default_rng(7)
    qmin, qmax = _range(dtype)
    codes = np.arange(qmin - 3, qmax + 3, dtype=np.float64)[: 1 << 12]
    for zero_point in (qmin, 0 if qmin <= 0 else qmin, qmax):
        scale = np.float32(rng.uniform(1e-3, 10))
        qp = QParams(np.asarray(scale), np.asarray(zero_point, np.int32), qmin, qmax)
        ties = ((codes + 0.5 - zero_point) * float(scale)).astype(np.float32)
        x = np.concatenate((ties, np.nextafter(ties, 9e9), np.nextafter(ties, -9e9)))
        x = np.concatenate((x, EDGES)).astype(np.float32)
        expected, values = _run(_model(dtype, qp, x.shape), x)
        right = _within_int32(x, qp) | (_bits(dtype)[0] >= 8)
        assert np.array_equal(quantize(x, qp)[right], expected[right])
        assert fake_quantize(x, qp)[right].tobytes() == values[right].tobytes()


def test_a_tiny_scale_saturates_huge_values_as_onnxruntime_does() -> None:
    """A tiny scale saturates huge values as onnxruntime does."""
    qp = QParams(np.asarray(np.float32(1.2e-38)), np.asarray(3, np.int32), -128, 127)
    x = np.concatenate((EDGES, [np.inf, -np.inf])).astype(np.float32)
    codes, _ = _run(_model("int8", qp, x.shape), x)
    assert np.array_equal(quantize(x, qp), codes)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int4", "uint4"])
@pytest.mark.parametrize("layout", ["tensor", "axis", "blocks"])
def test_codes_are_those_of_the_reference_of_onnx(dtype: str, layout: str) -> None:
    """Codes are those of the reference of onnx."""
    rng = np.random.default_rng(3)
    shape = (2, 8, 3)
    qp = _qparams(dtype, shape, layout, rng)
    near = dequantize(rng.integers(qp.qmin, qp.qmax + 1, shape), qp)
    x = (near * rng.uniform(0.6, 1.5, shape)).astype(np.float32)
    codes = ReferenceEvaluator(_model(dtype, qp, shape)).run(None, {"x": x})[0]
    assert np.array_equal(quantize(x, qp), codes)


@given(
    arrays(np.float32, (4, 6), elements=st.floats(width=32, allow_nan=False)),
    st.sampled_from([f"{sign}int{bits}" for sign in ("", "u") for bits in range(2, 17)]),
    st.sampled_from(["tensor", "channel", "block4@1"]),
    st.sampled_from(["sym", "asym"]),
)
@settings(deadline=None, max_examples=60)
def test_fake_quantize_is_dequantize_of_quantize(
    x: np.ndarray, dtype: str, granularity: str, flag: str
) -> None:
    """Fake quantize is dequantize of quantize."""
    spec = QuantSpec.parse(f"{dtype}:{granularity}:minmax:{flag}")
    usual = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    for weights in (np.nan_to_num(x, posinf=1.0, neginf=-1.0), usual):
        qp = weight_qparams(weights, spec, 0, "w")
        codes = quantize(x, qp)
        assert codes.dtype == storage_dtype(qp.qmin, qp.qmax)
        assert qp.qmin <= codes.min() <= codes.max() <= qp.qmax
        assert fake_quantize(x, qp).tobytes() == dequantize(codes, qp).tobytes()
        assert np.isfinite(fake_quantize(x, qp)).all()
        assert (fake_quantize(np.zeros_like(x), qp) == 0).all()


def test_nan_has_no_code() -> None:
    """NaN has no code."""
    qp = QParams(np.asarray(np.float32(1)), np.asarray(0, np.int32), -128, 127)
    with pytest.raises(DataError, match="'logits' holds 1 NaN"):
        quantize([1.0, np.nan], qp, "logits")
    assert np.isnan(fake_quantize([np.nan], qp)[0])


def test_scalars_and_empty_tensors() -> None:
    """Scalars and empty tensors."""
    qp = QParams(np.asarray(np.float32(0.5)), np.asarray(0, np.int32), -128, 127)
    assert quantize(1.3, qp) == 3
    assert fake_quantize(np.float32(1.3), qp) == 1.5
    assert quantize(np.zeros((0, 3)), qp).shape == (0, 3)
    assert outside([100.0, -64.2, -64.3], qp).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("qmin", "qmax", "expected"),
    [(-127, 127, "int8"), (0, 255, "uint8"), (-8, 7, "int8"), (0, 4095, "uint16"),
     (-2048, 2047, "int16"), (-1, 255, "int16")],
)  # fmt: skip
def test_storage_is_the_smallest_type(qmin: int, qmax: int, expected: str) -> None:
    """Storage is the smallest type."""
    assert storage_dtype(qmin, qmax) == np.dtype(expected)


@pytest.mark.parametrize("dtype", ["INT4", "UINT4", "INT2", "UINT2"])
def test_packing_is_that_of_onnx(dtype: str) -> None:
    """Packing is that of onnx."""
    bits, signed = _bits(dtype.lower())
    low, high = _range(dtype.lower())
    codes = np.random.default_rng(5).integers(low, high + 1, 37)
    tensor = helper.make_tensor("t", getattr(TensorProto, dtype), codes.shape, codes.tolist())
    stored: Any = numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data
    packed = pack_subbyte(codes, bits)
    assert packed.tobytes() == stored
    assert np.array_equal(unpack_subbyte(packed, bits, signed, codes.size), codes)


@given(
    st.sampled_from([(2, True), (2, False), (4, True), (4, False)]), st.integers(0, 33), st.data()
)
@settings(deadline=None)
def test_unpacking_is_the_inverse_of_packing(
    kind: tuple[int, bool], count: int, data: st.DataObject
) -> None:
    """Unpacking is the inverse of packing."""
    bits, signed = kind
    low = -(1 << bits - 1) if signed else 0
    codes = data.draw(arrays(np.int64, count, elements=st.integers(low, low + (1 << bits) - 1)))
    packed = pack_subbyte(codes, bits)
    assert packed.size == -(-count * bits // 8)
    assert np.array_equal(unpack_subbyte(packed, bits, signed, count), codes)
