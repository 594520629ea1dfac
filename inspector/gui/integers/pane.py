"""The tab of integers: the pipeline of a layer, any number as a code, one output worked through."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.integers.diagram import PipelineView
from inspector.gui.integers.stages import Stage
from inspector.gui.properties.page import Page, Target
from inspector.gui.properties.sheet import Sheet
from inspector.gui.still import ElidedLabel
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS, Theme
from inspector.quant.spec import Role

_ROLES: tuple[tuple[str, Role], ...] = (("Weights", "weights"), ("Activations", "activations"))
_SPOKEN = {
    "integerNumber": "The number as a code",
    "integerWorked": "One output, worked through",
    "integerModel": "Where the model changes between floats and grids",
}
_VALUE_TIP = (
    "A real number, or a code as 0x1f or 0b1101.\nA click into a histogram puts the value here."
)
_INDEX_TIP = "Which element of the output, as in 0, 12, 3, 4: one number for each dimension"


class IntegersPane(QScrollArea):
    """Shows what it is given, and tells what the user asks for.

    Signals:
        number_asked: another number, role or channel was chosen.
        place_asked: another sample or element was chosen.
        another_asked: any other element of the output.
        node_asked: name of a node that was clicked.
    """

    number_asked = Signal()
    place_asked = Signal()
    another_asked = Signal()
    node_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("integersPane")
        self.setAccessibleName("Integer arithmetic")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(248)
        self.diagram = PipelineView()
        self.number, self.worked, self.model = (Sheet() for _ in range(3))
        for sheet, name in (
            (self.number, "integerNumber"),
            (self.worked, "integerWorked"),
            (self.model, "integerModel"),
        ):
            sheet.setObjectName(name)
            sheet.setAccessibleName(_SPOKEN[name])
            sheet.asked.connect(self._follow)
        self._controls()
        self._arrange()

    # What is shown

    def show_layer(self, title: str, note: str) -> None:
        """Whose arithmetic it is."""
        self.title.set_full_text(title)
        self.note.setText(note)
        self.note.setVisible(bool(note))

    def show_reason(self, text: str) -> None:
        """Why there is no pipeline; empty where there is one."""
        self.reason.setText(text)
        self.reason.setVisible(bool(text))
        self.diagram.setVisible(not text)

    def show_stages(self, stages: Sequence[Stage]) -> None:
        """Draw the pipeline."""
        self.show_reason("")
        self.diagram.show_stages(stages)

    def show_number(self, page: Page | None, reason: str = "") -> None:
        """Show a number's code, or why it has none."""
        self.number.setVisible(page is not None)
        self.number_reason.setVisible(page is None)
        self.number_reason.setText(reason)
        if page is not None:
            self.number.show_page(page)

    def show_rows(self, rows: int, what: str) -> None:
        """How many channels or blocks there are to choose from."""
        self.row.setVisible(rows > 1)
        self.row_name.setVisible(rows > 1)
        self.row_name.setText(what.capitalize())
        with QSignalBlocker(self.row):
            self.row.setMaximum(max(rows - 1, 0))

    def show_worked(self, page: Page | None, reason: str = "", *, place: bool = False) -> None:
        """Show an output worked through, or why there is none.

        Args:
            page: what is shown.
            reason: why there is nothing.
            place: another element or sample would have one.
        """
        self.worked.setVisible(page is not None)
        self.place.setVisible(page is not None or place)
        self.worked_reason.setVisible(bool(reason))
        self.worked_reason.setText(reason)
        if page is not None:
            self.worked.show_page(page)

    def show_place(self, index: Sequence[int], shape: Sequence[int], samples: int) -> None:
        """Which element that was."""
        self.sample.setEnabled(samples > 1)
        with QSignalBlocker(self.sample):
            self.sample.setMaximum(max(samples, 1))
            self.sample.setSuffix(f" of {samples}")
        text = ", ".join(map(str, index))
        if not self.index.hasFocus() or not self.index.isModified():
            self.index.setText(text)
        self.index.setToolTip(f"{_INDEX_TIP}\nThe output is {' × '.join(map(str, shape))}.")

    def show_model(self, page: Page | None) -> None:
        """Show where the whole model changes between floats and grids."""
        self.model.setVisible(page is not None)
        if page is not None:
            self.model.show_page(page)

    def set_stale(self, is_stale: bool) -> None:
        """Fade what is of an earlier choice."""
        self.diagram.set_stale(is_stale)
        for sheet in (self.worked, self.model):
            sheet.setEnabled(not is_stale)
        self.stale.setVisible(is_stale)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for part in (self.diagram, self.number, self.worked, self.model):
            part.apply_theme(theme)

    # What is asked

    @property
    def chosen_role(self) -> Role:
        """Whose grid the number is put on."""
        return _ROLES[max(self.role.currentIndex(), 0)][1]

    def choose_role(self, role: Role) -> None:
        """Put the number on the grid of the weights or of the activations."""
        with QSignalBlocker(self.role):
            self.role.setCurrentIndex([one for _, one in _ROLES].index(role))

    def choose_row(self, row: int) -> None:
        """Another channel."""
        self.row.setValue(row)

    def choose_value(self, value: float) -> None:
        """Another number."""
        self.value.setText(f"{value:.6g}")

    def forget_place(self) -> None:
        """Another layer: the element in the middle of its output."""
        self.index.clear()

    # How it is built

    def _controls(self) -> None:
        self.title = ElidedLabel()
        self.title.setProperty("role", "title")
        self.note, self.reason = QLabel(), QLabel()
        self.stale = QLabel("Computing… (this is from before)")
        self.number_reason, self.worked_reason = QLabel(), QLabel()
        for label, look in (
            (self.note, "small"),
            (self.reason, "muted"),
            (self.stale, "small"),
            (self.number_reason, "muted"),
            (self.worked_reason, "muted"),
        ):
            label.setProperty("role", look)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
            label.hide()
        self.role = QComboBox()
        self.role.addItems([title for title, _ in _ROLES])
        self.row, self.sample = QSpinBox(), QSpinBox()
        self.sample.setMinimum(1)
        self.row_name = QLabel("Channel")
        self.row_name.setProperty("role", "name")
        self.value, self.index = QLineEdit("0.1"), QLineEdit()
        self.another = QPushButton("Another")
        self.another.setProperty("small", "true")
        for widget, name, spoken, tip in (
            (self.role, "numberRole", "Grid of the number", "On whose grid the number is put"),
            (self.row, "numberRow", "Channel of the number", "Which of the scales"),
            (self.value, "numberValue", "Number", _VALUE_TIP),
            (self.sample, "workedSample", "Sample", "Which of the samples the model is run on"),
            (self.index, "workedIndex", "Element of the output", _INDEX_TIP),
            (self.another, "workedAnother", "Another element", "Any other element of the output"),
        ):
            widget.setObjectName(name)
            widget.setAccessibleName(spoken)
            widget.setToolTip(tip)
        self.role.currentIndexChanged.connect(lambda _: self.number_asked.emit())
        self.row.valueChanged.connect(lambda _: self.number_asked.emit())
        self.value.textChanged.connect(lambda _: self.number_asked.emit())
        self.sample.valueChanged.connect(lambda _: self.place_asked.emit())
        self.index.editingFinished.connect(self._index_edited)
        self.another.clicked.connect(self.another_asked)

    def _arrange(self) -> None:
        body = QWidget()
        body.setObjectName("propertyBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, SPACE_M, 0, SPACE_M)
        column.setSpacing(SPACE_XS)
        column.addLayout(_indented(self.title))
        for label in (self.note, self.stale, self.reason):
            column.addWidget(label)
        column.addWidget(self.diagram)
        column.addLayout(_indented(_head("One number"), above=SPACE_M))
        column.addLayout(self._number_form())
        column.addWidget(self.number_reason)
        column.addWidget(self.number)
        column.addLayout(_indented(_head("One output, worked through"), above=SPACE_M))
        column.addWidget(self._place_form())
        column.addWidget(self.worked_reason)
        column.addWidget(self.worked)
        column.addSpacing(SPACE_S)
        column.addWidget(_rule())
        column.addWidget(self.model)
        column.addStretch(1)
        self.setWidget(body)
        self.setFrameShape(QFrame.Shape.NoFrame)

    def _number_form(self) -> QGridLayout:
        form = QGridLayout()
        form.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        form.setHorizontalSpacing(SPACE_S)
        form.addWidget(self.value, 0, 0)
        form.addWidget(self.role, 0, 1)
        form.addWidget(self.row_name, 1, 0)
        form.addWidget(self.row, 1, 1)
        form.setColumnStretch(0, 1)
        form.setColumnStretch(1, 1)
        return form

    def _place_form(self) -> QWidget:
        self.place = QWidget()
        form = QGridLayout(self.place)
        form.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        form.setHorizontalSpacing(SPACE_S)
        form.setVerticalSpacing(SPACE_XS)
        for row, (text, widget) in enumerate((("Sample", self.sample), ("Element", self.index))):
            name = QLabel(text)
            name.setProperty("role", "name")
            form.addWidget(name, row, 0)
            form.addWidget(widget, row, 1)
        form.addWidget(self.another, 1, 2)
        form.setColumnStretch(1, 1)
        self.place.hide()
        return self.place

    def _index_edited(self) -> None:
        if self.index.isModified():
            self.index.setModified(False)
            self.place_asked.emit()

    def _follow(self, target: Target) -> None:
        if target.kind == "node":
            self.node_asked.emit(target.name)


def _head(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "section")
    return label


def _indented(widget: QWidget, above: int = 0) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(SPACE_L, above, SPACE_L, 0)
    row.addWidget(widget)
    return row


def _rule() -> QFrame:
    line = QFrame()
    line.setObjectName("rule")
    line.setFixedHeight(1)
    return line
