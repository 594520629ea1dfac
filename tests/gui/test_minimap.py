"""The overview of the graph: what it paints, and how it moves the view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.graph_view.minimap import HIGHEST, WIDEST, Minimap
from inspector.gui.graph_view.overview import LEAST_ACROSS, overview, project
from inspector.gui.theme import DARK, LIGHT

WHITE = (255, 255, 255)
RED, BLUE = (200, 0, 0), (0, 0, 200)
BOUNDS = QRectF(0, 0, 1000, 2000)


def boxes_of(*rows: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Cards as left, top, right, bottom."""
    return np.asarray(rows, np.float64).reshape(-1, 4)


def colours_of(*rows: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Colours of cards."""
    return np.asarray(rows, np.uint8).reshape(-1, 3)


# The image


@st.composite
def cards(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Cards in and beyond a picture of 40 x 60, with colours."""
    number = st.integers(-10, 80)
    rows = draw(st.lists(st.tuples(number, number, st.integers(0, 30), st.integers(0, 30))))
    boxes = [(x, y, x + w, y + h) for x, y, w, h in rows]
    tones = [draw(st.tuples(*[st.integers(0, 255)] * 3)) for _ in rows]
    return boxes_of(*boxes), colours_of(*tones)


@given(cards())
def test_each_pixel_has_the_mean_of_its_cards(
    made: tuple[NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    """The same as painting card after card; and no card is lost."""
    boxes, colours = made
    to = project((0, 0, 40, 60), (40, 60))
    found = overview(boxes, colours, to, WHITE)
    sums, count = np.zeros((60, 40, 3)), np.zeros((60, 40))
    for (x0, y0, x1, y1), colour in zip(boxes.astype(int), colours, strict=True):
        left, top = min(max(x0, 0), 38), min(max(y0, 0), 59)
        right = min(max(min(max(x1, 0), 40), left + 2), 40)
        bottom = min(max(min(max(y1, 0), 60), top + 1), 60)
        sums[top:bottom, left:right] += colour
        count[top:bottom, left:right] += 1
    expected = np.where(count[..., None] > 0, sums / np.maximum(count, 1)[..., None], 255)
    assert np.abs(found - expected).max() <= 0.5


def test_no_card_is_lost_in_a_very_long_graph() -> None:
    """A card of a graph a thousand times as long as wide is still some pixels wide."""
    to = project((0, 0, 200, 400_000), (168, 208))
    assert to.height == 208
    assert to.width == LEAST_ACROSS
    image = overview(boxes_of((0, 200_000, 200, 200_080)), colours_of(RED), to, WHITE)
    assert (image == RED).all(axis=2).sum() >= 2
    wide = project((0, 0, 400_000, 200), (168, 208))
    assert (wide.width, wide.height) == (168, LEAST_ACROSS)


def test_ordinary_graphs_keep_their_shape() -> None:
    """One scale for both axes."""
    to = project((-50, -20, 1000, 1200), (168, 208))
    assert to.across == pytest.approx(to.down)
    assert to.width <= 168
    assert to.height <= 208


@given(
    st.tuples(*[st.floats(-1e6, 1e6)] * 2, *[st.floats(0, 1e7)] * 2),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_points_and_pixels_are_inverse(
    bounds: tuple[float, float, float, float], at: tuple[float, float]
) -> None:
    """Every pixel is that of its point, in overviews of any shape."""
    to = project(bounds, (168, 208))
    pixel = (at[0] * to.width, at[1] * to.height)
    assert to.pixel(*to.point(*pixel)) == pytest.approx(pixel, abs=1e-4)
    assert 1 <= to.width <= 168
    assert 1 <= to.height <= 208


def test_wires_are_behind_cards_and_faint() -> None:
    """A line is seen between cards, in less than its own colour; cards hide it."""
    to = project((0, 0, 100, 100), (100, 100))
    wires = boxes_of((50, 5, 50, 95))
    cards_ = boxes_of((40, 0, 60, 20), (40, 80, 60, 100))
    image = overview(cards_, colours_of(RED, RED), to, WHITE, wires, (0, 0, 0))
    assert tuple(image[10, 50]) == RED
    assert 128 < image[50, 50, 0] < 255
    assert tuple(image[50, 20]) == WHITE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_odd_numbers_do_no_harm(value: float) -> None:
    """Boxes and wires that are nowhere are painted somewhere, or not; nothing fails."""
    to = project((0, 0, 100, 100), (100, 100))
    with np.errstate(all="ignore"):
        image = overview(
            boxes_of((value, 0, value, 10)), colours_of(RED), to, WHITE, boxes_of((value, 0, 5, 5))
        )
    assert image.shape == (100, 100, 3)


def test_nothing_to_paint() -> None:
    """An empty graph is background."""
    image = overview(boxes_of(), colours_of(), project((0, 0, 0, 0), (168, 208)), WHITE)
    assert (image == 255).all()


# The widget


@pytest.fixture
def view(qtbot: QtBot) -> QWidget:
    """What the overview lies over."""
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def minimap(view: QWidget) -> Minimap:
    """A graph of two cards, of which the upper fifth is in sight."""
    made = Minimap(view)
    boxes = boxes_of((0, 0, 1000, 400), (0, 1600, 1000, 2000))
    made.set_boxes(boxes, colours_of(RED, BLUE), BOUNDS)
    made.set_seen(QRectF(0, 0, 1000, 400))
    return made


def image_of(minimap: Minimap) -> QImage:
    """What it paints."""
    return minimap.grab().toImage()


def near(one: QColor, other: tuple[int, int, int], most: int = 60) -> bool:
    """Whether two colours are alike."""
    pairs = zip((one.red(), one.green(), one.blue()), other, strict=True)
    return max(abs(a - b) for a, b in pairs) <= most


def test_it_lies_in_the_corner(view: QWidget, minimap: Minimap) -> None:
    """Lower right, of bounded size, whatever the size of the view."""
    assert minimap.isVisible()
    for size in ((900, 700), (640, 480)):
        view.resize(*size)
        assert minimap.width() <= WIDEST
        assert minimap.height() <= HIGHEST
        assert size[0] - 40 < minimap.geometry().right() < size[0]
        assert size[1] - 40 < minimap.geometry().bottom() < size[1]


def test_it_hides_where_it_is_of_no_use(view: QWidget, minimap: Minimap) -> None:
    """All in sight, no graph, or no room."""
    minimap.set_seen(BOUNDS.adjusted(-5, -5, 5, 5))
    assert not minimap.isVisible()
    minimap.set_seen(QRectF(0, 0, 1000, 400))
    assert minimap.isVisible()
    view.resize(240, 160)
    assert not minimap.isVisible()
    view.resize(900, 700)
    assert minimap.isVisible()
    minimap.set_boxes(boxes_of(), colours_of(), QRectF())
    assert not minimap.isVisible()


def test_it_paints_cards_and_mark(minimap: Minimap) -> None:
    """The cards in their colours, the mark over what is in sight."""
    image = image_of(minimap)
    middle = image.width() // 2
    assert near(image.pixelColor(middle, 200), BLUE, 4)
    assert near(image.pixelColor(middle, 100), QColor(LIGHT.canvas).getRgb()[:3], 4)
    assert not near(image.pixelColor(middle, 20), RED, 4)
    assert near(image.pixelColor(middle, 20), RED, 70)


def test_colours_and_themes_change(minimap: Minimap) -> None:
    """Heat comes and goes; dark is dark."""
    minimap.set_colours(colours_of(RED, (0, 180, 0)))
    minimap.apply_theme(DARK)
    image = image_of(minimap)
    assert near(image.pixelColor(image.width() // 2, 200), (0, 180, 0), 4)
    assert near(image.pixelColor(image.width() // 2, 100), QColor(DARK.canvas).getRgb()[:3], 4)


def test_a_click_asks_for_a_place(qtbot: QtBot, minimap: Minimap) -> None:
    """The place under the pointer shall be in the middle of the view."""
    asked: list[QPointF] = []
    minimap.centre_asked.connect(asked.append)
    at = QPoint(minimap.width() // 2, minimap.height() - 20)
    qtbot.mouseClick(minimap, Qt.MouseButton.LeftButton, pos=at)
    assert len(asked) == 1
    assert asked[0].x() == pytest.approx(500, abs=20)
    assert asked[0].y() == pytest.approx(2000 * (at.y() - 6) / 208, abs=20)
    qtbot.mouseClick(minimap, Qt.MouseButton.RightButton, pos=at)
    assert len(asked) == 1


def test_a_drag_takes_the_mark_along(qtbot: QtBot, minimap: Minimap) -> None:
    """Grabbed off its middle, the mark does not jump; it moves as far as the pointer."""
    asked: list[QPointF] = []
    minimap.centre_asked.connect(asked.append)
    start = minimap.mark().center().toPoint() + QPoint(5, 8)
    qtbot.mousePress(minimap, Qt.MouseButton.LeftButton, pos=start)
    assert asked == []
    move(minimap, start + QPoint(0, 52))
    qtbot.mouseRelease(minimap, Qt.MouseButton.LeftButton, pos=start + QPoint(0, 52))
    assert asked[-1].y() == pytest.approx(200 + 2000 * 52 / 208, abs=20)
    move(minimap, start + QPoint(0, 90))
    assert len(asked) == 1


def move(minimap: Minimap, to: QPoint) -> None:
    """Move the mouse with the button down."""
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(to),
        QPointF(minimap.mapToGlobal(to)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(minimap, event)


def test_a_drag_beyond_the_edge_stays_on_the_graph(qtbot: QtBot, minimap: Minimap) -> None:
    """There is nothing to see beyond."""
    asked: list[QPointF] = []
    minimap.centre_asked.connect(asked.append)
    qtbot.mousePress(minimap, Qt.MouseButton.LeftButton, pos=minimap.mark().center().toPoint())
    move(minimap, QPoint(5000, 5000))
    assert BOUNDS.contains(asked[-1])
    assert asked[-1] == BOUNDS.bottomRight()


def test_the_wheel_zooms(minimap: Minimap) -> None:
    """Forward is nearer, backward is farther; the view itself does not hear of it."""
    asked: list[float] = []
    minimap.zoom_asked.connect(asked.append)
    for turned in (120, -120):
        event = QWheelEvent(
            QPointF(20, 20),
            QPointF(minimap.mapToGlobal(QPoint(20, 20))),
            QPoint(),
            QPoint(0, turned),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(minimap, event)
        assert event.isAccepted()
    assert asked[0] > 1
    assert asked[0] * asked[1] == pytest.approx(1)


def test_the_mark_is_never_too_small(minimap: Minimap) -> None:
    """A window onto a graph of 100,000 nodes can still be seen and held, wherever it is."""
    bounds = QRectF(0, 0, 300, 2_000_000)
    minimap.set_boxes(boxes_of((0, 0, 300, 80)), colours_of(RED), bounds)
    area = QRectF(minimap.rect())
    for top in (-900.0, 0.0, 1_000_000.0, 1_999_900.0, 2_500_000.0):
        minimap.set_seen(QRectF(-100, top, 400, 500))
        mark = minimap.mark()
        assert mark.width() >= 6
        assert mark.height() >= 6
        assert area.contains(mark)


def test_it_is_rendered_once(monkeypatch: pytest.MonkeyPatch, minimap: Minimap) -> None:
    """Panning repaints the mark, not the graph."""
    made = 0
    render = Minimap._render

    def count(self: Minimap, ratio: float) -> QImage:
        nonlocal made
        made += 1
        return render(self, ratio)

    monkeypatch.setattr(Minimap, "_render", count)
    minimap.set_colours(colours_of(BLUE, RED))
    for top in range(0, 900, 100):
        minimap.set_seen(QRectF(0, top, 1000, 400))
        minimap.grab()
    assert made == 1
