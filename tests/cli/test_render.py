"""`render`: pictures of models, without a display, and what it refuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import onnx
import pytest
from onnx import TensorProto, helper
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from inspector.cli import render
from inspector.gui.theme import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"
TAGS = ("svg", "title", "desc", "rect", "g", "path", "polygon", "text")
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@pytest.fixture(autouse=True)
def _qt(qapp: QApplication) -> None:
    """One application for all tests of this process."""


def texts(path: Path) -> list[str]:
    """All that is written in an SVG file, which must be well-formed."""
    return [element.text or "" for element in ElementTree.parse(path).iter(f"{SVG}text")]


def save(path: Path, *nodes: onnx.NodeProto, **constants: onnx.TensorProto) -> Path:
    """A model from `x` to `y`."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    """A MatMul between quantizers, as others write them."""

    def scalar(name: str, kind: int, value: float) -> onnx.TensorProto:
        return helper.make_tensor(name, kind, [], [value])

    weight = helper.make_tensor("w", TensorProto.INT8, [4, 4], list(range(16)))
    return save(
        tmp_path / "q.onnx",
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"], "quantize"),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"], "dequantize"),
        helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wd"], "weights"),
        helper.make_node("MatMul", ["xd", "wd"], ["y"], "product"),
        w=weight,
        s=scalar("s", TensorProto.FLOAT, 0.1),
        z=scalar("z", TensorProto.UINT8, 3),
        wz=scalar("wz", TensorProto.INT8, 0),
    )


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_each_format(cli, model: Path, tmp_path: Path, ending: str) -> None:
    """The file is there, and one line says what, where and how large."""
    out = tmp_path / f"g.{ending}"
    ran = cli("render", model, "-o", out)
    assert (ran.code, ran.err) == (0, "")
    unit = "pt" if ending == "pdf" else "px"
    pattern = rf"Saved (\S+): {ending.upper()}, (\d+) × (\d+) {unit}, [\d.]+ kB\n"
    told = re.fullmatch(pattern, ran.out)
    assert told is not None
    assert told[1] == str(out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.stat().st_size > 5000
    if ending == "svg":
        assert texts(out).count("Conv") == 9
        assert "image" in texts(out)
        assert "N×1×8×8" in texts(out)
        assert ElementTree.parse(out).getroot().findtext(f"{SVG}title") == model.name
    elif ending == "png":
        image = QImage(str(out))
        assert (str(image.width()), str(image.height())) == (told[2], told[3])
        assert image.pixelColor(1, 1) == QColor(LIGHT.canvas)
    else:
        assert out.read_bytes().startswith(b"%PDF-")


def test_theme_direction_and_scale(cli, model: Path, tmp_path: Path) -> None:
    """Dark colours, to the right, three times as large."""
    images = []
    for number, options in enumerate(
        ((), ("--theme", "dark"), ("--direction", "right"), ("--scale", 3))
    ):
        out = tmp_path / f"{number}.png"
        assert cli("render", model, "-o", out, *options).code == 0
        images.append(QImage(str(out)))
    plain, dark, right, large = images
    assert dark.size() == plain.size()
    assert dark.pixelColor(1, 1) == QColor(DARK.canvas)
    assert right.width() > right.height()
    assert plain.width() < plain.height()
    assert abs(large.width() - 3 * plain.width()) <= 2
    assert abs(large.height() - 3 * plain.height()) <= 2


def test_quantizers_folded_and_raw(cli, quantized: Path, tmp_path: Path) -> None:
    """Folded they are specs on the card of the operator; raw they are nodes."""
    out = tmp_path / "g.svg"
    assert cli("render", quantized, "-o", out).code == 0
    folded = texts(out)
    assert "MatMul" in folded
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(folded)
    assert any(text.startswith("int8") for text in folded)
    assert any(text.startswith("uint8") for text in folded)
    assert cli("render", quantized, "-o", out, "--raw", "--force").code == 0
    raw = texts(out)
    assert (raw.count("QuantizeLinear"), raw.count("DequantizeLinear")) == (1, 2)
    assert not any(text.startswith("int8") for text in raw)


def test_attributes(cli, tmp_path: Path) -> None:
    """On the cards where that is asked for."""
    node = helper.make_node("LeakyRelu", ["x"], ["y"], "leaky", alpha=0.125)
    made, out = save(tmp_path / "m.onnx", node), tmp_path / "g.svg"
    assert cli("render", made, "-o", out).code == 0
    assert "0.125" not in texts(out)
    assert cli("render", made, "-o", out, "--attributes", "--force").code == 0
    assert {"alpha", "0.125"} <= set(texts(out))


def test_hostile_names(cli, tmp_path: Path) -> None:
    """In the model and in the paths; the line that is printed stays one line."""
    name = "<script>alert(1)</script>\n\x1b[31m" + "节" * 300
    node = helper.make_node(name, ["x"], ["y"], name, domain="evil")
    made = save(tmp_path / "a\nb<i>.onnx", node)
    out = tmp_path / "c\nd.svg"
    ran = cli("render", made, "-o", out)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    tags = {element.tag for element in ElementTree.parse(out).iter()}
    assert tags <= {f"{SVG}{tag}" for tag in TAGS}
    assert any("<script>" in text for text in texts(out))


def test_an_existing_file_is_kept(cli, model: Path, tmp_path: Path) -> None:
    """Unless it may be replaced; never the model itself."""
    out = tmp_path / "g.svg"
    out.write_text("before")
    ran = cli("render", model, "-o", out)
    assert (ran.code, ran.out) == (1, "")
    assert "exists already" in ran.err
    assert "--force" in ran.err
    assert out.read_text() == "before"
    assert cli("render", model, "-o", out, "--force").code == 0
    assert "Conv" in texts(out)
    own = tmp_path / "m.svg"
    own.write_bytes(model.read_bytes())
    ran = cli("render", own, "-o", own, "--force")
    assert ran.code == 1
    assert "which is read" in ran.err
    assert own.read_bytes() == model.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{tmp}/no.onnx", "-o", "{tmp}/g.svg"), "no.onnx"),
        (("{tmp}", "-o", "{tmp}/g.svg"), "is a folder"),
        (("{data}", "-o", "{tmp}/g.svg"), "digits_calibration.npz"),
        (("{model}", "-o", "{tmp}/g.jpg"), "cannot be saved as .jpg"),
        (("{model}", "-o", "{tmp}/graph"), "without an ending"),
        (("{model}", "-o", "{tmp}/no/g.svg"), "no folder"),
        (("{model}", "-o", "{tmp}"), "is a folder"),
        (("{model}", "-o", "/dev/null"), "regular file"),
        (("{model}", "-o", "{tmp}/" + "x" * 300 + ".svg"), "too long"),
    ],
)
def test_wrong_input(
    cli, model: Path, data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Exit code 1, one message of at most two lines, nothing left."""
    ran = cli("render", *(text.format(model=model, data=data, tmp=tmp_path) for text in arguments))
    assert (ran.code, ran.out) == (1, "")
    assert message in " ".join(ran.err.split())
    assert "fault of the program" not in ran.err
    assert len(ran.err.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [(), ("-o", "g.svg", "h.svg"), ("-o", "g.svg", "--theme", "pink"),
     ("-o", "g.svg", "--direction", "up"),
     ("-o", "g.svg", "--scale", "0"), ("-o", "g.svg", "--scale", "nan"),
     ("-o", "g.svg", "--scale", "1e9")],
)  # fmt: skip
def test_wrong_usage(
    cli, model: Path, tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and the usage."""
    monkeypatch.chdir(tmp_path)
    ran = cli("render", model, *options)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: quant-inspector render" in ran.err


def test_help(cli) -> None:
    """Listed, explained, shown by example."""
    assert "\n  render " in cli("--help").out
    text = cli("render", "--help").out
    for part in ("Examples:", "--theme", "--direction", "--raw", "--attributes", "--scale"):
        assert part in text


# What only a process of its own can show


def test_no_display_is_needed(model: Path, tmp_path: Path) -> None:
    """Nor any variable that speaks of one; what is set and works stays."""
    out = tmp_path / "g.png"
    bare = {name: value for name, value in os.environ.items() if name not in DISPLAYS}
    for number, chosen in enumerate(({}, {"QT_QPA_PLATFORM": "nothing-like-that"})):
        done = subprocess.run(
            [sys.executable, "-m", "inspector", "render", str(model), "-o", str(out), "--force"],
            env={**bare, **chosen},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, number
        assert done.stdout.startswith("Saved ")
        assert QImage(str(out)).width() > 100


@pytest.mark.parametrize(
    ("chosen", "platform", "used"),
    [
        (None, "linux", "offscreen"),
        ("", "darwin", "offscreen"),
        (None, "win32", None),
        ("offscreen", "linux", "offscreen"),
        ("xcb", "linux", "xcb;offscreen"),
        ("wayland;xcb", "linux", "wayland;xcb;offscreen"),
    ],
)
def test_what_draws(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, platform: str, used: str | None
) -> None:
    """The user's choice comes first, and after it what always works."""
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    if chosen is not None:
        monkeypatch.setenv("QT_QPA_PLATFORM", chosen)
    monkeypatch.setattr(render.sys, "platform", platform)
    render.choose_platform()
    assert os.environ.get("QT_QPA_PLATFORM") == used


def test_a_machine_without_fonts(process, model: Path, tmp_path: Path) -> None:
    """Is told of, since Qt draws boxes then; the text is in the SVG all the same."""
    if sys.platform != "linux":
        pytest.skip("fontconfig is Linux's")
    config = tmp_path / "fonts.conf"
    config.write_text(f"<fontconfig><dir>{tmp_path / 'none'}</dir></fontconfig>")
    out = tmp_path / "g.svg"
    ran = process("render", model, "-o", out, FONTCONFIG_FILE=str(config))
    assert ran.code == 0
    assert "no font was found" in ran.err
    assert "Conv" in texts(out)


def test_missing_graphics_libraries_are_told(
    cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the packages to install."""
    monkeypatch.setitem(sys.modules, "inspector.gui.rendering", None)
    ran = cli("render", model, "-o", tmp_path / "g.svg")
    assert ran.code == 1
    assert "libgl1" in ran.err


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """Exit code 130, one line, no file."""
    names = [f"t{number}" for number in range(8000)]
    reads, writes = ["x", *names], [*names, "y"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in zip(reads, writes, strict=True)]
    made, folder = save(tmp_path / "m.onnx", *nodes), tmp_path / "out"
    folder.mkdir()
    command = ["render", str(made), "-o", str(folder / "g.svg")]
    running = subprocess.Popen(
        [sys.executable, "-m", "inspector", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while running.poll() is None and not list(folder.iterdir()):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    printed, told = running.communicate(timeout=60)
    assert (running.returncode, printed) == (130, "")
    assert told.strip() == "quant-inspector: cancelled; nothing was written."
    assert list(folder.iterdir()) == []
