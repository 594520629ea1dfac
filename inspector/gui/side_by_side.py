"""Widgets that share the window: behind one another as tabs, or beside one another."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QTabWidget, QWidget


def tabs_of(pages: Sequence[tuple[str, QWidget]]) -> QTabWidget:
    """Pages that take one place, with their titles."""
    tabs = QTabWidget()
    tabs.setObjectName("sideTabs")
    tabs.setAccessibleName("Quantization, properties, recipe")
    tabs.setDocumentMode(True)
    tabs.tabBar().setDrawBase(False)  # Fusion draws it light in dark windows too
    for title, page in pages:
        tabs.addTab(page, title)
    return tabs


def splitter_of(
    orientation: Qt.Orientation,
    widgets: Sequence[QWidget],
    sizes: Sequence[int],
    shares: Sequence[int],
) -> QSplitter:
    """Widgets beside or above one another, with a line between that can be moved.

    Args:
        orientation: across or down.
        widgets: in order.
        sizes: pixels of each, to begin with.
        shares: of what a larger window has more.
    """
    splitter = QSplitter(orientation)
    splitter.setHandleWidth(1)
    splitter.setChildrenCollapsible(False)
    for widget in widgets:
        splitter.addWidget(widget)
    splitter.setSizes(list(sizes))
    for number, share in enumerate(shares):
        splitter.setStretchFactor(number, share)
    return splitter
