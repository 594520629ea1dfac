"""The forms of file that need no calibration data, beside onnxruntime's own quantizers for them.

Dynamic: products of matrices in 8 bits, weights per channel, against `quantize_dynamic`.
Weight-only: products in 4 bits with blocks of 32 and 128, against the numbers of MatMulNBits'
quantizer, symmetric and asymmetric, in files that are alike but for those. Float8: weights and
activations in E4M3, against `quantize_static`. All run as anyone runs them, on held-out data.

    python tests/benchmarks/formats.py [PART OF A NAME ...]    to the screen
    python tests/benchmarks/formats.py --write                 into FORMATS.md
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from cases import Case, Feeds, all_cases
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.capi import _pybind_state as native
from onnxruntime.quantization import (
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from ort_quantizer import Reader
from quality import Figures, _Samples
from tables import number, table

from inspector.errors import InspectorError
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import FidelityMeter, class_output
from inspector.evaluate.runtime import open_session
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import FLOAT, QuantSpec
from inspector.session.fitting import for_format
from inspector.session.job import save_quantized
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe, Rule

BLOCKS = (32, 128)
PRODUCTS = ("Gemm", "MatMul")
WRITTEN = Path(__file__).resolve().parent / "FORMATS.md"
_FLOAT8_OPSET = 19


def rows_of(case: Case) -> list[list[str]]:
    """A line of the table for each form; none where a model has no products by weights."""
    calibration, evaluation = case.read(0)
    held_out = Dataset.of("held-out data", [_Samples(evaluation)])
    try:
        opened = open_model(case.model)
        opened.require_quantizable()
    except InspectorError:
        return []
    if not any(la.op_type in PRODUCTS and la.weight for la in opened.graph.layers):
        return []
    reference = open_session(runnable(opened.source))
    expected = [reference.run(feeds) for feeds in held_out.samples()]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.onnx"

        def measured(file: Path) -> Figures:
            return _figures(opened, file, expected, held_out)

        def ours(recipe: Recipe) -> tuple[Figures, Figures]:
            result = save_quantized(opened, recipe, None, held_out, output, force=True)
            proof = result.verification
            assert proof is not None
            return Figures.of(proof.predicted), Figures.of(proof.measured)

        theirs = _or_reason(lambda: measured(_dynamic(case.model, output)))
        rows.append(
            _row(case.name, "dynamic int8", ours(_products(opened, "dynamic", "int8")), theirs)
        )
        for block in BLOCKS:
            spec = f"int4:block{block}:mse:asym"
            recipe = replace(_products(opened, "weight-only", spec), matmul_nbits=True)
            found = ours(recipe)
            for symmetric in (True, False):
                kind = "symmetric" if symmetric else "asymmetric"
                theirs = _nbits_figures(measured, opened, output, block, symmetric)
                rows.append(_row(case.name, f"int4, blocks of {block}, {kind}", found, theirs))
            plain = replace(recipe, default=replace(recipe.default, weights=_plain(block)))
            rows.append(_row(case.name, f"int4, blocks of {block}, min/max", ours(plain), theirs))
        theirs = _or_reason(lambda: measured(_float8(case.model, output, calibration)))
        found = _our_float8(opened, calibration, held_out, output)
        rows.append(_row(case.name, "fp8e4m3", found, theirs))
    return rows


def _plain(block: int) -> QuantSpec:
    """What onnxruntime's asymmetric quantizer does."""
    return QuantSpec.parse(f"int4:block{block}:minmax:asym")


def _our_float8(
    opened: OpenModel, samples: Sequence[Feeds], held_out: Dataset, output: Path
) -> tuple[Figures, Figures]:
    spec = QuantSpec.parse("fp8e4m3")
    data = Dataset.of("calibration data", [_Samples(samples)])
    found = calibrate(opened.prepared, opened.placement.measured, data)
    recipe = Recipe().with_default(spec, spec)
    proof = save_quantized(opened, recipe, found, held_out, output, force=True).verification
    assert proof is not None
    return Figures.of(proof.predicted), Figures.of(proof.measured)


def _float8(model: Path, output: Path, samples: Sequence[Feeds]) -> Path:
    logging.disable(logging.WARNING)
    proto = onnx.load(model)
    if next(one.version for one in proto.opset_import if not one.domain) < _FLOAT8_OPSET:
        proto = onnx.version_converter.convert_version(proto, _FLOAT8_OPSET)
    onnx.save(proto, output)
    with contextlib.redirect_stdout(io.StringIO()):
        quantize_static(
            str(output),
            str(output),
            Reader(samples),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QFLOAT8E4M3FN,
            weight_type=QuantType.QFLOAT8E4M3FN,
            calibrate_method=CalibrationMethod.Distribution,
        )
    return output


def _nbits_figures(
    measured: Callable[[Path], Figures],
    opened: OpenModel,
    output: Path,
    block: int,
    symmetric: bool,
) -> Figures | str:
    return _or_reason(lambda: measured(_nbits(opened, output, block, symmetric)))


def _or_reason(measure: Callable[[], Figures]) -> Figures | str:
    try:
        return measure()
    except Exception as error:  # whatever stops onnxruntime's quantizer or its file
        return f"{type(error).__name__}"


def _products(opened: OpenModel, form: str, weights: str) -> Recipe:
    """Products of matrices alone, as both of onnxruntime's quantizers have it."""
    recipe = for_format(Recipe(), form).with_default(QuantSpec.parse(weights))
    present = {layer.op_type for layer in opened.graph.layers if layer.weight}
    for op in sorted(present.difference(PRODUCTS) if form == "weight-only" else ()):
        recipe = recipe.with_rule(Rule(f"op:{op}", FLOAT))
    return recipe


def _figures(
    opened: OpenModel, file: Path, expected: Sequence[Feeds], held_out: Dataset
) -> Figures:
    session = open_session(file)
    meter = FidelityMeter(class_output(opened.placement.graph))
    for wanted, feeds in zip(expected, held_out.samples(), strict=True):
        meter.add(wanted, session.run(feeds))
    return Figures.of(meter.result())


def _dynamic(model: Path, output: Path) -> Path:
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        quantize_dynamic(
            str(model),
            str(output),
            op_types_to_quantize=list(PRODUCTS),
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    return output


def _nbits(opened: OpenModel, output: Path, block: int, symmetric: bool) -> Path:
    """The prepared model with the numbers that onnxruntime's quantizer finds for MatMulNBits."""
    proto = whole_proto(opened.prepared)
    layers = {layer.name: layer for layer in opened.graph.layers}
    for node in proto.graph.node:
        layer = layers.get(node.name)
        if layer is None or layer.op_type not in PRODUCTS or layer.weight_slot != 1:
            continue
        if len(layer.weight_shape or ()) != 2:
            continue
        weight = opened.prepared.constant(layer.weight or "")
        turned = layer.channel_axis == 0
        values = np.ascontiguousarray(weight.T if turned else weight, np.float32)
        _replace(proto.graph, node, values, block, symmetric)
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(proto, output)
    return output


def _replace(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    weight: NDArray[np.float32],
    block: int,
    symmetric: bool,
) -> None:
    depth, channels = weight.shape
    blocks = -(-depth // block)
    packed = np.zeros((channels, blocks, block // 2), np.uint8)
    scales = np.zeros(channels * blocks, np.float32)
    zeros = np.zeros((channels, (blocks + 1) // 2), np.uint8)
    native.quantize_matmul_4bits(packed, weight, scales, zeros, block, channels, depth, symmetric)
    made = {"codes": packed, "scales": scales.reshape(channels, blocks)}
    if not symmetric:
        made["zeros"] = zeros
    names = {part: f"{node.name}/{part}" for part in made}
    graph.initializer.extend(numpy_helper.from_array(v, names[p]) for p, v in made.items())
    bias = node.input[2] if len(node.input) > 2 else ""
    inputs = [node.input[0], names["codes"], names["scales"], names.get("zeros", "")]
    inputs += ["", bias] if bias else []
    new = helper.make_node(
        "MatMulNBits", inputs, list(node.output), node.name, domain="com.microsoft", K=depth,
        N=channels, bits=4, block_size=block, accuracy_level=1,
    )  # fmt: skip
    node.CopyFrom(new)


def _row(name: str, form: str, ours: tuple[Figures, Figures], theirs: Figures | str) -> list[str]:
    predicted, measured = ours
    if isinstance(theirs, str):
        shown, margin = theirs, "ORT fails"
    else:
        shown = number(theirs.sqnr_db)
        apart = measured.sqnr_db - theirs.sqnr_db
        margin = f"{apart:+.2f}{'' if apart >= -0.005 else ' **'}"
    return [name, form, number(predicted.sqnr_db), number(measured.sqnr_db), shown, margin]


def formats_table(rows: Sequence[Sequence[str]]) -> str:
    """SQNR in dB; ** where onnxruntime's is better."""
    header = ["model", "form", "ours predicted", "ours measured", "ORT measured", "ours − ORT"]
    return table(header, rows)


def write(rows: Sequence[Sequence[str]]) -> None:
    """FORMATS.md, with all of it."""
    lines = [
        "# Forms beside onnxruntime's quantizers",
        "",
        "Written by `make bench`; see `formats.py`. SQNR of the outputs in dB, on data that "
        "calibration did not see; ** marks where onnxruntime's is better. The rows 'min/max' are "
        "`int4:blockN:minmax:asym`, which is what onnxruntime's asymmetric quantizer does; the "
        "other int4 rows are `int4:blockN:mse:asym`. It chooses ends for the error of the weights "
        "alone, which need not be the smaller error of the outputs: on some models min/max is the "
        "better of the two.",
        "",
        formats_table(rows),
        "",
    ]
    WRITTEN.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    writes = "--write" in sys.argv
    wanted = [part for part in sys.argv[1:] if part != "--write"]
    made: list[list[str]] = []
    for each in all_cases():
        if not wanted or any(part in each.name for part in wanted):
            made += rows_of(each)
            print(each.name, file=sys.stderr, flush=True)
    if writes:
        write(made)
    print(formats_table(made))
