"""Functions that are written out are recognized by what they compute, however they are written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.graph.formulas import FUNCTIONS, erf
from inspector.graph.model import Graph, Unit
from inspector.graph.units import find_units, normal_forms
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, model_of

WIDTH = 16


def chain(text: str) -> list[NodeProto]:
    """Nodes from lines such as "t = Mul x half"."""
    nodes = []
    for number, line in enumerate(text.strip().splitlines()):
        output, call = line.split("=")
        operator, *operands = call.split()
        names = [name for name in operands if ":" not in name]
        attributes: dict[str, Any] = {}
        for item in operands:
            if ":" in item:
                key, value = item.split(":")
                attributes[key] = [int(value)] if key == "axes" else float(value)
        if "keepdims" in attributes:
            attributes["keepdims"] = int(attributes["keepdims"])
        nodes.append(
            helper.make_node(operator, names, [output.strip()], f"n{number}", **attributes)
        )
    return nodes


CONSTANTS = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "six": 6.0, "sixth": 1 / 6, "zero": 0.0,
    "root2": math.sqrt(2), "inverse": 1 / math.sqrt(2), "c": 0.044715,
    "root": math.sqrt(2 / math.pi), "twice": 2 * math.sqrt(2 / math.pi), "quick": 1.702,
    "eps": 1e-5, "minus": -0.5, "wrong": 1.5,
}  # fmt: skip


def model(text: str, output: str = "y", *, opset: int = 17, more: tuple[str, ...] = ()) -> Model:
    """A model of a chain that reads x of (3, WIDTH)."""
    rng = np.random.default_rng(0)
    constants = {name: np.float32(value) for name, value in CONSTANTS.items()}
    constants["gamma"] = rng.uniform(0.5, 2, WIDTH).astype(np.float32)
    constants["beta"] = rng.uniform(-1, 1, WIDTH).astype(np.float32)
    graph = helper.make_graph(
        chain(text),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, WIDTH])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in (output, *more)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))


def units(made: Model) -> tuple[Graph, tuple[Unit, ...]]:
    """The graph of a model, and its units."""
    graph = extract_graph(made)
    return graph, find_units(graph, made.constant)


WRITTEN = {
    "Gelu": (
        "a = Div x root2\nb = Erf a\nc1 = Add b one\nd = Mul x c1\ny = Mul d half",
        "a = Mul inverse x\nb = Erf a\nc1 = Add one b\nd = Mul half c1\ny = Mul d x",
        "h = Mul x half\na = Div x root2\nb = Erf a\nc1 = Add b one\ny = Mul h c1",
    ),
    "GeluTanh": (
        "p = Pow x three\nq = Mul p c\nr = Add x q\ns = Mul r root\nt = Tanh s\nu = Add t one\n"
        "h = Mul half x\ny = Mul h u",
        "s1 = Mul x x\ns2 = Mul s1 c\ns3 = Add s2 one\ns4 = Mul s3 x\ns5 = Mul s4 root\n"
        "t = Tanh s5\nu = Add one t\nv = Mul u half\ny = Mul x v",
        "p = Mul x x\np3 = Mul p x\nq = Mul p3 c\nr = Add x q\ns = Mul r twice\nt = Sigmoid s\n"
        "y = Mul x t",
    ),
    "SiLU": ("s = Sigmoid x\ny = Mul x s", "s = Sigmoid x\ny = Mul s x"),
    "QuickGelu": ("a = Mul x quick\ns = Sigmoid a\ny = Mul x s",),
    "Mish": ("a = Softplus x\nt = Tanh a\ny = Mul x t",),
    "HardSwish": (
        "s = HardSigmoid x alpha:0.16666667 beta:0.5\ny = Mul x s",
        "a = Add x three\nb = Clip a zero six\nc1 = Mul x b\ny = Div c1 six",
        "a = Add x three\nb = Clip a zero six\nc1 = Div b six\ny = Mul c1 x",
        "a = Add x three\nb = Clip a zero six\nc1 = Mul b sixth\ny = Mul x c1",
    ),
    "LayerNorm": (
        "m = ReduceMean x axes:-1\nd = Sub x m\ns = Pow d two\nv = ReduceMean s axes:-1\n"
        "e = Add v eps\nr = Sqrt e\nn = Div d r\ng = Mul n gamma\ny = Add g beta",
        "m = ReduceMean x axes:1\nd = Sub x m\nd2 = Sub x m\ns = Mul d2 d2\n"
        "v = ReduceMean s axes:1\ne = Add eps v\nr = Sqrt e\ni = Reciprocal r\nn = Mul d i\n"
        "g = Mul gamma n\ny = Add beta g",
        "m = ReduceMean x axes:-1\nd = Sub x m\ns = Pow d two\nv = ReduceMean s axes:-1\n"
        "e = Add v eps\nr = Pow e minus\ny = Mul d r",
    ),
    "RMSNorm": (
        "s = Pow x two\nv = ReduceMean s axes:-1\ne = Add v eps\nr = Sqrt e\nn = Div x r\n"
        "y = Mul n gamma",
    ),
}  # fmt: skip
CASES = [(kind, text) for kind, texts in WRITTEN.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_every_way_of_writing_a_function_is_recognized(kind: str, text: str) -> None:
    """All of its nodes, what enters and what leaves, also between other operators."""
    around = "x0 = Abs x\n" + text.replace(" x", " x0").replace("y =", "y0 =") + "\ny = Abs y0"
    for made, source, output in ((model(text), "x", "y"), (model(around), "x0", "y0")):
        graph, found = units(made)
        (unit,) = found
        assert (unit.kind, unit.source, unit.output) == (kind, source, output)
        assert len(unit.nodes) == len(text.splitlines())
        assert unit.nodes == tuple(n.name for n in graph.nodes if n.name in unit.nodes)
        assert replaced(graph, unit).unit_of(unit.nodes[0]) is unit


def replaced(graph: Graph, unit: Unit) -> Graph:
    """The graph with a unit."""
    from dataclasses import replace

    return replace(graph, units=(unit,))


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_the_formulas_are_those_of_the_reference(kind: str) -> None:
    """The function by which a unit is recognized is what onnx's reference computes of its nodes."""
    made = model(WRITTEN[kind][0])
    x = np.linspace(-8, 8, 3 * WIDTH, dtype=np.float32).reshape(3, WIDTH)
    (expected,) = ReferenceEvaluator(made.proto).run(None, {"x": x})
    np.testing.assert_allclose(FUNCTIONS[kind](x.astype(np.float64)), expected, atol=2e-6)


def test_the_error_function_is_near_that_of_the_standard_library() -> None:
    """Within the bound of its source."""
    x = np.linspace(-6, 6, 1001)
    np.testing.assert_allclose(erf(x), [math.erf(v) for v in x], rtol=0, atol=1.6e-7)


NEAR_MISSES = {
    "another factor": "a = Div x root2\nb = Erf a\nc1 = Add b one\nd = Mul x c1\ny = Mul d wrong",
    "two inputs": "a = Div x root2\nb = Erf a\nc1 = Add b one\nz = Neg x\nd = Mul z c1\ny = Exp d",
    "no gate": "s = Sigmoid x\ny = Mul s s",
    "a constant gate": "s = Sigmoid half\ny = Mul x s",
    "default slope": "s = HardSigmoid x\ny = Mul x s",
    "another axis": "m = ReduceMean x axes:0\nd = Sub x m\ns = Pow d two\nv = ReduceMean s axes:0\n"
    "e = Add v eps\nr = Sqrt e\ny = Div d r",
    "axes mixed": "m = ReduceMean x axes:-1\nd = Sub x m\ns = Pow d two\n"
    "v = ReduceMean s axes:0\ne = Add v eps\nr = Sqrt e\ny = Div d r",
}


@pytest.mark.parametrize("text", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_near_misses_are_none(text: str) -> None:
    """What looks alike and computes something else."""
    assert units(model(text))[1] == ()


def test_what_is_read_from_inside_is_no_unit() -> None:
    """By another node, or as an output of the graph."""
    for kind, text in (("Gelu", WRITTEN["Gelu"][0]), ("LayerNorm", WRITTEN["LayerNorm"][0])):
        inner = "c1" if kind == "Gelu" else "e"
        assert units(model(f"{text}\nz = Neg {inner}", more=("z",)))[1] == ()
        assert units(model(text, more=(inner,)))[1] == ()


def test_a_smaller_unit_is_found_where_its_end_is_read_twice() -> None:
    """The factors of a normalization need not belong to it."""
    text = WRITTEN["LayerNorm"][0] + "\nz = Neg n"
    (unit,) = units(model(text, more=("z",)))[1]
    assert (unit.kind, unit.output) == ("LayerNorm", "n")


def test_units_do_not_overlap_and_only_wanted_kinds_are_looked_for() -> None:
    """Two in a row are two."""
    text = "s = Sigmoid x\na = Mul x s\nt = Sigmoid a\ny = Mul a t"
    made = model(text)
    _, found = units(made)
    assert [unit.nodes for unit in found] == [("n0", "n1"), ("n2", "n3")]
    assert find_units(extract_graph(made), made.constant, ("Gelu",)) == ()


def test_the_numbers_of_a_normalization_are_exact() -> None:
    """Scale, bias and epsilon as the file has them."""
    made = model(WRITTEN["LayerNorm"][1])
    graph, (unit,) = units(made)
    form = normal_forms(graph, made.constant)(unit)
    assert form is not None
    assert form.kind == "LayerNorm"
    assert form.epsilon == np.float32(1e-5)
    np.testing.assert_array_equal(form.scale.astype(np.float32), made.constant("gamma"))
    np.testing.assert_array_equal(form.bias.astype(np.float32), made.constant("beta"))


def test_constants_that_cannot_be_read_make_no_unit() -> None:
    """A damaged constant is none of a known function."""
    made = model(WRITTEN["Gelu"][0])

    def broken(name: str) -> np.ndarray:
        raise KeyError(name)

    assert find_units(extract_graph(made), broken) == ()
