"""Pictures as input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspector.errors import DataError
from inspector.evaluate.data import load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.images import read_image
from inspector.evaluate.inputs import InputSpec
from inspector.graph.model import Dim, Graph

GraphOf = Callable[..., Graph]
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def spec(*shape: Dim, dtype: str = "float32") -> InputSpec:
    """Describe an input."""
    return InputSpec("x", dtype, shape)


def save(path: Path, size: tuple[int, int] = (20, 10), color: object = (255, 0, 51)) -> Path:
    """Save a picture of one colour."""
    mode = "L" if isinstance(color, int) else "RGB"
    Image.new(mode, size, color).save(path)  # type: ignore[arg-type]
    return path


def read(path: Path, wanted: InputSpec, text: str = "") -> np.ndarray:
    """Read a picture as a model takes it."""
    return read_image(path, wanted, ImageOptions.parse(text).filled(wanted))


def test_defaults_are_imagenet(tmp_path: Path) -> None:
    """Defaults are ImageNet."""
    found = read(save(tmp_path / "a.png"), spec("N", 3, 4, 6))
    assert found.shape == (3, 4, 6)
    assert found.dtype == np.float32
    wanted = (np.array([1.0, 0.0, 0.2]) - MEAN) / STD
    np.testing.assert_allclose(found[:, 2, 3], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype", "text", "pixel"),
    [
        ((1, 3, 4, 6), "float32", "mean=0 std=1", [1.0, 0.0, 0.2]),
        ((1, 4, 6, 3), "float32", "mean=0 std=1 channels=BGR", [0.2, 0.0, 1.0]),
        ((1, 3, 4, 6), "float32", "scale=1", [255, 0, 51]),
        ((1, 3, 4, 6), "float32", "scale=1 channels=bgr", [51, 0, 255]),
        ((1, 3, 4, 6), "float32", "scale=1 mean=127 std=128", [1.0, -127 / 128, -76 / 128]),
        ((1, 3, 4, 6), "uint8", "", [255, 0, 51]),
        ((1, 4, 6, 3), "int8", "mean=128", [127, -128, -77]),
        ((3, 4, 6), "float32", "scale=1", [255, 0, 51]),
        ((None, None, None, None), "float32", "scale=1 size=4x6", [255, 0, 51]),
        ((1, 4, 4, 6), "float32", "", [1.0, 0.0, 0.2, 1.0]),
    ],
)
def test_options(
    tmp_path: Path, shape: tuple[Dim, ...], dtype: str, text: str, pixel: list[float]
) -> None:
    """Each option does what it says."""
    found = read(save(tmp_path / "a.png"), spec(*shape, dtype=dtype), text)
    assert found.dtype == dtype
    values = found[2, 3] if found.shape[-1] == 3 else found[:, 2, 3]
    np.testing.assert_allclose(values, pixel, rtol=1e-5)


def test_imagenet_follows_the_channels(tmp_path: Path) -> None:
    """ImageNet follows the channels."""
    path = save(tmp_path / "a.png")
    rgb, bgr = (read(path, spec(1, 3, 4, 4), f"channels={c}") for c in ("RGB", "BGR"))
    np.testing.assert_allclose(rgb, bgr[::-1], rtol=1e-5)


def test_gray(tmp_path: Path) -> None:
    """Gray pictures keep their values, of 8 and of 16 bits."""
    found = read(save(tmp_path / "a.png", color=51), spec("N", 1, 8, 8))
    np.testing.assert_allclose(found, np.full((1, 8, 8), 0.2), rtol=1e-5)
    deep = np.full((8, 8), 51 << 8, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = read(tmp_path / "deep.png", spec("N", 1, 8, 8))
    np.testing.assert_allclose(found, np.full((1, 8, 8), 0.2), rtol=1e-5)


def test_fits(tmp_path: Path) -> None:
    """Pictures are cropped, stretched or framed."""
    # Left third red, middle third green, right third blue.
    pixels = np.zeros((30, 90, 3), np.uint8)
    for third in range(3):
        pixels[:, third * 30 : third * 30 + 30, third] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    wanted = spec(1, 3, 30, 30)
    crop = read(tmp_path / "a.png", wanted, "scale=1 short_side=30")
    np.testing.assert_array_equal(crop.mean(axis=(1, 2)), [0, 255, 0])
    stretch = read(tmp_path / "a.png", wanted, "scale=1 fit=stretch")
    np.testing.assert_allclose(stretch.mean(axis=(1, 2)), [85, 85, 85], atol=3)
    box = read(tmp_path / "a.png", wanted, "scale=1 fit=letterbox")
    assert (box[:, 0] == 114).all()
    assert (box[:, 29] == 114).all()
    assert (box[0, 12:18, 3] == 255).all()


def test_exif_turns_pictures_upright(tmp_path: Path) -> None:
    """EXIF turns pictures upright."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    found = read(tmp_path / "a.png", spec(1, 3, 8, 8), "scale=1 fit=stretch")
    assert found[0, 0, 0] == 0
    assert found[0, 7, 0] == 255


def test_folder_with_labels(tmp_path: Path, graph_of: GraphOf) -> None:
    """Folder with labels."""
    for number in (1, 2, 10):
        save(tmp_path / f"p{number}.png", color=(number, 0, 0))
    (tmp_path / "labels.csv").write_text("file,class\np10.png,7,x\np1.png,3\np2.png,\ngone.png,1\n")
    graph = graph_of(x=("float32", ["N", 3, 8, 8]))
    data = load_data(tmp_path, graph, images=ImageOptions(scale=1.0))
    assert [feeds["x"][0, 0, 0, 0] for feeds in data.samples()] == [1, 2, 10]
    assert data.labels is not None
    assert data.labels.tolist() == [3, -1, 7]
    assert any("RGB 8x8 NCHW" in note for note in data.notes)
    assert len(load_data(tmp_path / "p1.png", graph)) == 1
    batches = load_data(tmp_path, graph_of(x=("float32", [2, 3, 8, 8])))
    assert len(batches) == 1
    assert batches.feeds(0)["x"].shape == (2, 3, 8, 8)
    assert batches.labels is not None
    assert batches.labels.tolist() == [[3, -1]]
    single = load_data(tmp_path, graph_of(x=("float32", [3, 8, 8])))
    assert single.feeds(2)["x"].shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("shape", "text", "words"),
    [
        ((1, 1960), "", "no height"),
        ((1, 7, 9, 9), "", "1, 3 or 4 channels"),
        ((1, 3, 8, 8), "channels=GRAY", "1 channels"),
        ((1, 3, 8, 8), "layout=NHWC", "8 channels"),
        ((1, 3, 8, 8), "size=9x8", "9 x 8"),
        ((1, 3, 8, 8), "mean=1,2", "2 values"),
    ],
)
def test_inputs_that_take_no_such_pictures(
    tmp_path: Path, graph_of: GraphOf, shape: tuple[int, ...], text: str, words: str
) -> None:
    """Inputs that take no such pictures."""
    save(tmp_path / "a.png")
    with pytest.raises(DataError, match=words):
        load_data(tmp_path, graph_of(x=("float32", shape)), images=ImageOptions.parse(text))


@pytest.mark.parametrize(
    "text",
    ["size=0", "size=1x2x3", "size=big", "mean=", "mean=a", "std=0", "std=1,0,1", "scale=1,2",
     "scale=nan", "layout=CHW", "fit=zoom", "color=RGB", "BGR", "mean=0 mean=1", "short_side=0"],
)  # fmt: skip
def test_wrong_options_are_told(text: str) -> None:
    """Wrong options are told."""
    with pytest.raises(DataError, match="Image option"):
        ImageOptions.parse(text)


@pytest.mark.parametrize(
    "text", ["", "size=640x480 channels=BGR fit=letterbox", "scale=0.5 mean=0.1,0.2,0.3 std=2.0"]
)
def test_options_print_as_they_are_read(text: str) -> None:
    """Options print as they are read."""
    options = ImageOptions.parse(text)
    assert ImageOptions.parse(str(options)) == options


def test_bad_pictures(tmp_path: Path, graph_of: GraphOf) -> None:
    """Files that are no pictures are told."""
    graph = graph_of(x=("float32", [1, 3, 8, 8]))
    whole = save(tmp_path / "ok.png", (300, 300)).read_bytes()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.jpg")
    jpeg = (tmp_path / "noise.jpg").read_bytes()
    for name, content in {
        "text.png": b"hello",
        "empty.jpg": b"",
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_data(path, graph).feeds(0)
        assert str(path) in caught.value.message
        assert caught.value.hint


def test_bombs_are_refused(
    tmp_path: Path, graph_of: GraphOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bombs are refused."""
    path = save(tmp_path / "a.png", (40, 40))
    graph = graph_of(x=("float32", [1, 3, 8, 8]))
    for limit in (1000, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match="too many pixels"):
            load_data(path, graph).feeds(0)


def test_bad_labels_and_counts(tmp_path: Path, graph_of: GraphOf) -> None:
    """Bad labels and counts."""
    save(tmp_path / "a.png")
    with pytest.raises(DataError, match="takes 2 at once"):
        load_data(tmp_path, graph_of(x=("float32", [2, 3, 8, 8])))
    with pytest.raises(DataError, match="2 inputs"):
        load_data(tmp_path, graph_of(x=("float32", [1, 3, 8, 8]), y=("float32", [1])))
    (tmp_path / "labels.csv").write_text("file,class\na.png,cat\n")
    with pytest.raises(DataError, match="line 2: 'cat'"):
        load_data(tmp_path, graph_of(x=("float32", [1, 3, 8, 8])))
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        load_data(tmp_path, graph_of(x=("float32", [1, 3, 8, 8])))


def test_real_pictures_are_recognised(shared_models: Path) -> None:
    """Real pictures are recognised."""
    from inspector.evaluate.runtime import open_session
    from inspector.onnxio.extract import extract_graph
    from inspector.onnxio.loading import load_model

    path = shared_models / "float" / "mobilenetv1_025_imagenet.onnx"
    data = load_data(
        shared_models / "inputs" / "images_permissive", extract_graph(load_model(path))
    )
    assert data.labels is not None
    session = open_session(path)
    known = np.flatnonzero(data.labels >= 0)
    scores = [next(iter(session.run(data.feeds(i)).values()))[0] for i in known]
    top5 = [
        label in np.argsort(s)[-5:] for s, label in zip(scores, data.labels[known], strict=True)
    ]
    assert np.mean(top5) >= 0.6
