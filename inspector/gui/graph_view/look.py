"""How a picture is painted, beside what is in it: colours, what is said on cards and on edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from PySide6.QtGui import QColor

from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import Card
from inspector.gui.graph_view.picture import BODY_PIXELS

TEXT_SCALE = 8.0 / BODY_PIXELS
"""Below this zoom text would have less than 8 pixels, too few to read, and is left out."""
CARD_SCALE = 0.2
"""Below this zoom a card is one flat rectangle."""


_FAINT = 0.35
"""How much of a colour is left where its figure is out of date."""


@dataclass(frozen=True, slots=True)
class Badge:
    """What the quantizer says on a layer's card.

    Attributes:
        weights: spec in text form; empty for a layer without weights.
        activations: spec in text form.
        figure: the chosen quantity with its unit; empty where it is not known.
        colour: heat colour of the quantity; None where it is not known.
        is_float: the layer is left alone.
        why: why the layer does not get what was asked for; empty where it does.
        stale: the figure belongs to an earlier choice.
        title: the quantity's name, for the tooltip.
        misfit: why the target does not take the layer as it is; empty where it does.
        lone: the node has no partner in the model that this one is compared with.
    """

    weights: str
    activations: str
    figure: str = ""
    colour: QColor | None = None
    is_float: bool = False
    why: str = ""
    stale: bool = False
    title: str = ""
    misfit: str = ""
    lone: bool = False

    @property
    def shade(self) -> QColor | None:
        """The heat colour as it is shown: faint where the figure is out of date."""
        if self.colour is None or not self.stale:
            return self.colour
        faint = QColor(self.colour)
        faint.setAlphaF(_FAINT)
        return faint


def _no_label(_tensor: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is painted, beside what is in it.

    Attributes:
        brushes: the theme's.
        badges: what is said on the cards of layers, by node name.
        label: what is written on a tensor's edge.
        heated: whether cards far away show heat colours instead of their operator's.
        folded: nodes that are no more when the model is quantized, with what became of them.
        made: nodes that are not in the file as they are, with what made them.
    """

    brushes: Brushes
    badges: Mapping[str, Badge] = field(default_factory=dict)
    label: Callable[[str], str] = _no_label
    heated: bool = False
    folded: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)

    def badge_of(self, card: Card) -> Badge | None:
        """What is said on a card."""
        return None if card.is_pill else self.badges.get(card.name)

    def is_folded(self, card: Card) -> bool:
        """Whether a card's node is no more when the model is quantized."""
        return card.name in self.folded and card.kind in ("layer", "node")
