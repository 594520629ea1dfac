"""Where floats and grids meet, against the quantizers that onnxruntime is left with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.graph.conversions import Conversions, conversions

Quantize = Callable[..., Any]
_RNG = np.random.default_rng(12)


def network(
    nodes: list[Any], constants: Mapping[str, Any], outputs: str = "y", side: int = 8
) -> Any:
    """From x (1, 4, 8, 8) through nodes to the outputs."""
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, side, side))],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs.split()],
        [
            numpy_helper.from_array(
                np.asarray(v) if np.asarray(v).dtype.kind == "i" else np.asarray(v, np.float32), n
            )
            for n, v in constants.items()
        ],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def node(op_type: str, reads: str, writes: str, **attributes: Any) -> Any:
    """Named after what it writes."""
    return helper.make_node(op_type, reads.split(), writes.split(), name=writes, **attributes)


def left_by_onnxruntime(made: Any, folder: Path) -> Counter[str]:
    """The operators of the written model once onnxruntime has put integer kernels into it."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(
        made.proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    graph = onnx.load(folder / "optimized.onnx").graph
    return Counter(node.op_type for node in graph.node)


def weights(*names: str) -> dict[str, Any]:
    """Of convolutions of four channels."""
    return {name: _RNG.standard_normal((4, 4, 1, 1)) for name in names}


_NETS: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "no island": (
        [node("Conv", "x w", "a"), node("Relu", "a", "r"), node("Conv", "r v", "y")],
        weights("w", "v"),
        "y",
    ),
    "a function": (
        [node("Conv", "x w", "a"), node("Tanh", "a", "t"), node("Conv", "t v", "y")],
        weights("w", "v"),
        "y",
    ),
    "a table": (
        [node("Conv", "x w", "a"), node("LeakyRelu", "a", "t"), node("Conv", "t v", "y")],
        weights("w", "v"),
        "y",
    ),
    "two of one": (
        [
            node("Conv", "x w", "a"),
            node("Tanh", "a", "t"),
            node("Exp", "t", "e"),
            node("Conv", "e v", "y"),
        ],
        weights("w", "v"),
        "y",
    ),
    "a residual": (
        [
            node("Conv", "x w", "a"),
            node("Conv", "a v", "b"),
            node("Add", "a b", "s"),
            node("Conv", "s u", "y"),
        ],
        weights("w", "v", "u"),
        "y",
    ),
    "a join": (
        [
            node("Conv", "x w", "a"),
            node("Conv", "x v", "b"),
            node("Concat", "a b", "j", axis=1),
            node("Conv", "j u", "y"),
        ],
        {**weights("w", "v"), "u": _RNG.standard_normal((4, 8, 1, 1))},
        "y",
    ),
    "a pool": (
        [
            node("Conv", "x w", "a"),
            node("MaxPool", "a", "m", kernel_shape=[2, 2]),
            node("GlobalAveragePool", "m", "g"),
            node("Conv", "g v", "y"),
        ],
        weights("w", "v"),
        "y",
    ),
    "attention": (
        [
            node("MatMul", "x k", "a"),
            node("Softmax", "a", "s"),
            node("MatMul", "s v", "y"),
        ],
        {"k": _RNG.standard_normal((8, 8)), "v": _RNG.standard_normal((8, 8))},
        "y",
    ),
    "an output inside": (
        [node("Conv", "x w", "a"), node("Tanh", "a", "t"), node("Conv", "t v", "y")],
        weights("w", "v"),
        "y a",
    ),
}


@pytest.mark.parametrize("name", list(_NETS))
def test_what_is_counted_is_what_onnxruntime_is_left_with(
    quantized: Quantize, name: str, tmp_path: Path
) -> None:
    """One QuantizeLinear or DequantizeLinear for each conversion that no kernel does itself."""
    made = quantized(network(*_NETS[name]))
    found = conversions(made.placement, made.grids).counts
    left = left_by_onnxruntime(made, tmp_path)
    into = found.quantizes - found.tables + found.inputs + found.others
    back = found.dequantizes - found.tables - found.in_kernels + found.outputs
    assert left["QuantizeLinear"] == into
    assert left["DequantizeLinear"] == back
    assert left["QLinearLeakyRelu"] == found.tables


def found_in(quantized: Quantize, name: str, *specs: str) -> Conversions:
    """The conversions of one of the networks."""
    made = quantized(network(*_NETS[name]), *specs)
    return conversions(made.placement, made.grids)


def test_an_island_costs_what_enters_and_leaves_it(quantized: Quantize) -> None:
    """However many operators it has."""
    found = found_in(quantized, "two of one")
    (island,) = found.islands
    assert island.nodes == ("t", "e")
    assert island.operators == ("Tanh", "Exp")
    assert (island.quantizes, island.dequantizes, island.cost) == (1, 1, 2)
    assert found.counts.to_json()["conversions"] == 2
    assert dict(found.kinds) == {"a": "integer", "t": "float", "e": "float", "y": "integer"}


def test_a_kernel_that_writes_floats_brings_them_back_itself(quantized: Quantize) -> None:
    """As integer products before a Softmax do."""
    (island,) = found_in(quantized, "attention").islands
    assert (island.quantizes, island.dequantizes, island.in_kernels) == (1, 1, 1)


def test_where_nothing_is_quantized_nothing_is_converted(quantized: Quantize) -> None:
    """One large island that costs nothing is none."""
    found = found_in(quantized, "a residual", "float", "float")
    assert not found.islands
    assert not found.meetings
    assert found.counts.floating == 4
    assert found.counts.to_json()["conversions"] == 0


def test_a_function_with_more_than_bytes_is_no_table(quantized: Quantize) -> None:
    """16-bit codes have no table, and 4-bit weights no kernel: it is all one island then."""
    wide = found_in(quantized, "a table", "int8", "int16:sym").counts
    assert (wide.tables, wide.integer) == (0, 0)
    narrow = found_in(quantized, "a table", "int4", "uint8").counts
    assert (narrow.tables, narrow.integer, narrow.islands) == (0, 0, 1)


def test_sums_have_a_scale_for_each_input(quantized: Quantize) -> None:
    """And the ratios are those of the grids."""
    found = found_in(quantized, "a residual")
    (one,) = found.meetings
    assert (one.node, one.op_type) == ("s", "Add")
    assert [tensor for tensor, _ in one.reads] == ["a", "b"]
    for ratio, (_, grid) in zip(one.ratios, one.reads, strict=True):
        assert ratio == pytest.approx(float(grid.scale) / float(one.output.scale))
    assert one.rescaled == ("a", "b")


def test_joined_tensors_share_a_grid_or_are_put_on_another(quantized: Quantize) -> None:
    """A tensor that many read keeps its own, and is put on the joined one for the join alone."""
    found = found_in(quantized, "a join")
    assert found.meetings[0].ratios == (1.0, 1.0)
    assert not found.meetings[0].rescaled
    assert found.counts.requantizes == 0
    nodes = [
        node("Conv", "x w", "a"),
        node("Conv", "x big", "b"),
        node("Concat", "a b", "j", axis=1),
        node("Conv", "j u", "y"),
        *(node("Conv", f"a w{i}", f"o{i}") for i in range(4)),
    ]
    constants = {
        **weights("w", *(f"w{i}" for i in range(4))),
        "big": 200 * _RNG.standard_normal((4, 4, 1, 1)),
        "u": _RNG.standard_normal((4, 8, 1, 1)),
    }
    made = quantized(network(nodes, constants, "y o0 o1 o2 o3"))
    apart = conversions(made.placement, made.grids)
    (one,) = apart.meetings
    assert one.rescaled == ("a",)
    assert one.ratios[0] < 0.05
    assert apart.counts.requantizes == 1


def test_what_moves_codes_costs_nothing(quantized: Quantize) -> None:
    """MaxPool keeps the grid; an average is put on one of its own."""
    found = found_in(quantized, "a pool")
    assert dict(found.kinds) == {"a": "integer", "m": "moves", "g": "integer", "y": "integer"}
    assert [one.op_type for one in found.meetings] == ["GlobalAveragePool"]
    assert not found.islands


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_readers_that_compute_in_float_bring_values_back(quantized: Quantize, kind: str) -> None:
    """A layer without a kernel reads floats that were on a grid."""
    nodes = [node("Conv", "x w", "a"), node("Conv", "a v", "y")]
    made = quantized(network(nodes, weights("w", "v")), {"a": "int8", "y": kind}, "uint8")
    found = conversions(made.placement, made.grids)
    assert [island.dequantizes for island in found.islands] == ([] if kind == "int8" else [1])
