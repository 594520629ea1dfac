"""Finding by keyboard and mouse: what is typed is found at once, or soon, and can be walked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.search import Figures, Match, SearchIndex
from inspector.gui import find_bar, find_results
from inspector.gui.find_bar import CHANNEL, MARGIN, WIDTH, FindBar
from inspector.gui.tasks import Tasks
from inspector.gui.theme import DARK, LIGHT

Key = Qt.Key
NAMES = ("/a/conv", "/b/conv", "/c/conv", "/c/relu", "卷积 一", "<b>odd</b>\nname", "")


_QUICK_MS = find_bar.QUICK_MS


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small searches run at once, however busy the machine is."""
    monkeypatch.setattr(find_bar, "QUICK_MS", math.inf)


class Canvas(QWidget):
    """What lies under the bar; remembers what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.reached: list[str] = []

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Remember it."""
        self.reached.append("wheel")

    def mousePressEvent(self, _event: object) -> None:
        """Remember it."""
        self.reached.append("press")

    def keyPressEvent(self, _event: object) -> None:
        """Remember it."""
        self.reached.append("key")


class Heard:
    """What the bar said."""

    def __init__(self, bar: FindBar) -> None:
        self.found: list[str] = []
        self.marked: list[tuple[str, ...]] = []
        self.closed = 0
        bar.found.connect(lambda match: self.found.append(match.name))
        bar.matchesChanged.connect(self.marked.append)
        bar.closed.connect(self._close)

    def _close(self) -> None:
        self.closed += 1


def _index(names: tuple[str, ...] = NAMES) -> SearchIndex:
    nodes = tuple(
        Node(name, "Conv" if "conv" in name else "Relu", "", ("weight",) if n == 0 else ())
        for n, name in enumerate(names)
    )
    tensors = {"weight": Tensor("weight", "float32", (8, 3, 3, 3), constant=True)}
    return SearchIndex(Graph("g", nodes, tensors, (), ()))


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    """A shown widget to lie over."""
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(800, 600)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def tasks(qtbot: QtBot) -> Iterator[Tasks]:
    """Background work that ends with the test."""
    made = Tasks()
    yield made
    made.close()


@pytest.fixture
def bar(canvas: Canvas, tasks: Tasks) -> FindBar:
    """An open bar over a small graph."""
    made = FindBar(tasks, canvas)
    made.set_index(_index())
    made.open()
    return made


@pytest.fixture
def heard(bar: FindBar) -> Heard:
    """What the bar says from now on."""
    return Heard(bar)


def _type(bar: FindBar, text: str) -> None:
    bar.field.clear()
    if text.isascii():
        QTest.keyClicks(bar.field, text)
    else:
        bar.field.setText(text)


def _rows(bar: FindBar) -> list[str]:
    model = bar.list.model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def _label(bar: FindBar, name: str) -> str:
    label = bar.findChild(QLabel, name)
    assert label is not None
    return label.text() if label.isVisible() else ""


def _button(bar: FindBar, name: str) -> QToolButton:
    button = bar.findChild(QToolButton, name)
    assert button is not None
    return button


def test_typing_finds_at_each_key(bar: FindBar, heard: Heard) -> None:
    """Rows, count and marks follow; nothing is gone to yet."""
    assert bar.field.hasFocus()
    assert not bar.list.isVisible()
    QTest.keyClicks(bar.field, "con")
    assert _rows(bar) == ["/a/conv", "/b/conv", "/c/conv"]
    assert bar.list.isVisible()
    QTest.keyClicks(bar.field, " /c/")
    assert _rows(bar) == ["/c/conv"]
    assert _label(bar, "findCount") == "1 of 1"
    assert heard.marked[-1] == ("/c/conv",)
    assert heard.found == []


def test_enter_and_f3_go_round(bar: FindBar, heard: Heard) -> None:
    """The first Enter goes to the first match; the last is followed by the first."""
    _type(bar, "op:conv")
    for key in (Key.Key_Return, Key.Key_F3, Key.Key_Enter, Key.Key_F3):
        QTest.keyClick(bar.field, key)
    assert heard.found == ["/a/conv", "/b/conv", "/c/conv", "/a/conv"]
    assert _label(bar, "findCount") == "1 of 3"
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(bar.field, Key.Key_Return, shift)
    QTest.keyClick(bar.field, Key.Key_F3, shift)
    assert heard.found[4:] == ["/c/conv", "/b/conv"]
    assert _label(bar, "findCount") == "2 of 3"


def test_arrows_choose_and_enter_goes_there(bar: FindBar, heard: Heard) -> None:
    """Up and Down move in the list and stop at its ends; the focus stays in the field."""
    _type(bar, "op:conv")
    QTest.keyClick(bar.field, Key.Key_Down)
    assert (bar.list.currentIndex().row(), heard.found) == (1, [])
    QTest.keyClick(bar.field, Key.Key_Return)
    assert heard.found == ["/b/conv"]
    QTest.keyClick(bar.field, Key.Key_PageDown)
    assert bar.list.currentIndex().row() == 2
    for _ in range(5):
        QTest.keyClick(bar.field, Key.Key_Up)
    assert bar.list.currentIndex().row() == 0
    QTest.keyClick(bar.field, Key.Key_Return)
    assert heard.found == ["/b/conv", "/a/conv"]
    assert bar.field.hasFocus()


def test_a_click_on_a_row_and_the_buttons_go_there(bar: FindBar, heard: Heard) -> None:
    """The mouse does what the keys do."""
    _type(bar, "op:conv")
    place = bar.list.visualRect(bar.list.model().index(1, 0)).center()
    QTest.mouseClick(bar.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert heard.found == ["/b/conv"]
    QTest.mouseClick(_button(bar, "findNext"), Qt.MouseButton.LeftButton)
    QTest.mouseClick(_button(bar, "findPrevious"), Qt.MouseButton.LeftButton)
    assert heard.found == ["/b/conv", "/c/conv", "/b/conv"]


def test_the_keys_work_on_the_buttons_too(bar: FindBar, heard: Heard) -> None:
    """After a click on a button F3 and Esc are the same as in the field."""
    _type(bar, "op:conv")
    button = _button(bar, "findNext")
    button.setFocus()
    QTest.keyClick(button, Key.Key_F3)
    assert heard.found == ["/a/conv"]
    QTest.keyClick(button, Key.Key_Escape)
    assert heard.closed == 1


@pytest.mark.parametrize("how", ["Esc", "button"])
def test_closing_gives_the_focus_back(bar: FindBar, heard: Heard, canvas: Canvas, how: str) -> None:
    """Marks go away; F3 still goes on, and opening again shows the same search."""
    _type(bar, "op:conv")
    QTest.keyClick(bar.field, Key.Key_Return)
    if how == "Esc":
        QTest.keyClick(bar.field, Key.Key_Escape)
    else:
        QTest.mouseClick(_button(bar, "findClose"), Qt.MouseButton.LeftButton)
    assert not bar.isVisible()
    assert heard.closed == 1
    assert heard.marked[-1] == ()
    assert canvas.hasFocus()
    bar.next()
    assert heard.found == ["/a/conv", "/b/conv"]
    bar.open()
    assert bar.field.selectedText() == "op:conv"
    assert heard.marked[-1] == ("/a/conv", "/b/conv", "/c/conv")
    QTest.keyClick(bar.field, Key.Key_Return)
    assert heard.found[-1] == "/c/conv"


def test_a_mistake_is_told(bar: FindBar) -> None:
    """What is wrong stands below; what may still become right is not called wrong."""
    _type(bar, "conv")
    QTest.keyClicks(bar.field, " sqnr<")
    note = bar.findChild(QLabel, "findNote")
    assert note is not None
    assert "number" in _label(bar, "findNote")
    assert note.property("role") == "small"
    QTest.keyClicks(bar.field, "x")
    assert note.property("role") == "danger"
    assert "“x”" in _label(bar, "findNote")
    QTest.keyClick(bar.field, Key.Key_Backspace)
    QTest.keyClicks(bar.field, "1")
    assert note.property("role") == "small"


def test_the_last_results_stay_under_a_mistake(bar: FindBar, heard: Heard) -> None:
    """Also their count, and going through them."""
    bar.field.setText("op:conv")
    bar.field.setText("op:conv sqnr<x")
    assert _rows(bar) == ["/a/conv", "/b/conv", "/c/conv"]
    assert _label(bar, "findCount") == "1 of 3"
    QTest.keyClick(bar.field, Key.Key_Return)
    assert heard.found == ["/a/conv"]
    bar.field.clear()
    bar.field.setText("sqnr<x")
    assert _label(bar, "findCount") == ""
    assert not bar.list.isVisible()


def test_nothing_matches(bar: FindBar, heard: Heard) -> None:
    """It says so; the keys do nothing; an emptied field is quiet again."""
    _type(bar, "zebra")
    assert _label(bar, "findCount") == "Nothing matches"
    assert not bar.list.isVisible()
    assert not _button(bar, "findNext").isVisible()
    QTest.keyClick(bar.field, Key.Key_Return)
    QTest.keyClick(bar.field, Key.Key_Down)
    assert heard.found == []
    bar.field.clear()
    assert _label(bar, "findCount") == ""
    assert heard.marked[-1] == ()


def test_chinese_and_hostile_names(bar: FindBar, heard: Heard) -> None:
    """They are found, painted on one line, and told in full as text, not as markup."""
    _type(bar, "积 一")
    QTest.keyClick(bar.field, Key.Key_Return)
    assert heard.found == ["卷积 一"]
    _type(bar, "<b>")
    assert _rows(bar) == ["<b>odd</b>\nname"]
    tip = bar.list.model().index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "&lt;b&gt;odd" in tip
    _type(bar, "-conv")
    assert "" in _rows(bar)
    bar.set_index(_index(("n" * 100_000, "n" * 300)))
    _type(bar, "nn")
    bar.grab()
    assert bar.list.sizeHintForRow(0) == bar.list.row_height()


def test_a_constant_is_found(bar: FindBar, qtbot: QtBot) -> None:
    """As a tensor; the graph marks the node that reads it."""
    marked: list[tuple[str, ...]] = []
    bar.matchesChanged.connect(marked.append)
    _type(bar, "weight")
    with qtbot.waitSignal(bar.found) as signal:
        QTest.keyClick(bar.field, Key.Key_Return)
    assert signal.args == [Match("tensor", "weight", "Constant", "float32 8×3×3×3")]
    assert marked[-1] == ("/a/conv",)


def test_figures_are_asked_for_once_and_anew_when_they_change(bar: FindBar) -> None:
    """And what they do not know is told."""
    asked: list[int] = []
    values = {"/a/conv": 12.0, "/b/conv": 30.0}

    def figures() -> Figures:
        asked.append(1)
        return Figures({}, {"sqnr": dict(values), "heat": {}})

    bar.set_figures(figures)
    _type(bar, "sqnr<20")
    assert _rows(bar) == ["/a/conv"]
    assert len(asked) == 1
    values["/b/conv"] = 3.0
    bar.refresh_figures()
    assert _rows(bar) == ["/a/conv", "/b/conv"]
    assert len(asked) == 2
    _type(bar, "asqnr<20")
    assert "activation SQNR" in _label(bar, "findNote")
    _type(bar, "heat<20")
    assert "heat" in _label(bar, "findNote")
    _type(bar, "inputs>9")
    assert _label(bar, "findNote") == ""


def test_changed_figures_keep_the_current_match(bar: FindBar, heard: Heard) -> None:
    """Going on from where one is."""
    _type(bar, "op:conv")
    for _ in range(2):
        QTest.keyClick(bar.field, Key.Key_Return)
    bar.refresh_figures()
    assert bar.list.currentIndex().row() == 1
    QTest.keyClick(bar.field, Key.Key_Return)
    assert heard.found[-1] == "/c/conv"


def test_without_a_graph_it_says_so(bar: FindBar, heard: Heard) -> None:
    """And searches as soon as there is one."""
    bar.set_index(None)
    _type(bar, "conv")
    assert "no graph" in _label(bar, "findNote")
    QTest.keyClick(bar.field, Key.Key_Return)
    bar.set_index(_index())
    assert len(_rows(bar)) == 3
    assert heard.found == []


@pytest.fixture
def large(bar: FindBar, monkeypatch: pytest.MonkeyPatch) -> FindBar:
    """The bar over a graph of 20,001 nodes, which it takes to be slow."""
    monkeypatch.setattr(find_bar, "QUICK_MS", _QUICK_MS)
    bar.set_index(_index(tuple(f"/layer{n}/conv" for n in range(20_001))))
    return bar


def test_a_large_graph_is_searched_in_the_background(
    large: FindBar, heard: Heard, tasks: Tasks, qtbot: QtBot
) -> None:
    """Only the newest search is shown, and the whole number of matches."""
    large.field.setText("zebra")
    large.field.setText("conv")
    assert tasks.is_busy(CHANNEL)
    assert _rows(large) == []
    qtbot.waitUntil(lambda: not tasks.is_busy(CHANNEL), timeout=10_000)
    assert _label(large, "findCount") == "1 of 20\u2009001"
    assert [len(names) for names in heard.marked] == [20_001]
    QTest.keyClick(large.field, Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert heard.found == ["/layer20000/conv"]


def test_enter_waits_for_a_search_that_runs(
    large: FindBar, heard: Heard, tasks: Tasks, qtbot: QtBot
) -> None:
    """It goes to what was typed, not to what was found before it."""
    large.field.setText("layer7777")
    QTest.keyClick(large.field, Key.Key_Return)
    assert heard.found == []
    qtbot.waitUntil(lambda: heard.found == ["/layer7777/conv"], timeout=10_000)
    assert not tasks.is_busy(CHANNEL)


def test_f3_finds_anew_in_another_graph(
    large: FindBar, heard: Heard, tasks: Tasks, qtbot: QtBot
) -> None:
    """Also while the bar is away."""
    large.field.setText("layer12/")
    large.dismiss()
    large.set_index(_index(tuple(f"/x/layer{n}/conv" for n in range(20_001))))
    large.next()
    qtbot.waitUntil(lambda: heard.found == ["/x/layer12/conv"], timeout=10_000)
    assert heard.marked[-1] == ()


def test_it_keeps_to_its_corner(bar: FindBar, canvas: Canvas) -> None:
    """Never wider than it should be, never beyond a small parent."""
    assert (bar.width(), bar.y(), bar.geometry().right()) == (WIDTH, MARGIN, 800 - MARGIN - 1)
    bar.set_index(_index(tuple(f"conv{n}" for n in range(30))))
    _type(bar, "conv")
    full = bar.list.height()
    assert full == 8 * bar.list.row_height()
    for width, height in ((300, 200), (200, 120), (30, 30), (0, 0), (800, 600)):
        canvas.resize(width, height)
        QApplication.processEvents()
        place = bar.geometry()
        assert place.width() <= max(canvas.width() - 2 * MARGIN, 0)
        assert place.height() <= max(canvas.height() - 2 * MARGIN, 0)
    assert bar.list.height() == full


def test_the_graph_underneath_gets_nothing(bar: FindBar, canvas: Canvas) -> None:
    """Neither wheel nor clicks nor keys go through."""
    _type(bar, "conv")
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    QTest.keyClick(bar.field, Key.Key_Up)
    QTest.keyClick(bar.field, Key.Key_F5)
    for target in (bar, bar.list.viewport()):
        wheel = QWheelEvent(
            QPointF(5, 5),
            QPointF(target.mapToGlobal(QPoint(5, 5))),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(target, wheel)
    assert canvas.reached == []


def test_matches_beyond_the_list_can_be_gone_to(
    bar: FindBar, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list has an end, F3 has none."""
    monkeypatch.setattr(find_results, "MOST_ROWS", 2)
    _type(bar, "op:conv")
    assert _rows(bar) == ["/a/conv", "/b/conv"]
    for count in ("1 of 3", "2 of 3", "3 of 3", "1 of 3"):
        QTest.keyClick(bar.field, Key.Key_F3)
        assert _label(bar, "findCount") == count
    assert heard.found == ["/a/conv", "/b/conv", "/c/conv", "/a/conv"]
    assert bar.list.currentIndex().row() == 0


def test_help_shows_what_can_be_looked_for(bar: FindBar) -> None:
    """Until something is typed."""
    _type(bar, "conv")
    QTest.mouseClick(_button(bar, "findHelpButton"), Qt.MouseButton.LeftButton)
    assert "sqnr&lt;20" in _label(bar, "findHelp")
    assert not bar.list.isVisible()
    QTest.keyClicks(bar.field, "1")
    assert _label(bar, "findHelp") == ""


def test_both_themes_paint_the_list_in_their_colours(
    bar: FindBar, look: Callable[[], set[str]]
) -> None:
    """The marked row has the theme's selection colour."""
    _type(bar, "op:conv")
    for theme in (LIGHT, DARK):
        bar.apply_theme(theme)
        assert QColor(theme.selection).name() in look()


@pytest.fixture
def look(bar: FindBar) -> Callable[[], set[str]]:
    """The colours of the list as it is painted."""

    def colours() -> set[str]:
        image = bar.list.grab().toImage()
        row = bar.list.row_height() // 2
        return {image.pixelColor(x, row).name() for x in range(image.width())}

    return colours


def test_the_field_says_what_it_is(bar: FindBar) -> None:
    """For people, for screen readers and for tests."""
    field = bar.findChild(QLineEdit, "findField")
    assert field is bar.field
    assert "sqnr<20" in field.placeholderText()
    assert field.accessibleName()
    for name, key in (("findNext", "F3"), ("findPrevious", "Shift+F3"), ("findClose", "Esc")):
        assert key in _button(bar, name).toolTip()
        assert _button(bar, name).accessibleName()
