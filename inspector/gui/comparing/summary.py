"""The figures of both models side by side, and what there is to say of their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from inspector.gui.still import ElidedLabel
from inspector.gui.theme import LIGHT, SPACE_M, SPACE_S, SPACE_XS, Theme
from inspector.report.comparison import SummaryRow


class SummaryPanel(QWidget):
    """A table of figures of both, and sentences below it.

    Signals:
        times_asked: time and memory are to be measured.
    """

    times_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._rows: Sequence[SummaryRow] = ()
        self._near: Sequence[tuple[str, str]] = ()
        self._lines: Sequence[str] = ()
        self._warnings: Sequence[str] = ()
        self._notes: Sequence[str] = ()
        self.title = QLabel("Both models")
        self.title.setProperty("role", "section")
        self.measure = QPushButton("Measure time and memory")
        self.measure.setObjectName("comparisonMeasure")
        self.measure.setProperty("small", "true")
        self.measure.setToolTip(
            "Run both in turn on one sample, in a process of their own: median, spread, memory, "
            "and what onnxruntime fused"
        )
        self.measure.clicked.connect(self.times_asked)
        self.text = _Text()
        head = QHBoxLayout()
        head.setContentsMargins(SPACE_M, SPACE_XS, SPACE_S, SPACE_XS)
        head.addWidget(self.title, 1)
        head.addWidget(self.measure)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.text, 1)

    def show_figures(
        self,
        rows: Sequence[SummaryRow],
        near: Sequence[tuple[str, str]],
        lines: Sequence[str],
        warnings: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Show other figures.

        Args:
            rows: of both.
            near: how near the outputs are.
            lines: what there is to say of their time.
            warnings: what must not be overlooked.
            notes: how the samples are fed.
        """
        self._rows, self._near, self._lines = rows, near, lines
        self._warnings, self._notes = warnings, notes
        self._show()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self._show()

    def _show(self) -> None:
        place = self.text.verticalScrollBar().value()
        self.text.setHtml("".join(self._markup()))
        self.text.verticalScrollBar().setValue(place)

    def _markup(self) -> Iterator[str]:
        muted, text = self._theme.muted, self._theme.text
        for line in self._warnings:
            yield f'<p style="margin:3px;color:{self._theme.warning}">{escape(line)}</p>'
        if not self._rows:
            return
        yield f'<table cellspacing="0" cellpadding="3" width="100%" style="color:{text}">'
        yield f'<tr><td width="24%"></td><td width="38%" style="color:{muted}">First</td>'
        yield f'<td width="38%" style="color:{muted}">Second</td></tr>'
        for row in self._rows:
            yield f'<tr><td style="color:{muted}">{escape(row.name)}</td>'
            yield f"<td>{escape(row.first)}</td><td>{escape(row.second)}</td></tr>"
        for name, figure in self._near:
            yield f'<tr><td style="color:{muted}">{escape(name.strip())}</td><td></td>'
            yield f"<td><b>{escape(figure)}</b></td></tr>"
        yield "</table>"
        for line in self._lines:
            yield f'<p style="margin:6px 3px;color:{text}">{escape(line)}</p>'
        for line in self._notes:
            yield f'<p style="margin:6px 3px;color:{muted}">{escape(line)}</p>'


class _Text(QTextBrowser):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("comparisonSummary")
        self.setAccessibleName("Figures of both models")
        self.setOpenLinks(False)
        self.setFrameShape(QTextBrowser.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(SPACE_S)

    def sizeHint(self) -> QSize:
        """Enough for the table."""
        return QSize(420, 240)


class SideHead(QWidget):
    """The line above one graph: which model it is, and in short what."""

    def __init__(self, role: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.role = QLabel(role)
        self.role.setProperty("role", "small")
        self.name = ElidedLabel(self, Qt.TextElideMode.ElideMiddle)
        self.name.setProperty("role", "section")
        self.what = QLabel()
        self.what.setProperty("role", "muted")
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_M, SPACE_XS, SPACE_M, SPACE_XS)
        row.setSpacing(SPACE_S)
        row.addWidget(self.role)
        row.addWidget(self.name, 1)
        row.addWidget(self.what)

    def show_model(self, name: str, what: str, tip: str = "", *, stale: bool = False) -> None:
        """Show another model."""
        self.name.set_full_text(name)
        self.name.setToolTip(tip or name)
        self.what.setText(what)
        self.what.setProperty("role", "warning" if stale else "muted")
        self.what.style().polish(self.what)
