"""A window that is killed loses a few seconds at most, and nothing comes back unasked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from inspector.errors import SaveError
from inspector.gui import autosave
from inspector.gui.main_window import MainWindow
from inspector.gui.message_bar import Message
from inspector.quant.spec import QuantSpec
from inspector.session.autosave import Session, parse_session
from inspector.session.recipe import DEFAULT_RECIPE
from inspector.session.slots import STATE_VARIABLE, Slot, find_crashed, state_folder

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"
_WINDOW = """
import sys
from pathlib import Path
from PySide6.QtCore import QPointF, QSettings, QTimer
QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, sys.argv[1])
from inspector.gui import app, autosave
from inspector.gui.main_window import MainWindow
from inspector.quant.spec import QuantSpec
autosave.SAVE_MS = 100
LAYER = "/block1/conv1/conv/Conv"

def work():
    windows = [w for w in app.application().topLevelWidgets() if isinstance(w, MainWindow)]
    if not windows or windows[0].document.calibration is None:
        return
    window = windows[0]
    if not window.bridge.selected:
        window.presenter.select((LAYER,))
        window.bridge.set_specs((LAYER,), QuantSpec.parse("int4:tensor:mse"), None)
        window.actions_["actionRightwards"].trigger()
    elif window.stage.staged.shown.direction == "right":
        timer.stop()
        window.graph.camera.look_at(QPointF(300.0, 200.0))

application = app.application()
timer = QTimer()
timer.timeout.connect(work)
timer.start(50)
app.run_window(Path(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture
def killed(
    sample_models: Path, tmp_path: Path, _own_settings: None, monkeypatch: pytest.MonkeyPatch
) -> Session:
    """A window with a choice, data, a selection and a view was killed; what it kept."""
    model = sample_models / "digits_cnn.onnx"
    data = sample_models / "digits_calibration.npz"
    arguments = [str(tmp_path / "theirs"), str(model), str(data)]
    process = subprocess.Popen([sys.executable, "-c", _WINDOW, *arguments])
    try:
        session = wait_for(process, lambda s: s.look.centre == pytest.approx((300, 200), abs=2))
        assert find_crashed(state_folder()) == ([], []), "it runs still"
    finally:
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()
    return session


def wait_for(process: subprocess.Popen[bytes], known: Callable[[Session], bool]) -> Session:
    """Wait until the one session that is kept says what is asked for."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        for path in state_folder().glob("*.json"):
            session = parse_session(path.read_bytes())
            if session.look.centre is not None and known(session):
                return session
        time.sleep(0.05)
    pytest.fail("the window never kept what was done in it")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sessions at once."""
    monkeypatch.setattr(autosave, "SAVE_MS", 20)


@pytest.fixture
def make_window(qtbot: QtBot) -> Iterator[Callable[[], MainWindow]]:
    """Makes windows, and closes them."""
    made: list[MainWindow] = []

    def make() -> MainWindow:
        window = MainWindow()
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        made.append(window)
        wait_quiet(qtbot, window)
        return window

    yield make
    for window in made:
        window.close_now()


def wait_quiet(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until nothing runs in the background."""
    views = (window.presenter, window.graphs, window.graph)

    def quiet() -> bool:
        return not window.tasks.is_busy() and all(view.is_settled() for view in views)

    qtbot.waitUntil(quiet, timeout=30_000)


def offers(window: MainWindow) -> list[Message]:
    """The messages that offer a session."""
    return [m for m in window.messages.messages() if m.offer and "Restore" in m.offer.label]


def take(qtbot: QtBot, window: MainWindow) -> None:
    """Accept the first offer with the mouse."""
    button = offers(window)[0].findChild(QPushButton, "messageAction")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def leave_behind(model: Path, **changes: Any) -> Slot:
    """A session whose window is gone."""
    slot = Slot.make(state_folder())
    slot.write(Session(model, "", saved_at=time.time(), **changes))
    slot.release(clear=False)
    return slot


def test_a_killed_window_is_offered_and_restored(
    qtbot: QtBot, killed: Session, make_window: Callable[[], MainWindow]
) -> None:
    """Recipe, calibration, selection and view; and only when it is asked for."""
    window = make_window()
    assert not window.document.is_open, "nothing happens by itself"
    assert len(offers(window)) == 1
    assert "digits_cnn.onnx" in offers(window)[0].text
    assert "not saved" in offers(window)[0].text
    take(qtbot, window)
    wait_quiet(qtbot, window)
    document = window.document
    assert document.recipe == killed.recipe
    assert str(document.specs_of(LAYER).weights) == "int4:tensor:mse:sym"
    assert document.is_dirty
    assert document.calibration is not None
    assert not document.calibration.random
    assert window.bridge.selected == (LAYER,)
    assert window.stage.shown.direction == "right"
    assert window.actions_["actionRightwards"].isChecked()
    seen = window.graph.seen().center()
    assert (seen.x(), seen.y()) == pytest.approx((300.0, 200.0), abs=3.0)
    assert window.graph.scale() == pytest.approx(killed.look.scale)
    assert "before the crash" not in window.messages.text()
    assert offers(window) == []
    assert find_crashed(state_folder()) == ([], []), "it is this window's own now"
    document.undo()
    assert document.recipe == DEFAULT_RECIPE


def test_a_window_that_ends_well_leaves_nothing(
    qtbot: QtBot, quick: None, opened: MainWindow
) -> None:
    """While it lives its session is kept; afterwards there is no trace of it."""
    saved = opened.keeping.autosave
    qtbot.waitUntil(lambda: saved.path is not None and saved.path.exists())
    path = saved.path
    assert path is not None
    session = parse_session(path.read_bytes())
    assert session.model == opened.document.opened.path
    assert session.model_key == opened.document.opened.source.key
    assert session.process == os.getpid()
    opened.close_now()
    assert list(state_folder().iterdir()) == []


def test_every_change_is_kept(
    qtbot: QtBot, quick: None, calibrated: MainWindow, sample_models: Path
) -> None:
    """Choices, data and selection, a moment later."""

    def kept() -> Session:
        path = calibrated.keeping.autosave.path
        assert path is not None
        return parse_session(path.read_bytes())

    qtbot.waitUntil(lambda: kept().data == sample_models / "digits_calibration.npz")
    calibrated.presenter.select((LAYER,))
    qtbot.waitUntil(lambda: kept().selection == (LAYER,))
    assert not kept().unsaved
    calibrated.bridge.set_specs((LAYER,), QuantSpec.parse("int6"), None)
    qtbot.waitUntil(lambda: kept().recipe == calibrated.document.recipe)
    qtbot.waitUntil(lambda: kept().unsaved)
    calibrated.files.use_random_inputs()
    qtbot.waitUntil(lambda: kept().random and kept().data is None)


def test_an_offer_outlives_another_model(
    qtbot: QtBot, make_window: Callable[[], MainWindow], sample_models: Path
) -> None:
    """Who opens something else first is still offered what was lost."""
    leave_behind(sample_models / "digits_cnn.onnx", unsaved=True)
    window = make_window()
    window.open_path(sample_models / "digits_mobile.onnx")
    wait_quiet(qtbot, window)
    assert len(offers(window)) == 1
    take(qtbot, window)
    wait_quiet(qtbot, window)
    assert window.document.opened.path.name == "digits_cnn.onnx"


def test_closing_the_offer_discards_it(
    qtbot: QtBot, make_window: Callable[[], MainWindow], sample_models: Path
) -> None:
    """As the message says; closing the window instead does not."""
    slot = leave_behind(sample_models / "digits_cnn.onnx")
    make_window().close_now()
    assert slot.path.exists()
    window = make_window()
    assert "discards" in offers(window)[0].hint
    close = offers(window)[0].findChild(QToolButton)
    assert close is not None
    qtbot.mouseClick(close, Qt.MouseButton.LeftButton)
    assert not slot.path.exists()
    window.open_path(sample_models / "digits_mobile.onnx")
    wait_quiet(qtbot, window)
    assert offers(window) == []


def test_restoring_asks_where_choices_would_be_lost(
    qtbot: QtBot, make_window: Callable[[], MainWindow], sample_models: Path
) -> None:
    """As any other model that is opened."""
    leave_behind(sample_models / "digits_mobile.onnx")
    window = make_window()
    window.open_path(sample_models / "digits_cnn.onnx")
    wait_quiet(qtbot, window)
    window.bridge.set_specs((LAYER,), QuantSpec.parse("int4"), None)
    take(qtbot, window)
    assert window.keeping.unsaved.box is not None
    window.keeping.unsaved.give_up()
    wait_quiet(qtbot, window)
    assert window.document.opened.path.name == "digits_cnn.onnx"


def test_a_model_that_is_gone_keeps_the_session(
    qtbot: QtBot, make_window: Callable[[], MainWindow], sample_models: Path, tmp_path: Path
) -> None:
    """One clear message; it is offered again, for the disk may come back."""
    slot = leave_behind(tmp_path / "gone.onnx", unsaved=True)
    window = make_window()
    take(qtbot, window)
    wait_quiet(qtbot, window)
    assert "gone.onnx does not exist" in window.messages.text()
    window.close_now()
    assert slot.path.exists()


def test_a_model_that_changed_is_said_so(
    qtbot: QtBot, make_window: Callable[[], MainWindow], sample_models: Path
) -> None:
    """What fits is restored; a recipe that does not fit is told, and stays in its file."""
    recipe = DEFAULT_RECIPE.with_layer("/not/there", QuantSpec.parse("int4"))
    slot = leave_behind(sample_models / "digits_cnn.onnx", recipe=recipe)
    window = make_window()
    take(qtbot, window)
    wait_quiet(qtbot, window)
    assert "/not/there" in window.messages.text()
    window.close_now()
    assert slot.path.exists()
    find_crashed(state_folder())[0][0].slot.release()
    session = Session(sample_models / "digits_cnn.onnx", "another key", saved_at=time.time())
    other = Slot.make(state_folder())
    other.write(session)
    other.release(clear=False)
    window = make_window()
    take(qtbot, window)
    wait_quiet(qtbot, window)
    assert "not the same model" in window.messages.text()


def test_an_unreadable_session_is_told(make_window: Callable[[], MainWindow]) -> None:
    """With where it was put; nothing is offered."""
    state_folder().mkdir(parents=True)
    (state_folder() / "1-ab.json").write_bytes(b"\x80nonsense")
    window = make_window()
    assert offers(window) == []
    assert "cannot be read" in window.messages.text()
    assert "1-ab.unreadable" in window.messages.text()


def test_trouble_with_the_disk_is_told_once(
    qtbot: QtBot, quick: None, opened: MainWindow, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work goes on without the net."""

    def fail(_slot: Slot, _session: Session) -> None:
        raise SaveError("The disk is full.")

    monkeypatch.setattr(Slot, "write", fail)
    opened.presenter.select((LAYER,))
    qtbot.waitUntil(lambda: "against a crash" in opened.messages.text())
    opened.messages.clear()
    opened.presenter.select(())
    qtbot.wait(100)
    idle()
    assert opened.messages.text() == ""


def test_state_is_kept_apart_from_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests never look into the folder of whoever runs them."""
    ours = state_folder()
    monkeypatch.delenv(STATE_VARIABLE)
    assert state_folder() != ours
