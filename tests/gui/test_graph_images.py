"""What is painted, against small stored images.

Fonts differ between machines, so text is painted as bars of a fixed width here, and all that
depends on the width of a text follows. Colours, shapes and places are compared, with some tolerance
for how edges are smoothed; see `StoredImages` in conftest.py for how to store them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter
from pytestqt.qtbot import QtBot

from inspector.graph.groups import find_groups
from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.scene import Folding, build_scene
from inspector.gui.graph_view.area import AreaPainter
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import Detail, Fonts, labels_of
from inspector.gui.graph_view.look import Badge, Look
from inspector.gui.graph_view.picture import Picture, build_picture
from inspector.gui.theme import DARK, LIGHT, Theme, heat

THEMES = {"light": LIGHT, "dark": DARK}
ADVANCE = 6.0
"""Pixels that a letter is wide here."""
Painted = Callable[[Theme], QImage]


# Painting without fonts


def _draw_bar(painter: QPainter, place: QRectF, flags: int, text: str) -> None:
    """A bar as long as the text, and in its colour."""
    wide, high = ADVANCE * len(text), 6.0
    left = place.left()
    if flags & int(Qt.AlignmentFlag.AlignHCenter):
        left = place.center().x() - wide / 2
    elif flags & int(Qt.AlignmentFlag.AlignRight):
        left = place.right() - wide
    painter.fillRect(QRectF(left, place.center().y() - high / 2, wide, high), painter.pen().color())


BarPainter = type("BarPainter", (QPainter,), {"drawText": _draw_bar})
"""Paints each text as a bar."""


def _width(text: str) -> float:
    return ADVANCE * len(text)


def _cut(text: str, _mode: object, width: float) -> str:
    return text[: max(int(width / ADVANCE), 0)]


WIDTHS = SimpleNamespace(horizontalAdvance=_width, capHeight=lambda: 8.0, elidedText=_cut)
"""Measures of a font whose letters are all equally wide."""


def bar_brushes(theme: Theme) -> Brushes:
    """The brushes of a theme, with texts as wide as their bars."""
    brushes: Any = Brushes(theme)
    brushes.metrics = brushes.strong_metrics = brushes.title_metrics = WIDTHS

    def cut(text: str, width: float, *_mode: object, **_options: object) -> str:
        return text[: max(int((width + 1) / ADVANCE), 0)]

    brushes.elided = cut
    brushes.sized = lambda _pixels: (QFont(), WIDTHS)
    return brushes


def fonts() -> Fonts:
    """Measures for the layout of cards."""
    return Fonts(_width, _width, _width)


def paint(picture: Picture, look: Look, area: QRectF, scale: float) -> QImage:
    """A part of a picture at a zoom."""
    size = (area.size() * scale).toSize()
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(look.brushes.canvas.color())  # at fractions of a pixel the area does not fill it
    painter = BarPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    painter.translate(-area.topLeft())
    AreaPainter(picture, look).paint(painter, area, scale)
    painter.end()
    return image


# What is painted


@dataclass(frozen=True)
class Subject:
    """A picture, what is said on it, and what of it is painted."""

    picture: Picture
    badges: dict[str, Badge]
    scale: float = 1.0
    folded: Mapping[str, str] = field(default_factory=dict)
    heated: bool = True

    def look(self, theme: Theme) -> Look:
        """The look in a theme."""
        label = labels_of(self.picture.scene.graph, names=False)
        return Look(bar_brushes(theme), self.badges, label, self.heated, self.folded)

    def paint(self, look: Look) -> QImage:
        """All of the picture with some room around it."""
        room = 12.0 / self.scale
        area = self.picture.bounds.adjusted(-room, -room, room, room)
        return paint(self.picture, look, area, self.scale)


def chain(*operators: tuple[str, str]) -> Graph:
    """Operators (name, type) one after the other; a Conv has a weight and a bias."""
    nodes, tensors, flows = [], {}, "image"
    tensors[flows] = Tensor(flows, "float32", (1, 3, 32, 32), consumers=(operators[0][0],))
    for number, (name, op_type) in enumerate(operators):
        after = tuple(other for other, _ in operators[number + 1 : number + 2])
        weights = (f"{name}.w", f"{name}.b") if op_type == "Conv" else ()
        for weight, shape in zip(weights, ((8, 3, 3, 3), (8,)), strict=False):
            tensors[weight] = Tensor(weight, "float32", shape, constant=True, consumers=(name,))
        output = f"{name}.out"
        attributes = {"strides": (2, 2), "group": 1}
        nodes.append(Node(name, op_type, "", (flows, *weights), (output,), attributes))
        tensors[output] = Tensor(output, "float32", (1, 8, 16, 16), producer=name, consumers=after)
        flows = output
    return Graph("chain", tuple(nodes), tensors, ("image",), (flows,))


def card() -> Subject:
    """One layer with all that can stand on its card, between an input and an output."""
    graph = chain(("conv", "Conv"))
    picture = build_picture(build_scene(graph), fonts(), detail=Detail(attributes=True))
    badge = Badge("int8:channel:minmax", "uint8:tensor:mse", "42.0 dB", heat(0.7))
    return Subject(picture, {"conv": badge})


def heat_overlay() -> Subject:
    """Layers in heat colours: known, out of date, left in float, and one that is folded away."""
    graph = chain(("a", "Conv"), ("b", "Conv"), ("c", "Conv"), ("norm", "BatchNormalization"))
    badges = {
        "a": Badge("int4:block32", "uint8:tensor", "12.5 dB", heat(0.1)),
        "b": Badge("int8:channel", "uint8:tensor", "48.0 dB", heat(0.9), stale=True),
        "c": Badge("float", "float", is_float=True),
    }
    picture = build_picture(build_scene(graph), fonts(), "right")
    return Subject(picture, badges, folded={"norm": "Folded"})


def heat_from_afar() -> Subject:
    """The same, where no text can be read any more."""
    return replace(heat_overlay(), scale=0.4)


def heat_from_far_away() -> Subject:
    """The same, where cards are plain boxes."""
    return replace(heat_overlay(), scale=0.15)


def group() -> Subject:
    """A folded group with what its worst layer says, behind a node that is not in it."""
    graph = chain(
        *((f"/block/{number}/Conv", "Conv") for number in range(3)), ("/head/Relu", "Relu"),
        ("/head/Sigmoid", "Sigmoid"),
    )  # fmt: skip
    folding = Folding(closed=frozenset({"/block/"}))
    scene = build_scene(graph, folding, groups=find_groups(graph))
    badge = Badge("", "", "worst 9.9 dB", heat(0.0))
    return Subject(build_picture(scene, fonts()), {"/block/": badge})


def stubs() -> Subject:
    """A tensor that too many nodes read for lines."""
    readers = [f"reader {number}" for number in range(21)]
    nodes = [Node("source", "Relu", "", ("x",), ("much.read",))]
    nodes += [Node(name, "Abs", "", ("much.read",), (f"{name}.out",)) for name in readers]
    tensors = {"x": Tensor("x", "float32", (4,), consumers=("source",))}
    tensors["much.read"] = Tensor(
        "much.read", "float32", (4,), producer="source", consumers=tuple(readers)
    )
    for name in readers:
        tensors[f"{name}.out"] = Tensor(f"{name}.out", "float32", (4,), producer=name)
    graph = Graph("fan", tuple(nodes), tensors, ("x",), ())
    return Subject(build_picture(build_scene(graph), fonts()), {}, scale=0.75)


SUBJECTS = (card, heat_overlay, heat_from_afar, heat_from_far_away, group, stubs)


@pytest.mark.parametrize("mode", THEMES)
@pytest.mark.parametrize("make", SUBJECTS, ids=lambda make: make.__name__)
def test_it_looks_as_it_did(
    qtbot: QtBot, stored_images: Any, make: Callable[[], Subject], mode: str
) -> None:
    """Each subject in each theme."""
    subject = make()
    image = subject.paint(subject.look(THEMES[mode]))
    stored_images.hold(f"{make.__name__}_{mode}", image)


def _changed(look: Look, name: str, **changes: Any) -> Look:
    badges = dict(look.badges)
    badges[name] = replace(badges[name], **changes)
    return replace(look, badges=badges)


FAULTS: tuple[tuple[Callable[[], Subject], Callable[[Look], Look]], ...] = (
    (card, lambda look: _changed(look, "conv", colour=heat(0.5))),
    (card, lambda look: _changed(look, "conv", colour=None)),
    (card, lambda look: _changed(look, "conv", figure="")),
    (card, lambda look: _changed(look, "conv", misfit="It does not fit.")),
    (card, lambda look: _changed(look, "conv", weights="")),
    (heat_overlay, lambda look: _changed(look, "b", stale=False)),
    (heat_overlay, lambda look: _changed(look, "c", is_float=False)),
    (heat_overlay, lambda look: replace(look, folded={})),
    (heat_from_afar, lambda look: _changed(look, "a", colour=heat(0.4))),
    (heat_from_afar, lambda look: replace(look, heated=False)),
    (heat_from_afar, lambda look: _changed(look, "b", stale=False)),
    (heat_from_far_away, lambda look: _changed(look, "b", stale=False)),
    (heat_from_far_away, lambda look: _changed(look, "a", colour=heat(0.4))),
    (heat_from_far_away, lambda look: replace(look, heated=False)),
    (group, lambda look: _changed(look, "/block/", colour=None)),
    (group, lambda look: replace(look, badges={})),
    (stubs, lambda look: replace(look, brushes=bar_brushes(replace(LIGHT, raised="#c8cce8")))),
    (card, lambda look: replace(look, label=lambda _tensor: "")),
)
"""Small things that may go wrong, and where they must be noticed."""


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_wrong_colour_or_shape_is_noticed(qtbot: QtBot, stored_images: Any, number: int) -> None:
    """The tolerance hides no fault."""
    make, spoil = FAULTS[number]
    subject = make()
    right = subject.look(LIGHT)
    assert stored_images.differing(subject.paint(right), subject.paint(right)) == 0
    assert (
        stored_images.differing(subject.paint(right), subject.paint(spoil(right)))
        > stored_images.most
    )


def test_what_is_out_of_date_is_faint_from_farthest_away(qtbot: QtBot) -> None:
    """Where a card is but a few pixels: nearer to the ground, and its colour comes back."""
    subject = heat_overlay()
    look = subject.look(LIGHT)
    number = subject.picture.scene.place["b"]
    faint = AreaPainter(subject.picture, look).shades[number].astype(int)
    full = AreaPainter(subject.picture, _changed(look, "b", stale=False)).shades[number].astype(int)
    ground = np.array(QColor(LIGHT.canvas).getRgb()[:3])
    assert np.abs(faint - ground).sum() < 0.5 * np.abs(full - ground).sum()
    assert full.tolist() == list(heat(0.9).getRgb()[:3])


def test_smoothed_edges_are_not_taken_for_faults(qtbot: QtBot, stored_images: Any) -> None:
    """Another way to smooth, a quarter of a pixel aside, passes."""
    subject = card()
    look = subject.look(LIGHT)
    area = subject.picture.bounds.adjusted(-12, -12, 12, 12)
    aside = area.translated(0.12, 0.12)
    one, other = (paint(subject.picture, look, place, 1.0) for place in (area, aside))
    assert stored_images.differing(one, other) <= stored_images.most


def test_a_group_is_a_pile_of_cards(qtbot: QtBot, stored_images: Any) -> None:
    """What tells it from a node is seen without its text."""
    subject = group()
    look = subject.look(LIGHT)
    plain = replace(
        subject,
        picture=replace(
            subject.picture,
            cards=tuple(
                replace(one, kind="node", opens=False) if one.kind == "group" else one
                for one in subject.picture.cards
            ),
        ),
    )
    assert stored_images.differing(subject.paint(look), plain.paint(look)) > stored_images.most


def test_the_colours_of_themes_differ_everywhere(qtbot: QtBot, stored_images: Any) -> None:
    """Dark is no light picture with some dark in it."""
    subject = card()
    light, dark = (
        stored_images.pixels(subject.paint(subject.look(theme))) for theme in (LIGHT, DARK)
    )
    assert light.mean() > 180
    assert dark.mean() < 70
    canvas = QColor(DARK.canvas)
    assert (dark == (canvas.red(), canvas.green(), canvas.blue())).all(axis=2).mean() > 0.2
