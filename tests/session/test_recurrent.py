"""LSTM, GRU and RNN: their weights as layers, in every form of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.errors import RecipeError
from inspector.quant.spec import QuantSpec
from inspector.session.job import QuantizeRequest, QuantizeResult, quantize_model
from inspector.session.opening import open_model
from inspector.session.recipe import Recipe, Rule

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_HIDDEN, _READ, _STEPS, _BATCH = 12, 10, 7, 3


def _model(folder: Path, op: str = "LSTM", directions: int = 1, *, opset: int = 17) -> Path:
    """One operator, with bias, a lone Y_h, and initial states for both directions."""
    rng = np.random.default_rng(5)
    gates = _GATES[op]

    def values(*shape: int, scale: float = 0.4) -> np.ndarray:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    constants = {
        "W": values(directions, gates * _HIDDEN, _READ),
        "R": values(directions, gates * _HIDDEN, _HIDDEN),
        "B": values(directions, 2 * gates * _HIDDEN, scale=0.1),
        "h0": values(directions, _BATCH, _HIDDEN),
        "out": values(_HIDDEN, 4),
    }
    inputs = ["x", "W", "R", "B", "", "h0"]
    if op == "LSTM":
        constants["c0"] = values(directions, _BATCH, _HIDDEN)
        inputs.append("c0")
    direction = "bidirectional" if directions == 2 else "reverse"
    nodes = [
        helper.make_node(
            op, inputs, ["Y", "Y_h"], "cell", hidden_size=_HIDDEN, direction=direction
        ),
        helper.make_node("MatMul", ["Y", "out"], ["y"], "head"),
    ]
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [_STEPS, _BATCH, _READ])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [_STEPS, directions, _BATCH, 4]),
            helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, [directions, _BATCH, _HIDDEN]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    path = folder / f"{op}{directions}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


def _quantize(model: Path, form: str, weights: str, op: str) -> QuantizeResult:
    recipe = Recipe(format=form)
    if form == "weight-only":
        recipe = recipe.with_default(activations=QuantSpec.parse("float"))
    recipe = recipe.with_rule(Rule(f"op:{op}", QuantSpec.parse(weights), None))
    output = model.with_name(f"{form}.onnx")
    return quantize_model(QuantizeRequest(model, output, recipe, random_samples=3))


def _operators(path: Path) -> dict[str, str]:
    return {node.name: node.op_type for node in onnx.load(path).graph.node}


def _run(path: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("op", _GATES)
def test_each_weight_is_a_layer(tmp_path: Path, op: str, directions: int) -> None:
    """W has the operator's name; both are matrices with a row for each direction and unit."""
    opened = open_model(_model(tmp_path, op, directions))
    rows = directions * _GATES[op] * _HIDDEN
    found = {layer.name: layer for layer in opened.graph.layers}
    assert list(found) == ["cell", "cell/R", "head"]
    assert [found[name].op_type for name in ("cell", "cell/R")] == [op, op]
    assert found["cell"].weight_shape == (rows, _READ)
    assert found["cell/R"].weight_shape == (rows, _HIDDEN)
    assert found["cell"].macs == _STEPS * _BATCH * rows * _READ
    assert found["cell/R"].macs == _STEPS * _BATCH * rows * _HIDDEN
    assert {node.name for node in opened.shown.nodes} == {"cell", "head"}
    w = opened.source.constant("W").reshape(rows, _READ)
    np.testing.assert_array_equal(opened.prepared.constant(found["cell"].weight or ""), w)


@pytest.mark.parametrize("form", ["qdq", "weight-only", "simulated", "dynamic"])
@pytest.mark.parametrize(
    ("op", "directions", "weights"),
    [("LSTM", 2, "int8"), ("LSTM", 1, "uint8:tensor"), ("GRU", 2, "int8"), ("RNN", 1, "int8")],
)
def test_files_do_what_was_predicted(
    tmp_path: Path, form: str, op: str, directions: int, weights: str
) -> None:
    """In every form, to the last digits; the operator has its name again."""
    result = _quantize(_model(tmp_path, op, directions), form, weights, op)
    verification = result.verification
    assert verification is not None
    assert verification.predicted.sqnr_db == pytest.approx(verification.measured.sqnr_db, abs=0.01)
    assert verification.predicted.sqnr_db > 25
    by_name = {layer.name: layer for layer in result.layers}
    dynamic = form == "dynamic" and op == "LSTM"
    for name in ("cell", "cell/R"):
        assert by_name[name].weights == str(QuantSpec.parse(weights).filled("weights"))
        assert by_name[name].dynamic == dynamic
        assert dynamic or by_name[name].activations == "float"
    assert _operators(result.output)["cell"] == ("DynamicQuantizeLSTM" if dynamic else op)
    onnx.checker.check_model(str(result.output))


@pytest.mark.parametrize("weights", ["int4:block4", "log4", "int3:channel:mse", "fp8e4m3"])
def test_other_types_of_weights(tmp_path: Path, weights: str) -> None:
    """What other layers can have, these can: blocks, tables, widths without a type."""
    result = _quantize(_model(tmp_path, "LSTM", 2), "weight-only", weights, "LSTM")
    assert result.verification is not None
    assert result.verification.predicted.sqnr_db == pytest.approx(
        result.verification.measured.sqnr_db, abs=0.01
    )


def test_dequantized_weights_in_the_reference_evaluator(tmp_path: Path) -> None:
    """ONNX's own evaluator of LSTM gives what onnxruntime gives."""
    path = _model(tmp_path, "LSTM", 1, opset=21)
    model = onnx.load(path)  # the evaluator has forward LSTM alone
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "direction":
            attribute.s = b"forward"
    onnx.save(model, path)
    result = _quantize(path, "weight-only", "int8", "LSTM")
    feeds = {"x": np.random.default_rng(1).standard_normal((_STEPS, _BATCH, _READ), np.float32)}
    wanted = ReferenceEvaluator(onnx.load(result.output)).run(None, feeds)
    for got, want in zip(_run(result.output, feeds), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_it_is_what_onnxruntime_makes(tmp_path: Path) -> None:
    """Its own quantizer, per channel, finds the same codes and scales for LSTM."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = _model(tmp_path, "LSTM", 2)
    recipe = Recipe(format="dynamic", target="generic")
    recipe = recipe.with_rule(Rule("head", QuantSpec.parse("float"), QuantSpec.parse("float")))
    ours = quantize_model(
        QuantizeRequest(path, tmp_path / "ours.onnx", recipe, random_samples=2)
    ).output
    theirs = tmp_path / "theirs.onnx"
    quantize_dynamic(path, theirs, ["LSTM"], per_channel=True, weight_type=QuantType.QInt8)
    found: list[list[np.ndarray]] = []
    for file in (ours, theirs):
        graph = onnx.load(file).graph
        (node,) = (one for one in graph.node if one.op_type == "DynamicQuantizeLSTM")
        arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        found.append([arrays[name] for name in (*node.input[1:3], *node.input[8:])])
    for mine, other in zip(*found, strict=True):
        assert mine.shape == other.shape
        if mine.dtype == np.float32:  # onnxruntime divides the range by 255, not the end by 127
            np.testing.assert_allclose(mine, other, rtol=5e-3)
        elif mine.size:
            assert np.abs(mine.astype(int) - other.astype(int)).max() <= 1
    feeds = {"x": np.random.default_rng(2).standard_normal((_STEPS, _BATCH, _READ), np.float32)}
    wanted = _run(path, feeds)[0]
    noise = [float(np.square(_run(file, feeds)[0] - wanted).mean()) for file in (ours, theirs)]
    assert noise[0] < 1.5 * noise[1]


def test_static_forms_leave_it_until_asked(tmp_path: Path) -> None:
    """No kernels on fixed grids, so no rule means float; the file says why, and is as it was."""
    path = _model(tmp_path, "LSTM", 2)
    result = quantize_model(QuantizeRequest(path, tmp_path / "o.onnx", random_samples=2))
    assert [layer.weights for layer in result.layers[:2]] == ["float", "float"]
    assert any("LSTM" in note for note in result.format_notes)
    graph = onnx.load(result.output).graph
    cell = next(node for node in graph.node if node.op_type == "LSTM")
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    before = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    for slot, name in ((1, "W"), (2, "R")):
        np.testing.assert_array_equal(arrays[cell.input[slot]], before[name])
    assert "Reshape" not in {node.op_type for node in graph.node}


@pytest.mark.parametrize("name", ["cell", "cell/R"])
def test_one_weight_alone_needs_no_kernel(tmp_path: Path, name: str) -> None:
    """DynamicQuantizeLSTM wants both in bytes; with one in 4 bits both are weights alone."""
    path = _model(tmp_path, "LSTM", 2)
    recipe = Recipe(format="dynamic").with_rule(Rule(name, QuantSpec.parse("float"), None))
    result = quantize_model(QuantizeRequest(path, tmp_path / "o.onnx", recipe, random_samples=2))
    assert not any(layer.dynamic for layer in result.layers[:2])
    assert _operators(result.output)["cell"] == "LSTM"


def test_what_has_no_kernel_is_refused_before_work(tmp_path: Path) -> None:
    """A zero point for each row: named, with the nearest that works."""
    path = _model(tmp_path, "LSTM", 1)
    recipe = Recipe(format="dynamic").with_rule(Rule("op:LSTM", QuantSpec.parse("uint8"), None))
    with pytest.raises(RecipeError, match=r"'cell'.*asymmetric"):
        quantize_model(QuantizeRequest(path, tmp_path / "o.onnx", recipe, random_samples=2))
    assert not (tmp_path / "o.onnx").exists()


def test_real_models(shared_models: Path, tmp_path: Path) -> None:
    """A sentence splitter with two bidirectional LSTM, and 14 GRU of a speech enhancer."""
    cases = (("byte_bilstm_sentence", "dynamic", 40), ("gtcrn_simple", "weight-only", 20))
    for name, form, least in cases:
        output = tmp_path / f"{name}.onnx"
        source = shared_models / "float" / f"{name}.onnx"
        recipe = Recipe(format=form)
        if form == "weight-only":
            recipe = recipe.with_default(QuantSpec.parse("int8"), QuantSpec.parse("float"))
        result = quantize_model(QuantizeRequest(source, output, recipe, random_samples=4))
        assert result.verification is not None
        assert result.verification.agrees, result.verification.cause
        assert result.verification.measured.sqnr_db > least
        kinds = [layer for layer in result.layers if layer.op_type in _GATES]
        assert kinds
        assert all(layer.weights != "float" for layer in kinds)
