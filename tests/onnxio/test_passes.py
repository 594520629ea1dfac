"""The passes as a whole: their order, switches, counts and traces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import RecipeError
from inspector.graph.preparations import PREPARATIONS, in_order, skip_of, title_of
from inspector.onnxio.loading import load_model, model_of
from inspector.onnxio.passes import STAGES, prepare
from tests.onnxio.passes_support import examples, floats, node, op_types, prepared

REQUIRED = ("name_nodes", "constants_to_initializers", "recurrent_weights")


def test_all_passes_but_a_few_can_be_switched_off() -> None:
    """The catalogue lists them in the order in which they run."""
    names = [one.name for stage in STAGES for one in stage]
    assert names == [*REQUIRED[:2], *PREPARATIONS, *REQUIRED[2:]]
    assert len(set(names)) == len(names)
    for one in PREPARATIONS.values():
        assert one.summary.endswith(".")
        assert title_of(one.name) == one.title
    assert title_of("raise_opset") == "Raise opset"
    assert in_order({"fold_pad", "drop_identity"}) == ("drop_identity", "fold_pad")


def test_names_that_are_none_are_refused() -> None:
    """With those that there are; a pass that everything relies on is none of them."""
    assert skip_of(["fold_pad"]) == {"fold_pad"}
    for name in ("fold_pads", "name_nodes"):
        with pytest.raises(RecipeError, match="no pass") as caught:
            skip_of([name])
        assert "fold_pad" in caught.value.hint


def everything(build):
    """A model in which every pass that rewrites layers has work."""
    rng = np.random.default_rng(0)
    constants = {
        "w": floats(rng, 4, 3, 3, 3), "b": floats(rng, 4, 1, 1), "c": floats(rng, 4, 1, 1),
        "g": floats(rng, 4) + 3, "m": floats(rng, 4), "v": np.ones(4, np.float32),
        "six": np.float32(6), "zero": np.float32(0), "f": floats(rng, 4, 5), "fb": floats(rng, 5),
        "u": floats(rng, 5, 5), "sizes": np.array([4]), "at": np.array([0]),
        "two": np.float32(2), "eps": np.float32(1e-5), "root2": np.float32(2**0.5),
        "one": np.float32(1), "half": np.float32(0.5), "k": floats(rng, 2), "l": floats(rng, 2),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }  # fmt: skip
    nodes = [
        node("Identity", ["x"], ["x1"], "identity"),
        node("Add", ["k", "l"], ["kl"], "constant"),
        node("Pad", ["x1", "pads"], ["p"], "pad"),
        node("Conv", ["p", "w"], ["a"], "conv"),
        node("Add", ["a", "b"], ["a1"], "bias"),
        node("BatchNormalization", ["a1", "g", "m", "m", "v"], ["a2"], "bn"),
        node("Mul", ["a2", "c"], ["a3"], "scale"),
        node("Max", ["a3", "zero"], ["a4"], "max"),
        node("Min", ["a4", "six"], ["a5"], "min"),
        node("Transpose", ["a5"], ["t1"], "t1", perm=[0, 2, 3, 1]),
        node("Sigmoid", ["t1"], ["s"], "sigmoid"),
        node("Mul", ["t1", "s"], ["silu"], "silu"),
        node("Transpose", ["silu"], ["t2"], "t2", perm=[0, 3, 1, 2]),
        node("GlobalAveragePool", ["t2"], ["pool"], "pool"),
        node("Shape", ["x"], ["shape"], "shape"),
        node("Gather", ["shape", "at"], ["batch"], "batch", axis=0),
        node("Concat", ["batch", "sizes"], ["target"], "target", axis=0),
        node("Reshape", ["pool", "target"], ["flat"], "flat"),
        node("MatMul", ["flat", "f"], ["h"], "fc"),
        node("Add", ["h", "fb"], ["h1"], "fc_bias"),
        node("Div", ["h1", "root2"], ["e"], "e0"),
        node("Erf", ["e"], ["e1"], "e1"),
        node("Add", ["e1", "one"], ["e2"], "e2"),
        node("Mul", ["h1", "e2"], ["e3"], "e3"),
        node("Mul", ["e3", "half"], ["h2"], "e4"),
        node("ReduceMean", ["h2"], ["mean"], "n0", axes=[-1]),
        node("Sub", ["h2", "mean"], ["d"], "n1"),
        node("Pow", ["d", "two"], ["d2"], "n2"),
        node("ReduceMean", ["d2"], ["var"], "n3", axes=[-1]),
        node("Add", ["var", "eps"], ["ve"], "n4"),
        node("Sqrt", ["ve"], ["sd"], "n5"),
        node("Div", ["d", "sd"], ["n"], "n6"),
        node("Gemm", ["n", "u"], ["q"], "gemm", alpha=0.5),
        node("HardSigmoid", ["q"], ["hs"], "hs", alpha=1 / 6, beta=0.5),
        node("Mul", ["q", "hs"], ["y"], "hard"),
        node("ReduceSum", ["kl"], ["z"], "sum"),
    ]
    return build(nodes, {"x": ("N", 3, 6, 6)}, ["y", "z"], constants, opset=12)


X = {"x": np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)}


def test_each_pass_is_counted_and_what_became_of_each_node_is_told(build, run) -> None:
    """Every node that is gone has a host, and every pass found its work."""
    before = everything(build)
    after, reports = prepared(run, before, X)
    assert [name for name, report in reports.items() if not report.changed] == list(REQUIRED)
    counts = {name: report.changed for name, report in reports.items()}
    assert counts["fold_constants"] == 2
    assert counts["cancel_transposes"] == 2
    names = {item.name for item in after.graph.node}
    gone = {name: host for report in reports.values() for name, host in report.gone.items()}
    assert set(gone) == {item.name for item in before.graph.node} - names
    made = {name for report in reports.values() for name in report.made}
    assert made == {"min", "fc"}
    kept = {name: gone[name] for name in ("pad", "bias", "bn", "scale", "max", "t1", "fc_bias")}
    assert kept == {
        "pad": "conv", "bias": "conv", "bn": "conv", "scale": "conv", "max": "min",
        "t1": "sigmoid", "fc_bias": "fc",
    }  # fmt: skip
    assert gone["sum"] == gone["constant"] == ""


@given(skip=st.sets(st.sampled_from(list(PREPARATIONS))))
@examples
def test_any_choice_of_passes_keeps_the_outputs(build, run, skip) -> None:
    """What is switched off did nothing, says so, and disturbs no other."""
    _, reports = prepared(run, everything(build), X, skip=skip)
    for name in PREPARATIONS:
        assert reports[name].skipped == (name in skip)
        if name in skip:
            assert (reports[name].changed, reports[name].gone) == (0, {})


@pytest.mark.parametrize("name", PREPARATIONS)
def test_without_one_its_nodes_stay(build, run, name) -> None:
    """Each of them alone makes the difference."""
    before = everything(build)
    whole, _ = prepared(run, before, X)
    less, reports = prepared(run, before, X, skip=[name])
    assert reports[name].skipped
    units = [unit for report in reports.values() for unit in report.units]
    _, with_all = prepared(run, before, X)
    all_units = [unit for report in with_all.values() for unit in report.units]
    assert (
        op_types(less) != op_types(whole)
        or len(units) < len(all_units)
        or name in {"normalize_gemm"}
    )


def test_a_model_without_work_comes_back_as_it_is(build) -> None:
    """Nothing is copied, and reports are there all the same."""
    model = model_of(build([node("Relu", ["x"], ["y"], "relu")], {"x": (2, 3)}, ["y"]))
    found, reports = prepare(model)
    assert found is model
    assert [report.name for report in reports] == [one.name for stage in STAGES for one in stage]
    assert not any(report.changed for report in reports)


def test_preparing_what_was_prepared_finds_nothing_more(sample_models) -> None:
    """The passes come to an end in one go."""
    for name in ("digits_cnn", "digits_vit"):
        once, _ = prepare(load_model(sample_models / f"{name}.onnx"))
        again, reports = prepare(once)
        assert again is once
        assert not any(report.changed for report in reports)
