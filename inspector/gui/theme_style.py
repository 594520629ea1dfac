"""The stylesheet: only what a palette cannot say. Its text is resources/style.qss."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from inspector.gui.resources import resources

if TYPE_CHECKING:
    from inspector.gui.theme import Theme


def stylesheet(theme: Theme) -> str:
    """The application's stylesheet in a theme's colours."""
    names = (name for name in theme.__slots__ if name != "categories")
    colours = {name: getattr(theme, name) for name in names}
    text = (resources() / "style.qss").read_text(encoding="utf-8")
    return Template(text).substitute(colours, icons=(resources() / "icons").as_posix())
