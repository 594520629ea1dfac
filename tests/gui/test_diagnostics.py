"""Diagnostics: what is kept, within which bound, and what the last evaluation took."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from inspector.cache import CACHE_BYTES
from inspector.gui.diagnostics import SETTING, Diagnostics, remembered_limit
from inspector.gui.main_window import MainWindow
from inspector.gui.settings import write_setting


def _opened(window: MainWindow) -> Diagnostics:
    window.actions_["actionDiagnostics"].trigger()
    dialog = window.findChild(Diagnostics, "diagnosticsDialog")
    assert dialog is not None
    return dialog


def _said(dialog: Diagnostics) -> set[str]:
    return {label.text() for label in dialog.findChildren(QLabel) if label.isVisible()}


def test_it_says_what_is_kept_and_follows(calibrated: MainWindow, qtbot: QtBot) -> None:
    """Figures of this moment, also when something changes while it is open."""
    dialog = _opened(calibrated)
    pool = calibrated.document.caches
    kept = {one.title: one for one in pool.usage()}
    assert kept["Sorted weights"].count > 0
    assert kept["Quantized weights"].used > 0
    expected = {"Sorted weights", f"{kept['Sorted weights'].count} values", "Sessions built"}
    qtbot.waitUntil(lambda: expected <= _said(dialog))
    pool.clear()
    qtbot.waitUntil(lambda: "0 values" in _said(dialog))
    dialog.close()
    assert not dialog.isVisible()


def test_a_smaller_limit_holds_at_once_and_is_remembered(
    calibrated: MainWindow, qtbot: QtBot
) -> None:
    """Typed and finished with Enter; what is no limit is not taken."""
    dialog, pool = _opened(calibrated), calibrated.document.caches
    pool.section("test").put("large", object(), 200_000_000)
    dialog.limit.setFocus()
    dialog.limit.selectAll()
    qtbot.keyClicks(dialog.limit, "120")
    qtbot.keyClick(dialog.limit, Qt.Key.Key_Return)
    assert pool.limit == 120_000_000 == remembered_limit()
    assert pool.used <= pool.limit
    dialog.limit.selectAll()
    qtbot.keyClicks(dialog.limit, "7")
    qtbot.keyClick(dialog.limit, Qt.Key.Key_Return)
    assert pool.limit == 120_000_000


@pytest.mark.parametrize("text", ["", "many", "1e9", "-5"])
def test_a_remembered_limit_that_makes_no_sense_does_no_harm(text: str, window: MainWindow) -> None:
    """Settings are a file that anybody may write into."""
    write_setting(SETTING, text)
    assert 50_000_000 <= remembered_limit() <= CACHE_BYTES


def test_clearing_and_copying(calibrated: MainWindow, qtbot: QtBot) -> None:
    """What was cleared is found again when it is wanted; the copy says what is seen."""
    dialog, pool = _opened(calibrated), calibrated.document.caches
    qtbot.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    text = QGuiApplication.clipboard().text()
    assert "Sorted weights" in text
    assert "onnxruntime" in text
    qtbot.mouseClick(dialog.clear, Qt.MouseButton.LeftButton)
    assert pool.used == 0
    name = calibrated.document.layers[0].name
    calibrated.presenter.select((name,))
    calibrated.bridge.set_specs([name], calibrated.document.specs_of(name).weights, None)
    qtbot.waitUntil(lambda: calibrated.bridge.weight_facts(name) is not None)


def test_a_layer_larger_than_the_bound_is_shown_all_the_same(
    calibrated: MainWindow, qtbot: QtBot, idle: Callable[[], None]
) -> None:
    """While it is chosen; it is looked at again and again otherwise."""
    pool = calibrated.document.caches
    pool.clear()
    pool.set_limit(2_000)
    for layer in calibrated.document.layers[:3]:
        calibrated.presenter.select((layer.name,))
        idle()
        facts = calibrated.bridge.weight_facts(layer.name)
        assert facts is not None
        assert facts.exact
        assert not calibrated.bridge.is_stale(layer.name)
        qtbot.waitUntil(lambda: not calibrated.plots.weights.is_empty())
        assert pool.used <= pool.limit
