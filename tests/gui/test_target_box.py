"""Choosing the hardware by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from inspector.gui.target_box import ADD, TargetBox
from inspector.session.targets import TargetInfo, list_targets

OWN = TargetInfo("my-npu", "My NPU", "Of my board.", ("Data sheet, 3",), own=True)
BROKEN = TargetInfo("broken", "broken", problem="broken.toml, line 2: title is 3.", own=True)
EVIL = TargetInfo(
    "evil", "<script>x</script>" + "长" * 300, "<img src=x>", ("<b>s</b>",) * 40, own=True
)


@pytest.fixture
def box(qtbot: QtBot) -> TargetBox:
    """With the program's targets and some of a user."""
    made = TargetBox()
    qtbot.addWidget(made)
    made.set_targets([*list_targets(), OWN, BROKEN, EVIL])
    made.show_target("ort-cpu", 0)
    made.resize(260, made.sizeHint().height())
    made.show()
    qtbot.waitExposed(made)
    return made


def _at(box: TargetBox, name: str) -> int:
    at = box.combo.findData(name)
    assert at >= 0
    return at


def _tip(box: TargetBox, name: str) -> str:
    return str(box.combo.itemData(_at(box, name), Qt.ItemDataRole.ToolTipRole))


def test_the_present_target_is_shown(box: TargetBox) -> None:
    """By its title, with what it is and where that is known from."""
    assert box.combo.currentText() == "ONNX Runtime, CPU"
    assert "execution provider" in box.combo.toolTip()
    assert "QuantizeLinear" in box.combo.toolTip()
    assert box.row.isHidden()
    box.show_target("tensorrt", 0)
    assert box.combo.currentText() == "TensorRT"
    assert "Quantization Schemes, INT4" in _tip(box, "tensorrt")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 layer does not fit"),
        (3, "3 layers do not fit"),
        (20_000, "20\u2009000 layers do not fit"),
    ],
)
def test_misfits_are_counted(box: TargetBox, count: int, text: str) -> None:
    """And the offer is there only then."""
    box.show_target("tensorrt", count)
    assert box.row.isVisible()
    assert box.notice.text() == text
    box.show_target("tensorrt", 0)
    assert not box.row.isVisible()


def test_the_offer_can_be_taken(box: TargetBox, qtbot: QtBot) -> None:
    """By mouse and by keyboard."""
    box.show_target("tensorrt", 3)
    with qtbot.waitSignal(box.fit_asked):
        qtbot.mouseClick(box.fit, Qt.MouseButton.LeftButton)
    box.fit.setFocus()
    with qtbot.waitSignal(box.fit_asked):
        qtbot.keyClick(box.fit, Qt.Key.Key_Space)


def test_a_choice_is_told_and_not_shown_before_it_is_made(box: TargetBox, qtbot: QtBot) -> None:
    """The box shows what the document says."""
    with qtbot.waitSignal(box.target_chosen) as told:
        box.combo.setCurrentIndex(_at(box, "tensorrt"))
        box.combo.activated.emit(_at(box, "tensorrt"))
    assert told.args == ["tensorrt"]
    assert box.combo.currentText() == "ONNX Runtime, CPU"
    box.show_target("tensorrt", 0)
    assert box.combo.currentText() == "TensorRT"


def test_a_choice_by_keyboard(box: TargetBox, qtbot: QtBot) -> None:
    """The arrow goes to the next that can be chosen."""
    box.combo.setFocus()
    names: list[str] = []
    box.target_chosen.connect(names.append)
    qtbot.keyClick(box.combo, Qt.Key.Key_Down)
    assert names == [box.combo.itemData(_at(box, "ort-cpu") + 1)]


def test_the_same_again_is_no_choice(box: TargetBox, qtbot: QtBot) -> None:
    """Nothing is told, so no step of the history comes of it."""
    with qtbot.assertNotEmitted(box.target_chosen):
        box.combo.activated.emit(_at(box, "ort-cpu"))


def test_what_is_broken_says_why(box: TargetBox) -> None:
    """It is there, greyed out."""
    model = box.combo.model()
    assert isinstance(model, QStandardItemModel)
    assert not model.item(_at(box, "broken")).isEnabled()
    assert model.item(_at(box, "my-npu")).isEnabled()
    assert "line 2: title is 3." in _tip(box, "broken")


def test_a_profile_is_text_and_no_markup(box: TargetBox) -> None:
    """However it is written."""
    tip = _tip(box, "evil")
    assert "<script>" not in tip
    assert "<img" not in tip
    assert "<b>s</b>" not in tip
    assert "and 28 more" in tip
    box.show_target("evil", 5)
    assert box.width() == 260


def test_a_profile_can_be_added(
    box: TargetBox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file is asked for; the target stays until it is read."""
    path = str(tmp_path / "mine.toml")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    last = box.combo.count() - 1
    assert box.combo.itemText(last) == ADD
    with qtbot.waitSignal(box.profile_asked) as asked:
        box.combo.activated.emit(last)
    assert asked.args == [path]
    assert box.combo.currentText() == "ONNX Runtime, CPU"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    with qtbot.assertNotEmitted(box.profile_asked):
        box.combo.activated.emit(last)


def test_a_target_that_is_gone_is_named(box: TargetBox) -> None:
    """As in a recipe from another machine."""
    box.show_target("lost-npu", 0)
    assert box.combo.currentIndex() == -1
    assert box.combo.placeholderText() == "lost-npu"
    box.set_targets([*list_targets(), TargetInfo("lost-npu", "Found NPU", own=True)])
    assert box.combo.currentText() == "Found NPU"


def test_every_control_has_a_name(box: TargetBox) -> None:
    """For those who do not see it."""
    assert box.combo.accessibleName() == "Target hardware"
    assert box.fit.accessibleName()
    assert {box.combo.objectName(), box.notice.objectName(), box.fit.objectName()} == {
        "targetBox",
        "targetNotice",
        "targetFit",
    }
