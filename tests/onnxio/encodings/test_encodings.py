"""Sidecar files, read back by what their formats document and not by our own arithmetic."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings import FORMATS, Encodings, collect, format_of
from inspector.onnxio.encodings.ncnn import read_ncnn
from inspector.onnxio.encodings.tensorrt import read_tensorrt
from inspector.quant.kernels import fake_quantize

Quantize = Callable[..., Any]
_RNG = np.random.default_rng(11)


def network(rename: dict[str, str] | None = None) -> onnx.ModelProto:
    """Conv (folded Relu) -> depthwise conv (folded Clip) -> flatten -> Gemm."""
    names = {"conv": "conv", "depth": "depth", "fc": "fc"} | (rename or {})
    constants = {
        "w": _RNG.standard_normal((4, 2, 3, 3)),
        "b": _RNG.standard_normal(4),
        "v": _RNG.standard_normal((4, 1, 3, 3)),
        "low": np.float32(-0.25),
        "high": np.float32(1.5),
        "m": _RNG.standard_normal((3, 64)),
        "n": _RNG.standard_normal(3),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name=names["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "v"], ["d"], name=names["depth"], pads=[1] * 4, group=4),
        helper.make_node("Clip", ["d", "low", "high"], ["e"], name="clip"),
        helper.make_node("Flatten", ["e"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "m", "n"], ["y"], name=names["fc"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", 1, (1, 2, 4, 4))],
        [helper.make_tensor_value_info("y", 1, (1, 3))],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def encodings_of(made: Any) -> Encodings:
    """What the writers get."""
    return collect("net.onnx", made.placement, made.grids, made.model.constant)


def write(made: Any, name: str, version: str | None = None) -> str:
    """The text of a sidecar file."""
    form = format_of(name)
    return form.write(encodings_of(made), form.version(version)).text


def grids_of(made: Any) -> dict[str, Any]:
    """Every tensor's grid."""
    return {one.name: one.grid for one in encodings_of(made).tensors}


def values(made: Any, name: str) -> NDArray[np.float32]:
    """A weight's own values, or some that leave an activation's range on both sides."""
    if made.placement.graph.tensors[name].constant:
        return np.asarray(made.model.constant(name))
    return np.asarray(_RNG.normal(0, 3, 200), np.float32)


def near(a: NDArray[Any], b: NDArray[Any], step: float) -> None:
    """Equal but for ties, which float64 and float32 may see differently."""
    assert np.mean(np.abs(a - b) > step * 1e-2) < 0.02


def unsigned_rule(
    x: NDArray[Any], scale: NDArray[Any], offset: NDArray[Any], bits: int
) -> NDArray[Any]:
    """AIMET up to 1.0.0: x = scale * (q + offset), q from 0 to 2^bits - 1."""
    return scale * (np.clip(np.rint(x / scale) - offset, 0, 2**bits - 1) + offset)


SPECS = [
    ("int8", "uint8"),
    ("int8:tensor", "int8:sym"),
    ("int4", "int16:sym"),
    ("uint8:asym", "int8:asym"),
    ("int5:tensor", "uint6"),
]


@pytest.mark.parametrize(("weights", "activations"), SPECS)
@pytest.mark.parametrize("name", ["aimet", "qnn"])
def test_aimet_1_quantizes_to_the_same_values(
    quantized: Quantize, weights: str, activations: str, name: str
) -> None:
    """By the rule of its specification, with codes that count from zero."""
    made = quantized(network(), weights, activations)
    content = json.loads(write(made, name))
    assert content["version"] == "1.0.0"
    grids = grids_of(made)
    entries = [*content["activation_encodings"], *content["param_encodings"]]
    assert {entry["name"] for entry in entries} == set(grids)
    for entry in entries:
        grid, x = grids[entry["name"]], values(made, entry["name"])
        scale, offset = np.asarray(entry["scale"]), np.asarray(entry["offset"])
        assert entry["enc_type"] == ("PER_TENSOR" if scale.size == 1 else "PER_CHANNEL")
        assert (offset <= 0).all()
        shape = [-1 if i == grid.axis else 1 for i in range(x.ndim)] if scale.size > 1 else []
        expected = fake_quantize(x, grid)
        found = unsigned_rule(x, scale.reshape(shape), offset.reshape(shape), entry["bw"])
        # A symmetric grid of ours leaves the lowest code out; theirs has it.
        inside = x >= (np.asarray(grid.lo).reshape(shape))
        near(np.where(inside, found, expected), expected, float(scale.max()))


@pytest.mark.parametrize(("weights", "activations"), SPECS)
@pytest.mark.parametrize(("name", "version"), [("aimet", "0.6.1"), ("qnn", "legacy")])
def test_old_encodings_agree_with_the_new_ones(
    quantized: Quantize, weights: str, activations: str, name: str, version: str
) -> None:
    """The same scales and offsets, with ends that follow from them."""
    made = quantized(network(), weights, activations)
    old, new = (json.loads(write(made, name, one)) for one in (version, "1.0.0"))
    assert ("version" in old) == (version != "legacy")
    for section in ("activation_encodings", "param_encodings"):
        assert [*old[section]] == [entry["name"] for entry in new[section]]
        for entry in new[section]:
            channels = old[section][entry["name"]]
            assert [one["scale"] for one in channels] == entry["scale"]
            assert [one["offset"] for one in channels] == entry["offset"]
            for one in channels:
                top = 2 ** one["bitwidth"] - 1
                assert one["min"] == pytest.approx(one["scale"] * one["offset"])
                assert one["max"] == pytest.approx(one["scale"] * (one["offset"] + top))
                assert one["is_symmetric"] == str(entry["is_sym"])


@pytest.mark.parametrize(("weights", "activations"), [*SPECS, ("int4:block8@1", "uint8")])
def test_aimet_2_is_what_quantize_linear_says(
    quantized: Quantize, weights: str, activations: str
) -> None:
    """The ONNX reference evaluator quantizes by the entries to the same values."""
    from onnx.reference import ReferenceEvaluator

    made = quantized(network(), weights, activations)
    grids = grids_of(made)
    for entry in json.loads(write(made, "aimet", "2.0.0"))["encodings"]:
        assert "bw" not in entry
        x, grid = values(made, entry["name"]), grids[entry["name"]]
        kind = entry["output_dtype"].upper()
        if not hasattr(onnx.TensorProto, kind):
            continue
        scale = np.asarray(entry["y_scale"], np.float32)
        zero = np.broadcast_to(np.asarray(entry.get("y_zero_point", 0)), scale.shape)
        attributes = {key: entry[key] for key in ("axis", "block_size") if key in entry}
        constants = [
            numpy_helper.from_array(scale, "s"),
            helper.make_tensor(
                "z", getattr(onnx.TensorProto, kind), scale.shape, zero.reshape(-1).tolist()
            ),
        ]
        graph = helper.make_graph(
            [
                helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **attributes),
                helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], **attributes),
            ],
            "one",
            [helper.make_tensor_value_info("x", 1, None)],
            [helper.make_tensor_value_info("y", 1, None)],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        (found,) = ReferenceEvaluator(model).run(None, {"x": x})
        near(found, np.maximum(fake_quantize(x, grid), found), float(scale.max()))


def test_blocks_of_a_product_are_listed_as_aimet_does(quantized: Quantize) -> None:
    """A MatMul's weight is stored as (in, out) and listed as (out, blocks of in)."""
    constants = {"w": _RNG.standard_normal((8, 3))}
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "one",
        [helper.make_tensor_value_info("x", 1, (2, 8))],
        [helper.make_tensor_value_info("y", 1, (2, 3))],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made = quantized(proto, "int4:block4", "uint8")
    (entry,) = json.loads(write(made, "aimet"))["param_encodings"]
    assert (entry["enc_type"], entry["block_size"]) == ("PER_BLOCK", 4)
    scale = made.grids.weights["product"].scale
    assert scale.shape == (2, 3)
    assert entry["scale"] == [float(scale[block, out]) for out in range(3) for block in range(2)]
    with pytest.raises(UnsupportedError, match=r"product.*blocks"):
        write(made, "aimet", "0.6.1")


def test_a_tensorrt_cache(quantized: Quantize) -> None:
    """Hexadecimal of absmax / 127, most significant byte first, and back."""
    made = quantized(network(), "int8", "int8:sym")
    text = write(made, "tensorrt", "7103")
    head, *lines = text.splitlines()
    assert head == "TRT-7103-EntropyCalibration2"
    grids = grids_of(made)
    for line in lines:
        name, code = line.split(": ")
        assert struct.unpack(">f", bytes.fromhex(code))[0] == np.float32(grids[name].scale)
    bounds = read_tensorrt(text)
    assert set(bounds) == {one.name for one in encodings_of(made).activations}
    assert struct.pack(">f", 0.05).hex() == "3d4ccccd"
    assert read_tensorrt("TRT-1-A\nx: 3d4ccccd\n") == {"x": pytest.approx(6.35)}


def test_tensorrt_covers_what_is_not_symmetric(quantized: Quantize) -> None:
    """The range of an unsigned grid, and a note that says so."""
    made = quantized(network(), "int8", "uint8")
    bounds = read_tensorrt(write(made, "tensorrt"))
    for one in encodings_of(made).activations:
        expected = max(abs(float(one.grid.lo)), abs(float(one.grid.hi)))
        assert bounds[one.name] == pytest.approx(expected, rel=1e-6)
    form = FORMATS["tensorrt"]
    assert "symmetric" in " ".join(form.write(encodings_of(made), "8601").notes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8601\n",
        "TRT-8601-X\nx 3d4ccccd\n",
        "TRT-8601-X\nx: 3d4c\n",
        "TRT-8601-X\nx: 7f800000\n",
    ],
)
def test_what_is_no_cache_is_refused(text: str) -> None:
    """With the line."""
    with pytest.raises(UnsupportedError, match="calibration cache"):
        read_tensorrt(text)


def test_an_ncnn_table(quantized: Quantize) -> None:
    """127 / absmax of each channel and input; groups and rows; and back."""
    made = quantized(network(), "int8", "int8:sym:minmax")
    weights, inputs = read_ncnn(write(made, "ncnn"))
    assert list(weights) == list(inputs) == ["conv", "depth", "fc"]
    assert [len(weights[name]) for name in weights] == [4, 4, 3]
    absmax = np.abs(made.model.constant("w")).max(axis=(1, 2, 3))
    np.testing.assert_allclose(weights["conv"], absmax / 127, rtol=1e-5)
    assert inputs["conv"] == pytest.approx(float(made.grids.at("x", "conv").scale), rel=1e-5)


def test_ncnn_skips_floats_and_refuses_the_rest(quantized: Quantize) -> None:
    """A layer without lines stays float; a name that breaks the table is an error."""
    specs = {"conv": "int8", "depth": "float", "fc": "int8"}
    acts = {"conv": "int8:sym", "depth": "float", "fc": "int8:sym"}
    made = quantized(network(), specs, acts)
    sidecar = FORMATS["ncnn"].write(encodings_of(made), "")
    assert "depth" not in sidecar.text
    assert any("depth" in note for note in sidecar.notes)
    with pytest.raises(UnsupportedError, match="not symmetric"):
        write(quantized(network(), "int8", "uint8"), "ncnn")
    with pytest.raises(UnsupportedError, match="int4"):
        write(quantized(network(), "int4", "int8:sym"), "ncnn")
    for bad in ("a_param_b", "a b", "a" * 256):
        made = quantized(network({"fc": bad}), "int8", "int8:sym")
        with pytest.raises(UnsupportedError, match="cannot stand in ncnn's table"):
            write(made, "ncnn")
    for text in ("conv\n", "conv x\n", "conv 0\n", "conv nan\n"):
        with pytest.raises(UnsupportedError, match="Line 1"):
            read_ncnn(text)


def _record_class() -> Any:
    """AMCT's ScaleOffsetRecord, as far as its documentation lists it for ONNX."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    single = file.message_type.add(name="Single")
    fields = (
        ("scale_d", kinds.TYPE_FLOAT, kinds.LABEL_OPTIONAL),
        ("offset_d", kinds.TYPE_INT32, kinds.LABEL_OPTIONAL),
        ("scale_w", kinds.TYPE_FLOAT, kinds.LABEL_REPEATED),
        ("offset_w", kinds.TYPE_INT32, kinds.LABEL_REPEATED),
    )
    for number, (name, kind, label) in enumerate(fields, 1):
        single.field.add(name=name, number=number, type=kind, label=label)
    entry = file.message_type.add(name="Entry")
    entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=kinds.TYPE_MESSAGE,
        type_name="Single",
        label=kinds.LABEL_OPTIONAL,
    )
    whole = file.message_type.add(name="Record")
    whole.field.add(
        name="record",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name="Entry",
        label=kinds.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Record"))


@pytest.mark.parametrize("activations", ["uint8", "int8:asym"])
def test_an_amct_record(quantized: Quantize, activations: str) -> None:
    """Protobuf reads it; codes are signed, round(x / scale_d) + offset_d."""
    name = 'fc "层"'
    weights = {"conv": "int8", "depth": "int8", name: "int8:tensor"}
    made = quantized(network({"fc": name}), weights, activations)
    record = text_format.Parse(write(made, "amct"), _record_class()())
    assert [one.key for one in record.record] == ["conv", "depth", name]
    for one in record.record:
        grid = made.grids.at(made.placement.graph.layer(one.key).activations[0], one.key)
        x = np.asarray(_RNG.normal(0, 3, 200), np.float32)
        codes = np.clip(np.rint(x / one.value.scale_d) + one.value.offset_d, -128, 127)
        found = (codes - one.value.offset_d) * one.value.scale_d
        near(found, fake_quantize(x, grid), float(grid.scale))
        assert len(one.value.scale_w) == {"conv": 4, "depth": 4}.get(one.key, 1)
        assert set(one.value.offset_w) == {0}
    with pytest.raises(UnsupportedError, match="only convolutions"):
        write(quantized(network(), "int8", activations), "amct")


def _arrays(header: str) -> dict[str, list[int]]:
    found = re.findall(r"int32_t (\w+)\[(\d+)\] = \{(.*?)\};", header, re.DOTALL)
    arrays = {name: [int(one) for one in re.findall(r"-?\d+", body)] for name, _, body in found}
    assert all(len(arrays[name]) == int(count) for name, count, _ in found)
    return arrays


@pytest.mark.parametrize("activations", ["uint8", "int8:asym"])
def test_a_c_header(quantized: Quantize, tmp_path: Path, activations: str) -> None:
    """Multiplier and shift stand for s_in * s_w / s_out; offsets and ends are signed codes."""
    made = quantized(network(), "int8", activations)
    text = write(made, "cmsis-nn")
    arrays = _arrays(text)
    defines = {k: int(v) for k, v in re.findall(r"#define (\w+) \((-?\d+)\)", text)}
    shift = 128 if activations == "uint8" else 0
    for name, output in (("conv", "r"), ("depth", "e")):
        layer = made.placement.graph.layer(name)
        reads = made.grids.at(layer.activations[0], name)
        reader = made.placement.graph.tensors[output].consumers[0]
        writes = made.grids.at(output, reader)
        real = float(reads.scale) * made.grids.weights[name].scale / float(writes.scale)
        multiplier = np.asarray(arrays[f"{name}_multiplier"], np.float64)
        exponent = np.asarray(arrays[f"{name}_shift"], np.float64) - 31
        np.testing.assert_allclose(multiplier * 2**exponent, real, rtol=2**-22)
        assert defines[f"{name.upper()}_INPUT_OFFSET"] == shift - int(reads.zero_point)
        zero = int(writes.zero_point) - shift
        assert defines[f"{name.upper()}_OUTPUT_OFFSET"] == zero
        low, high = (0.0, np.inf) if name == "conv" else (-0.25, 1.5)
        ends = np.clip(np.rint(np.array([low, high]) / float(writes.scale)) + zero, -128, 127)
        found = [defines[f"{name.upper()}_ACTIVATION_{end}"] for end in ("MIN", "MAX")]
        assert found == ends.tolist()
    assert "depth_bias" not in arrays
    unit = float(made.grids.at("x", "conv").scale) * made.grids.weights["conv"].scale
    np.testing.assert_allclose(
        arrays["conv_bias"] * unit, made.model.constant("b"), atol=unit.max()
    )
    compiler = shutil.which("cc")
    if compiler is not None:
        (tmp_path / "net.h").write_text(text)
        (tmp_path / "net.c").write_text(
            '#include "net.h"\nint32_t a(void) { return conv_shift[0]; }'
        )
        subprocess.run(
            [compiler, "-std=c99", "-Wall", "-c", "net.c", "-o", "net.o"],
            cwd=tmp_path,
            check=True,
        )


def test_identifiers_in_c_are_distinct(quantized: Quantize) -> None:
    """Whatever the names are, also where they differ in signs or capitals only."""
    names = {"conv": "a/b */", "depth": "A.b"}
    made = quantized(network(names), "int8", "uint8")
    text = write(made, "cmsis-nn")
    assert {name.rpartition("_")[0] for name in _arrays(text)} == {"a_b", "A_b_2"}
    assert text.count("/*") == text.count("*/")


@pytest.mark.parametrize(
    ("weights", "activations", "words"),
    [("int8", "float", "go together"), ("int5", "uint8", "int5"), ("uint8:asym", "uint8", "symm")],
)
def test_no_kernel_no_header(
    quantized: Quantize, weights: str, activations: str, words: str
) -> None:
    """The layer and the reason are named."""
    with pytest.raises(UnsupportedError, match=f"conv.*{words}"):
        write(quantized(network(), weights, activations), "cmsis-nn")


def test_onnxruntimes_quantizer_takes_the_overrides(quantized: Quantize, tmp_path: Path) -> None:
    """It writes our scales and zero points."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    proto = network()
    made = quantized(proto, "int8", "uint8")
    overrides = json.loads(write(made, "ort-overrides"))
    for entries in overrides.values():
        for entry in entries:
            signed = entry["quant_type"] == "QInt8"
            entry["quant_type"] = QuantType[entry["quant_type"]]
            entry["scale"] = np.asarray(entry["scale"], np.float32)
            entry["zero_point"] = np.asarray(entry["zero_point"], np.int8 if signed else np.uint8)
    known = {value.name for value in proto.graph.input} | {
        name for node in proto.graph.node for name in (*node.input, *node.output)
    }
    assert set(overrides) <= known

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self._feeds = iter(made.feeds)

        def get_next(self) -> Any:
            return next(self._feeds, None)

    source, target = tmp_path / "net.onnx", tmp_path / "small.onnx"
    onnx.save(proto, source)
    quantize_static(
        source,
        target,
        Reader(),
        per_channel=True,
        extra_options={"TensorQuantOverrides": overrides},
    )
    written = {one.name: numpy_helper.to_array(one) for one in onnx.load(target).graph.initializer}
    grids = grids_of(made)
    for name in ("x", "r", "w", "v", "m"):
        np.testing.assert_array_equal(written[f"{name}_scale"], grids[name].scale)
        np.testing.assert_array_equal(written[f"{name}_zero_point"], grids[name].zero_point)


def test_tidl_gets_widths_and_kinds(quantized: Quantize) -> None:
    """Sixteen bits for some layers become lists of their outputs."""
    acts = {"conv": "int8:sym", "depth": "int16:sym", "fc": "int8:sym"}
    made = quantized(network(), {"conv": "int8", "depth": "int16", "fc": "int16"}, acts)
    options = json.loads(write(made, "tidl"))
    assert options["tensor_bits"] == 8
    assert options["advanced_options:quantization_scale_type"] == 0
    assert options["advanced_options:output_feature_16bit_names_list"] == "d"
    assert options["advanced_options:params_16bit_names_list"] == "y"
    made = quantized(network(), "int8:pow2", "int8:sym:pow2")
    assert json.loads(write(made, "tidl"))["advanced_options:quantization_scale_type"] == 1
    made = quantized(network(), "int8", "uint8")
    assert json.loads(write(made, "tidl"))["advanced_options:quantization_scale_type"] == 4
    with pytest.raises(UnsupportedError, match="int4"):
        write(quantized(network(), "int4", "uint8"), "tidl")


def test_rknn_gets_its_settings(quantized: Quantize) -> None:
    """The nearest of its algorithms, and what is left to it in the notes."""
    made = quantized(network(), "int8:tensor", "int8:kl:asym")
    assert FORMATS["rknn"].write(encodings_of(made), "").entries == 3
    assert json.loads(write(made, "rknn")) == {
        "quantized_dtype": "w8a8",
        "quantized_algorithm": "kl_divergence",
        "quantized_method": "layer",
    }
    with pytest.raises(UnsupportedError, match="w8a8"):
        write(quantized(network(), "int4", "uint8"), "rknn")


def test_unknown_names_and_versions() -> None:
    """The nearest is named."""
    with pytest.raises(UnsupportedError, match="aimet"):
        format_of("aimett")
    with pytest.raises(UnsupportedError, match=r"2\.0\.0"):
        FORMATS["aimet"].version("3")
    with pytest.raises(UnsupportedError, match="Leave"):
        FORMATS["ncnn"].version("1")
    assert FORMATS["tensorrt"].version("10000") == "10000"
