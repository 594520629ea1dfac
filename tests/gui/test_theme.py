"""Text is readable in both appearances, and both can be chosen."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor

from inspector.gui.main_window import MainWindow
from inspector.gui.theme import DARK, LIGHT, Theme, contrast, heat

AA = 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_enough_contrast(theme: Theme) -> None:
    """WCAG AA for every colour of text on every surface it is put on."""
    surfaces = (theme.window, theme.surface, theme.raised, theme.card, theme.canvas)
    for text in (theme.text, theme.muted, theme.accent):
        for surface in surfaces:
            assert contrast(text, surface) >= AA, (text, surface)
    assert contrast(theme.text, theme.selection) >= AA
    assert contrast(theme.on_accent, theme.accent) >= AA
    for colour in (theme.danger, theme.warning, theme.success):
        assert contrast(colour, theme.surface) >= AA
    for name, colour in theme.categories.items():
        assert contrast("#ffffff", colour) >= AA, name


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_data_stands_out(theme: Theme) -> None:
    """WCAG 1.4.11: 3 : 1 for what must be seen on a plot."""
    for colour in (theme.original, theme.quantized, theme.clip, theme.edge):
        assert contrast(colour, theme.surface) >= 3.0, colour


def test_contrast_is_that_of_the_standard() -> None:
    """The known ends of the scale, and a known grey."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_heat_runs_from_violet_to_yellow() -> None:
    """Values beyond the ends take the colours of the ends."""
    assert heat(-1.0) == heat(0.0) == QColor("#440154")
    assert heat(2.0) == heat(1.0) == QColor("#fde725")


def test_the_theme_can_be_chosen_and_is_remembered(window: MainWindow) -> None:
    """What is painted changes with it."""
    dark = next(a for a in window.actions_.themes.actions() if a.data() == "dark")
    dark.trigger()
    assert window.themes.theme is DARK
    assert window.palette().window().color() == QColor(DARK.window)
    again = MainWindow()
    assert again.themes.mode == "dark"
    again.close()
    again.deleteLater()
    window.themes.set_mode("light")
    assert window.themes.theme is LIGHT
