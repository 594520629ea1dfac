"""Files that are models, and files that are not."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import ModelError
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import STUB_BYTES, load_model, model_of

node = helper.make_node
WEIGHT = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)


@pytest.fixture
def proto(build) -> onnx.ModelProto:
    """A MatMul with a weight that is big enough to be kept outside the proto, and a small Add."""
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc"), node("Add", ["m", "b"], ["y"], "add")]
    return build(nodes, {"x": ("N", 64)}, ["y"], {"w": WEIGHT, "b": np.ones(64, np.float32)})


@pytest.fixture
def file(proto, tmp_path) -> Path:
    """That model as a file."""
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_big_weights_stay_out_of_the_proto(file, proto) -> None:
    """Big weights stay out of the proto."""
    model = load_model(file)
    assert model.proto.ByteSize() < 1000
    assert dict(model.constants) == {"w": ("float32", (64, 64)), "b": ("float32", (64,))}
    np.testing.assert_array_equal(model.constant("w"), WEIGHT)
    np.testing.assert_array_equal(model.constant("b"), np.ones(64))
    assert not model.constant("w").flags.writeable
    assert model.constant("w").base is not None
    assert model.size_bytes == 64 * 64 * 4 + 64 * 4
    with pytest.raises(KeyError):
        model.constant("nothing")
    assert proto.graph.initializer[0].raw_data


def test_weights_as_float_data_are_views_too(file, proto) -> None:
    """Packed float_data is laid out as raw_data is."""
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor).reshape(-1)
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values.tolist())
    file.write_bytes(proto.SerializeToString())
    model = load_model(file)
    assert model.proto.ByteSize() < 1000
    np.testing.assert_array_equal(model.constant("w"), WEIGHT)


@pytest.mark.parametrize(
    ("dtype", "field"),
    [("int64", "int64_data"), ("int32", "int32_data"), ("float64", "double_data"), ("bool", None)],
)
def test_weights_of_other_types(build, tmp_path, dtype, field) -> None:
    """Weights of other types, as raw bytes and as typed fields."""
    values = (np.arange(2000) % 7 - 3).astype(dtype)
    tensor = numpy_helper.from_array(values, "c")
    if field:
        tensor.ClearField("raw_data")
        getattr(tensor, field).extend(values.tolist())
    proto = build([node("Identity", ["c"], ["y"])], {}, ["y"])
    proto.graph.initializer.append(tensor)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    model = load_model(path)
    assert model.constants["c"] == (dtype, (2000,))
    np.testing.assert_array_equal(model.constant("c"), values)


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "BFLOAT16", "FLOAT8E4M3FN", "STRING"])
def test_unusual_types_are_read(build, tmp_path, kind) -> None:
    """4-bit, brain float, float8 and text."""
    elem_type = TensorProto.DataType.Value(kind)
    if kind == "STRING":
        tensor = helper.make_tensor("c", elem_type, [9000], [b"text"] * 9000)
    else:
        tensor = helper.make_tensor("c", elem_type, [9000], np.arange(9000) % 7)
    expected = numpy_helper.to_array(tensor)
    proto = build([], {}, ["c"], opset=21)
    proto.graph.initializer.append(tensor)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    model = load_model(path)
    assert model.constants["c"] == (kind.lower(), (9000,))
    actual = model.constant("c")
    assert actual.dtype == expected.dtype
    assert (actual == expected).all()


def test_sparse_initializers_are_constants(build, tmp_path) -> None:
    """Sparse initializers are constants."""
    proto = build([node("Add", ["x", "s"], ["y"])], {"x": (2, 3)}, ["y"])
    for name, indices in (("s", [1, 5]), ("t", [[0, 1], [1, 2]])):
        values = numpy_helper.from_array(np.array([2.0, 3.0], np.float32), name)
        place = numpy_helper.from_array(np.array(indices, np.int64), f"{name}.at")
        proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, place, [2, 3]))
    model = model_of(proto)
    assert extract_graph(model).tensor("s").constant
    for name in ("s", "t"):
        np.testing.assert_array_equal(model.constant(name), [[0, 2, 0], [0, 0, 3]])


def test_the_last_of_repeated_initializers_counts(file, proto) -> None:
    """As onnxruntime has it."""
    proto.graph.initializer.append(numpy_helper.from_array(WEIGHT + 1, "w"))
    file.write_bytes(proto.SerializeToString())
    model = load_model(file)
    np.testing.assert_array_equal(model.constant("w"), WEIGHT + 1)
    assert len(model.proto.graph.initializer) == 2


def test_the_key_is_of_the_content(file, proto, tmp_path) -> None:
    """Stable over copies and metadata, changed by a weight or an operator."""
    key = load_model(file).key
    copy = tmp_path / "deeper" / "copy.onnx"
    copy.parent.mkdir()
    shutil.copy(file, copy)
    assert load_model(copy).key == key
    proto.metadata_props.add(key="note", value="new")
    file.write_bytes(proto.SerializeToString())
    assert load_model(file).key == key
    changed = WEIGHT.copy()
    changed[5, 5] += 1
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(changed, "w"))
    file.write_bytes(proto.SerializeToString())
    other = load_model(file).key
    assert other != key
    proto.graph.node[1].op_type = "Mul"
    file.write_bytes(proto.SerializeToString())
    assert load_model(file).key not in {key, other}


def test_a_proto_and_its_file_are_the_same_model(file, proto) -> None:
    """A proto and its file are the same model."""
    assert model_of(proto).key == load_model(file).key
    assert model_of(proto).constants == load_model(file).constants


NOT_MODELS = {
    "empty": (b"", "is empty"),
    "text": (b"hello, this is no model\n" * 10, "a text file"),
    "json": (b'{"a": 1}', "a text file"),
    "page": (b"<!DOCTYPE html><html>not found</html>", "a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "zip": (b"PK\x03\x04" + bytes(100), "zip archive"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow Lite"),
    "ort": (b"\x1c\0\0\0ORTM" + bytes(100), ".ort"),
    "pickle": (b"\x80\x02}q\x00." + bytes(10), "pickle"),
    "safetensors": (b"\x40\0\0\0\0\0\0\0" + b'{"a": 1}', "safetensors"),
    "zeros": (bytes(1000), "not an ONNX model"),
    "noise": (bytes(range(255, 0, -1)), "not an ONNX model"),
    "no graph": (b"\x08\x08", "no graph"),
}


@pytest.mark.parametrize("name", NOT_MODELS)
def test_files_that_are_no_models_say_what_they_are(tmp_path, name) -> None:
    """Files that are no models say what they are."""
    data, words = NOT_MODELS[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=words) as error:
        load_model(path)
    assert str(path) in error.value.message
    assert error.value.hint


def test_paths_that_are_no_files(tmp_path) -> None:
    """Paths that are no files."""
    with pytest.raises(ModelError, match="There is no file"):
        load_model(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match="is a folder"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="There is no file"):
        load_model(tmp_path / "dangling.onnx" / "deeper.onnx")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.onnx")
        with pytest.raises(ModelError, match="not a regular file"):
            load_model(tmp_path / "pipe.onnx")


def test_versions_that_are_not_known(file, proto) -> None:
    """Newer IR, older and newer opset, none at all."""
    cases = []
    for ir_version, opset, words in (
        (onnx.IR_VERSION + 1, 17, "IR version"),
        (8, 6, "opset 6"),
        (8, 29, "opset 29"),
    ):
        proto.ir_version, proto.opset_import[0].version = ir_version, opset
        cases.append((proto.SerializeToString(), words))
    proto.opset_import[0].version = 17
    del proto.opset_import[:]
    cases.append((proto.SerializeToString(), "does not say which opset"))
    for data, words in cases:
        file.write_bytes(data)
        with pytest.raises(ModelError, match=words):
            load_model(file)


def test_values_that_do_not_fit_their_shape(file, proto) -> None:
    """Values that do not fit their shape."""
    proto.graph.initializer[0].dims[0] = 63
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="tensor 'w' do not fit its shape"):
        load_model(file)
    proto.graph.initializer[0].dims[0] = 64
    proto.graph.initializer[1].dims[0] = 63
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="tensor 'b' do not fit"):
        load_model(file).constant("b")


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_file_cut_anywhere_is_a_clear_error(build, tmp_path_factory, data) -> None:
    """A file cut anywhere is a clear error, and one with a byte changed never crashes."""
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc")]
    whole = build(nodes, {"x": ("N", 64)}, ["m"], {"w": WEIGHT}).SerializeToString()
    path = tmp_path_factory.getbasetemp() / "cut.onnx"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ModelError):
        load_model(path)
    changed = bytearray(whole)
    # Mostly the structure, not the weights.
    start = whole.index(WEIGHT.tobytes()[:64])
    near = st.integers(0, start) | st.integers(start + WEIGHT.nbytes, len(whole) - 1)
    changed[data.draw(near)] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(changed))
    with suppress(ModelError):
        extract_graph(load_model(path))


def test_small_weights_stay_in_the_proto(build) -> None:
    """Small weights stay in the proto, where shape inference reads them."""
    count = STUB_BYTES // 8 - 1
    proto = build([], {}, ["c"], {"c": np.zeros(count, np.int64)})
    assert not model_of(proto).sources
