"""Values read piece by piece, against the same read whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.errors import ModelError
from inspector.onnxio.dequantized import dequantized
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model, model_of
from inspector.onnxio.values import (
    Dequantization,
    PackedValues,
    PlainValues,
    SparseValues,
    bytes_of,
    tensor_values,
)

NAMES = [
    name
    for name, _ in TensorProto.DataType.items()
    if name not in {"UNDEFINED", "STRING"} and not name.startswith("FLOAT6")
]


def model(*tensors: TensorProto, sparse: Any = ()) -> ModelProto:
    """A model that holds constants and little else."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [1])],
        [helper.make_tensor_value_info("y", 1, [1])],
        list(tensors),
        sparse_initializer=list(sparse),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def raw_tensor(name: str, kind: str, shape: tuple[int, ...]) -> TensorProto:
    """A tensor of random bytes of a type."""
    from inspector.onnxio.tensors import stored_bytes

    number = TensorProto.DataType.Value(kind)
    data = np.random.default_rng(number).integers(0, 2, stored_bytes(number, shape), np.uint8)
    if kind != "BOOL":
        data = data * 37
    return TensorProto(name=name, data_type=number, dims=shape, raw_data=data.tobytes())


@pytest.mark.parametrize("shape", [(5, 7), (129, 257)])
@pytest.mark.parametrize("kind", NAMES)
def test_any_stretch_is_that_of_the_whole(kind: str, shape: tuple[int, ...]) -> None:
    """Every type, small (in the message) and big (out of it), from and to any place."""
    tensor = raw_tensor("w", kind, shape)
    values = tensor_values(model_of(model(tensor)), "w")
    whole = numpy_helper.to_array(tensor).reshape(-1).astype(np.complex128)
    assert (values.shape, values.size) == (shape, whole.size)
    for start, stop in ((0, whole.size), (3, 4), (1, 30), (whole.size, whole.size), (2, 2)):
        part = values.read(start, stop).astype(np.complex128)
        np.testing.assert_array_equal(part, whole[start:stop])
    chunks = [chunk.astype(np.complex128) for chunk in values.chunks(11)]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)
    assert bytes_of(values.dtype, values.size) == len(tensor.raw_data)


def test_big_values_are_views_of_the_file(tmp_path: Path) -> None:
    """Neither plain nor packed values are copied when they are found."""
    proto = model(raw_tensor("w", "FLOAT", (100, 100)), raw_tensor("p", "INT4", (100, 100)))
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="m.data", size_threshold=100)
    loaded = load_model(path)
    plain, packed = tensor_values(loaded, "w"), tensor_values(loaded, "p")
    assert isinstance(plain, PlainValues)
    assert not plain.array.flags.owndata
    assert not plain.array.flags.writeable
    assert isinstance(packed, PackedValues)
    assert not packed.raw.flags.owndata


def test_strings_are_text() -> None:
    """Strings come as they are."""
    tensor = helper.make_tensor("s", TensorProto.STRING, [2], [b"a", "名".encode()])
    values = tensor_values(model_of(model(tensor)), "s")
    assert values.is_text
    assert [v.decode() if isinstance(v, bytes) else v for v in values.read(0, 2)] == ["a", "名"]


def sparse_tensor(dims: list[int], places: Any, values: Any) -> Any:
    """A sparse tensor named w."""
    stored = numpy_helper.from_array(np.asarray(values, np.float32), "w")
    return helper.make_sparse_tensor(stored, numpy_helper.from_array(np.asarray(places)), dims)


@pytest.mark.parametrize("places", [[7, 0, 11], [[1, 3], [0, 0], [2, 3]]])
def test_sparse_values_are_spread_where_they_are_read(places: Any) -> None:
    """Places in C order or as indices, in any order."""
    sparse = sparse_tensor([3, 4], places, [7.0, 1.0, 11.0])
    values = tensor_values(model_of(model(sparse=[sparse])), "w")
    assert isinstance(values, SparseValues)
    expected = [1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 11]
    assert values.read(0, 12).tolist() == expected
    assert values.read(6, 9).tolist() == expected[6:9]
    assert values.absent == 9
    assert np.concatenate(list(values.chunks())).sum() == 19


def test_a_sparse_tensor_of_any_size_takes_no_memory() -> None:
    """A million by a million is read where it is looked at."""
    sparse = sparse_tensor([1_000_000, 1_000_000], [[999_999, 999_999]], [5.0])
    values = tensor_values(model_of(model(sparse=[sparse])), "w")
    assert values.size == 10**12
    assert values.read(10**12 - 2, 10**12).tolist() == [0.0, 5.0]


@pytest.mark.parametrize("places", [[12], [-1], [[3, 0]], [[0, -1]], [1, 2]])
def test_sparse_places_out_of_the_shape_are_told(places: Any) -> None:
    """One clear error."""
    with pytest.raises(ModelError, match="do not fit its shape"):
        tensor_values(model_of(model(sparse=[sparse_tensor([3, 4], places, [1.0])])), "w")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 4),
    st.data(),
)
def test_dequantized_stretches_are_those_of_onnx(
    shape: list[int], axis: int, block: int, data: st.DataObject
) -> None:
    """Per tensor, channel and block, against the formula on the whole tensor."""
    axis %= len(shape)
    rng = np.random.default_rng(len(shape) + axis + block)
    codes = rng.integers(-128, 128, shape).astype(np.int8)
    scales = list(shape)
    scales[axis] = -(-shape[axis] // block) if block else shape[axis]
    along = tuple(scales) if block else (shape[axis],)
    scale = rng.uniform(0.1, 1, along).astype(np.float32)
    zero = rng.integers(-5, 5, along).astype(np.int8)
    held = model_of(
        model(
            *(numpy_helper.from_array(a, n) for a, n in ((codes, "q"), (scale, "s"), (zero, "z")))
        )
    )
    how = Dequantization("s", "z", axis, block)
    values = dequantized(held, tensor_values(held, "q"), how)
    if block:
        wide = [np.repeat(a, block, axis).take(range(shape[axis]), axis) for a in (scale, zero)]
    else:
        wide = [np.moveaxis(a.reshape(-1, *[1] * (len(shape) - 1)), 0, axis) for a in (scale, zero)]
    expected = ((codes.astype(np.float32) - wide[1]) * wide[0]).reshape(-1)
    start = data.draw(st.integers(0, codes.size))
    stop = data.draw(st.integers(start, codes.size))
    np.testing.assert_array_equal(values.read(start, stop), expected[start:stop])


@pytest.mark.parametrize(
    ("bits", "zeros"),
    [(b, z) for b in (2, 4, 8) for z in ("none", "packed", "float") if (b, z) != (8, "float")],
)
def test_codes_in_bytes_are_those_of_onnxruntime(bits: int, zeros: str) -> None:
    """A product with packed weights of the unit matrix gives the weights back."""
    rng = np.random.default_rng(bits)
    rows, blocks, size = 6, 3, 16
    packed = rng.integers(0, 256, (rows, blocks, size * bits // 8), np.uint8)
    scale = rng.uniform(0.1, 1, rows * blocks).astype(np.float32)
    points: Any = {
        "none": None,
        "packed": rng.integers(0, 256, rows * -(-blocks * bits // 8), np.uint8),
        "float": rng.uniform(0, 3, (rows, blocks)).astype(np.float32),
    }[zeros]
    constants = {"q": packed, "s": scale} | ({} if points is None else {"z": points})
    columns = blocks * size
    node = helper.make_node(
        "MatMulNBits",
        ["x", *constants],
        ["y"],
        domain="com.microsoft",
        K=columns,
        N=rows,
        bits=bits,
        block_size=size,
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", 1, [columns, columns])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    held = model_of(proto)
    how = Dequantization("s", "z" if "z" in constants else "", 0, size)
    values = dequantized(held, tensor_values(held, "q"), how)
    assert values.shape == (rows, columns)
    session = ort.InferenceSession(proto.SerializeToString())
    (expected,) = session.run(None, {"x": np.eye(columns, dtype=np.float32)})
    np.testing.assert_allclose(values.read(0, values.size).reshape(rows, -1), expected.T, atol=2e-2)


@pytest.mark.parametrize(
    "how", [Dequantization("s", "", 5), Dequantization("s", "", 1), Dequantization("no", "", None)]
)
def test_scales_that_do_not_fit_are_told(how: Dequantization) -> None:
    """Wrong axis, wrong length, and scales that are not constant."""
    held = model_of(
        model(
            numpy_helper.from_array(np.zeros((3, 4), np.int8), "q"),
            numpy_helper.from_array(np.ones(3, np.float32), "s"),
        )
    )
    with pytest.raises(ModelError, match="scales"):
        dequantized(held, tensor_values(held, "q"), how)


def test_constants_of_branches_are_those_of_the_branch() -> None:
    """Two branches may hold constants of one name."""

    def branch(name: str, value: float) -> Any:
        constant = numpy_helper.from_array(np.full(1, value, np.float32), "c")
        return helper.make_graph(
            [helper.make_node("Identity", ["c"], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", 1, [1])],
            [constant],
        )

    node = helper.make_node(
        "If", ["flag"], ["y"], name="if", then_branch=branch("t", 1), else_branch=branch("e", 2)
    )
    outer = numpy_helper.from_array(np.full(1, 3, np.float32), "outer")
    proto = helper.make_model(
        helper.make_graph(
            [node],
            "g",
            [helper.make_tensor_value_info("flag", TensorProto.BOOL, [])],
            [helper.make_tensor_value_info("y", 1, [1])],
            [outer],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    held: Model = model_of(proto)
    bodies = extract_graph(held).node("if").subgraphs
    assert tensor_values(held, "c", bodies["then_branch"]).read(0, 1).tolist() == [1]
    assert tensor_values(held, "c", bodies["else_branch"]).read(0, 1).tolist() == [2]
    assert tensor_values(held, "outer", bodies["then_branch"]).read(0, 1).tolist() == [3]
    with pytest.raises(ModelError, match="no values of the tensor 'c'"):
        tensor_values(held, "c")


def test_damaged_values_are_told() -> None:
    """Too few values for the shape."""
    tensor = TensorProto(name="w", data_type=1, dims=[4], raw_data=b"1234")
    with pytest.raises(ModelError, match="do not fit"):
        tensor_values(model_of(model(tensor)), "w")
