"""Pens, brushes, fonts and cut-off texts that a theme's pictures are painted with."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPen

from inspector.gui.graph_view.picture import BODY_PIXELS, TITLE_PIXELS, card_font
from inspector.gui.theme import Theme

WARNING = "#f2b84b"
"""Amber: it stands out on every header colour, in both themes."""
ELIDE_END = Qt.TextElideMode.ElideRight
ELIDE_START = Qt.TextElideMode.ElideLeft
ELIDE_MIDDLE = Qt.TextElideMode.ElideMiddle


class Brushes:
    """Everything of a theme that painting needs, made once."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self.title = card_font(TITLE_PIXELS, bold=True)
        self.body = card_font(BODY_PIXELS)
        self.strong = card_font(BODY_PIXELS, bold=True)
        self.metrics = QFontMetricsF(self.body)
        self.strong_metrics = QFontMetricsF(self.strong)
        self.title_metrics = QFontMetricsF(self.title)
        self.text = QPen(QColor(theme.text))
        self.muted = QPen(QColor(theme.muted))
        self.accent = QPen(QColor(theme.accent))
        self.white = QPen(QColor("#ffffff"))
        self.faint_white = QPen(QColor(255, 255, 255, 150))
        self.edge = QPen(QColor(theme.edge), 1.2)
        self.hairline = QPen(QColor(theme.edge), 1.0)
        self.hairline.setCosmetic(True)
        self.border = QPen(QColor(theme.card_border), 1.0)
        self.float_border = QPen(QColor(theme.muted), 1.4, Qt.PenStyle.DashLine)
        self.lone_border = QPen(QColor(theme.danger), 1.8, Qt.PenStyle.DashLine)
        self.lone = QColor(theme.danger)
        self.chosen = QPen(QColor(theme.accent), 2.4)
        self.warning = QBrush(QColor(WARNING))
        self.on_warning = QPen(QColor("#1a1300"))
        self.rule = QPen(QColor(theme.border), 1.0)
        self.card = QBrush(QColor(theme.card))
        self.canvas = QBrush(QColor(theme.canvas))
        self.raised = QBrush(QColor(theme.raised))
        self.headers = {name: QBrush(QColor(c)) for name, c in theme.categories.items()}
        self.hatch = QBrush(QColor(255, 255, 255, 70), Qt.BrushStyle.BDiagPattern)
        self._measures = {
            "body": self.metrics,
            "strong": self.strong_metrics,
            "title": self.title_metrics,
        }
        # Each cut-off text is found once: finding where to cut costs more than painting it.
        self.elided = lru_cache(8192)(self._elided)
        self.sized = lru_cache(64)(self._sized)

    def header(self, category: str) -> QBrush:
        """The brush of an operator category."""
        return self.headers.get(category, self.headers["other"])

    def _elided(
        self, text: str, width: float, mode: Qt.TextElideMode = ELIDE_END, *, font: str = "body"
    ) -> str:
        metrics = self._measures[font]
        return metrics.elidedText(" ".join(text.split()), mode, width + 1)

    def _sized(self, pixels: int) -> tuple[QFont, QFontMetricsF]:
        """A bold font of another size and its measures."""
        font = card_font(pixels, bold=True)
        return font, QFontMetricsF(font)
