"""Wrong files, cancelled work, and windows closed too early: a message, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar, QPushButton
from pytestqt.qtbot import QtBot

from inspector.errors import CancelledError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.gui import files
from inspector.gui.main_window import MainWindow
from inspector.gui.tasks import Context
from inspector.session.opening import OpenModel

Idle = Callable[[], None]


def text_file(folder: Path) -> Path:
    """A text that calls itself a model."""
    path = folder / "notes.onnx"
    path.write_text("These are notes, not a model.")
    return path


def empty_file(folder: Path) -> Path:
    """A model of no bytes."""
    path = folder / "empty.onnx"
    path.touch()
    return path


def unknown_file(folder: Path) -> Path:
    """A file whose ending says nothing."""
    path = folder / "something.xyz"
    path.write_bytes(bytes(range(256)))
    return path


def missing_file(folder: Path) -> Path:
    """A name without a file."""
    return folder / "missing.onnx"


def broken_archive(folder: Path) -> Path:
    """An archive cut short."""
    path = folder / "data.npz"
    np.savez(path, image=np.zeros((4, 1, 8, 8), np.float32))
    path.write_bytes(path.read_bytes()[:100])
    return path


def wrong_shape(folder: Path) -> Path:
    """Pictures of another size."""
    path = folder / "large.npz"
    np.savez(path, image=np.zeros((4, 3, 9, 9), np.float32))
    return path


def not_finite(folder: Path) -> Path:
    """Data with a NaN."""
    path = folder / "nan.npz"
    np.savez(path, image=np.full((4, 1, 8, 8), np.nan, np.float32))
    return path


def pickled_array(folder: Path) -> Path:
    """An array of Python objects, which would run code when loaded."""
    path = folder / "objects.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return path


def empty_folder(folder: Path) -> Path:
    """A folder without data."""
    path = folder / "nothing"
    path.mkdir()
    return path


def broken_recipe(folder: Path) -> Path:
    """A recipe that is no TOML."""
    path = folder / "broken.toml"
    path.write_text("version = = 1")
    return path


def recipe_of_another_model(folder: Path) -> Path:
    """A recipe whose rule matches no layer."""
    path = folder / "other.toml"
    path.write_text('version = 1\n[[rule]]\nlayers = "/no/such/layer"\nweights = "int4"\n')
    return path


def recipe_with_a_bad_spec(folder: Path) -> Path:
    """A recipe with a type that does not exist."""
    path = folder / "spec.toml"
    path.write_text('version = 1\n[default]\nweights = "int33"\n')
    return path


WRONG = (
    text_file,
    empty_file,
    unknown_file,
    missing_file,
    broken_archive,
    wrong_shape,
    not_finite,
    pickled_array,
    empty_folder,
    broken_recipe,
    recipe_of_another_model,
    recipe_with_a_bad_spec,
)


def test_wrong_files_are_told_and_harm_nothing(
    calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """One message that names the file, and the document as it was."""
    document = calibrated.document
    before = (document.opened, document.recipe, document.calibration, document.dataset)
    for make in WRONG:
        calibrated.messages.clear()
        path = make(tmp_path)
        calibrated.open_path(path)
        idle()
        messages = calibrated.messages.messages()
        assert [message.kind for message in messages] == ["error"], (make.__name__, messages)
        assert "Traceback" not in calibrated.messages.text()
        assert "fault in Quant Inspector" not in calibrated.messages.text(), make.__name__
        after = (document.opened, document.recipe, document.calibration, document.dataset)
        assert after == before, make.__name__
        assert not document.can_undo


def test_data_without_a_model(window: MainWindow, sample_models: Path) -> None:
    """The window says what to open first."""
    window.open_path(sample_models / "digits_calibration.npz")
    assert "Open a model first" in window.messages.text()


def test_saving_where_one_cannot(calibrated: MainWindow, idle: Idle, tmp_path: Path) -> None:
    """A missing folder, a folder, the model itself."""
    source = calibrated.document.opened.path
    before = source.read_bytes()
    for target in (tmp_path / "no" / "folder" / "x.onnx", tmp_path, source):
        calibrated.messages.clear()
        calibrated.save_quantized(target)
        idle()
        assert [m.kind for m in calibrated.messages.messages()] == ["error"], target
    assert source.read_bytes() == before
    assert list(tmp_path.glob("*.onnx")) == []


class SlowCalibration:
    """Stands in for a calibration of minutes; ends when it is cancelled."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.stopped = threading.Event()

    def __call__(
        self, opened: OpenModel, data: Dataset, context: Context, address: str
    ) -> Calibration:
        """Work until told to stop."""
        context.progress(1, 4)
        self.running.set()
        while not context.cancelled():
            threading.Event().wait(0.005)
        self.stopped.set()
        raise CancelledError


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowCalibration:
    """Make calibration slow."""
    made = SlowCalibration()
    monkeypatch.setattr(files, "run_calibration", made)
    return made


def test_cancel_stops_the_work(
    qtbot: QtBot, opened: MainWindow, idle: Idle, sample_models: Path, slow: SlowCalibration
) -> None:
    """The button ends the work and leaves the document alone."""
    opened.open_path(sample_models / "digits_calibration.npz")
    qtbot.waitUntil(slow.running.is_set)
    bar = opened.findChild(QProgressBar, "progressBar")
    button = opened.findChild(QPushButton, "cancelButton")
    assert bar is not None
    assert button is not None
    qtbot.waitUntil(lambda: bar.isVisible() and bar.maximum() == 4 and bar.value() == 1)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(slow.stopped.is_set)
    idle()
    assert opened.document.calibration is None
    assert opened.document.dataset is None
    assert not bar.isVisible()
    assert "Cancelled" in opened.messages.text()


def test_closing_while_work_runs_is_clean(
    qtbot: QtBot, opened: MainWindow, sample_models: Path, slow: SlowCalibration
) -> None:
    """Closing ends the work; nothing is left running, and Qt has nothing to say."""
    opened.open_path(sample_models / "digits_calibration.npz")
    qtbot.waitUntil(slow.running.is_set)
    opened.close()
    assert slow.stopped.is_set()
    assert not [t for t in threading.enumerate() if t.name.startswith("work")]


def test_closing_while_a_model_opens_is_clean(window: MainWindow, sample_models: Path) -> None:
    """No answer arrives at a window that is gone."""
    window.open_path(sample_models / "digits_vit.onnx")
    window.close()
    assert not window.document.is_open


def test_another_model_replaces_the_work_on_the_first(
    qtbot: QtBot, opened: MainWindow, idle: Idle, sample_models: Path, slow: SlowCalibration
) -> None:
    """Data that is being read for one model never reaches another."""
    opened.open_path(sample_models / "digits_calibration.npz")
    qtbot.waitUntil(slow.running.is_set)
    opened.open_path(sample_models / "digits_mobile.onnx")
    idle()
    assert opened.document.opened.path.name == "digits_mobile.onnx"
    assert opened.document.calibration is None
    assert slow.stopped.is_set()


def test_figures_of_one_model_do_not_outlive_it(
    calibrated: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """Another model starts without end-to-end figures, statistics or selection."""
    assert calibrated.strip.text("sqnr")
    calibrated.open_path(sample_models / "digits_mobile.onnx")
    idle()
    assert calibrated.strip.text("sqnr") == ""
    assert calibrated.strip.text("data") == "No calibration data"
    assert calibrated.pane.selected() == ()


def test_a_fault_is_told_and_logged(
    qtbot: QtBot,
    opened: MainWindow,
    idle: Idle,
    sample_models: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A programming error in a worker does not end the program."""

    def fail(*_: object) -> Calibration:
        raise ZeroDivisionError("an example")

    monkeypatch.setattr(files, "run_calibration", fail)
    opened.open_path(sample_models / "digits_calibration.npz")
    idle()
    assert "ZeroDivisionError: an example" in opened.messages.text()
    assert any(record.exc_info for record in caplog.records)
