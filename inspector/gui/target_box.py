"""The choice of the hardware, and whether all layers fit it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.inputs import CalmComboBox
from inspector.gui.theme import SPACE_XS
from inspector.report.units import plural
from inspector.session.targets import TargetInfo

ADD = "Add a profile…"
_TIP = int(Qt.ItemDataRole.ToolTipRole)
_FILTER = "Target profiles (*.toml)"
_MOST_SOURCES = 12


class TargetBox(QWidget):
    """Chooses the target, says how many layers do not fit it, and offers to change them.

    Signals:
        target_chosen: the user chose another target; its name.
        select_asked: the layers that do not fit shall be selected.
        fit_asked: the layers that do not fit shall be changed.
        profile_asked: the user named the file of a profile; its path.
    """

    target_chosen = Signal(str)
    select_asked = Signal()
    fit_asked = Signal()
    profile_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._infos: tuple[TargetInfo, ...] = ()
        self._name = ""
        self.combo = CalmComboBox(self)
        self.combo.setObjectName("targetBox")
        self.combo.setAccessibleName("Target hardware")
        self.combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.combo.setMaxVisibleItems(18)
        self.combo.setMinimumContentsLength(8)
        self.combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.notice = QLabel(self)
        self.notice.setObjectName("targetNotice")
        self.notice.setTextFormat(Qt.TextFormat.PlainText)
        self.notice.setProperty("role", "warning")
        self.notice.setWordWrap(True)
        self.notice.setMinimumWidth(60)
        self.select = QPushButton("Select", self)
        self.select.setObjectName("targetSelect")
        self.select.setAccessibleName("Select the layers that do not fit the target")
        self.select.setToolTip("Select these layers, to look at them or to make only some fit")
        self.select.setProperty("link", "true")
        self.fit = QPushButton("Fit all", self)
        self.fit.setProperty("link", "true")
        self.fit.setObjectName("targetFit")
        self.fit.setAccessibleName("Make all layers fit the target")
        self.fit.setToolTip(
            "Change these layers to the nearest choice that the target takes: never fewer bits "
            "than now where it has as many. One step to undo."
        )
        self._arrange()
        self.combo.activated.connect(self._activated)
        self.select.clicked.connect(self.select_asked)
        self.fit.clicked.connect(self.fit_asked)
        self.show_target("", 0)

    def set_targets(self, infos: Sequence[TargetInfo]) -> None:
        """What there is to choose, in this order; see `inspector.session.targets.list_targets`."""
        self._infos = tuple(infos)
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for number, info in enumerate(self._infos):
                if number and info.own and not self._infos[number - 1].own:
                    self.combo.insertSeparator(self.combo.count())
                self._add(info)
            self.combo.insertSeparator(self.combo.count())
            self.combo.addItem(ADD, None)
            tip = "A TOML file that says what your hardware takes; it is kept among your settings"
            self.combo.setItemData(self.combo.count() - 1, tip, _TIP)
        self._show_name()

    def show_target(self, name: str, violations_count: int) -> None:
        """Show the present target, and how many layers do not fit it.

        Args:
            name: of the target, also one that is not in the list.
            violations_count: layers that do not fit.
        """
        self._name = name
        self._show_name()
        self.notice.setText(_notice(violations_count))
        self.row.setVisible(violations_count > 0)

    def _show_name(self) -> None:
        at = self.combo.findData(self._name) if self._name else -1
        with QSignalBlocker(self.combo):
            self.combo.setCurrentIndex(at)
        self.combo.setPlaceholderText(self._name or "No target")
        info = next((info for info in self._infos if info.name == self._name), None)
        self.combo.setToolTip("The hardware to quantize for" if info is None else _tip(info))

    def _add(self, info: TargetInfo) -> None:
        self.combo.addItem(info.title, info.name or None)
        at = self.combo.count() - 1
        self.combo.setItemData(at, _tip(info), _TIP)
        model = self.combo.model()
        if info.problem and isinstance(model, QStandardItemModel):
            model.item(at).setEnabled(False)

    def _activated(self, at: int) -> None:
        name = self.combo.itemData(at)
        adds = at == self.combo.count() - 1
        self._show_name()  # until whoever listens shows another
        if adds:
            self._ask_for_profile()
        elif isinstance(name, str) and name != self._name:
            self.target_chosen.emit(name)

    def _ask_for_profile(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.window(), "Add a target profile", "", _FILTER)
        if path:
            self.profile_asked.emit(path)

    def _arrange(self) -> None:
        self.row = QWidget(self)
        line = QHBoxLayout(self.row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(self.notice, 1)
        line.addWidget(self.select)
        line.addWidget(self.fit)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addWidget(self.combo)
        column.addWidget(self.row)
        self.setFocusProxy(self.combo)


def _notice(count: int) -> str:
    if count <= 0:
        return ""
    return f"{plural(count, 'layer')} {'does' if count == 1 else 'do'} not fit"


def _tip(info: TargetInfo) -> str:
    """A tooltip that shows whatever a profile says as text, never as markup."""
    if info.problem:
        return f"<p><b>{escape(info.title)}</b></p><p>{escape(info.problem)}</p>"
    parts = [f"<p><b>{escape(info.title)}</b> ({escape(info.name)})</p>"]
    if info.description:
        parts.append(f"<p>{escape(info.description)}</p>")
    if info.sources:
        shown = "".join(f"<li>{escape(source)}</li>" for source in info.sources[:_MOST_SOURCES])
        more = len(info.sources) - _MOST_SOURCES
        rest = f"<p>and {more} more</p>" if more > 0 else ""
        parts.append(f"<p>From:</p><ul>{shown}</ul>{rest}")
    return "".join(parts)
