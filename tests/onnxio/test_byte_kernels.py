"""Byte kernels within a simulation, against these kernels alone, code by code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import NodeProto, helper, numpy_helper

from inspector.onnxio.byte_kernels import (
    has_byte_kernel,
    idle_numbers,
    kernel_inputs,
    switched,
    working_numbers,
)
from inspector.quant.qparams import QParams

Run = Callable[..., list[np.ndarray]]
Arrays = Mapping[str, np.ndarray]


def _grid(scale: float, zero: int) -> QParams:
    return QParams(np.float32(scale), np.int32(zero), 0, 255)


@st.composite
def _scales(draw: st.DrawFn) -> float:
    """Any scale, and often one of few: equal scales and halves of each other make exact ties."""
    few = st.sampled_from([2.0**-6, 2.0**-5, 2.0**-4, 6 / 255, 3 / 255])
    return float(np.float32(draw(few | st.floats(2.0**-10, 0.5, width=32))))


_GRIDS = st.builds(_grid, _scales(), st.integers(0, 255))

_RELAXED = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def _simulated(
    run: Run, node: NodeProto, values: Arrays, grids: tuple[Sequence[QParams], QParams] | None
) -> np.ndarray:
    """Runs the node that stands for `node`, with the kernel's numbers or with idle ones."""
    count = iter(range(1000))
    kernel = kernel_inputs(node.name, node.input, (), lambda name, kind: name)
    numbers = idle_numbers(kernel) if grids is None else working_numbers(kernel, *grids)
    assert set(numbers) == {kernel.switch, *kernel.scales, *kernel.zeros}
    standing = switched(node, kernel, lambda stem: f"{stem}{next(count)}")
    return _run(run, [standing], {**values, **numbers}, node.output[0])


def _run(run: Run, nodes: Sequence[NodeProto], feeds: Arrays, output: str) -> np.ndarray:
    infos = [
        helper.make_tensor_value_info(n, numpy_helper.from_array(v).data_type, v.shape)
        for n, v in feeds.items()
    ]
    ends = [helper.make_tensor_value_info(output, 1, None)]
    if nodes[-1].domain:
        ends = [helper.make_tensor_value_info(output, 2, None)]
    graph = helper.make_graph(list(nodes), "test", infos, ends)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return run(model.SerializeToString(), feeds)[0]


def _kernel(
    run: Run, op: str, codes: Arrays, reads: Sequence[QParams], written: QParams, **more: Any
) -> np.ndarray:
    """Codes that onnxruntime's own kernel writes."""
    feeds: dict[str, np.ndarray] = {}
    for (name, values), grid in zip(codes.items(), reads, strict=True):
        feeds |= {name: values, f"{name}_scale": grid.scale}
        feeds[f"{name}_zero"] = grid.zero_point.astype(np.uint8)
    feeds |= {"y_scale": written.scale, "y_zero": written.zero_point.astype(np.uint8)}
    feeds = {name: np.asarray(value) for name, value in feeds.items()}
    node = helper.make_node(f"QLinear{op}", list(feeds), ["y"], domain="com.microsoft", **more)
    return _run(run, [node], feeds, "y").astype(np.int64)


def _steps(codes: np.ndarray, grid: QParams) -> np.ndarray:
    return codes.astype(np.float32) - np.float32(grid.zero_point)


def _written(steps: np.ndarray, grid: QParams) -> np.ndarray:
    """Codes of steps that are whole already."""
    np.testing.assert_array_equal(steps, np.rint(steps))
    return np.clip(steps + int(grid.zero_point), 0, 255).astype(np.int64)


def _all_pairs() -> dict[str, np.ndarray]:
    codes = np.arange(256, dtype=np.uint8)
    a, b = np.meshgrid(codes, codes)
    return {"a": a.ravel().copy(), "b": b.ravel().copy()}


def _check_all_pairs(run: Run, op: str, a: QParams, b: QParams, c: QParams) -> None:
    codes = _all_pairs()
    values = {name: _steps(codes[name], grid) for name, grid in (("a", a), ("b", b))}
    node = helper.make_node(op, ["a", "b"], ["y"], name="node")
    found = _written(_simulated(run, node, values, ((a, b), c)), c)
    np.testing.assert_array_equal(found, _kernel(run, op, codes, (a, b), c))


@_RELAXED
@given(a=_GRIDS, b=_GRIDS, c=_GRIDS, op=st.sampled_from(["Add", "Mul"]))
def test_all_pairs_of_codes(run: Run, a: QParams, b: QParams, c: QParams, op: str) -> None:
    """All 65,536 results of Add and Mul are the kernel's."""
    _check_all_pairs(run, op, a, b, c)


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_the_last_bits_of_any_scale(run: Run, op: str) -> None:
    """Scales of 24 random bits, where ties are a matter of each single rounding."""
    rng = np.random.default_rng(11)
    for _ in range(100):
        scales = rng.uniform(1e-3, 0.1, 2)
        size = scales.sum() if op == "Add" else 255 * scales.prod()
        a, b, c = (
            _grid(scale, int(rng.integers(256)))
            for scale in (*scales, size * rng.uniform(0.3, 1.2))
        )
        _check_all_pairs(run, op, a, b, c)


def test_ties_go_to_even_codes(run: Run) -> None:
    """With an odd zero point these are the odd steps, which rounding of real values would miss."""
    fine, coarse = _grid(0.125, 0), _grid(0.25, 1)
    values = {"a": np.arange(4, dtype=np.float32), "b": np.zeros(4, np.float32)}
    node = helper.make_node("Add", ["a", "b"], ["y"], name="node")
    found = _simulated(run, node, values, ((fine, fine), coarse))
    np.testing.assert_array_equal(found, [0, 1, 1, 1])
    codes = {"a": np.arange(4, dtype=np.uint8), "b": np.zeros(4, np.uint8)}
    np.testing.assert_array_equal(_kernel(run, "Add", codes, (fine, fine), coarse), [1, 2, 2, 2])


@_RELAXED
@given(
    x=_GRIDS,
    y=_GRIDS,
    size=st.tuples(st.integers(1, 17), st.integers(1, 30)),
    seed=st.integers(0, 99),
)
def test_global_average_pools(
    run: Run, x: QParams, y: QParams, size: tuple[int, int], seed: int
) -> None:
    """The mean of whole steps is the kernel's, for maps of any size."""
    assume(float(x.scale) / float(y.scale) < 200)
    codes = np.random.default_rng(seed).integers(0, 256, (2, 24, *size), dtype=np.uint8)
    node = helper.make_node("GlobalAveragePool", ["x"], ["y"], name="node")
    found = _written(_simulated(run, node, {"x": _steps(codes, x)}, ((x,), y)), y)
    expected = _kernel(run, "GlobalAveragePool", {"x": codes}, (x,), y, channels_last=0)
    np.testing.assert_array_equal(found, expected)


@_RELAXED
@given(x=_GRIDS, y=_GRIDS, seed=st.integers(0, 99))
def test_average_pools(run: Run, x: QParams, y: QParams, seed: int) -> None:
    """A window of four on a grid of the same scale gives a tie in every fourth mean."""
    codes = np.random.default_rng(seed).integers(0, 256, (1, 3, 16, 12), dtype=np.uint8)
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    node = helper.make_node("AveragePool", ["x"], ["y"], name="node", **window)
    found = _written(_simulated(run, node, {"x": _steps(codes, x)}, ((x,), y)), y)
    expected = _kernel(run, "AveragePool", {"x": codes}, (x,), y, **window)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("op", ["Add", "Mul", "AveragePool", "GlobalAveragePool"])
def test_idle_numbers_change_nothing(run: Run, op: str) -> None:
    """Where no kernel runs, the nodes give what the float operator gives, bit for bit."""
    rng = np.random.default_rng(3)
    names = ["a", "b"] if op in {"Add", "Mul"} else ["a"]
    values = {}
    for name in names:
        one = rng.standard_normal((1, 4, 6, 6)) * np.exp(4 * rng.standard_normal((1, 4, 6, 6)))
        one[0, 0, 0, :4] = [np.inf, np.nan, 1e30, 1e-30]
        values[name] = one.astype(np.float32)
    more = {"kernel_shape": [2, 2]} if op == "AveragePool" else {}
    node = helper.make_node(op, names, ["y"], name="node", **more)
    np.testing.assert_array_equal(
        _simulated(run, node, values, None), _run(run, [node], values, "y")
    )


def test_signed_grids_are_read_in_unsigned_codes(run: Run) -> None:
    """As they are written for onnxruntime; the steps are the same."""
    signed = QParams(np.float32(0.5), np.int32(-3), -128, 127)
    steps = {"a": np.arange(-100, 100, dtype=np.float32), "b": np.ones(200, np.float32)}
    node = helper.make_node("Add", ["a", "b"], ["y"], name="node")
    found = _simulated(run, node, steps, ((signed, signed), signed))
    np.testing.assert_array_equal(found, steps["a"] + 1)


def test_operators_that_have_such_kernels() -> None:
    """Sub has one that no plan uses, layers have theirs elsewhere, and pools know no dilations."""
    assert has_byte_kernel("Add", {})
    assert has_byte_kernel("AveragePool", {"kernel_shape": (2, 2), "count_include_pad": 1})
    assert not has_byte_kernel("AveragePool", {"kernel_shape": (2, 2), "dilations": (2, 2)})
    assert not has_byte_kernel("Sub", {})
    assert not has_byte_kernel("Conv", {})
