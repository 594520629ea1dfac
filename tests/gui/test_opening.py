"""Opening in two stages: first the picture's graph, then the model; or the old one comes back."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from inspector.errors import ModelError
from inspector.gui import opening
from inspector.gui.bridge import Bridge
from inspector.gui.collector import resting
from inspector.gui.files import Files
from inspector.gui.stage import PICTURE
from inspector.gui.tasks import MODEL, Tasks
from inspector.session.document import Document
from inspector.session.opening import OpenModel, Sketch, open_model


class _Log:
    """What happened, in order."""

    def __init__(self, files: Files) -> None:
        self.events: list[tuple[str, str]] = []
        files.sketched.connect(lambda s: self._add("sketched", s.path.name))
        files.withdrawn.connect(lambda: self._add("withdrawn"))
        files.message.connect(lambda kind, text, _hint: self._add(kind, text))

    def model_changed(self, name: str) -> None:
        """The document has another model."""
        self._add("model", name)

    def _add(self, kind: str, text: str = "") -> None:
        self.events.append((kind, text))

    @property
    def kinds(self) -> list[str]:
        """What happened, without the words."""
        return [kind for kind, _ in self.events]


@pytest.fixture
def tasks(qtbot: QtBot) -> Iterator[Tasks]:
    """A runner that is closed at the end."""
    made = Tasks()
    yield made
    made.close()


@pytest.fixture
def files(tasks: Tasks) -> Iterator[Files]:
    """Files of an empty document."""
    bridge = Bridge(Document(), tasks)
    made = Files(bridge, tasks)
    yield made
    bridge.close()


@pytest.fixture
def log(files: Files) -> _Log:
    """What the files tell."""
    made = _Log(files)
    bridge = files._bridge
    bridge.model_changed.connect(lambda: made.model_changed(bridge.document.opened.path.name))
    return made


@pytest.fixture
def model(sample_models: Path, tmp_path: Path) -> Path:
    """A model that may be damaged."""
    return Path(shutil.copy(sample_models / "digits_cnn.onnx", tmp_path / "model.onnx"))


def _wait(qtbot: QtBot, tasks: Tasks) -> None:
    qtbot.waitUntil(lambda: not tasks.is_busy(), timeout=30_000)


def test_the_sketch_arrives_before_the_model(
    qtbot: QtBot, files: Files, tasks: Tasks, log: _Log, model: Path
) -> None:
    """And nothing else happens."""
    sketches: list[Sketch] = []
    files.sketched.connect(sketches.append)
    files.open_paths([model])
    _wait(qtbot, tasks)
    assert log.events == [("sketched", "model.onnx"), ("model", "model.onnx")]
    nodes = files.document.opened.shown.nodes
    assert all(a is b for a, b in zip(sketches[0].graph.nodes, nodes, strict=True))


def test_a_damaged_file_draws_nothing(
    qtbot: QtBot, files: Files, tasks: Tasks, log: _Log, model: Path
) -> None:
    """The old picture stays, with a message."""
    model.write_bytes(model.read_bytes()[:500])
    files.open_paths([model])
    _wait(qtbot, tasks)
    assert log.kinds == ["error"]


def test_a_model_that_fails_late_is_withdrawn(
    qtbot: QtBot,
    files: Files,
    tasks: Tasks,
    log: _Log,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the message, so that the document's model is drawn again."""
    files.open_paths([model])
    _wait(qtbot, tasks)
    before = files.document.opened

    def fail(_: Sketch, **__: object) -> OpenModel:
        raise ModelError("It is wrong inside.")

    monkeypatch.setattr(opening, "open_model", fail)
    files.open_paths([model])
    _wait(qtbot, tasks)
    assert log.kinds[2:] == ["sketched", "error", "withdrawn"]
    assert files.document.opened is before
    log.events.clear()
    monkeypatch.setattr(opening, "open_model", open_model)
    files.open_paths([model])
    _wait(qtbot, tasks)
    assert log.kinds == ["sketched", "model"]


def test_cancelling_after_the_sketch_withdraws_it(
    qtbot: QtBot,
    files: Files,
    tasks: Tasks,
    log: _Log,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is drawn is always what is open."""
    release = threading.Event()

    def slow(sketch: Sketch, **_: object) -> OpenModel:
        release.wait(20)
        return open_model(sketch)

    monkeypatch.setattr(opening, "open_model", slow)
    files.open_paths([model])
    qtbot.waitUntil(lambda: log.kinds == ["sketched"])
    tasks.cancel(MODEL)
    assert log.kinds == ["sketched", "withdrawn"]
    release.set()
    qtbot.wait(50)
    assert log.kinds == ["sketched", "withdrawn"]


def test_another_model_takes_the_place_of_one_that_was_drawn(
    qtbot: QtBot,
    files: Files,
    tasks: Tasks,
    log: _Log,
    model: Path,
    sample_models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a look back at the one before; and that is withdrawn if the other cannot be read."""
    release = threading.Event()

    def slow(sketch: Sketch, **_: object) -> OpenModel:
        release.wait(20)
        return open_model(sketch)

    monkeypatch.setattr(opening, "open_model", slow)
    files.open_paths([model])
    qtbot.waitUntil(lambda: log.kinds == ["sketched"])
    files.open_paths([sample_models / "digits_vit.onnx"])
    qtbot.waitUntil(lambda: log.kinds == ["sketched", "sketched"])
    (broken := model.with_name("broken.onnx")).write_bytes(b"no model")
    files.open_paths([broken])
    qtbot.waitUntil(lambda: "error" in log.kinds, timeout=30_000)
    assert log.kinds == ["sketched", "sketched", "error", "withdrawn"]
    release.set()
    _wait(qtbot, tasks)
    assert log.kinds == ["sketched", "sketched", "error", "withdrawn"]


def test_the_collector_rests_while_a_model_is_opened(
    qtbot: QtBot, files: Files, tasks: Tasks, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is at work again afterwards, whatever came of it."""
    seen: list[bool] = []

    def look(sketch: Sketch, **_: object) -> OpenModel:
        seen.append(gc.isenabled())
        raise ModelError("No.")

    monkeypatch.setattr(opening, "open_model", look)
    files.open_paths([model])
    _wait(qtbot, tasks)
    assert seen == [False]
    assert gc.isenabled()


def test_the_collector_rests_until_the_last_one_is_done() -> None:
    """Blocks may overlap in several threads, in any order, or lie in one another."""
    with resting():
        with resting():
            assert not gc.isenabled()
        assert not gc.isenabled()
        entered, leave = threading.Event(), threading.Event()

        def other() -> None:
            with resting():
                entered.set()
                leave.wait(10)

        thread = threading.Thread(target=other)
        thread.start()
        entered.wait(10)
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()
    gc.disable()
    try:
        with resting():
            pass
        assert not gc.isenabled()  # somebody else's wish
    finally:
        gc.enable()


def test_the_rest_waits_until_the_model_is_drawn(
    qtbot: QtBot, files: Files, tasks: Tasks, log: _Log, model: Path
) -> None:
    """Two at once would make the picture come later, and the model no sooner."""
    release = threading.Event()

    def draw(sketch: Sketch) -> None:
        tasks.submit(
            PICTURE, lambda _: release.wait(10), lambda _: log.events.append(("drawn", ""))
        )

    files.sketched.connect(draw)
    files.open_paths([model])
    qtbot.waitUntil(lambda: tasks.is_busy(PICTURE))
    qtbot.wait(30)
    release.set()
    _wait(qtbot, tasks)
    assert log.kinds == ["sketched", "drawn", "model"]
