"""Exporting the graph: files that are whole or not there, and what the window asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from inspector.errors import CancelledError, SaveError
from inspector.graph.scene import build_scene
from inspector.gui.export import Exported, export_picture, format_of, size_of, whole_of
from inspector.gui.graph_export import EXPORT, GraphExport
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import labels_of
from inspector.gui.graph_view.painting import Look
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.tasks import Tasks
from inspector.gui.theme import LIGHT
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model


@pytest.fixture
def picture(qtbot: QtBot, sample_models: Path) -> Picture:
    """The sample network, laid out."""
    graph = extract_graph(load_model(sample_models / "digits_cnn.onnx"))
    return build_picture(build_scene(graph), card_fonts())


@pytest.fixture
def look(picture: Picture) -> Look:
    """How it is painted, in light colours."""
    return Look(Brushes(LIGHT), {}, labels_of(picture.scene.graph, names=False))


# Written whole or not at all


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("graph.gif", "cannot be saved as .gif"),
        ("graph", "without an ending"),
        ("no/graph.svg", "no folder"),
        ("folder.svg", "is a folder"),
        (f"{'x' * 300}.svg", "too long"),
    ],
)
def test_paths_that_cannot_be(
    picture: Picture, look: Look, tmp_path: Path, name: str, message: str
) -> None:
    """Are refused with a hint, and nothing is left."""
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(SaveError, match=message) as caught:
        export_picture(picture, look, tmp_path / name)
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


def test_endings_in_any_case() -> None:
    """Name the same formats."""
    assert [format_of(Path(name)) for name in ("a.SVG", "b.Png", "c.x.pdf")] == [
        "SVG",
        "PNG",
        "PDF",
    ]


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_no_torn_file(picture: Picture, look: Look, tmp_path: Path, ending: str) -> None:
    """What was there stays when the disk is full, painting fails, or it is cancelled."""
    path = tmp_path / f"g.{ending}"
    path.write_text("before")

    def fail(_: str) -> str:
        raise RuntimeError("no label")

    with pytest.raises(RuntimeError, match="no label"):
        export_picture(picture, replace(look, label=fail), path)
    with pytest.raises(CancelledError):
        export_picture(picture, look, path, cancel=lambda: True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", _full)
        with pytest.raises(SaveError, match="disk is full"):
            export_picture(picture, look, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    export_picture(picture, look, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_size > 1000


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_off_the_main_thread_it_is_the_same(
    picture: Picture, look: Look, tmp_path: Path, ending: str
) -> None:
    """To the byte, three at a time, and with progress that reaches its end."""
    told: list[tuple[int, int]] = []

    def export(name: str) -> Exported:
        path = tmp_path / f"{name}.{ending}"
        return export_picture(picture, look, path, progress=lambda *step: told.append(step))

    here = export("here").path.read_bytes()
    with ThreadPoolExecutor(3) as pool:
        for done in pool.map(export, ["one", "two", "three"]):
            assert done.path.read_bytes() == here
    assert told[-1] == (1, 1)
    assert all(0 <= done <= total for done, total in told)


# From the window


@pytest.fixture
def tasks(qtbot: QtBot) -> Iterator[Tasks]:
    """Work in the background."""
    made = Tasks()
    yield made
    made.close()


@pytest.fixture
def exporter(qtbot: QtBot, tasks: Tasks) -> GraphExport:
    """What asks and exports, for a window."""
    window = QWidget()
    qtbot.addWidget(window)
    return GraphExport(tasks, window)


def _answer(monkeypatch: pytest.MonkeyPatch, path: Path | str) -> list[tuple[object, ...]]:
    asked: list[tuple[object, ...]] = []

    def answer(*arguments: object) -> tuple[str, str]:
        asked.append(arguments)
        return str(path), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    return asked


def test_the_dialog_asks_and_exports(
    qtbot: QtBot, picture: Picture, look: Look, tmp_path: Path,
    exporter: GraphExport, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What is in view, as PNG, twice as large; the name is completed, the choice remembered."""
    asked = _answer(monkeypatch, tmp_path / "mine")
    seen = picture.rect(1)
    dialog = exporter.ask(picture, look, seen, tmp_path / "digits.onnx")
    assert dialog.extent.text() == size_of(whole_of(picture, look), "SVG").text
    dialog.in_view.setChecked(True)
    dialog.format.setCurrentText("PNG")
    dialog.scale.setCurrentIndex(1)
    assert dialog.extent.text() == size_of(seen, "PNG", 2.0).text
    with qtbot.waitSignal(exporter.message, timeout=20_000) as told:
        dialog.accept_button.click()
    kind, text, _ = told.args
    assert (kind, text.startswith("Exported mine.png: PNG, ")) == ("success", True)
    assert str(asked[0][2]).endswith("digits.png")
    assert QImage(str(tmp_path / "mine.png")).size() == (seen.size() * 2).toSize()
    again = exporter.ask(picture, look, QRectF(), tmp_path / "digits.onnx")
    assert again.format.currentText() == "PNG"
    assert not again.in_view.isEnabled()
    again.reject()


def test_a_completed_name_replaces_nothing(
    qtbot: QtBot, picture: Picture, look: Look, tmp_path: Path,
    tasks: Tasks, exporter: GraphExport, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The user was never asked about that file; and no name means no export."""
    (tmp_path / "mine.svg").write_text("before")
    _answer(monkeypatch, tmp_path / "mine")
    with qtbot.waitSignal(tasks.failed, timeout=20_000) as told:
        exporter.ask(picture, look, QRectF(), tmp_path / "m.onnx").accept_button.click()
    assert "exists already" in str(told.args[1])
    assert (tmp_path / "mine.svg").read_text() == "before"
    _answer(monkeypatch, "")
    exporter.ask(picture, look, QRectF(), tmp_path / "m.onnx").accept_button.click()
    assert not tasks.is_busy(EXPORT)
