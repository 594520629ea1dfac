"""Operators on integers are shown as what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph import integer_operators
from inspector.graph.quantizers import MARKS
from inspector.graph.scene import build_scene

Make = Callable[..., Any]

GRID = {"s": ("float32", ()), "z": ("uint8", ())}
WEIGHT = {"wq": ("int8", (8, 3, 3, 3)), "ws": ("float32", (8,)), "wz": ("int8", (8,))}


def nodes_of(scene: Any) -> list[tuple[str, str]]:
    """(title, name) of each card."""
    return [(item.title, item.name) for item in scene.items if item.kind == "node"]


def specs(found: Any) -> list[str]:
    """The specs of several grids."""
    return [grid.spec for grid in found]


DYNAMIC = [
    "dq DynamicQuantizeLinear: x -> xq xs xz", "c ConvInteger: xq wq xz wz -> ci",
    "cast Cast: ci -> cf", "sm Mul: xs ws -> sc", "m Mul: cf sc -> cs",
    "rs Reshape: bias shape -> br", "c_bias_add Add: cs br -> h", "k Mul: h half -> y",
]  # fmt: skip
DYNAMIC_CONSTANTS = {
    "wq": ("int8", (8, 3, 3, 3)), "ws": ("float32", (8,)), "wz": ("int8", (8,)),
    "bias": ("float32", (8,)), "shape": ("int64", (4,)), "half": ("float32", ()),
}  # fmt: skip


def test_dynamic_quantization(graph_of: Make, links_of: Make, check_scene: Make) -> None:
    """What onnxruntime makes of a Conv with a bias is one Conv; a real factor behind stays."""
    scene = build_scene(graph_of(DYNAMIC, constants=DYNAMIC_CONSTANTS))
    check_scene(scene)
    assert nodes_of(scene) == [("Conv", "c"), ("Mul", "k")]
    assert links_of(scene) == [("x", "c", "x"), ("c", "k", "h"), ("k", "y", "y")]
    assert scene.constants["c"] == ((1, "wq"), (2, "bias"))
    assert scene.quantized.weights["c"].spec == "int8:channel"
    assert scene.quantized.weights["c"].scale == "ws"
    activation = scene.quantized.activations["c"][0]
    assert (activation.spec, activation.scale, activation.zero_point) == (
        "uint8:tensor",
        "xs",
        "xz",
    )


def test_dynamic_products_share_a_quantizer(graph_of: Make, links_of: Make) -> None:
    """Query and key read one input; the scales come one after the other."""
    lines = [
        "dq DynamicQuantizeLinear: x -> xq xs xz",
        "a MatMulInteger: xq wq xz wz -> ai", "ac Cast: ai -> af", "a1 Mul: af xs -> a2",
        "a3 Mul: a2 ws -> ay",
        "b MatMulInteger: xq vq xz vz -> bi", "bc Cast: bi -> bf", "bs Mul: xs vs -> b1",
        "b2 Mul: bf b1 -> by", "e Add: ay by -> y",
    ]  # fmt: skip
    constants = {
        "wq": ("int8", (4, 4)), "ws": ("float32", (4,)), "wz": ("int8", (4,)),
        "vq": ("uint8", (4, 4)), "vs": ("float32", ()), "vz": ("uint8", ()),
    }  # fmt: skip
    scene = build_scene(graph_of(lines, constants=constants))
    assert nodes_of(scene) == [("MatMul", "a"), ("MatMul", "b"), ("Add", "e")]
    assert links_of(scene)[:2] == [("x", "a", "x"), ("x", "b", "x")]
    assert scene.quantized.weights["a"].spec == "int8:channel"
    assert scene.quantized.weights["b"].spec == "uint8:tensor"


def test_scales_that_are_used_otherwise_keep_their_cards(
    graph_of: Make, check_scene: Make, links_of: Make
) -> None:
    """A chain is only folded if nothing else hangs on it."""
    lines = [*DYNAMIC[:-1], "k Mul: h sc -> y"]
    scene = build_scene(graph_of(lines, constants=DYNAMIC_CONSTANTS))
    check_scene(scene)
    assert {"sm", "k", "m", "cast", "dq"} <= {name for _, name in nodes_of(scene)}
    assert ("dq", "sm", "xs") in links_of(scene)


def test_integer_operators(graph_of: Make, links_of: Make, check_scene: Make) -> None:
    """They are called by what they compute, and their cards show no grids."""
    lines = [
        "q QuantizeLinear: x s z -> xq",
        "c QLinearConv: xq s z wq ws wz s z bq -> cq",
        "p MaxPool: cq -> pq",
        "a com.microsoft.QLinearAdd: pq s z pq s z s z -> aq",
        "g com.microsoft.QGemm: aq s z vq ws wz bq s z -> gq",
        "d DequantizeLinear: gq s z -> g", "r Relu: g -> y",
    ]  # fmt: skip
    constants = {**GRID, **WEIGHT, "bq": ("int32", (8,)), "vq": ("int8", (8, 4))}
    graph = graph_of(lines, constants=constants, attributes={"g": {"transB": 1}})
    scene = build_scene(graph)
    check_scene(scene)
    assert nodes_of(scene) == [
        ("Conv", "c"), ("MaxPool", "p"), ("Add", "a"), ("Gemm", "g"), ("Relu", "r"),
    ]  # fmt: skip
    assert links_of(scene) == [
        ("x", "c", "x"), ("c", "p", "cq"), ("p", "a", "pq"), ("a", "g", "aq"), ("g", "r", "g"),
        ("r", "y", "y"),
    ]  # fmt: skip
    assert scene.constants == {"c": ((1, "wq"), (2, "bq")), "g": ((1, "vq"), (2, "bq"))}
    assert scene.quantized.weights["c"].spec == "int8:channel"
    assert scene.quantized.weights["g"].spec == "int8:channel"
    assert specs(scene.quantized.activations["a"]) == ["uint8:tensor"] * 2
    assert specs(scene.quantized.outputs["g"]) == ["uint8:tensor"]


@pytest.mark.parametrize(
    ("line", "attributes", "title", "spec"),
    [
        ("com.microsoft.MatMulNBits: x wq ws", {"bits": 4, "block_size": 16}, "MatMul",
         "int4:block16"),
        ("com.microsoft.MatMulNBits: x wq ws wz", {"bits": 8, "block_size": 128}, "MatMul",
         "uint8:block128"),
        ("com.microsoft.DynamicQuantizeMatMul: x vq vs vz", {}, "MatMul", "int8:channel"),
        ("com.microsoft.MatMulIntegerToFloat: xi vq s vs z vz", {}, "MatMul", "int8:channel"),
        ("QLinearMatMul: xi s z vq vs vz s z", {}, "MatMul", "int8:channel"),
    ],
)  # fmt: skip
def test_products(graph_of: Make, line: str, attributes: Any, title: str, spec: str) -> None:
    """Products whose weights are packed, or scaled in the operator itself."""
    constants = {
        **GRID, "wq": ("uint8", (64, 4, 8)), "ws": ("float32", (256,)), "wz": ("uint8", (128,)),
        "vq": ("int8", (4, 8)), "vs": ("float32", (8,)), "vz": ("int8", (8,)),
    }  # fmt: skip
    graph = graph_of([f"m {line} -> y"], "x xi", "y", constants, {"m": attributes})
    scene = build_scene(graph)
    assert nodes_of(scene) == [(title, "m")]
    assert scene.quantized.weights["m"].spec == spec
    assert scene.constants["m"] == ((1, scene.quantized.weights["m"].stored),)


def test_concatenation(graph_of: Make) -> None:
    """It has its own order of inputs: the output's grid comes first."""
    lines = ["m com.microsoft.QLinearConcat: s z xq s z wq s2 z -> y"]
    constants = {**GRID, **WEIGHT, "s2": ("float32", ())}
    scene = build_scene(graph_of(lines, "xq", "y", constants))
    assert nodes_of(scene) == [("Concat", "m")]
    assert scene.constants["m"] == ((1, "wq"),)
    assert specs(scene.quantized.activations["m"]) == ["uint8:tensor"]
    assert scene.quantized.weights["m"].scale == "s2"


def test_operators_of_a_strange_domain_keep_their_names(graph_of: Make) -> None:
    """And their cards show all their constants."""
    scene = build_scene(graph_of(["m mine.QLinearAdd: x s -> y"], constants=GRID))
    assert nodes_of(scene) == [("QLinearAdd", "m")]
    assert scene.constants["m"] == ((1, "s"),)


@pytest.mark.parametrize(
    "lines",
    [
        ["m QLinearConv: -> y"], ["m QLinearConv: x -> _"], ["m com.microsoft.QLinearConcat: -> y"],
        ["m ConvInteger: x -> y"], ["d DynamicQuantizeLinear: x -> a", "m MatMulInteger: a a -> y"],
        ["d DequantizeLinear: x -> y"], ["q QuantizeLinear: _ s -> y"],
        ["m com.microsoft.MatMulNBits: x -> y"], ["m ConvInteger: x x -> h", "c Cast: h -> y"],
    ],
)  # fmt: skip
def test_hostile_operators(graph_of: Make, check_scene: Make, lines: list[str]) -> None:
    """Inputs and outputs may be missing; no card is lost."""
    check_scene(build_scene(graph_of(lines, constants=GRID)))


@st.composite
def any_lines(draw: st.DrawFn) -> list[str]:
    """Quantizing operators, and what belongs to their chains, wired anyhow."""
    operators = [*sorted(MARKS), "Cast", "Mul", "Mul", "Add", "Reshape", "Max", "Constant", "If"]
    lines, tensors = [], ["x", "s", "z", "wq", "_"]
    for number in range(draw(st.integers(0, 9))):
        reads = draw(st.lists(st.sampled_from(tensors), max_size=6))
        outer = draw(st.lists(st.sampled_from(tensors[:4]), max_size=1))
        writes = [f"t{number}_{at}" for at in range(draw(st.integers(0, 3)))]
        operator = draw(st.sampled_from(operators))
        lines.append(
            f"n{number} {operator}: {' '.join(reads)} -> {' '.join(writes)} | {' '.join(outer)}"
        )
        tensors += writes
    return lines


@given(lines=any_lines(), data=st.data())
def test_nothing_is_lost_however_it_is_wired(
    graph_of: Make, check_scene: Make, lines: list[str], data: st.DataObject
) -> None:
    """Folding keeps every node, every constant has an owner, and each host has a card."""
    written = [word for line in lines for word in line.split("->")[1].split("|")[0].split()]
    outputs = data.draw(st.lists(st.sampled_from(written), unique=True)) if written else []
    graph = graph_of(lines, outputs=" ".join(outputs), constants={**GRID, **WEIGHT})
    scene = build_scene(graph)
    check_scene(scene)
    cards = {name for _, name in nodes_of(scene)}
    assert set(scene.quantized.hidden.values()) <= cards
    assert set(scene.quantized.title) <= cards
    assert (scene.links[:, 0] < scene.links[:, 1]).all()


def test_every_integer_operator_marks_a_quantized_model(graph_of: Make) -> None:
    """A graph without any mark is not looked at further."""
    assert {*integer_operators.OPERATORS, "QLinearConcat"} <= MARKS
    node = graph_of(["m QLinearAdd: x x x x x x x x -> y"]).node("m")
    assert integer_operators.integer_operator(node) is not None
