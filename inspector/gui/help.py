"""What the Help menu shows: the keys, and what the program is made of. Never modal."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from inspector import __version__
from inspector.gui.resources import picture
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL

_PARTS = (
    ("numpy", "BSD-3-Clause"),
    ("onnx", "Apache-2.0"),
    ("onnxruntime", "MIT"),
    ("PySide6-Essentials", "LGPL-3.0-only"),
    ("pyqtgraph", "MIT"),
    ("fast-sugiyama", "MIT"),
    ("pillow", "MIT-CMU"),
    ("click", "BSD-3-Clause"),
    ("tomli-w", "MIT"),
    ("platformdirs", "MIT"),
)
"""What the program stands on, with the licence that it is used under."""

_GRAPH_KEYS = (
    ("Walk to the next node", "Arrow keys"),
    ("Select, and add to the selection", "Click, Ctrl+click"),
    ("Select nothing", "Esc"),
    ("Zoom", "Wheel, + and −"),
    ("Show all of the graph", "F"),
    ("Show the graph at 100 %", "0"),
)
_TABLE_KEYS = (("From the filter to the layers it found", "Enter"),)
_RECIPE_KEYS = (
    ("Apply what was typed", "Ctrl+Enter"),
    ("Forget what was typed", "Esc"),
)
_COMPARISON_KEYS = (
    ("From one graph to the other", "Tab, Shift+Tab"),
    ("Show all of both graphs", "F"),
    ("Select nothing; then close the comparison", "Esc"),
    ("Compare with a model that is dropped", "Shift or Alt held down"),
)
_EVERYWHERE = (("Go from part to part", "Tab, Shift+Tab"),)


def show_shortcuts(parent: QWidget, keys: Sequence[tuple[str, str]]) -> QDialog:
    """Show every key and what it does.

    Args:
        parent: the window.
        keys: of the actions: what they do, and their keys.
    """
    body = QWidget()
    grid = QGridLayout(body)
    grid.setHorizontalSpacing(SPACE_XL)
    grid.setVerticalSpacing(SPACE_S)
    grid.setColumnStretch(0, 1)
    for title, rows in (
        ("Everywhere", (*keys, *_EVERYWHERE)),
        ("In the graph", _GRAPH_KEYS),
        ("In the layer list", _TABLE_KEYS),
        ("In the text of the recipe", _RECIPE_KEYS),
        ("Beside one another", _COMPARISON_KEYS),
    ):
        _add_rows(grid, title, rows)
    return _dialog(parent, "shortcutsDialog", "Keyboard shortcuts", body)


def show_about(parent: QWidget) -> QDialog:
    """Show the version, and the licences of the program and of what it stands on."""
    body = QWidget()
    grid = QGridLayout(body)
    grid.setHorizontalSpacing(SPACE_XL)
    grid.setVerticalSpacing(SPACE_S)
    grid.setColumnStretch(0, 1)
    logo = QLabel()
    logo.setPixmap(picture("quant-inspector", 48, parent.devicePixelRatioF()))
    title = QLabel(f"Quant Inspector {__version__}")
    title.setProperty("role", "title")
    what = QLabel(
        "Shows what quantization does to an ONNX model, and lets you decide it layer by layer.\n"
        "Free software under the Apache License 2.0."
    )
    what.setWordWrap(True)
    for number, widget in enumerate((logo, title, what)):
        grid.addWidget(widget, number, 0, 1, 2)
    _add_rows(grid, "It stands on", [(f"{n} {_version(n)}", text) for n, text in _PARTS])
    return _dialog(parent, "aboutDialog", "About Quant Inspector", body)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _add_rows(grid: QGridLayout, title: str, rows: Sequence[tuple[str, str]]) -> None:
    head = QLabel(title)
    head.setProperty("role", "section")
    head.setContentsMargins(0, SPACE_S, 0, 0)
    grid.addWidget(head, grid.rowCount(), 0, 1, 2)
    for left, right in rows:
        number = grid.rowCount()
        value = QLabel(right)
        value.setProperty("role", "muted")
        grid.addWidget(QLabel(left), number, 0)
        grid.addWidget(value, number, 1, Qt.AlignmentFlag.AlignRight)


def _dialog(parent: QWidget, name: str, title: str, body: QWidget) -> QDialog:
    """A dialog that leaves the window usable; the one that is open already comes to the front."""
    for old in parent.findChildren(QDialog, name):
        old.close()
    dialog = QDialog(parent)
    dialog.setObjectName(name)
    dialog.setWindowTitle(title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    body.setObjectName("helpBody")
    scroll = QScrollArea()
    scroll.setAccessibleName("Text of this window")
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    layout = body.layout()
    assert layout is not None
    layout.setContentsMargins(SPACE_L, SPACE_M, SPACE_L, SPACE_M)
    scroll.setWidget(body)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.close)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(0, 0, 0, SPACE_M)
    column.addWidget(scroll, 1)
    row = QVBoxLayout()
    row.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
    row.addWidget(buttons)
    column.addLayout(row)
    wanted = body.sizeHint()
    dialog.resize(max(440, wanted.width() + 40), min(620, wanted.height() + 72))
    dialog.show()
    return dialog
