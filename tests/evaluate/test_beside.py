"""Two models tensor by tensor, against running each of them by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from inspector.evaluate.beside import BUDGET, Beside, parting
from inspector.evaluate.joint import Known, join
from inspector.evaluate.runtime import open_session
from inspector.graph.partners import match
from inspector.graph.quantized import find_quantized
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model, model_of
from inspector.onnxio.runnable import runnable

Quantize = Callable[..., Any]
_RNG = np.random.default_rng(3)


def network(names: tuple[str, ...] = ("a", "r", "c", "y")) -> Any:
    """Conv, Relu, conv, and a product; tensors may be called otherwise."""
    one, two, three, four = names
    constants = {
        "w": _RNG.standard_normal((4, 2, 3, 3)),
        "v": _RNG.standard_normal((3, 4, 1, 1)),
        "m": _RNG.standard_normal((6, 5)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], [one], name="conv", pads=[1] * 4),
        helper.make_node("Relu", [one], [two], name="relu"),
        helper.make_node("Conv", [two, "v"], [three], name="next"),
        helper.make_node("MatMul", [three, "m"], [four], name="product"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", 1, (1, 2, 6, 6))],
        [helper.make_tensor_value_info(four, 1, (1, 3, 6, 5))],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def beside(first: Model, second: Model) -> Beside:
    """Both with their own graphs."""
    one, two = known(first), known(second)
    partners = match(one.graph, two.graph, (one.quantized, two.quantized))
    return Beside(one, two, join(one, two), partners, threads=1)


def known(model: Model) -> Known:
    """A model as it is compared."""
    graph = extract_graph(model)
    return Known("a model", model, graph, find_quantized(graph))


def values(model: Model, name: str, feeds: dict[str, Any]) -> Any:
    """One tensor of a model."""
    return open_session(runnable(model, outputs=[name]), threads=1).run(feeds)[name]


def test_tensors_behind_quantizers_are_compared(quantized: Quantize) -> None:
    """What the readers get, with the Relu that the quantizer's range does."""
    proto = network()
    made = quantized(proto, "int8", "uint8")
    first, second = model_of(proto), made.written
    both = beside(first, second)
    for feeds in made.feeds:
        both.add(feeds)
    found = {one.node: one for one in both.result()}
    assert list(found) == ["relu", "next", "product"]
    pairs = {pair.node: pair for pair in both.partners.pairs}
    for name, one in found.items():
        signal = noise = most = 0.0
        for feeds in made.feeds:
            exact = values(first, pairs[name].first.tensor, feeds).astype(np.float64)
            other = values(second, pairs[name].second.tensor, feeds).astype(np.float64)
            signal, noise = signal + np.square(exact).sum(), noise + np.square(exact - other).sum()
            most = max(most, np.abs(exact - other).max())
        assert one.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=0.5)
        assert one.max_abs == pytest.approx(most, rel=0.2)
    assert 20 < found["product"].sqnr_db < 60


def test_equal_models_never_part() -> None:
    """Infinite SQNR everywhere."""
    model = model_of(network())
    both = beside(model, model)
    both.add({"x": _RNG.standard_normal((1, 2, 6, 6)).astype(np.float32)})
    assert all(one.sqnr_db == np.inf for one in both.result())
    assert parting(both.result()) is None


def test_they_part_where_a_weight_was_spoiled() -> None:
    """At that node, and not before it."""
    proto = network()
    spoiled = model_of(proto)
    other = type(proto)()
    other.CopyFrom(proto)
    weight = next(one for one in other.graph.initializer if one.name == "v")
    noisy = numpy_helper.to_array(weight) + _RNG.standard_normal((3, 4, 1, 1)).astype(np.float32)
    weight.CopyFrom(numpy_helper.from_array(noisy, "v"))
    both = beside(spoiled, model_of(other))
    both.add({"x": _RNG.standard_normal((1, 2, 6, 6)).astype(np.float32)})
    assert parting(both.result()) == "next"


def test_other_names_are_matched_by_structure() -> None:
    """Operators in order, where no name is shared."""
    first, second = (extract_graph(model_of(p)) for p in (network(), network(("1", "2", "3", "4"))))
    found = match(first, second)
    assert [(pair.first.tensor, pair.second.tensor) for pair in found.pairs] == [
        *(("a", "1"), ("r", "2"), ("c", "3"), ("y", "4"))
    ]


def test_little_memory_gives_the_same(quantized: Quantize, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensor by tensor, if need be."""
    proto = network()
    made = quantized(proto, "int4", "uint8")
    results = []
    for budget in (BUDGET, 1):
        monkeypatch.setattr("inspector.evaluate.beside.BUDGET", budget)
        both = beside(model_of(proto), made.written)
        both.add(made.feeds[0])
        results.append(both.result())
    assert results[0] == results[1]


@pytest.mark.parametrize("kind", ["qdq", "qoperator"])
def test_models_that_onnxruntime_quantized(shared_models: Path, kind: str) -> None:
    """Nearly every tensor has a counterpart, and none is off by more than int8 explains."""
    first = load_model(shared_models / "float" / "micro_kws_fp32.onnx")
    second = load_model(shared_models / "quantized" / f"micro_kws_{kind}_ort.onnx")
    both = beside(first, second)
    shape = [1 if not isinstance(d, int) else d for d in _input(first).shape or ()]
    feeds = {_input(first).name: _RNG.standard_normal(shape).astype(np.float32)}
    both.add(feeds)
    found = both.result()
    assert len(found) >= 15
    assert min(one.sqnr_db for one in found) > 12


def _input(model: Model) -> Any:
    graph = extract_graph(model)
    return graph.tensors[graph.inputs[0]]
