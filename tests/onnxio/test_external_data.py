"""External data: mapped, checked, never outside the model's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import ModelError, UnsupportedError
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model
from inspector.onnxio.passes import prepare
from inspector.onnxio.runnable import runnable
from inspector.onnxio.tensors import MappedFile

node = helper.make_node
WEIGHT = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
FEEDS = {"x": np.ones((1, 64), np.float32)}


@pytest.fixture
def proto(build) -> onnx.ModelProto:
    """Two products with weights, the second small."""
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc"), node("MatMul", ["m", "v"], ["y"], "last")]
    return build(nodes, {"x": ("N", 64)}, ["y"], {"w": WEIGHT, "v": WEIGHT[:, :2].copy()})


@pytest.fixture
def file(proto, tmp_path) -> Path:
    """The model with all its weights in a data file, as onnx writes it."""
    path = tmp_path / "model" / "model.onnx"
    path.parent.mkdir()
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    onnx.save(copy, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def entry(path: Path, key: str, value: str, index: int = 0) -> None:
    """Change what a model says of its external data."""
    proto = onnx.load(path, load_external_data=False)
    for item in proto.graph.initializer[index].external_data:
        if item.key == key:
            item.value = value
            break
    else:
        proto.graph.initializer[index].external_data.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())


def test_data_files_of_small_weights_count_too(proto, tmp_path) -> None:
    """They are part of the model, though read at once: its size, and what must not be written."""
    small = onnx.ModelProto()
    small.CopyFrom(proto)
    for tensor, shape in zip(small.graph.initializer, ((64, 2), (2, 2)), strict=True):
        tensor.CopyFrom(numpy_helper.from_array(np.ones(shape, np.float32), tensor.name))
    path = tmp_path / "m.onnx"
    onnx.save(small, path, save_as_external_data=True, location="w", size_threshold=0)
    model = load_model(path)
    assert not model.sources
    assert model.external_files == {(tmp_path / "w").resolve()}
    assert model.file_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())


def test_weights_are_mapped_and_the_model_runs(file, proto, run) -> None:
    """Weights are mapped and the model runs."""
    model = load_model(file)
    assert model.constants["w"] == ("float32", (64, 64))
    weight = model.constant("w")
    assert not weight.flags.owndata
    assert not weight.flags.writeable
    np.testing.assert_array_equal(weight, WEIGHT)
    assert [layer.weight for layer in extract_graph(model).layers] == ["w", "v"]
    prepared, _ = prepare(model)
    assert np.shares_memory(prepared.constant("w"), weight)
    expected = run(proto.SerializeToString(), FEEDS)[0]
    actual = run(whole_proto(prepared).SerializeToString(), FEEDS)[0]
    np.testing.assert_array_equal(actual, expected)


def test_nothing_is_read_until_it_is_asked_for(file, monkeypatch) -> None:
    """Nothing is read until it is asked for."""
    read: list[int] = []
    view = MappedFile.view
    monkeypatch.setattr(
        MappedFile, "view", lambda self, at, count: (read.append(count), view(self, at, count))[1]
    )
    model = load_model(file)
    assert read == [64 * 2 * 4]  # the small one, which the proto holds
    read.clear()
    prepared, _ = prepare(model)
    extract_graph(prepared)
    assert prepared.size_bytes == WEIGHT.nbytes + 512
    assert not read
    prepared.constant("w")
    assert len(read) == 1


def test_the_key_does_not_depend_on_the_data_files_name(file) -> None:
    """The key does not depend on the data file's name, and does on its content."""
    key = load_model(file).key
    renamed = file.parent / "other.bin"
    (file.parent / "weights.bin").rename(renamed)
    for index in (0, 1):
        entry(file, "location", "other.bin", index)
    assert load_model(file).key == key
    data = bytearray(renamed.read_bytes())
    data[100] ^= 1
    renamed.write_bytes(bytes(data))
    assert load_model(file).key != key


BAD = {
    "missing": ("location", "nowhere.bin", "which is not in"),
    "absolute": ("location", "/etc/passwd", "absolute path"),
    "drive": ("location", "C:\\weights.bin", "absolute path"),
    "root": ("location", "\\\\host\\weights.bin", "absolute path"),
    "up": ("location", "../weights.bin", "leaves the model's folder"),
    "up inside": ("location", "sub/../../weights.bin", "leaves the model's folder"),
    "up back": ("location", "..\\weights.bin", "leaves the model's folder"),
    "none": ("location", "", "names no file"),
    "null": ("location", "a\0b", "names no file"),
    "folder": ("location", ".", "not a regular file"),
    "negative": ("offset", "-4", "the offset '-4'"),
    "not a number": ("offset", "four", "the offset 'four'"),
    "far": ("offset", "99999999", "cut short"),
    "short": ("length", "8", "needs 16384"),
    "long": ("length", "16388", "needs 16384"),
    "in memory": ("location", "*/_ORT_MEM_ADDR_/*", "which is not in"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_external_data_names_the_file_and_the_tensor(file, name) -> None:
    """Bad external data names the file and the tensor."""
    key, value, words = BAD[name]
    entry(file, key, value)
    with pytest.raises(ModelError, match=words) as error:
        load_model(file)
    assert str(file) in error.value.message
    assert "'w'" in error.value.message
    assert error.value.hint


def test_links_out_of_the_folder_are_refused(file, tmp_path) -> None:
    """A file, and a folder on the way to it; links that stay inside are fine."""
    data = file.parent / "weights.bin"
    outside = tmp_path / "outside"
    outside.mkdir()
    data.rename(outside / "weights.bin")
    data.symlink_to(outside / "weights.bin")
    with pytest.raises(ModelError, match="a link that leaves"):
        load_model(file)
    data.unlink()
    (file.parent / "sub").symlink_to(outside)
    entry(file, "location", "sub/weights.bin")
    with pytest.raises(ModelError, match="a link that leaves"):
        load_model(file)
    (file.parent / "sub").unlink()
    (outside / "weights.bin").rename(file.parent / "real.bin")
    data.symlink_to(file.parent / "real.bin")
    entry(file, "location", "weights.bin")
    np.testing.assert_array_equal(load_model(file).constant("w"), WEIGHT)


def test_links_in_a_circle_are_refused(file) -> None:
    """Links in a circle are refused."""
    data = file.parent / "weights.bin"
    data.unlink()
    data.symlink_to(data)
    with pytest.raises(ModelError, match=r"weights\.bin"):
        load_model(file)


def test_data_that_is_removed_later_stays_readable(file) -> None:
    """Data that is removed after the model was opened stays readable."""
    model = load_model(file)
    (file.parent / "weights.bin").unlink()
    np.testing.assert_array_equal(model.constant("w"), WEIGHT)


def test_data_that_is_cut_short_later(file) -> None:
    """Data that is cut short after the model was opened."""
    model = load_model(file)
    data = file.parent / "weights.bin"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(ModelError, match="shorter than when"):
        model.constant("w")


def test_text_cannot_be_external(file) -> None:
    """Text cannot be external."""
    proto = onnx.load(file, load_external_data=False)
    proto.graph.initializer[0].data_type = TensorProto.STRING
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="string"):
        load_model(file)


def test_external_tensors_of_attributes_and_subgraphs(build, tmp_path, run) -> None:
    """They are checked and read when the model is loaded: a proto has no other place for them."""
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())

    def external(name: str) -> TensorProto:
        tensor = TensorProto(name=name, dims=WEIGHT.shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="w.bin")
        return tensor

    out = helper.make_tensor_value_info("m", TensorProto.FLOAT, None)
    branch = helper.make_graph([node("MatMul", ["x", "w"], ["m"])], "b", [], [out], [external("w")])
    nodes = [
        node("Constant", [], ["c"], value=external("")),
        node("ReduceSum", ["c"], ["sum"], keepdims=0),
        node("Less", ["sum", "sum"], ["test"]),
        node("If", ["test"], ["y"], then_branch=branch, else_branch=branch),
    ]
    path = tmp_path / "model.onnx"
    path.write_bytes(build(nodes, {"x": (1, 64)}, ["y"]).SerializeToString())
    model = load_model(path)
    np.testing.assert_array_equal(model.constant("c"), WEIGHT)
    actual = run(whole_proto(prepare(model)[0]).SerializeToString(), FEEDS)[0]
    np.testing.assert_allclose(actual, FEEDS["x"] @ WEIGHT, rtol=1e-5, atol=1e-5)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(ModelError, match=r"w\.bin"):
        load_model(path)


@pytest.mark.parametrize("kind", ["INT4", "BFLOAT16", "FLOAT16"])
def test_external_data_of_unusual_types(build, tmp_path, kind) -> None:
    """Two 4-bit numbers share a byte."""
    elem_type = TensorProto.DataType.Value(kind)
    tensor = helper.make_tensor("c", elem_type, [9001], np.arange(9001) % 7)
    expected = numpy_helper.to_array(tensor)
    packed = numpy_helper.from_array(expected)
    (tmp_path / "c.bin").write_bytes(bytes(64) + packed.raw_data)
    stub = TensorProto(name="c", dims=[9001], data_type=elem_type)
    stub.data_location = TensorProto.EXTERNAL
    stub.external_data.add(key="location", value="c.bin")
    stub.external_data.add(key="offset", value="64")
    proto = build([], {}, ["c"], opset=21)
    proto.graph.initializer.append(stub)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    model = load_model(path)
    assert (model.constant("c") == expected).all()
    whole = whole_proto(model).graph.initializer[0]
    assert (numpy_helper.to_array(whole) == expected).all()


def test_a_model_of_more_than_2_gb(build, tmp_path) -> None:
    """Loaded, prepared and shown without a look at its weights (the file has holes for them)."""
    shape = (1 << 15, 1 << 15)
    proto = build([node("MatMul", ["x", "w"], ["y"], "fc")], {"x": ("N", shape[0])}, ["y"])
    stub = TensorProto(name="w", dims=shape, data_type=TensorProto.FLOAT)
    stub.data_location = TensorProto.EXTERNAL
    stub.external_data.add(key="location", value="w.bin")
    proto.graph.initializer.append(stub)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(4 << 30)
    model, _ = prepare(load_model(path))
    (layer,) = extract_graph(model).layers
    assert layer.weight_shape == shape
    assert model.size_bytes == 4 << 30
    assert model.key
    assert model.constant("w")[-1, -1] == 0
    assert runnable(model).arrays["w"].shape == shape
    with pytest.raises(UnsupportedError, match="larger than 2 GB"):
        whole_proto(model)
