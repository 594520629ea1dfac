"""The legend of the heat colours: what it shows, and every way to change it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.graph_view.heat_bar import HIGH, LOW, Axis, axis_for, stretched, tick_text
from inspector.gui.graph_view.legend import HeatLegend
from inspector.gui.graph_view.swatches import Notes
from inspector.gui.theme import DARK, LIGHT, heat
from inspector.session.quantities import (
    OUTPUT_ERROR,
    PARAMETERS,
    QUANTITIES,
    SIZE,
    WEIGHT_SQNR,
    Quantity,
)

Ranges = list[tuple[float, float]]


class Follower:
    """Does what the program does with a legend: shows the range that was asked for."""

    def __init__(self, legend: HeatLegend, quantity: Quantity, low: float, high: float) -> None:
        """Shows a quantity with the range that fits it."""
        self.legend, self.quantity = legend, quantity
        self.ranges: Ranges = []
        legend.range_changed.connect(self.take)
        legend.show_quantity(quantity, low, high, True)

    def take(self, low: float, high: float) -> None:
        """As the user wants it."""
        self.ranges.append((low, high))
        self.legend.show_quantity(self.quantity, low, high, False)

    @property
    def range(self) -> tuple[float, float]:
        """The last that was asked for."""
        return self.ranges[-1]


@pytest.fixture
def legend(qtbot: QtBot) -> HeatLegend:
    """Over a view, with all quantities."""
    view = QWidget()
    qtbot.addWidget(view)
    view.resize(800, 600)
    made = HeatLegend(view)
    made.set_quantities(QUANTITIES)
    view.show()
    qtbot.waitExposed(view)
    return made


@pytest.fixture
def sqnr(legend: HeatLegend) -> Follower:
    """Weight SQNR from 10 to 60 dB."""
    return Follower(legend, WEIGHT_SQNR, 10.0, 60.0)


def drag(widget: QWidget, start: QPointF, by: float) -> None:
    """Press, move in steps, let go."""
    steps = [(QEvent.Type.MouseButtonPress, 0.0)]
    steps += [(QEvent.Type.MouseMove, by * part) for part in (0.3, 0.7, 1.0)]
    steps += [(QEvent.Type.MouseButtonRelease, by)]
    for kind, far in steps:
        at = start + QPointF(far, 0)
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        event = QMouseEvent(
            kind,
            at,
            QPointF(widget.mapToGlobal(at)),
            button,
            left,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(widget, event)


def wheel(widget: QWidget, at: QPointF, turned: int) -> QWheelEvent:
    """Turn the wheel over a place."""
    event = QWheelEvent(
        at,
        QPointF(widget.mapToGlobal(at)),
        QPoint(),
        QPoint(0, turned),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event


# What it shows


def test_it_says_what_the_colours_mean(legend: HeatLegend, sqnr: Follower) -> None:
    """Quantity, ends with units, and which of them is good."""
    assert legend.chooser.currentText() == "Weight SQNR"
    assert (legend.low.text(), legend.high.text()) == ("10.0 dB", "60.0 dB")
    assert legend.meaning.text() == "worse → better"
    assert not legend.auto.isVisible()
    legend.show_quantity(SIZE, 812.0, 2.4e6, True)
    assert (legend.low.text(), legend.high.text()) == ("812 B", "2.40 MB")
    assert legend.meaning.text() == "small → large"


def test_without_heat_only_the_chooser_is_left(legend: HeatLegend, sqnr: Follower) -> None:
    """There is nothing else to say."""
    tall = legend.height()
    legend.show_quantity(None, 0.0, 1.0, True)
    legend.show_notes(Notes())
    assert legend.chooser.currentText() == "No heat"
    assert not legend.bar.isVisible()
    assert not legend.low.isVisible()
    assert legend.height() < tall / 2
    legend.show_quantity(WEIGHT_SQNR, 10.0, 60.0, True)
    assert legend.bar.isVisible()


def test_it_lies_in_the_lower_left(legend: HeatLegend, sqnr: Follower) -> None:
    """Whatever the size of the view, and of itself."""
    view = legend.parentWidget()
    assert view is not None
    for notes in (Notes(), Notes(True, True, 3, "Stopped: 3 of 7 layers.", True)):
        legend.show_notes(notes)
        for height in (600, 420):
            view.resize(700, height)
            assert 0 < legend.x() < 20
            assert height - 20 < legend.geometry().bottom() < height


def test_only_marks_that_there_are_get_explained(legend: HeatLegend, sqnr: Follower) -> None:
    """Left in float, estimated, out of date."""
    legend.show_notes(Notes())
    assert legend.swatches.items() == ()
    assert not legend.swatches.isVisible()
    legend.show_notes(Notes(floats=True, stale=2))
    assert legend.swatches.items() == ("float", "stale")
    assert legend.swatches.isVisible()
    assert legend.swatches.accessibleName() == "left in float, out of date"
    legend.show_notes(Notes(estimates=True))
    assert legend.swatches.items() == ("estimate",)


def test_it_says_why_numbers_are_missing(qtbot: QtBot, legend: HeatLegend, sqnr: Follower) -> None:
    """And lets them be asked for where nobody else does."""
    legend.show_notes(Notes(notice="Open calibration data to see this."))
    assert legend.notice.text() == "Open calibration data to see this."
    assert not legend.update_button.isVisible()
    legend.show_notes(Notes(notice="Stopped: 3 of 7 layers.", can_update=True))
    with qtbot.waitSignal(legend.update_asked):
        qtbot.mouseClick(legend.update_button, Qt.MouseButton.LeftButton)
    legend.show_notes(Notes(notice="<script>\n" + "长" * 3000))
    assert legend.height() < 300
    assert legend.geometry().right() < 300
    legend.show_notes(Notes())
    assert not legend.notice.isVisible()


def test_the_bar_has_the_colours_between_its_handles(legend: HeatLegend, sqnr: Follower) -> None:
    """Dark at the low handle, bright at the high one, and so beyond them; in both themes."""
    for theme in (LIGHT, DARK):
        legend.apply_theme(theme)
        image = legend.bar.grab().toImage()
        low, high = (legend.bar.end_at(end).x() for end in (LOW, HIGH))
        y = int(legend.bar.end_at(LOW).y())
        for where, fraction in (((low + high) / 2, 0.5), (low - 9, 0.0), (high + 9, 1.0)):
            found, wanted = image.pixelColor(round(where), y), heat(fraction)
            assert abs(found.red() - wanted.red()) <= 12
            assert abs(found.green() - wanted.green()) <= 12
            assert abs(found.blue() - wanted.blue()) <= 12


# The chooser


def test_choosing_a_quantity(qtbot: QtBot, legend: HeatLegend, sqnr: Follower) -> None:
    """By keyboard; the one that is shown can be chosen again, which asks for what is missing."""
    chosen: list[str] = []
    legend.quantity_chosen.connect(chosen.append)
    assert legend.chooser.count() == len(QUANTITIES) + 1
    legend.chooser.setFocus()
    qtbot.keyClick(legend.chooser, Qt.Key.Key_Down)
    assert chosen == ["activation_sqnr"]
    qtbot.keyClick(legend.chooser, Qt.Key.Key_End)
    assert chosen[-1] == ""
    legend.chooser.activated.emit(legend.chooser.findData(OUTPUT_ERROR.key))
    legend.chooser.activated.emit(legend.chooser.findData(OUTPUT_ERROR.key))
    assert chosen[-2:] == [OUTPUT_ERROR.key] * 2


def test_showing_a_quantity_is_not_choosing_it(legend: HeatLegend, sqnr: Follower) -> None:
    """What the program shows does not come back as a wish."""
    chosen: list[str] = []
    legend.quantity_chosen.connect(chosen.append)
    legend.show_quantity(SIZE, 1e3, 1e6, True)
    legend.show_quantity(None, 0, 1, True)
    assert chosen == []
    assert sqnr.ranges == []


# The range


def test_dragging_an_end(qtbot: QtBot, legend: HeatLegend, sqnr: Follower) -> None:
    """The other end stays; the handle follows the pointer; Auto appears and takes it back."""
    wide = legend.bar.end_at(HIGH).x() - legend.bar.end_at(LOW).x()
    start = legend.bar.end_at(LOW)
    drag(legend.bar, start, wide / 2)
    assert sqnr.range == (pytest.approx(35.0, abs=0.5), 60.0)
    assert legend.bar.end_at(LOW).x() == pytest.approx(start.x() + wide / 2, abs=2)
    assert legend.low.text() == "35.0 dB"
    drag(legend.bar, legend.bar.end_at(HIGH), 5000)
    assert sqnr.range[0] == pytest.approx(35.0, abs=0.5)
    assert sqnr.range[1] == 70.0
    with qtbot.waitSignal(legend.auto_asked):
        qtbot.mouseClick(legend.auto, Qt.MouseButton.LeftButton)


def test_ends_do_not_cross(legend: HeatLegend, sqnr: Follower) -> None:
    """An end that is dragged beyond the other stops before it."""
    drag(legend.bar, legend.bar.end_at(LOW), 5000)
    drag(legend.bar, legend.bar.end_at(HIGH), -5000)
    assert len(sqnr.ranges) >= 3
    assert all(low < high for low, high in sqnr.ranges)


def test_dragging_between_the_ends_moves_both(legend: HeatLegend, sqnr: Follower) -> None:
    """The width of the range stays, up to the end of the bar."""
    middle = (legend.bar.end_at(LOW) + legend.bar.end_at(HIGH)) / 2
    drag(legend.bar, middle, -20)
    low, high = sqnr.range
    assert low < 10
    assert high - low == pytest.approx(50, abs=1)
    drag(legend.bar, (legend.bar.end_at(LOW) + legend.bar.end_at(HIGH)) / 2, 5000)
    assert sqnr.range[1] - sqnr.range[0] == pytest.approx(50, abs=1)


def test_a_log_range_is_dragged_by_ratios(legend: HeatLegend) -> None:
    """Half way between 1 kB and 1 MB is 32 kB."""
    size = Follower(legend, SIZE, 1e3, 1e6)
    wide = legend.bar.end_at(HIGH).x() - legend.bar.end_at(LOW).x()
    drag(legend.bar, legend.bar.end_at(LOW), wide / 2)
    assert size.range[0] == pytest.approx(math.sqrt(1e3 * 1e6), rel=0.05)
    assert size.range[1] == 1e6


def test_the_wheel_steps_the_nearer_end(legend: HeatLegend, sqnr: Follower) -> None:
    """By 1 dB over the bar and over the numbers; the graph behind does not hear of it."""
    assert wheel(legend.bar, legend.bar.end_at(HIGH), 120).isAccepted()
    assert sqnr.range == (10.0, 61.0)
    wheel(legend.bar, legend.bar.end_at(LOW), -240)
    assert sqnr.range == (8.0, 61.0)
    assert wheel(legend.low, QPointF(5, 5), 120).isAccepted()
    assert sqnr.range == (9.0, 61.0)
    assert wheel(legend, QPointF(3, 3), 120).isAccepted()
    assert len(sqnr.ranges) == 3


def test_typing_an_end(qtbot: QtBot, legend: HeatLegend, sqnr: Follower) -> None:
    """After a double-click at the handle, with or without unit."""
    qtbot.mouseDClick(legend.bar, Qt.MouseButton.LeftButton, pos=legend.bar.end_at(HIGH).toPoint())
    assert not legend.high.isReadOnly()
    qtbot.keyClicks(legend.high, "45,5 db")
    qtbot.keyClick(legend.high, Qt.Key.Key_Return)
    assert sqnr.range == (10.0, 45.5)
    assert legend.high.isReadOnly()
    assert legend.high.text() == "45.5 dB"


def test_typing_an_end_far_away_stretches_the_bar(
    qtbot: QtBot, legend: HeatLegend, sqnr: Follower
) -> None:
    """The handle is still on it."""
    qtbot.mouseDClick(legend.high, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(legend.high, "140")
    qtbot.keyClick(legend.high, Qt.Key.Key_Return)
    assert sqnr.range == (10.0, 140.0)
    assert 0 < legend.bar.end_at(HIGH).x() < legend.bar.width()


@pytest.mark.parametrize("text", ["", "many", "75", "60", "1e300", "9" * 60])
def test_what_cannot_be_an_end_is_refused(
    qtbot: QtBot, legend: HeatLegend, sqnr: Follower, text: str
) -> None:
    """It stays there to be mended; Esc brings the number back."""
    qtbot.mouseDClick(legend.low, Qt.MouseButton.LeftButton)
    legend.low.selectAll()
    qtbot.keyClick(legend.low, Qt.Key.Key_Delete)
    qtbot.keyClicks(legend.low, text)
    qtbot.keyClick(legend.low, Qt.Key.Key_Return)
    assert legend.low.is_refused()
    assert not legend.low.isReadOnly()
    assert legend.notice.isVisible()
    assert len(legend.notice.text()) > 10
    qtbot.keyClick(legend.low, Qt.Key.Key_Escape)
    assert not legend.notice.isVisible()
    assert legend.low.text() == "10.0 dB"
    assert not legend.low.is_refused()
    assert sqnr.ranges == []


def test_a_log_scale_has_no_zero(qtbot: QtBot, legend: HeatLegend) -> None:
    """Its low end is at least 1."""
    size = Follower(legend, PARAMETERS, 100.0, 1e6)
    for text, refused in (("0", True), ("-5", True), ("1", False)):
        legend.low.edit()
        qtbot.keyClicks(legend.low, text)
        qtbot.keyClick(legend.low, Qt.Key.Key_Return)
        assert legend.low.is_refused() is refused
    assert size.ranges == [(1.0, 1e6)]


def test_the_keyboard_is_enough(qtbot: QtBot, legend: HeatLegend, sqnr: Follower) -> None:
    """Steps with the arrows, a digit starts typing, leaving the field takes the number."""
    legend.low.setFocus()
    qtbot.keyClick(legend.low, Qt.Key.Key_Up)
    qtbot.keyClick(legend.low, Qt.Key.Key_PageDown)
    assert sqnr.range == (6.0, 60.0)
    qtbot.keyClick(legend.low, Qt.Key.Key_2)
    qtbot.keyClicks(legend.low, "5")
    qtbot.keyClick(legend.low, Qt.Key.Key_Tab)
    assert sqnr.range == (25.0, 60.0)
    for part in (legend.chooser, legend.auto, legend.low, legend.high):
        assert part.focusPolicy() & Qt.FocusPolicy.TabFocus


# The axis


@given(
    st.sampled_from(QUANTITIES),
    st.floats(1, 1e12),
    st.floats(1.001, 1e6),
    st.floats(1, 1e13),
    st.floats(1.001, 1e6),
)
def test_every_range_has_its_place_on_the_axis(
    quantity: Quantity, low: float, factor: float, other: float, wider: float
) -> None:
    """Both ends lie on it, ticks too and in order, also when the range becomes another."""
    axis = axis_for(quantity, low, low * factor)
    for ends in ((low, low * factor), (other, other * wider)):
        axis = stretched(axis, *ends)
        places = [axis.place(end) for end in ends]
        assert -1e-6 <= places[0] < places[1] - 0.001
        assert places[1] <= 1 + 1e-6
        ticks = axis.ticks()
        assert list(ticks) == sorted(set(ticks))
        assert len(ticks) <= 40
        assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in ticks)


def test_ticks_are_round() -> None:
    """Powers of ten on a long log axis, 1, 2, 5 on a short one, even steps on a linear one."""
    assert Axis(150.0, 3e6, log=True).ticks() == (1e3, 1e4, 1e5, 1e6)
    assert Axis(150.0, 1100.0, log=True).ticks() == (200.0, 500.0, 1000.0)
    assert Axis(0.0, 70.0, log=False).ticks() == (0.0, 20.0, 40.0, 60.0)
    assert len(Axis(1.0, 1e15, log=True).ticks()) <= 6
    assert tick_text(2e4, log=True) == "20k"
    assert tick_text(-5.0, log=False) == "−5"


def test_it_folds_where_room_is_scarce(qtbot: QtBot) -> None:
    """In a small view only colours and range are shown, until the pointer or the focus comes."""
    view = QWidget()
    qtbot.addWidget(view)
    view.resize(500, 400)
    legend = HeatLegend(view)
    legend.set_quantities(QUANTITIES)
    view.show()
    legend.show_quantity(WEIGHT_SQNR, 10.0, 60.0, True)
    assert legend.is_folded()
    assert not legend.chooser.isVisible()
    folded = legend.height()
    view.resize(1200, 900)
    assert not legend.is_folded()
    assert legend.chooser.isVisible()
    assert legend.height() > folded
