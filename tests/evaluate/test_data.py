"""Data files and folders, good and bad."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from inspector.errors import DataError
from inspector.evaluate.data import Dataset, load_data
from inspector.graph.model import Graph

GraphOf = Callable[..., Graph]


@pytest.fixture
def image(graph_of: GraphOf) -> Graph:
    """One input: image, float32 [N, 1, 4, 4]."""
    return graph_of(image=("float32", ["N", 1, 4, 4]))


@pytest.fixture
def two(graph_of: GraphOf) -> Graph:
    """Two inputs: tokens, int64 [N, 5], and rate, a float32 scalar."""
    return graph_of(tokens=("int64", ["N", 5]), rate=("float32", []))


def pictures(count: int = 6) -> np.ndarray:
    """Make images with random pixels."""
    return np.random.default_rng(3).standard_normal((count, 1, 4, 4)).astype(np.float32)


def joined(data: Dataset, name: str = "image") -> np.ndarray:
    """Read all samples of one input."""
    return np.concatenate([feeds[name] for feeds in data.samples()])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_by_name(tmp_path: Path, image: Graph, compressed: bool, order: str) -> None:
    """An archive gives arrays by name, compressed or not."""
    values = np.asarray(pictures(), order=order)  # type: ignore[call-overload]
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", image=values, label=np.arange(6))
    data = load_data(tmp_path / "a.npz", image)
    assert len(data) == 6
    assert data.source == str(tmp_path / "a.npz")
    assert not data.random
    np.testing.assert_array_equal(joined(data), pictures())
    np.testing.assert_array_equal(data.labels, np.arange(6))
    # In any order, too: a compressed array is read from the front.
    for index in (5, 0, 3, 3):
        np.testing.assert_array_equal(data.feeds(index)["image"], pictures()[index : index + 1])


def test_the_only_array_needs_no_name(tmp_path: Path, image: Graph) -> None:
    """The only array needs no name."""
    np.savez(tmp_path / "a.npz", arr_0=pictures(), targets=np.zeros((6, 2), np.uint8))
    np.save(tmp_path / "b.npy", pictures().astype(">f8"))
    first, second = (load_data(tmp_path / n, image) for n in ("a.npz", "b.npy"))
    np.testing.assert_array_equal(joined(first), joined(second))
    assert first.labels is not None
    assert first.labels.shape == (6, 2)
    assert second.labels is None


def test_several_inputs_share_a_single_value(tmp_path: Path, two: Graph) -> None:
    """Several inputs share a single value."""
    tokens = np.arange(15, dtype=np.int32).reshape(3, 5)
    np.savez(tmp_path / "a.npz", tokens=tokens, rate=np.float64(16000), extra=np.zeros(3))
    data = load_data(tmp_path / "a.npz", two)
    assert len(data) == 3
    feeds = data.feeds(2)
    assert feeds["tokens"].dtype == np.int64
    np.testing.assert_array_equal(feeds["tokens"], tokens[2:])
    assert feeds["rate"].shape == ()
    assert feeds["rate"].dtype == np.float32
    assert any("'extra'" in note for note in data.notes)


def test_one_sample_for_a_model_with_caches(tmp_path: Path, graph_of: GraphOf) -> None:
    """One sample for a model with caches."""
    graph = graph_of(mix=("float32", [1, 7, 2]), cache=("float32", [2, 1, 3]))
    np.savez(tmp_path / "a.npz", mix=np.ones((1, 7, 2)), cache=np.zeros((2, 1, 3)))
    np.savez(tmp_path / "b.npz", mix=np.ones((4, 7, 2)), cache=np.zeros((4, 2, 1, 3)))
    for name, count in (("a.npz", 1), ("b.npz", 4)):
        data = load_data(tmp_path / name, graph)
        assert len(data) == count
        assert {k: v.shape for k, v in data.feeds(0).items()} == {
            "mix": (1, 7, 2),
            "cache": (2, 1, 3),
        }


def test_fixed_batches_are_filled(tmp_path: Path, graph_of: GraphOf) -> None:
    """Fixed batches are filled."""
    graph = graph_of(x=("float32", [4, 3]))
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.savez(tmp_path / "a.npz", x=values, label=np.arange(10))
    data = load_data(tmp_path / "a.npz", graph)
    assert len(data) == 2
    np.testing.assert_array_equal(joined(data, "x"), values[:8])
    np.testing.assert_array_equal(data.labels, [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert any("last 2 rows" in note for note in data.notes)


def test_folder_of_arrays_in_the_order_of_people(tmp_path: Path, image: Graph) -> None:
    """Folder of arrays in the order of people."""
    for number in (1, 2, 10):
        np.save(tmp_path / f"s{number}.npy", np.full((1, 4, 4), number, np.float32))
    (tmp_path / "notes.txt").write_text("not data")
    data = load_data(tmp_path, image)
    assert [feeds["image"].max() for feeds in data.samples()] == [1, 2, 10]
    assert data.feeds(0)["image"].shape == (1, 1, 4, 4)


def test_folder_of_archives_joins_labels(tmp_path: Path, image: Graph) -> None:
    """Folder of archives joins labels."""
    np.savez(tmp_path / "a.npz", image=pictures(2), label=[7, 8])
    np.savez(tmp_path / "b.npz", image=pictures(3), label=[9, 1, 2])
    data = load_data(tmp_path, image)
    np.testing.assert_array_equal(data.labels, [7, 8, 9, 1, 2])
    np.savez(tmp_path / "c.npz", image=pictures(1))
    data = load_data(tmp_path, image)
    assert data.labels is None
    assert any("Labels are ignored" in note for note in data.notes)


def test_folder_with_an_array_for_each_input(tmp_path: Path, two: Graph) -> None:
    """Folder with an array for each input."""
    np.save(tmp_path / "tokens.npy", np.zeros((3, 5), np.int64))
    np.save(tmp_path / "rate.npy", np.float32(5))
    assert len(load_data(tmp_path, two)) == 3


def test_inputs_of_different_lengths_in_different_files(tmp_path: Path, graph_of: GraphOf) -> None:
    """Inputs of different lengths in different files."""
    graph = graph_of(tokens=("int64", ["N", "length"]))
    for length in (3, 9, 5):
        np.save(tmp_path / f"{length}.npy", np.zeros((1, length), np.int64))
    data = load_data(tmp_path, graph)
    assert [f["tokens"].shape[1] for f in data.samples()] == [3, 5, 9]
    assert data.largest() == 2


@pytest.mark.parametrize("named", [True, False])
def test_onnx_test_data(tmp_path: Path, two: Graph, named: bool) -> None:
    """Test sets are matched by name, or else by number."""
    for number in (0, 1, 2):
        folder = tmp_path / f"test_data_set_{number}"
        folder.mkdir()
        # Names win over numbers.
        order = ("rate", "tokens") if named else ("tokens", "rate")
        values = {"tokens": np.full((1, 5), number), "rate": np.float32(number)}
        for position, name in enumerate(order):
            tensor = numpy_helper.from_array(np.asarray(values[name]), name if named else "")
            (folder / f"input_{position}.pb").write_bytes(tensor.SerializeToString())
        (folder / "output_0.pb").write_bytes(b"never read")
    data = load_data(tmp_path, two)
    assert [float(f["rate"]) for f in data.samples()] == [0, 1, 2]
    assert load_data(tmp_path / "test_data_set_1", two).feeds(0)["tokens"].max() == 1


def test_limit_and_split_spread_over_all(tmp_path: Path, image: Graph) -> None:
    """Limit and split spread over all."""
    np.savez(tmp_path / "a.npz", image=pictures(10), label=np.arange(10))
    data = load_data(tmp_path / "a.npz", image, limit=5)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 2, 4, 6, 8]
    calibration, held = load_data(tmp_path / "a.npz", image).split(3)
    assert held.labels is not None
    assert calibration.labels is not None
    assert held.labels.tolist() == [1, 5, 8]
    assert sorted([*held.labels, *calibration.labels]) == list(range(10))
    np.testing.assert_array_equal(held.feeds(1)["image"][0], pictures(10)[5])
    for count in (0, 1, 9, 10, 99):
        parts = load_data(tmp_path / "a.npz", image).split(count)
        assert [len(p) for p in parts] == [10 - min(count, 9), min(count, 9)]
    assert [len(p) for p in data.subset([3]).split(2)] == [1, 0]
    assert len(list(data.samples(1, 3))) == 2
    with pytest.raises(DataError):
        load_data(tmp_path / "a.npz", image, limit=0)


def save_bad(path: Path, values: object) -> None:
    """Save what may not be loaded."""
    np.save(path, values, allow_pickle=True)  # type: ignore[arg-type]


BAD_ARRAYS = {
    "shape": (np.zeros((2, 1, 5, 4), np.float32), ["[2, 1, 5, 4]", "[N, 1, 4, 4]", "'image'"]),
    "channels last": (np.zeros((2, 4, 4, 1), np.float32), ["(0, 3, 1, 2)"]),
    "axes": (np.zeros((2, 2), np.float32), ["[2, 2]", "'image'"]),
    "none": (np.zeros((0, 1, 4, 4), np.float32), ["[0, 1, 4, 4]"]),
    "objects": (np.array([{}, None]), ["Python objects"]),
    "text": (np.array(["a"]), ["not numbers"]),
    "complex": (np.zeros((2, 1, 4, 4), complex), ["not numbers"]),
    "records": (np.zeros(3, [("a", "f4")]), ["not numbers"]),
    "times": (np.zeros(3, "M8[s]"), ["not numbers"]),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
@pytest.mark.parametrize("kind", ["npy", "npz", "folder"])
def test_bad_arrays(tmp_path: Path, image: Graph, case: str, kind: str) -> None:
    """Each error names the file, the array and what is wrong."""
    values, words = BAD_ARRAYS[case]
    path = tmp_path / f"bad.{kind}"
    if kind == "npz":
        np.savez(path, image=values, allow_pickle=True)
    elif kind == "npy":
        save_bad(path, values)
    else:
        path.mkdir()
        save_bad(path / "x.npy", values)
    with pytest.raises(DataError) as caught:
        load_data(path, image)
    assert all(word in str(caught.value) for word in [*words, str(path)])


def test_bad_types_say_what_the_model_wants(tmp_path: Path, two: Graph) -> None:
    """Bad types say what the model wants."""
    np.savez(tmp_path / "a.npz", tokens=np.zeros((2, 5), np.float32), rate=1.0)
    with pytest.raises(DataError, match=r"'tokens' is float32; the model's input .* wants int64"):
        load_data(tmp_path / "a.npz", two)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"tokens": np.zeros((2, 5), int)}, ["'rate'", "float32 []", "'tokens' (int64 [2, 5])"]),
        ({"a": np.zeros(2), "b": np.zeros(2)}, ["inputs 'tokens'", "'rate'", "'a'", "'b'"]),
        ({"labels": np.zeros(2)}, ["labels only"]),
        (
            {"tokens": np.zeros((2, 5), int), "rate": np.zeros(3)},
            ["different numbers of samples", "'tokens' 2", "'rate' 3"],
        ),
        (
            {"tokens": np.zeros((2, 5), int), "rate": 1.0, "label": np.zeros(3, int)},
            ["'label' is [3] for 2 samples"],
        ),
        ({"tokens": np.zeros((2, 5), int), "rate": np.float32(np.nan)}, ["'rate'", "NaN"]),
    ],
)
def test_bad_archives(
    tmp_path: Path, two: Graph, arrays: dict[str, np.ndarray], words: list[str]
) -> None:
    """Archives that do not fit say why."""
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        load_data(tmp_path / "a.npz", two).feeds(0)
    assert all(word in str(caught.value) for word in [*words, str(tmp_path)])


def test_damaged_files(tmp_path: Path, image: Graph) -> None:
    """Damaged files are told, never crash."""
    np.savez_compressed(tmp_path / "ok.npz", image=pictures(50))
    np.savez(tmp_path / "plain.npz", image=pictures(50))
    np.save(tmp_path / "ok.npy", pictures(50))
    whole = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    flipped = bytearray(whole["ok.npz"])
    flipped[200:260] = bytes(60)
    cases = {
        "empty.npz": b"",
        "text.npz": b"hello there",
        "cut.npz": whole["ok.npz"][:900],
        "plain_cut.npz": whole["plain.npz"][:900],
        "cut.npy": whole["ok.npy"][:900],
        "head.npy": whole["ok.npy"][:20],
        "flipped.npz": bytes(flipped),
        "header.npy": whole["ok.npy"].replace(b"(50, 1, 4, 4)", b"(-5, 1, 4, 4)"),
        "huge.npy": whole["ok.npy"].replace(b"(50, 1, 4, 4), }   ", b"(99999999999, 4), }"),
        "code.npy": whole["ok.npy"].replace(b"(50, 1, 4, 4)", b"exit(1)      "),
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            list(load_data(path, image).samples())
        assert str(path) in caught.value.message, name
        assert caught.value.hint, name


def test_data_that_shrinks_after_it_was_opened(tmp_path: Path, image: Graph) -> None:
    """Data that shrinks after it was opened."""
    path = tmp_path / "a.npy"
    np.save(path, pictures())
    data = load_data(path, image)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="cut short"):
        data.feeds(5)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        data.feeds(0)


def test_odd_archives(tmp_path: Path, image: Graph) -> None:
    """Archives without arrays are told."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no arrays here")
    with pytest.raises(DataError, match="holds no arrays"):
        load_data(path, image)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", b"garbage")
    with pytest.raises(DataError, match="'image' cannot be read"):
        load_data(path, image)


def test_paths_that_are_no_data(tmp_path: Path, image: Graph, two: Graph) -> None:
    """Paths that are no data."""
    (tmp_path / "data.csv").write_text("1,2")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("1,2")
    os.mkfifo(tmp_path / "pipe.npz")
    for name, words in {
        "gone.npz": "does not exist",
        "data.csv": "no kind",
        "empty": "is empty",
        "other": "nothing that data comes in",
        "pipe.npz": "not a regular file",
    }.items():
        with pytest.raises(DataError, match=words) as caught:
            load_data(tmp_path / name, image)
        assert str(tmp_path / name) in caught.value.message
    np.save(tmp_path / "one.npy", np.zeros((2, 5), int))
    with pytest.raises(DataError, match="one array"):
        load_data(tmp_path / "one.npy", two)
    np.savez(tmp_path / "none.npz", image=np.zeros((0, 1, 4, 4), np.float32))
    with pytest.raises(DataError, match="holds no samples"):
        load_data(tmp_path / "none.npz", image)


def test_bad_test_data(tmp_path: Path, image: Graph) -> None:
    """Test data that holds no numbers is told."""
    text = TensorProto(name="image", data_type=TensorProto.STRING, dims=[1], string_data=[b"a"])
    outside = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=1)
    short = TensorProto(data_type=TensorProto.FLOAT, dims=[9], raw_data=b"1234")
    for content in (b"", b"\xff\xff\xff", *(t.SerializeToString() for t in (text, outside, short))):
        (tmp_path / "input_0.pb").write_bytes(content)
        with pytest.raises(DataError, match="input_0"):
            load_data(tmp_path, image)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "no inputs"),
        ({"x": ("string", ["N"])}, "of type string"),
        ({"x": ("sequence", [])}, "of type sequence"),
        ({"x": ("", [])}, "not a plain tensor"),
        ({"x": ("int4", [3])}, "of type int4"),
    ],
)
def test_models_that_cannot_be_fed(
    tmp_path: Path, graph_of: GraphOf, inputs: dict[str, tuple[str, list[int]]], words: str
) -> None:
    """Models that cannot be fed."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match=words):
        load_data(tmp_path / "a.npy", graph_of(**inputs))


def test_real_data(shared_models: Path) -> None:
    """Real calibration sets fit their models."""
    from inspector.onnxio.extract import extract_graph
    from inspector.onnxio.loading import load_model

    for model, file, count in (
        ("digits_cnn", "digits_eval", 597),
        ("charlm", "charlm_eval", 128),
        ("magika_standard_v3_3", "magika_eval", 76),
    ):
        graph = extract_graph(load_model(shared_models / "float" / f"{model}.onnx"))
        data = load_data(shared_models / "inputs" / f"{file}.npz", graph)
        assert len(data) == count
        assert data.labels is not None
        assert not data.notes
        assert data.feeds(count - 1).keys() == set(graph.inputs)


def test_labelled_samples_are_held_back(tmp_path: Path, image: Graph) -> None:
    """Where only some have labels, those tell how often a model is right; if they are enough."""
    labels = np.full(16, -1)
    labels[[3, 7, 8, 12]] = 5
    np.savez(tmp_path / "a.npz", image=np.zeros((16, 1, 4, 4), np.float32), labels=labels)
    data = load_data(tmp_path / "a.npz", image)
    used, held = data.split_for_verification()
    assert held.labels is not None
    assert held.labels.tolist() == [5, 5]
    assert len(used) == 14
    assert sorted([*used.order[:, 1], *held.order[:, 1]]) == list(range(16))
    many, few = data.split(6)
    assert (len(many), len(few)) == (10, 6)
