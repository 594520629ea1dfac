"""Where quantizers sit, and what one set of choices makes of the sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from inspector.graph.model import Graph, Node
from inspector.graph.placement import REST, Placement, Plan, Site, clip_ends, place
from inspector.graph.roles import has_kernel_bias, is_activation, is_integer_kernel, stays_float
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.quant.spec import LayerSpecs, QuantSpec

_W = np.ones((4, 4, 1, 1), np.float32)


def _graph(
    nodes: Sequence[tuple[str, str, str]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    dtype: int = TensorProto.FLOAT,
) -> Graph:
    """Nodes are (operator, inputs, outputs); x is [1, 4, 6, 6], w a 1x1 kernel."""
    attributes = {"Concat": {"axis": 1}, "MaxPool": {"kernel_shape": [2, 2]}, "Split": {"axis": 1}}
    made = [
        helper.make_node(op, i.split(), o.split(), o.split()[0], **attributes.get(op, {}))
        for op, i, o in nodes
    ]
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", dtype, [1, 4, 6, 6])],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {"w": _W}).items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return extract_graph(model_of(helper.make_model(graph, opset_imports=imports, ir_version=8)))


def _specs(
    graph: Graph, weights: str = "int8", activations: str = "uint8", **other: tuple[str, str]
) -> dict[str, LayerSpecs]:
    return {
        layer.name: LayerSpecs(
            QuantSpec.parse(other.get(layer.name, (weights, ""))[0]).filled("weights"),
            QuantSpec.parse(other.get(layer.name, ("", activations))[1]).filled("activations"),
        )
        for layer in graph.layers
    }


def _plan(graph: Graph, *specs: str, **other: tuple[str, str]) -> tuple[Placement, Plan]:
    placement = place(graph)
    return placement, placement.plan(_specs(graph, *specs, **other))


def _spec_at(plan: Plan, tensor: str, consumer: str) -> str | None:
    index = plan.sites.get(Site(tensor, consumer))
    return None if index is None else plan.points[index].spec.dtype


def test_a_chain_of_kernels_has_one_grid_at_each_step() -> None:
    """X and the tensors behind folded activations; the output's own grid is the last layer's."""
    graph = _graph([("Conv", "x w", "a"), ("Relu", "a", "r"), ("Conv", "r w", "y")], ["y"])
    placement, plan = _plan(graph)
    assert set(plan.sites) == {Site("x", "a"), Site("r", "y"), Site("y", REST)}
    assert [point.tensors for point in plan.points] == [("x",), ("r",), ("y",)]
    assert plan.native == {"r", "y"}
    assert plan.integer == {"a", "y"}
    assert placement.fused == {"a": "r"}
    assert [node.op_type for node in placement.foldable("a")] == ["Relu"]
    assert placement.measured == ("x", "r", "y")


def test_ends_set_by_hand_stay_with_their_tensor() -> None:
    """What a kernel or an Add writes has values of its own, so its range is found from them."""
    hand = "uint8:tensor:range[0,1]:asym"
    graph = _graph(
        [
            ("Conv", "x w", "a"),
            ("Conv", "x w", "b"),
            ("Add", "a b", "s"),
            ("Relu", "s", "r"),
            ("Conv", "r w", "y"),
        ],
        ["y"],
    )
    _, plan = _plan(graph, "int8", hand)
    specs = {point.tensors: str(point.spec) for point in plan.points}
    assert specs[("x",)] == hand
    assert specs[("r",)] == hand
    for tensor in ("a", "b", "y"):
        assert specs[(tensor,)] == "uint8:tensor:mse:asym"


def test_the_finest_reader_decides_for_all() -> None:
    """One tensor that a kernel wrote is on one grid; one that is float can be read on several."""
    nodes = [("Conv", "x w", "a"), ("Conv", "a w", "y"), ("Conv", "a w", "z"), ("Conv", "x w", "v")]
    graph = _graph(nodes, ["y", "z", "v"])
    _, plan = _plan(graph, y=("int8", "uint6"), v=("int8", "uint7"))
    assert _spec_at(plan, "a", "y") == _spec_at(plan, "a", "z") == "uint8"
    assert _spec_at(plan, "x", "a") == "uint8"
    assert _spec_at(plan, "x", "v") == "uint7"
    _, same = _plan(graph)
    assert same.sites[Site("x", "a")] == same.sites[Site("x", "v")]


def test_a_reader_that_wants_more_bits_than_a_byte_takes_the_kernel_away() -> None:
    """The output of a convolution that 16 bits are asked of stays float for the others."""
    graph = _graph([("Conv", "x w", "a"), ("Conv", "a w", "y"), ("Sigmoid", "a", "s")], ["y", "s"])
    _, plan = _plan(graph, y=("int8", "int16"))
    assert "a" not in plan.native
    assert _spec_at(plan, "a", "y") == "int16"
    assert Site("a", REST) not in plan.sites


def test_followers_pass_grids_on() -> None:
    """MaxPool keeps its input's grid; Concat joins grids, also that of an input that was float."""
    nodes = [
        ("Conv", "x w", "a"),
        ("MaxPool", "a", "p"),
        ("Sigmoid", "x", "s"),
        ("MaxPool", "s", "q"),
        ("Concat", "p q", "c"),
        ("Conv", "c v", "y"),
    ]
    graph = _graph(nodes, ["y"], {"w": _W, "v": np.ones((2, 8, 1, 1), np.float32)})
    _, plan = _plan(graph)
    assert plan.sites[Site("p", "c")] == plan.sites[Site("a", "p")]
    first, second, joined = (plan.sites[Site(*at)] for at in ("pc", "qc", "cy"))
    assert plan.joins == ((first, joined), (second, joined))
    assert [plan.points[i].tensors for i in (first, second, joined)] == [("a",), ("q",), ("c",)]
    assert plan.native == {"a", "p", "c", "y"}


def test_a_concat_of_two_kernels_has_them_follow_the_finest_spec() -> None:
    """Codes that are joined are of one type."""
    nodes = [
        ("Conv", "x w", "a"), ("Conv", "x w", "b"), ("Concat", "a b", "c"),
        ("Conv", "c v", "y"), ("Conv", "a w", "z"),
    ]  # fmt: skip
    graph = _graph(nodes, ["y", "z"], {"w": _W, "v": np.ones((2, 8, 1, 1), np.float32)})
    _, plan = _plan(graph, y=("int8", "uint6"), z=("int8", "uint8"))
    kept, joined = plan.sites[Site("a", "c")], plan.sites[Site("c", "y")]
    assert plan.sites[Site("a", "z")] == kept
    assert plan.sites[Site("b", "c")] == joined
    assert plan.joins == ((kept, joined),)
    assert {plan.points[i].spec.dtype for i in (kept, joined)} == {"uint8"}


def test_every_output_of_a_split_is_on_its_grid() -> None:
    """Also the one that no layer reads."""
    nodes = [("Conv", "x w", "a"), ("Split", "a n", "b c"), ("Conv", "b v", "y")]
    constants = {"w": _W, "v": np.ones((4, 2, 1, 1), np.float32), "n": np.array([2, 2])}
    graph = _graph(nodes, ["y", "c"], constants)
    _, plan = _plan(graph)
    assert plan.sites[Site("b", "y")] == plan.sites[Site("c", REST)] == plan.sites[Site("a", "b")]


def test_an_add_of_two_kernels_writes_a_grid_where_one_is_asked_for() -> None:
    """With a float operand, with a constant one, or without a reader it stays float."""
    convs = [("Conv", "x w", "a"), ("Conv", "x w", "b")]
    wanted = _plan(_graph([*convs, ("Add", "a b", "s"), ("Conv", "s w", "y")], ["y"]))[1]
    assert "s" in wanted.native
    unasked = _plan(_graph([*convs, ("Add", "a b", "s")], ["s"]))[1]
    assert "s" not in unasked.native
    floats = _plan(_graph([*convs, ("Add", "a x", "s"), ("Conv", "s w", "y")], ["y", "b"]))[1]
    assert "s" not in floats.native
    assert _spec_at(floats, "s", "y") == "uint8"
    graph = _graph(
        [("Conv", "x w", "a"), ("Add", "a k", "s"), ("Conv", "s w", "y")],
        ["y"],
        {"w": _W, "k": np.float32(2)},
    )
    assert "s" not in _plan(graph)[1].native


def test_an_activation_whose_input_is_read_elsewhere_does_not_fold() -> None:
    """By another node, or as an output of the graph."""
    nodes = [("Conv", "x w", "a"), ("Relu", "a", "r"), ("Conv", "r w", "y")]
    assert place(_graph(nodes, ["y"])).fused == {"a": "r"}
    assert place(_graph(nodes, ["y", "a"])).fused == {}
    assert place(_graph([*nodes, ("Sigmoid", "a", "s")], ["y", "s"])).fused == {}


def test_a_float_layer_reads_what_there_is() -> None:
    """Floats from a float tensor, quantized values from one that a kernel wrote."""
    graph = _graph([("Conv", "x w", "a"), ("Conv", "a w", "y"), ("Conv", "a w", "z")], ["y", "z"])
    _, plan = _plan(graph, z=("float", "float"))
    assert _spec_at(plan, "a", "z") == "uint8"
    assert "z" not in plan.weights
    _, floats = _plan(graph, a=("float", "float"), z=("float", "float"))
    assert Site("a", "z") not in floats.sites
    assert Site("x", "a") not in floats.sites


def test_weights_alone_leave_no_points() -> None:
    """Nothing to calibrate where activations stay float."""
    _, plan = _plan(_graph([("Conv", "x w", "a"), ("Relu", "a", "y")], ["y"]), "int4", "float")
    assert plan.points == ()
    assert plan.integer == frozenset()
    assert set(plan.weights) == {"a"}


@pytest.mark.parametrize(
    ("weights", "activations", "integer"),
    [
        ("int8", "uint8", True), ("int5:tensor", "int6", True), ("uint8:asym", "uint8", True),
        ("int8:channel@0", "uint8", True), ("int8:channel@1", "uint8", False),
        ("int8:block2", "uint8", False), ("int4", "uint8", False), ("int8", "uint4", False),
        ("int8", "int16", False), ("int8", "float", False), ("float", "uint8", False),
    ],
)  # fmt: skip
def test_which_choices_run_as_integer_kernels(
    weights: str, activations: str, integer: bool
) -> None:
    """Bytes on both sides, and scales that kernels have."""
    graph = _graph([("Conv", "x w", "y")], ["y"])
    specs = _specs(graph, weights, activations)["y"]
    assert is_integer_kernel(graph.layers[0], specs) == integer


@pytest.mark.parametrize(
    ("shapes", "channel", "tensor"),
    [
        ("x w", True, True),  # [.., 6] by [6, 3]
        ("x stack", False, True),  # a stack of matrices has no scales per channel
        ("left x", False, True),  # nor has the left operand
        ("x vector", True, True),  # one channel is the whole tensor
    ],
)
def test_products_have_kernels_for_some_scales(shapes: str, channel: bool, tensor: bool) -> None:
    """As far as onnxruntime's MatMulIntegerToFloat goes."""
    constants = {
        name: np.ones(shape, np.float32)
        for name, shape in {"w": (6, 3), "stack": (4, 6, 3), "left": (3, 6), "vector": (6,)}.items()
        if name in shapes.split()
    }
    graph = _graph([("MatMul", shapes, "y")], ["y"], constants)
    layer = graph.layers[0]
    assert is_integer_kernel(layer, _specs(graph, "int8:channel")["y"]) == channel
    assert is_integer_kernel(layer, _specs(graph, "int8:tensor")["y"]) == tensor


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((5,), True), ((1, 5), True), ((), False), ((3, 1), False), ((3, 5), False)],
)
def test_kernels_add_one_bias_a_channel(shape: tuple[int, ...], fits: bool) -> None:
    """A Gemm whose C is anything else runs in float."""
    nodes = [("Flatten", "x", "f"), ("Gemm", "f w c", "y")]
    constants = {"w": np.ones((144, 5), np.float32), "c": np.ones(shape, np.float32)}
    graph = _graph(nodes, ["y"], constants)
    assert has_kernel_bias(graph, graph.layers[0]) == fits
    assert ("y" in _plan(graph)[1].integer) == fits


def test_float16_layers_stay_float() -> None:
    """They are seen, and nothing is planned for them."""
    graph = _graph(
        [("Conv", "x w", "y")], ["y"], {"w": _W.astype(np.float16)}, dtype=TensorProto.FLOAT16
    )
    placement, plan = _plan(graph)
    assert stays_float(graph, graph.layers[0])
    assert (placement.sites, plan.points, plan.weights) == ((), (), {})


def test_a_tensor_of_unknown_type_is_what_its_weights_are() -> None:
    """Shape inference knows nothing of other domains' operators."""
    nodes = [("MaxPool", "x", "p"), ("Conv", "p w", "y")]
    graph = _graph(nodes, ["y"])
    node = Node("p", "Foo", "other", ("x",), ("p",))
    tensors = dict(graph.tensors)
    tensors["p"] = type(tensors["p"])("p", "", None, False, "p", ("y",))
    unknown = Graph(
        "test", (node, graph.nodes[1]), tensors, graph.inputs, graph.outputs, graph.layers, 17
    )
    assert is_activation(unknown, "p")
    assert _spec_at(_plan(unknown)[1], "p", "y") == "uint8"


def test_the_ends_of_a_clip() -> None:
    """As attributes, as constants, and where one or both are left out."""
    constants = {"lo": np.float32(-1), "hi": np.float32([6.0])}

    def ends(*inputs: str, **attributes: float) -> tuple[float, float]:
        return clip_ends(Node("c", "Clip", "", ("x", *inputs), ("y",), attributes), constants.get)

    inf = float("inf")
    assert ends() == (-inf, inf)
    assert ends("lo") == (-1.0, inf)
    assert ends("", "hi") == (-inf, 6.0)
    assert ends("lo", "hi") == (-1.0, 6.0)
    assert ends(min=0.0, max=6.0) == (0.0, 6.0)


_SPECS = st.sampled_from(["float", "uint8", "int8", "uint6", "uint4", "int16"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["Conv", "Relu", "Add", "Concat", "MaxPool", "Sigmoid", "Transpose"]),
            st.integers(0, 5),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=12,
    ),
    weights=st.lists(_SPECS, min_size=1, max_size=4),
    activations=st.lists(_SPECS, min_size=1, max_size=4),
)
def test_plans_are_sound(
    steps: list[tuple[str, int, int]], weights: list[str], activations: list[str]
) -> None:
    """Whatever the graph and the choices, a plan keeps what the writer counts on."""
    nodes, names = [], ["x"]
    for number, (op, first, second) in enumerate(steps):
        a, b = names[-1 - first % len(names)], names[-1 - second % len(names)]
        second_input = {"Conv": "w", "Add": b, "Concat": b}.get(op, "")
        nodes.append((op, f"{a} {second_input}".strip(), f"t{number}"))
        names.append(f"t{number}")
    graph = _graph(nodes, [names[-1], *names[1:-1:3]])
    placement = place(graph)
    chosen = {
        layer.name: LayerSpecs(
            QuantSpec.parse(weights[i % len(weights)]).filled("weights"),
            QuantSpec.parse(activations[i % len(activations)]).filled("activations"),
        )
        for i, layer in enumerate(graph.layers)
    }
    plan = placement.plan(chosen)
    assert set(plan.sites) <= set(placement.sites)
    assert set(plan.sites.values()) == set(range(len(plan.points)))
    assert {t for point in plan.points for t in point.tensors} <= set(placement.measured)
    for tensor in plan.native:
        read = {plan.sites.get(s) for s in placement.sites if s.tensor == tensor}
        assert len(read) <= 1  # every reader of a native tensor sees one grid
        assert None not in read
    for layer in graph.layers:
        if layer.name in plan.integer:
            assert all(Site(name, layer.name) in plan.sites for name in layer.activations)
    assert placement.plan(chosen) == plan


def test_a_long_chain_of_activation_functions_takes_no_longer_than_its_length() -> None:
    """Neither the stack nor the square of the length is in the way."""
    count = 5_000
    nodes = [("Conv", "x w", "t0"), *(("Relu", f"t{i}", f"t{i + 1}") for i in range(count))]
    placement = place(_graph(nodes, [f"t{count}"]))
    assert placement.fused == {"t0": f"t{count}"}
