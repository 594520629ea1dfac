"""What quantizers say, and that folding them away leaves the float graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.quantized import find_quantized
from inspector.graph.scene import Folding, build_scene
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model
from inspector.quant.spec import QuantSpec

Make = Callable[..., Any]

GRID = {"s": ("float32", ()), "z": ("uint8", ())}
WEIGHT = {"wq": ("int8", (8, 3, 3, 3)), "ws": ("float32", (8,)), "wz": ("int8", (8,))}
BIAS = {"bq": ("int32", (8,)), "bs": ("float32", (8,)), "bz": ("int32", (8,))}


def nodes_of(scene: Any) -> list[tuple[str, str]]:
    """(title, name) of each card."""
    return [(item.title, item.name) for item in scene.items if item.kind == "node"]


def specs(found: Any) -> list[str]:
    """The specs of several grids."""
    return [grid.spec for grid in found]


CONV = [
    "qx QuantizeLinear: x s z -> xq", "dx DequantizeLinear: xq s z -> xd",
    "dw DequantizeLinear: wq ws wz -> wd", "db DequantizeLinear: bq bs bz -> bd",
    "c Conv: xd wd bd -> h", "r Relu: h -> t", "qy QuantizeLinear: t s z -> tq",
    "dy DequantizeLinear: tq s z -> y",
]  # fmt: skip


def test_a_convolution_between_quantizers(
    graph_of: Make, links_of: Make, check_scene: Make
) -> None:
    """Pairs belong to their operators, and links have the names of float tensors."""
    graph = graph_of(
        CONV,
        constants={**GRID, **WEIGHT, **BIAS},
        attributes={"dw": {"axis": 0}, "db": {"axis": 0}},
    )
    scene = build_scene(graph)
    check_scene(scene)
    assert nodes_of(scene) == [("Conv", "c"), ("Relu", "r")]
    assert links_of(scene) == [("x", "c", "x"), ("c", "r", "h"), ("r", "y", "t")]
    assert scene.constants == {"c": ((1, "wq"), (2, "bq"))}
    assert set(scene.items[1].members) == {"c", "qx", "dx", "dw", "db"}
    known = scene.quantized
    weight = known.weights["c"]
    assert (weight.spec, weight.stored, weight.scale, weight.zero_point) == (
        "int8:channel", "wq", "ws", "wz",
    )  # fmt: skip
    assert (weight.axis, weight.block_size, weight.bits) == (0, 0, 8)
    assert specs(known.activations["c"]) == ["uint8:tensor"]
    assert known.activations["c"][0].stored == ""
    assert specs(known.outputs["r"]) == ["uint8:tensor"]
    assert "c" not in known.outputs
    assert known.tensors["bq"].bits == 32
    assert known.tensors["bq"].spec == ""
    assert set(known.tensors) == {"x", "wq", "bq", "t"}


def test_raw_shows_all(graph_of: Make, links_of: Make, check_scene: Make) -> None:
    """Nothing is folded, and constants stand where the file has them."""
    graph = graph_of(CONV, constants={**GRID, **WEIGHT, **BIAS})
    scene = build_scene(graph, Folding(raw=True))
    check_scene(scene)
    assert len(nodes_of(scene)) == len(CONV)
    assert ("qx", "dx", "xq") in links_of(scene)
    assert scene.constants["dw"] == ((0, "wq"), (1, "ws"), (2, "wz"))
    assert not scene.quantized.hidden


@pytest.mark.parametrize("domain", ["", "com.microsoft."])
@pytest.mark.parametrize("zero_point", [" z", ""])
def test_domains_and_missing_zero_points(graph_of: Make, domain: str, zero_point: str) -> None:
    """Codes without a zero point are unsigned bytes."""
    lines = [
        f"q {domain}QuantizeLinear: x s{zero_point} -> xq",
        f"d {domain}DequantizeLinear: xq s{zero_point} -> xd", "r Relu: xd -> y",
    ]  # fmt: skip
    graph = graph_of(lines, constants=GRID)
    assert nodes_of(build_scene(graph)) == [("Relu", "r")]
    assert specs(find_quantized(graph).activations["r"]) == ["uint8:tensor"]


def test_quantizers_of_a_strange_domain_are_left_alone(graph_of: Make) -> None:
    """Who knows what they do."""
    lines = ["q mine.QuantizeLinear: x s -> xq", "r Relu: xq -> y"]
    assert len(nodes_of(build_scene(graph_of(lines, constants=GRID)))) == 2


def test_one_quantizer_with_several_readers(graph_of: Make, links_of: Make) -> None:
    """Each operator reads the float tensor, whichever dequantizer it asks."""
    lines = [
        "r Relu: x -> h", "q QuantizeLinear: h s z -> hq", "d1 DequantizeLinear: hq s z -> h1",
        "d2 DequantizeLinear: hq s z -> h2", "a Neg: h1 -> a1", "b Abs: h1 -> b1",
        "c Add: h2 h -> c1", "e Sum: a1 b1 c1 -> y",
    ]  # fmt: skip
    scene = build_scene(graph_of(lines, constants=GRID))
    assert [link for link in links_of(scene) if link[0] == "r"] == [
        ("r", "a", "h"), ("r", "b", "h"), ("r", "c", "h"),
    ]  # fmt: skip
    assert specs(scene.quantized.activations["c"]) == ["uint8:tensor"]


def test_a_float_weight_behind_both_quantizers(graph_of: Make) -> None:
    """The card shows the float constant, and the spec says what becomes of it."""
    lines = [
        "q QuantizeLinear: w ws wz -> wq", "d DequantizeLinear: wq ws wz -> wd",
        "c Conv: x wd -> y",
    ]  # fmt: skip
    constants = {"w": ("float32", (8, 3, 3, 3)), "ws": ("float32", (8,)), "wz": ("int8", (8,))}
    graph = graph_of(lines, constants=constants, attributes={n: {"axis": 0} for n in "qd"})
    scene = build_scene(graph)
    assert nodes_of(scene) == [("Conv", "c")]
    assert scene.constants == {"c": ((1, "w"),)}
    assert scene.quantized.weights["c"].spec == "int8:channel"
    assert scene.quantized.weights["c"].stored == ""


@pytest.mark.parametrize(
    ("op", "shape", "scales", "attributes", "operator", "spec"),
    [
        ("Conv", (8, 3, 3, 3), (), {}, {}, "int4:tensor"),
        ("Conv", (8, 3, 3, 3), (1,), {"axis": 0}, {}, "int4:tensor"),
        ("Conv", (8, 3, 3, 3), (8,), {"axis": 0}, {}, "int4:channel"),
        ("Conv", (8, 3, 3, 3), (8,), {"axis": -4}, {}, "int4:channel"),
        ("Conv", (8, 3, 3, 3), (3,), {"axis": 1}, {}, "int4:channel@1"),
        ("Conv", (8, 4, 3, 3), (8, 2, 3, 3), {"axis": 1, "block_size": 2}, {}, "int4:block2"),
        ("ConvTranspose", (3, 8, 3, 3), (8,), {"axis": 1}, {}, "int4:channel"),
        ("Gemm", (8, 64), (8,), {"axis": 0}, {"transB": 1}, "int4:channel"),
        ("Gemm", (8, 64), (8, 2), {"axis": 1, "block_size": 32}, {"transB": 1}, "int4:block32"),
        ("Gemm", (64, 8), (8,), {"axis": 1}, {}, "int4:channel"),
        ("MatMul", (64, 8), (8,), {"axis": 1}, {}, "int4:channel"),
        ("MatMul", (64, 8), (2, 8), {"axis": 0, "block_size": 32}, {}, "int4:block32"),
        ("MatMul", (64, 8), (64, 1), {"axis": 1, "block_size": 8}, {}, "int4:block8@1"),
        ("Add", (8, 64), (64,), {"axis": 1}, {}, "int4:channel@1"),
    ],
)
def test_granularity(
    graph_of: Make, op: str, shape: Any, scales: Any, attributes: Any, operator: Any, spec: str
) -> None:
    """The axis is named where it is not the one that the operator implies."""
    constants = {"wq": ("int4", shape), "ws": ("float32", scales), "wz": ("int4", scales)}
    graph = graph_of(
        ["d DequantizeLinear: wq ws wz -> wd", f"o {op}: x wd -> y"],
        constants=constants,
        attributes={"d": attributes, "o": operator},
    )
    weight = find_quantized(graph).weights["o"]
    assert weight.spec == spec
    assert QuantSpec.parse(weight.spec).bits == weight.bits == 4


@pytest.mark.parametrize(
    ("dtype", "spec"),
    [
        ("int16", "int16:tensor"), ("uint2", "uint2:tensor"), ("float8e4m3fn", "fp8e4m3:tensor"),
        ("float8e5m2", "fp8e5m2:tensor"), ("int32", ""), ("float4e2m1", ""),
    ],
)  # fmt: skip
def test_types(graph_of: Make, dtype: str, spec: str) -> None:
    """Types that specs have no words for are told by their bits alone."""
    lines = ["d DequantizeLinear: wq s -> wd", "o MatMul: x wd -> y"]
    graph = graph_of(lines, constants={"wq": (dtype, (4, 4)), "s": ("float32", ())})
    assert find_quantized(graph).tensors["wq"].spec == spec


def test_the_type_may_be_an_attribute(graph_of: Make) -> None:
    """QuantizeLinear says its type by output_dtype where there is no zero point (opset 21)."""
    lines = ["q QuantizeLinear: x s -> xq", "d DequantizeLinear: xq s -> xd", "r Relu: xd -> y"]
    graph = graph_of(lines, constants=GRID, attributes={"q": {"output_dtype": 5}})
    assert specs(find_quantized(graph).activations["r"]) == ["int16:tensor"]


def test_constants_of_nodes(graph_of: Make, check_scene: Make) -> None:
    """Scales and weights may be Constant nodes, whose types stand in their attributes."""
    lines = [
        "ks Constant: -> s", "kz Constant: -> z", "kw Constant: -> wq", "big Constant: -> vq",
        "d DequantizeLinear: wq s z -> wd", "e DequantizeLinear: vq s z -> vd",
        "c Conv: x wd -> h", "f Conv: h vd -> y",
    ]  # fmt: skip
    attributes = {
        "ks": {"value": np.ones(2, np.float32)}, "kz": {"value": np.zeros(2, np.int8)},
        "kw": {"value": np.zeros((2, 1, 1, 1), np.int8)}, "big": {"value": "int8[2, 2, 300, 300]"},
        "d": {"axis": 0}, "e": {"axis": 0},
    }  # fmt: skip
    scene = build_scene(graph_of(lines, attributes=attributes))
    check_scene(scene)
    assert nodes_of(scene) == [("Conv", "c"), ("Conv", "f")]
    assert scene.constants == {"c": ((1, "wq"),), "f": ((1, "vq"),)}
    assert {grid.spec for grid in scene.quantized.weights.values()} == {"int8:channel"}


@pytest.mark.parametrize(
    ("lines", "cards"),
    [
        (["q QuantizeLinear: x s z -> y"], ["q"]),
        (["d DequantizeLinear: x s z -> y"], ["d"]),
        (["q QuantizeLinear: x s z -> h", "d DequantizeLinear: h s z -> y"], ["q", "d"]),
        (["d DequantizeLinear: wq s z -> y"], ["d"]),
        (["n Neg: x -> t", "q QuantizeLinear: x t z -> h", "r Relu: h -> y"], ["n", "q", "r"]),
        (["r Relu: x -> h", "q QuantizeLinear: h s z -> y"], ["r"]),
        (["d DequantizeLinear: x s z -> h", "r Relu: h -> y"], ["r"]),
    ],
)
def test_quantizers_at_the_edge(
    graph_of: Make, check_scene: Make, lines: list[str], cards: list[str]
) -> None:
    """Without an operator, or with a scale that is computed, they are cards of their own."""
    scene = build_scene(graph_of(lines, constants={**GRID, "wq": ("int8", (4,))}))
    check_scene(scene)
    assert [name for _, name in nodes_of(scene)] == cards


def test_quantizers_of_qonnx(graph_of: Make) -> None:
    """Their bits are a constant; without reading it nothing is claimed."""
    lines = ["q onnx.brevitas.Quant: w s z b -> wq", "c Conv: x wq -> y"]
    constants = {
        "w": ("float32", (8, 3, 3, 3)), "s": ("float32", (8, 1, 1, 1)), "z": ("float32", ()),
        "b": ("float32", ()),
    }  # fmt: skip
    graph = graph_of(lines, constants=constants)
    assert nodes_of(build_scene(graph)) == [("Conv", "c")]
    assert find_quantized(graph).weights == {}
    known = find_quantized(graph, {"b": np.array(3.0)}.__getitem__)
    assert known.weights["c"].spec == "int3:channel"


def test_a_float_graph_says_nothing(graph_of: Make) -> None:
    """And costs next to nothing."""
    known = find_quantized(graph_of(["r Relu: x -> y"]))
    assert not known.hidden
    assert not known.tensors


# Any float graph, quantized anyhow, folds to itself ------------------------------------------


@st.composite
def quantized_lines(draw: st.DrawFn) -> tuple[list[str], list[str], str, dict[str, Any]]:
    """A float graph and the same with quantizers: lines, lines, outputs, constants."""
    count = draw(st.integers(1, 8))
    plain: list[tuple[str, list[str], str]] = []
    for number in range(count):
        before = ["x", *(f"t{at}" for at in range(number))]
        reads = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3))
        if draw(st.booleans()):
            reads.append(f"w{number}")
        plain.append((f"n{number}", reads, f"t{number}"))
    read = {name for _, reads, _ in plain for name in reads}
    outputs = " ".join(out for _, _, out in plain if out not in read or draw(st.booleans()))
    constants: dict[str, Any] = {f"w{number}": ("float32", (4,)) for number in range(count)}
    constants |= {f"i{number}": ("int8", (4,)) for number in range(count)} | GRID
    lines: list[str] = []
    restored: dict[str, list[str]] = {}

    def quantize(tensor: str) -> None:
        restored[tensor] = [tensor]
        if not draw(st.booleans()) or tensor not in read:
            return
        lines.append(f"q_{tensor} QuantizeLinear: {tensor} s z -> q_{tensor}")
        for copy in range(draw(st.integers(1, 2))):
            lines.append(f"d{copy}_{tensor} DequantizeLinear: q_{tensor} s z -> d{copy}_{tensor}")
            restored[tensor].append(f"d{copy}_{tensor}")

    quantize("x")
    for name, reads, output in plain:
        inputs = []
        for tensor in reads:
            if not tensor.startswith("w"):
                inputs.append(draw(st.sampled_from(restored[tensor])))
                continue
            way = draw(st.sampled_from(["float", "stored", "both"]))
            if way == "stored":
                lines.append(f"d_{tensor} DequantizeLinear: i{tensor[1:]} s z -> d_{tensor}")
            elif way == "both":
                lines.append(f"q_{tensor} QuantizeLinear: {tensor} s z -> q_{tensor}")
                lines.append(f"d_{tensor} DequantizeLinear: q_{tensor} s z -> d_{tensor}")
            inputs.append(tensor if way == "float" else f"d_{tensor}")
        lines.append(f"{name} Op: {' '.join(inputs)} -> {output}")
        quantize(output)
    # A quantizer of the input that only the input reads has no operator; drop unread branches.
    used = {word for line in lines for word in line.split(": ")[1].split(" -> ")[0].split()}
    for _ in range(2):
        lines = [
            line for line in lines
            if not line.split()[0].endswith("_x") or line.split()[-1] in used
        ]  # fmt: skip
        used = {word for line in lines for word in line.split(": ")[1].split(" -> ")[0].split()}
    floats = [f"{name} Op: {' '.join(reads)} -> {output}" for name, reads, output in plain]
    return floats, lines, outputs, constants


@given(quantized_lines())
def test_folding_gives_back_the_float_graph(
    graph_of: Make, links_of: Make, check_scene: Make, drawn: Any
) -> None:
    """The same cards in the same order, the same links by name, and the same constants."""
    floats, lines, outputs, constants = drawn
    whole = build_scene(graph_of(floats, outputs=outputs, constants=constants))
    folded = build_scene(graph_of(lines, outputs=outputs, constants=constants))
    check_scene(folded)
    assert nodes_of(folded) == nodes_of(whole)
    assert set(links_of(folded)) == set(links_of(whole))
    shown = {
        name: [(slot, tensor.replace("i", "w")) for slot, tensor in written]
        for name, written in folded.constants.items()
    }
    assert shown == {name: list(written) for name, written in whole.constants.items()}
    for operator in folded.quantized.weights:
        assert folded.quantized.weights[operator].spec in {"uint8:tensor", "int8:tensor"}


# Files ----------------------------------------------------------------------------------------


CARDS = {
    "micro_kws_qdq_ort": 16,
    "micro_kws_qoperator_ort": 16,
    "mnist_ort_dynamic_old": 12,
    "ort_conv.int4_weights.qdq": 1,
    "ort_conv_qdq_s8s8_perchannel": 1,
    "ort_layout_transform_fix_transpose_without_dq.qdq": 5,
    "ort_qdq_fusion_zp_not_provided": 2,
    "ort_qdq_with_multi_consumer_dq_nodes": 9,
    "espcn_subpixel_qonnx_Quant": 12,
}


@pytest.mark.parametrize("name", CARDS)
def test_models_that_others_quantized(shared_models: Path, check_scene: Make, name: str) -> None:
    """As many cards as the float model has operators; every spec can be read."""
    model = load_model(shared_models / "quantized" / f"{name}.onnx")
    graph = extract_graph(model)
    known = find_quantized(graph, model.constant)
    scene = build_scene(graph, quantized=known)
    check_scene(scene)
    assert len(nodes_of(scene)) == CARDS[name]
    assert all(
        title not in {"QuantizeLinear", "DequantizeLinear"} or name.startswith("ort_qdq_fusion")
        for title, _ in nodes_of(scene)
    )
    grids = [*known.weights.values(), *known.tensors.values()]
    grids += [grid for several in known.activations.values() for grid in several]
    for grid in grids:
        assert not grid.spec or str(QuantSpec.parse(grid.spec)) == grid.spec


@pytest.mark.parametrize(
    ("weights", "activations", "bits"),
    [
        ("int8", "uint8", 8), ("int4:block16", "uint4", 4), ("int3", "int6", 4),
        ("int2", "uint2", 2), ("int8", "float", 8), ("int16", "int16", 16),
    ],
)  # fmt: skip
def test_files_of_our_own(
    sample_models: Path, quantized: Make, check_scene: Make,
    weights: str, activations: str, bits: int,
) -> None:  # fmt: skip
    """No quantizer and no fence is left; specs say the types that the file stores."""
    proto = onnx.load(sample_models / "digits_mobile.onnx")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    made = quantized(proto, weights, activations)
    before = {node.name: node.op_type for node in made.model.proto.graph.node}
    scene = build_scene(extract_graph(made.written))
    check_scene(scene)
    cards = {name for _, name in nodes_of(scene)}
    assert len(scene.graph.nodes) > len(cards)
    assert cards <= set(before)
    assert {before[name] for name in set(before) - cards} <= {"Relu", "Clip"}
    found = scene.quantized.weights
    assert {layer.name for layer in made.placement.graph.layers} <= set(found)
    assert {found[layer.name].bits for layer in made.placement.graph.layers} == {bits}
    if activations == "uint2":
        assert "Max" in {scene.graph.node(name).op_type for name in scene.quantized.hidden}
