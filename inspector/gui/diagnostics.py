"""What the program keeps and how quick it is: memory, caches, the last evaluation, versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector import __version__
from inspector.cache import CACHE_BYTES, CachePool
from inspector.gui.bridge import Bridge
from inspector.gui.inputs import NumberBox
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.status_strip import duration_text
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL, SPACE_XS
from inspector.memory import resident_bytes
from inspector.report.units import bytes_text, count_text, decibel_text, plural

SETTING = "cache/megabytes"
_MEGABYTE = 1_000_000
_LEAST, _MOST = 50, 1_000_000
_REFRESH_MS = 500
_PARTS = ("numpy", "onnx", "onnxruntime", "PySide6-Essentials", "pyqtgraph")

Rows = Sequence[tuple[str, str]]


def remembered_limit() -> int:
    """How many bytes the user lets caches take; the usual where nothing sensible was said."""
    try:
        megabytes = int(read_setting(SETTING, ""))
    except ValueError:
        return CACHE_BYTES
    return min(max(megabytes, _LEAST), _MOST) * _MEGABYTE


class FigureTable(QWidget):
    """Figures under a title, aligned; they change in place.

    Args:
        title: above them.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SPACE_XL)
        self._grid.setVerticalSpacing(SPACE_XS)
        self._grid.setColumnStretch(0, 1)
        self._cells: list[list[QLabel]] = []
        head = QLabel(title, self)
        head.setProperty("role", "section")
        self._grid.addWidget(head, 0, 0, 1, 3)

    def show_rows(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show these: a name, and one or two figures each."""
        while len(self._cells) < len(rows):
            self._cells.append([])
        for number, (cells, row) in enumerate(zip(self._cells, rows, strict=False), start=1):
            while len(cells) < len(row):
                label = QLabel(self)
                label.setProperty("role", "number" if cells else "name")
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                side = Qt.AlignmentFlag.AlignRight if cells else Qt.AlignmentFlag.AlignLeft
                self._grid.addWidget(label, number, len(cells) and len(cells) + 3 - len(row), side)
                cells.append(label)
            for label, text in zip(cells, row, strict=True):
                label.setText(text)
        for cells in self._cells[len(rows) :]:
            for label in cells:
                label.clear()


class Diagnostics(QDialog):
    """Shows what is kept and what it took; follows while it is open. Leaves the window usable.

    Args:
        bridge: the document, and what is known of it.

    Signals:
        limit_changed: bytes that the user lets the caches take.
    """

    limit_changed = Signal(object)

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("diagnosticsDialog")
        self.setWindowTitle("Diagnostics")
        self._bridge = bridge
        self._pool: CachePool = bridge.document.caches
        self.memory = FigureTable("Memory")
        self.bar = QProgressBar()
        self.bar.setObjectName("cacheBar")
        self.bar.setAccessibleName("Part of the caches' limit in use")
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.limit = NumberBox(_LEAST, _MOST)
        self.clear = QPushButton("Clear caches")
        self.caches = FigureTable("Caches")
        self.evaluation = FigureTable("Last evaluation")
        self.versions = FigureTable("Versions")
        self.copy_button = QPushButton("Copy")
        self.close_button = QPushButton("Close")
        self._timer = QTimer(self)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self._arrange()
        self._connect()

    def rows(self) -> dict[str, Sequence[tuple[str, ...]]]:
        """All that is shown, by its title."""
        pool = self._pool
        resident = resident_bytes()
        usage = pool.usage()
        return {
            "Memory": [
                ("Process", "unknown" if resident is None else bytes_text(resident)),
                ("Caches", f"{bytes_text(pool.used)} of {bytes_text(pool.limit)}"),
                ("Made room for", plural(pool.dropped, "newer value")),
            ],
            "Caches": [
                (one.title, plural(one.count, "value"), bytes_text(one.used)) for one in usage
            ],
            "Last evaluation": self._evaluation_rows(),
            "Versions": [
                ("Quant Inspector", __version__),
                *((name, metadata.version(name)) for name in _PARTS),
                ("Python", platform.python_version()),
                ("System", f"{platform.system()} {platform.machine()}"),
            ],
        }

    def text(self) -> str:
        """All of it as text, to be put into a report of a problem."""
        parts = []
        for title, rows in self.rows().items():
            lines = [f"  {row[0]}: {', '.join(row[1:])}" for row in rows]
            parts.append("\n".join([title, *lines]))
        return "\n".join(parts)

    def refresh(self) -> None:
        """Show the figures of this moment."""
        rows, pool = self.rows(), self._pool
        for title, table in (
            ("Memory", self.memory),
            ("Caches", self.caches),
            ("Last evaluation", self.evaluation),
            ("Versions", self.versions),
        ):
            table.show_rows(rows[title])
        self.bar.setValue(round(1000 * pool.used / max(pool.limit, 1)))
        if not self.limit.hasFocus():
            self.limit.setValue(pool.limit / _MEGABYTE)

    def showEvent(self, event: QShowEvent) -> None:
        """Follow while it is seen."""
        super().showEvent(event)
        self.refresh()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Rest while it is not."""
        super().hideEvent(event)
        self._timer.stop()

    # Inside

    def _evaluation_rows(self) -> list[tuple[str, str]]:
        evaluation = self._bridge.evaluation
        estimate, runs = evaluation.estimate, evaluation.runs
        if estimate is None:
            return [("Time", "none yet"), *_run_rows(runs.asked, runs.replaced)]
        fidelity = estimate.fidelity
        samples = 0 if fidelity is None else fidelity.samples
        return [
            ("Time", duration_text(estimate.seconds)),
            ("Samples", count_text(samples)),
            ("Output SQNR", "unknown" if fidelity is None else decibel_text(fidelity.sqnr_db)),
            ("Sessions built", count_text(evaluation.sessions_built)),
            *_run_rows(runs.asked, runs.replaced),
        ]

    def _set_limit(self) -> None:
        limit = round(self.limit.value()) * _MEGABYTE
        if limit != self._pool.limit:
            self._pool.set_limit(limit)
            write_setting(SETTING, str(limit // _MEGABYTE))
            self.limit_changed.emit(limit)
            self.refresh()

    def _clear(self) -> None:
        self._pool.clear()
        self.refresh()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text())

    def _connect(self) -> None:
        self.limit.editingFinished.connect(self._set_limit)
        self.clear.clicked.connect(self._clear)
        self.copy_button.clicked.connect(self._copy)
        self.close_button.clicked.connect(self.close)

    def _arrange(self) -> None:
        self.limit.setObjectName("cacheLimit")
        self.limit.setAccessibleName("Limit of the caches in megabytes")
        self.limit.setToolTip("What was used longest ago goes first when the caches are full")
        self.limit.setDecimals(0)
        self.limit.setSuffix(" MB")
        self.clear.setObjectName("clearCaches")
        self.clear.setToolTip("All of it is found again when it is wanted")
        self.copy_button.setObjectName("copyDiagnostics")
        self.copy_button.setToolTip("Copy all of this as text")
        self.copy_button.setAutoDefault(False)
        self.clear.setAutoDefault(False)
        word = QLabel("Limit")
        word.setProperty("role", "name")
        word.setBuddy(self.limit)
        bound = QHBoxLayout()
        bound.setSpacing(SPACE_S)
        bound.addWidget(word)
        bound.addWidget(self.limit)
        bound.addStretch(1)
        bound.addWidget(self.clear)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_S)
        buttons.addStretch(1)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.close_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_M)
        column.addWidget(self.memory)
        column.addWidget(self.bar)
        column.addLayout(bound)
        for table in (self.caches, self.evaluation, self.versions):
            column.addWidget(table)
        column.addStretch(1)
        column.addLayout(buttons)
        self.setMinimumWidth(420)


def _run_rows(asked: int, replaced: int) -> list[tuple[str, str]]:
    return [("Asked for", count_text(asked)), ("Replaced by newer", count_text(replaced))]
