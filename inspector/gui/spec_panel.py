"""The panel of what is chosen for the selected layers, or by default when none is selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.format_box import FormatBox
from inspector.gui.spec_allowed import Refusals
from inspector.gui.spec_bar import SpecBar
from inspector.gui.spec_editor import SpecEditor
from inspector.gui.still import CopyLabel, ElidedLabel
from inspector.gui.target_box import TargetBox
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from inspector.quant.spec import QuantSpec, Role


@dataclass(frozen=True, slots=True)
class Selection:
    """What the panel shows.

    Attributes:
        title: the layer, or how many.
        subtitle: operator, shape and size.
        weights: specs as written, one a layer with weights; empty where none has any.
        activations: specs as written, one a layer.
        own: some layer has a rule of its own that can be taken back.
        origin: where the specs were written: "own choice", "rule op:Gemm", "default"; in a line,
            or in two where weights and activations differ.
    """

    title: str
    subtitle: str
    weights: tuple[QuantSpec, ...]
    activations: tuple[QuantSpec, ...]
    own: bool = False
    origin: str = ""


Figures = Sequence[tuple[str, str]]
_LINES_APART = 2
_TIPS = {
    "Values": "The smallest and the largest value before quantization",
    "Grid": "The real values of the lowest and the highest code: what lies beyond is clipped",
    "Scale": "The real distance between two neighbouring codes; of several scales the ends",
    "SQNR": "Signal-to-quantization-noise ratio in dB: the power of the values over that of the "
    "error.\nMore is better; 6 dB more is half the error, about one bit.",
    "Clipped": "Share of the values beyond the ends of the grid, which become the nearest end",
    "To zero": "Share of the values that are not zero before, and are after",
    "Quantized": "The layer computes with the values as they are",
}


class FigureGrid(QWidget):
    """Figures with their names, aligned; they change without anything being laid out anew."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells: list[tuple[QLabel, QLabel]] = []
        self._shown = 0
        self._known: tuple[tuple[tuple[str, str], ...], str] = ((), "")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_figures(self, figures: Figures, why: str = "") -> None:
        """Show these; labels are used again. `why` explains the spec in use."""
        if (tuple(figures), why) == self._known:
            return
        self._known = tuple(figures), why
        while len(self._cells) < len(figures):
            self._cells.append((self._label("name"), self._label("number")))
        for number, cells in enumerate(self._cells):
            texts = figures[number] if number < len(figures) else None
            for label, text in zip(cells, texts or ("", ""), strict=True):
                label.setVisible(texts is not None)
                label.setText(text)
                label.setToolTip("" if texts is None else _TIPS.get(texts[0], why))
        if len(figures) != self._shown:
            self._shown = len(figures)
            self.updateGeometry()
        self._place()

    def sizeHint(self) -> QSize:
        """A line for each figure."""
        return QSize(0, max(self._shown * self._line() - _LINES_APART, 0))

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Values stay on the right."""
        super().resizeEvent(event)
        self._place()

    def _label(self, role: str) -> QLabel:
        label = CopyLabel(self) if role == "number" else QLabel(self)
        label.setProperty("role", role)
        label.ensurePolished()
        if role == "number":
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return label

    def _line(self) -> int:
        """From one line to the next."""
        fonts = [QFontMetrics(label.font()).height() for pair in self._cells for label in pair]
        return max(fonts, default=0) + _LINES_APART

    def _place(self) -> None:
        line, width = self._line(), self.width()
        for number, (name, value) in enumerate(self._cells[: self._shown]):
            left = name.sizeHint().width()
            name.setGeometry(0, number * line, left, line - _LINES_APART)
            left += SPACE_M
            value.setGeometry(left, number * line, max(width - left, 0), line - _LINES_APART)


class SpecPanel(QScrollArea):
    """Shows and edits the specs of the selection.

    Signals:
        changed: a SpecChange.
        let_go: a drag or typing is over; the next change is another step.
        fit_asked: the selected layers shall be changed to what the target takes.
        reset_asked: the selected layers shall get their defaults back.
    """

    changed = Signal(object)
    let_go = Signal()
    fit_asked = Signal()
    reset_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("specPanel")
        self.setAccessibleName("Quantization of the selection")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(248)
        self.form = QWidget(self)
        self.title = ElidedLabel(self)
        self.title.setProperty("role", "title")
        self.subtitle = QLabel(self)
        self.subtitle.setProperty("role", "muted")
        self.subtitle.setWordWrap(True)
        self.target = TargetBox(self)
        self.format = FormatBox(self)
        self.misfit = QLabel(self)
        self.misfit.setObjectName("specMisfit")
        self.misfit.setTextFormat(Qt.TextFormat.PlainText)
        self.misfit.setProperty("role", "warning")
        self.misfit.setWordWrap(True)
        self.misfit.hide()
        self.fit = QPushButton("Make it fit", self)
        self.fit.setObjectName("specFit")
        self.fit.setAccessibleName("Make the selected layers fit the target")
        self.fit.setProperty("link", "true")
        self.fit.hide()
        self.origins = tuple(ElidedLabel(self, Qt.TextElideMode.ElideRight) for _ in range(2))
        for label in self.origins:
            label.setObjectName("specOrigin")
            label.setProperty("role", "small")
        self.bar = SpecBar(self)
        self.weights = SpecEditor("weights")
        self.activations = SpecEditor("activations")
        self.weight_figures = FigureGrid()
        self.activation_figures = FigureGrid()
        self.weight_section = _section("Weights", self.weights, self.weight_figures)
        self.activation_section = _section("Activations", self.activations, self.activation_figures)
        self.reset = QPushButton("Reset to default")
        self.reset.setObjectName("specReset")
        self.reset.setProperty("link", "true")
        self.reset.setToolTip("Take back what was chosen for these layers alone")
        self._arrange()
        for editor in (self.weights, self.activations):
            editor.changed.connect(self.changed)
            editor.let_go.connect(self.let_go)
        self.fit.clicked.connect(self.fit_asked)
        self.reset.clicked.connect(self.reset_asked)

    def show_selection(
        self,
        selection: Selection | None,
        limits: dict[Role, tuple[float, float]] | None = None,
    ) -> None:
        """Show what is chosen for layers; None when no model is open."""
        self.form.setEnabled(selection is not None)
        if selection is None:
            selection = Selection("No model", "Open a model to choose how it is quantized.", (), ())
        known = limits or {}
        self.title.set_full_text(selection.title)
        self.subtitle.setText(selection.subtitle)
        self.weight_section.setVisible(bool(selection.weights))
        self.activation_section.setVisible(bool(selection.activations))
        self.weights.show_specs(selection.weights, known.get("weights"))
        self.activations.show_specs(selection.activations, known.get("activations"))
        self.reset.setVisible(selection.own)
        first, _, second = selection.origin.partition("\n")
        for label, text in zip(self.origins, (first, second), strict=True):
            label.set_full_text(text)
            label.setVisible(bool(text))
        self.row.setVisible(bool(selection.origin) or selection.own)
        self.bar.setVisible(bool(selection.weights or selection.activations))

    def origin(self) -> str:
        """Where the specs that are shown were written, as it is shown."""
        return "\n".join(label.full_text() for label in self.origins if label.full_text())

    def show_refusals(self, role: Role, refused: Refusals) -> None:
        """Show what of a role's specs the target cannot run."""
        editor = self.weights if role == "weights" else self.activations
        editor.show_refusals(refused)

    def show_misfit(self, why: str) -> None:
        """Say what the target does not take of the specs that are shown; nothing if it fits."""
        self.misfit.setText(why)
        self.misfit.setVisible(bool(why))

    def offer_fit(self, offered: bool, changes: str) -> None:
        """Offer to make the selected layers fit, and say what that changes where it is one."""
        self.fit.setVisible(offered)
        self.fit.setToolTip(
            changes or "Change the selected layers to the nearest choice that the target takes"
        )

    def show_figures(self, role: Role, figures: Figures, why: str = "") -> None:
        """Show what the choice costs, and why another spec is in use where one is."""
        grid = self.weight_figures if role == "weights" else self.activation_figures
        grid.show_figures(figures, why)

    def _arrange(self) -> None:
        form = self.form
        form.setObjectName("specForm")
        form.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(form)
        column.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_L)
        column.setSpacing(SPACE_S)
        column.addWidget(self.target)
        column.addWidget(self.format)
        column.addSpacing(SPACE_XS)
        column.addWidget(self.title)
        self.row = QWidget(self)
        line = QHBoxLayout(self.row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACE_XS)
        lines = QVBoxLayout()
        lines.setSpacing(0)
        for label in self.origins:
            lines.addWidget(label)
        line.addLayout(lines, 1)
        line.addWidget(self.reset)
        column.addWidget(self.row)
        column.addWidget(self.subtitle)
        column.addWidget(self.misfit)
        column.addWidget(self.fit, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.bar)
        column.addWidget(self.weight_section)
        column.addWidget(self.activation_section)
        column.addStretch(1)
        self.setWidget(form)


def _section(title: str, editor: SpecEditor, figures: FigureGrid) -> QWidget:
    section = QWidget()
    column = QVBoxLayout(section)
    column.setContentsMargins(0, SPACE_XS, 0, SPACE_XS)
    column.setSpacing(6)
    rule = QFrame()
    rule.setObjectName("rule")
    rule.setFixedHeight(1)
    head = QLabel(title)
    head.setProperty("role", "section")
    column.addWidget(rule)
    column.addWidget(head)
    column.addWidget(editor)
    column.addWidget(figures)
    return section
