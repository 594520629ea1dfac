"""Rounding to float8 by float32 operators, against ml_dtypes and onnxruntime's own quantizers."""

from __future__ import annotations

from itertools import count

import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.onnxio.float8 import Float8Inputs, rounding_numbers, switched_rounding
from inspector.quant.qparams import QParams
from inspector.quant.tables import table_of

INPUTS = Float8Inputs("switch", "smallest", "multiples")
TYPES = {
    "fp8e4m3": (ml_dtypes.float8_e4m3fn, TensorProto.FLOAT8E4M3FN),
    "fp8e5m2": (ml_dtypes.float8_e5m2, TensorProto.FLOAT8E5M2),
}


def _session() -> ort.InferenceSession:
    """A model from x to y, rounded and cut to the ends; all else is an input."""
    numbers = count()
    rounding = switched_rounding(
        "x", ("low", "high"), INPUTS, "r", "round", lambda name: f"{name}{next(numbers)}"
    )
    clip = helper.make_node("Clip", ["r", "low", "high"], ["y"])
    names = ("low", "high", INPUTS.smallest, INPUTS.multiples)
    scalars = [helper.make_tensor_value_info(name, 1, ()) for name in names]
    graph = helper.make_graph(
        [rounding, clip],
        "rounding",
        [
            helper.make_tensor_value_info("x", 1, ["n"]),
            helper.make_tensor_value_info("switch", TensorProto.BOOL, ()),
            *scalars,
        ],
        [helper.make_tensor_value_info("y", 1, ["n"])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


def _values(dtype: str) -> np.ndarray:
    """Every threshold and what is beside it, powers of two, small and large numbers."""
    table = table_of(dtype)
    assert table is not None
    rng = np.random.default_rng(0)
    points = np.concatenate([table.middles, table.steps, np.exp2(np.arange(-40.0, 40.0))])
    points = points.astype(np.float32)
    beside = [np.nextafter(points, np.float32(end)) for end in (-np.inf, np.inf)]
    spread = rng.standard_normal(100_000) * np.exp(4 * rng.standard_normal(100_000))
    extreme = [0.0, -0.0, 1e-45, -1e-40, 1e-38, 3e38, -3e38]
    return np.concatenate([points, *beside, spread, extreme]).astype(np.float32)


def _grid(dtype: str, scale: float) -> QParams:
    table = table_of(dtype)
    assert table is not None
    zero = np.zeros((), np.int32)
    found = np.asarray(scale, np.float32)
    return QParams(found, zero, table.lowest, table.highest, table=table)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_chain_rounds_as_ml_dtypes_do(dtype: str) -> None:
    """Bit for bit, saturating."""
    grid, values = _grid(dtype, 1.0), _values(dtype)
    ends = {"low": np.asarray(grid.lo), "high": np.asarray(grid.hi)}
    (found,) = _session().run(None, {"x": values, **ends, **rounding_numbers(INPUTS, grid)})
    kept = np.clip(values, grid.lo, grid.hi)
    assert np.array_equal(found, kept.astype(TYPES[dtype][0]).astype(np.float32))


def test_without_float8_it_rounds_to_whole_numbers() -> None:
    """As Round does."""
    values = np.linspace(-9, 9, 3001, dtype=np.float32)
    ends = {"low": np.float32(-7), "high": np.float32(5)}
    feeds = {"x": values, **ends, **rounding_numbers(INPUTS, None)}
    (found,) = _session().run(None, {name: np.asarray(value) for name, value in feeds.items()})
    assert np.array_equal(found, np.clip(np.rint(values), -7, 5))


@pytest.mark.parametrize("scale", [0.0371, 1.0, 300.0])
@pytest.mark.parametrize("dtype", TYPES)
def test_onnxruntimes_quantizers_do_the_same(dtype: str, scale: float) -> None:
    """QuantizeLinear and DequantizeLinear of opset 19."""
    elem_type, grid, values = TYPES[dtype][1], _grid(dtype, scale), _values(dtype)
    zero = helper.make_tensor("z", elem_type, (), [0.0])
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        "pair",
        [helper.make_tensor_value_info("x", 1, ["n"])],
        [helper.make_tensor_value_info("y", 1, ["n"])],
        [numpy_helper.from_array(np.asarray(grid.scale, np.float32), "s"), zero],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (pair,) = session.run(None, {"x": values})
    top = np.float32(ml_dtypes.finfo(TYPES[dtype][0]).max)
    with np.errstate(over="ignore"):
        quotients = values / grid.scale
    feeds = {"x": quotients, "low": -top, "high": top, **rounding_numbers(INPUTS, grid)}
    (found,) = _session().run(None, {name: np.asarray(value) for name, value in feeds.items()})
    assert np.array_equal(found * grid.scale, pair)
