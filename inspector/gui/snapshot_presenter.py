"""Pinning a recipe as A: the actions, and what they can do now."""

from __future__ import annotations

from PySide6.QtCore import QObject

from inspector.gui.actions import Actions
from inspector.gui.bridge import Bridge
from inspector.gui.snapshot import Snapshots


class SnapshotPresenter(QObject):
    """Between the actions and what is pinned."""

    def __init__(
        self, bridge: Bridge, snapshots: Snapshots, actions: Actions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._snapshots = bridge, snapshots
        self._pin, self._swap, self._unpin = (
            actions[f"action{name}"] for name in ("Pin", "Swap", "Unpin")
        )
        self._pin.triggered.connect(snapshots.pin)
        self._swap.triggered.connect(snapshots.swap)
        self._unpin.triggered.connect(snapshots.unpin)
        snapshots.changed.connect(self._show)
        snapshots.refused.connect(bridge.refused)
        bridge.specs_changed.connect(self._show)
        bridge.model_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        pinned = self._snapshots.pinned
        self._pin.setEnabled(self._snapshots.can_pin)
        self._unpin.setEnabled(pinned is not None)
        is_other = pinned is not None and pinned.recipe != self._bridge.document.recipe
        self._swap.setEnabled(is_other)
