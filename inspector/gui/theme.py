"""One place for colours, spacing and type; every widget and plot takes them from here.

Text colours keep at least WCAG AA contrast (4.5 : 1) against every surface they are put on; a test
checks all pairs. Data colours are from the colour-blind-safe set of Okabe and Ito, heat from
viridis (van der Walt and Smith).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from inspector.gui.settings import read_setting, write_setting
from inspector.gui.theme_style import stylesheet

Mode = Literal["system", "light", "dark"]
MODES: tuple[Mode, ...] = ("system", "light", "dark")

SPACE_XS, SPACE_S, SPACE_M, SPACE_L, SPACE_XL = 4, 8, 12, 16, 24
TEXT_SMALL, TEXT_BODY, TEXT_TITLE, TEXT_HERO = 11, 13, 15, 22
"""Pixel sizes at a device pixel ratio of 1."""
RADIUS = 6


@dataclass(frozen=True, slots=True)
class Theme:
    """All colours of one appearance, as #rrggbb."""

    dark: bool
    window: str
    surface: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    selection: str
    danger: str
    warning: str
    success: str
    canvas: str
    dots: str
    card: str
    card_border: str
    edge: str
    grid: str
    original: str
    quantized: str
    clip: str
    categories: Mapping[str, str]

    def category(self, name: str) -> str:
        """The header colour of an operator category; white text is readable on all of them."""
        return self.categories.get(name, self.categories["other"])


_CATEGORIES = MappingProxyType(
    {
        "layer": "#335f9e",
        "matmul": "#2f6f8f",
        "attention": "#3d4f9f",
        "activation": "#8c3a33",
        "pool": "#3b6b3d",
        "normalization": "#2f6b5c",
        "shape": "#76543f",
        "tensor": "#5c5a45",
        "elementwise": "#8a5a14",
        "reduction": "#5f6420",
        "recurrent": "#4c4fa3",
        "quantization": "#7a3f8f",
        "control": "#8a3264",
        "constant": "#5d6470",
        "group": "#414955",
        "other": "#5d6470",
    }
)

LIGHT = Theme(
    dark=False,
    window="#f3f4f7",
    surface="#ffffff",
    raised="#eaecf1",
    border="#d5d9e1",
    text="#1b212c",
    muted="#565f6f",
    accent="#2560c8",
    on_accent="#ffffff",
    selection="#d9e5fb",
    danger="#b3261e",
    warning="#8a5200",
    success="#1e6b3a",
    canvas="#f7f8fa",
    dots="#e2e5eb",
    card="#ffffff",
    card_border="#c3c9d4",
    edge="#7f8897",
    grid="#d5d9e1",
    original="#5b7fa8",
    quantized="#d96c06",
    clip="#b3261e",
    categories=_CATEGORIES,
)

DARK = Theme(
    dark=True,
    window="#16181d",
    surface="#1d2026",
    raised="#272b33",
    border="#343a45",
    text="#e7eaf0",
    muted="#9ca5b4",
    accent="#78a9ff",
    on_accent="#0b1a33",
    selection="#28406b",
    danger="#ff8a80",
    warning="#f2b84b",
    success="#6fd08c",
    canvas="#14161a",
    dots="#23272e",
    card="#22262d",
    card_border="#3d4450",
    edge="#7d8797",
    grid="#343a45",
    original="#7fa6d6",
    quantized="#f5a623",
    clip="#ff8a80",
    categories=_CATEGORIES,
)

_HEAT = (
    "#440154", "#482878", "#3e4a89", "#31688e", "#26828e",
    "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip


def heat(fraction: float) -> QColor:
    """A colour of the viridis map; 0 is dark violet, 1 is yellow."""
    place = min(max(fraction, 0.0), 1.0) * (len(_HEAT) - 1)
    index = min(int(place), len(_HEAT) - 2)
    low, high, part = QColor(_HEAT[index]), QColor(_HEAT[index + 1]), place - index
    return QColor(
        round(low.red() + part * (high.red() - low.red())),
        round(low.green() + part * (high.green() - low.green())),
        round(low.blue() + part * (high.blue() - low.blue())),
    )


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    first, second = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def _luminance(colour: str) -> float:
    tone = QColor(colour)
    parts = (tone.redF(), tone.greenF(), tone.blueF())
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def palette(theme: Theme) -> QPalette:
    """Qt's palette in a theme's colours."""
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.surface,
        QPalette.ColorRole.AlternateBase: theme.window,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.BrightText: theme.danger,
        QPalette.ColorRole.Highlight: theme.selection,
        QPalette.ColorRole.HighlightedText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.Mid: theme.border,
        QPalette.ColorRole.Accent: theme.accent,
    }
    result = QPalette()
    for role, colour in roles.items():
        result.setColor(role, QColor(colour))
    faded = QColor(theme.muted)
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text):
        result.setColor(QPalette.ColorGroup.Disabled, role, faded)
    result.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText, faded)
    return result


class ThemeManager(QObject):
    """Applies a theme to the application and follows the system where that is wished.

    Signals:
        changed: the theme in force, whenever it becomes another one.
    """

    changed = Signal(object)

    def __init__(self, application: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._application = application
        stored = read_setting("appearance/theme", "system")
        self._mode: Mode = next((mode for mode in MODES if mode == stored), "system")
        self.theme = self._resolve()
        application.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._apply()

    @property
    def mode(self) -> Mode:
        """What the user chose: light, dark or what the system says."""
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Choose the appearance and remember it."""
        self._mode = mode
        write_setting("appearance/theme", mode)
        self._system_changed()

    def _resolve(self) -> Theme:
        if self._mode == "system":
            scheme = self._application.styleHints().colorScheme()
            return DARK if scheme == Qt.ColorScheme.Dark else LIGHT
        return DARK if self._mode == "dark" else LIGHT

    def _system_changed(self) -> None:
        theme = self._resolve()
        if theme is not self.theme:
            self.theme = theme
            self._apply()
            self.changed.emit(theme)

    def _apply(self) -> None:
        sheet = stylesheet(self.theme)
        if self._application.styleSheet() == sheet:
            return
        self._application.setStyle("Fusion")
        font = self._application.font()
        font.setPixelSize(TEXT_BODY)
        self._application.setFont(font)
        self._application.setPalette(palette(self.theme))
        self._application.setStyleSheet(sheet)
