"""The window of a comparison: two graphs, the tensors of both, and their figures."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import settings
from inspector.gui.comparing.link import Link
from inspector.gui.comparing.summary import SideHead, SummaryPanel
from inspector.gui.comparing.tensor_table import TensorTable
from inspector.gui.drops import dropped_files, welcome_files
from inspector.gui.graph_view.legend import HeatLegend
from inspector.gui.graph_view.minimap import Minimap
from inspector.gui.graph_view.view import GraphView
from inspector.gui.message_bar import MessageBar
from inspector.gui.spec_check import MixedCheckBox
from inspector.gui.still import ElidedLabel
from inspector.gui.theme import SPACE_M, SPACE_S, SPACE_XS, Theme

ORDERS = ("Worst first", "Order of the graph")
_GEOMETRY = "comparison/geometry"


class SidePane(QWidget):
    """One of the graphs with its head, its legend and its small map."""

    def __init__(self, role: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.head = SideHead(role, self)
        self.view = GraphView(self)
        self.view.setObjectName(name)
        self.view.share = 0.5  # both are painted in one frame
        self.view.setAccessibleName(f"Graph of the {role.lower()} model")
        self.legend = HeatLegend(self.view)
        self.legend.hide()
        self.minimap = Minimap(self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.view, 1)
        self.view.view_changed.connect(lambda: self.minimap.set_seen(self.view.seen()))
        self.minimap.centre_asked.connect(self.view.camera.look_at)
        self.minimap.zoom_asked.connect(lambda factor: self.view.camera.zoom(factor))

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for part in (self.view, self.legend, self.minimap):
            part.apply_theme(theme)


class ComparisonWindow(QDialog):
    """Shows a comparison; what the user wants is told by signals. It does not block.

    Signals:
        swap_asked: make the second model the reference.
        data_asked: other data is to be chosen.
        again_asked: compare again, or for the first time.
        save_asked: the comparison is to be saved.
        cancel_asked: what is under way shall stop.
        order_chosen: an index of `ORDERS`.
        parting_asked: show where the models part.
        dropped: paths that were dropped.
        closed: the window was closed.
    """

    swap_asked = Signal()
    data_asked = Signal()
    again_asked = Signal()
    save_asked = Signal()
    cancel_asked = Signal()
    order_chosen = Signal(int)
    parting_asked = Signal()
    dropped = Signal(list)
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("comparisonWindow")
        self.setWindowTitle("Compare")
        self.setWindowFlag(Qt.WindowType.Window)
        self.setWindowFlag(Qt.WindowType.WindowMinMaxButtonsHint)
        self.setAcceptDrops(True)
        self.messages = MessageBar()
        self.first = SidePane("First", "comparisonFirst")
        self.second = SidePane("Second", "comparisonSecond")
        self.link = Link(self.first.view, self.second.view, self)
        self.table = TensorTable()
        self.summary = SummaryPanel()
        self._build_buttons()
        self._lay_out()
        self._connect()
        self.show_work("")
        self.resize(1280, 800)
        self.restoreGeometry(settings.read_bytes(_GEOMETRY))

    def _build_buttons(self) -> None:
        self.linked = MixedCheckBox("Move together")
        self.linked.setObjectName("comparisonLinked")
        self.linked.setToolTip("Pan, zoom and select in both graphs at once")
        self.linked.setChecked(True)
        self.fit = _button("Fit both", "comparisonFit", "Show all of both graphs (F)")
        self.swap = _button("Swap", "comparisonSwap", "Make the second model the reference")
        self.data = _button("Data…", "comparisonData", "Choose the data that both are run on")
        self.again = _button("Compare again", "comparisonAgain", "Run both models on the data")
        self.save = _button("Save report…", "comparisonSave", "Save as HTML, Markdown or JSON")
        self.source = ElidedLabel(self)
        self.source.setProperty("role", "muted")
        self.source.setAccessibleName("Data of the comparison")
        self.parting = QPushButton("Show")
        self.parting.setObjectName("comparisonParting")
        self.parting.setProperty("small", "true")
        self.parting.setToolTip("Go to where the models part")
        self.told = ElidedLabel(self)
        self.told.setAccessibleName("Where the models part")
        self.order = QComboBox()
        self.order.setObjectName("comparisonOrder")
        self.order.setAccessibleName("Order of the tensors")
        self.order.addItems(ORDERS)
        self.work = QLabel()
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(140)
        self.progress.setAccessibleName("Progress of the comparison")
        self.cancel = _button("Cancel", "comparisonCancel", "Stop the work under way")

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(SPACE_M, SPACE_S, SPACE_M, SPACE_S)
        bar.setSpacing(SPACE_S)
        bar.addWidget(self.linked)
        for button in (self.fit, self.swap):
            bar.addWidget(button)
        bar.addSpacing(SPACE_M)
        bar.addWidget(self.source, 1)
        for widget in (self.work, self.progress, self.cancel, self.data, self.again, self.save):
            bar.addWidget(widget)
        graphs = QSplitter(Qt.Orientation.Horizontal)
        graphs.addWidget(self.first)
        graphs.addWidget(self.second)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(self._tensors())
        below.addWidget(self.summary)
        below.setSizes([740, 540])
        rows = QSplitter(Qt.Orientation.Vertical)
        rows.addWidget(graphs)
        rows.addWidget(below)
        rows.setStretchFactor(0, 1)
        rows.setSizes([470, 250])
        for splitter in (graphs, below, rows):
            splitter.setHandleWidth(1)
            splitter.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.messages)
        column.addLayout(bar)
        column.addWidget(rows, 1)
        order = [self.first.view, self.second.view, self.order, self.parting, self.table]
        order += [self.summary.measure, self.summary.text, self.linked, self.fit, self.swap]
        order += [self.data, self.again, self.save]
        for one, other in pairwise(order):
            self.setTabOrder(one, other)

    def _tensors(self) -> QWidget:
        head = QHBoxLayout()
        head.setContentsMargins(SPACE_M, SPACE_XS, SPACE_S, SPACE_XS)
        head.setSpacing(SPACE_S)
        head.addWidget(self.told, 1)
        head.addWidget(self.parting)
        head.addWidget(self.order)
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.table, 1)
        return box

    def _connect(self) -> None:
        self.linked.toggled.connect(self.link.set_linked)
        self.fit.clicked.connect(self.link.fit)
        self.swap.clicked.connect(self.swap_asked)
        self.data.clicked.connect(self.data_asked)
        self.again.clicked.connect(self.again_asked)
        self.save.clicked.connect(self.save_asked)
        self.cancel.clicked.connect(self.cancel_asked)
        self.order.activated.connect(self.order_chosen)
        self.parting.clicked.connect(self.parting_asked)
        for side in (self.first, self.second):
            side.view.leave_asked.connect(self.close)

    # What others tell it

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for part in (self.first, self.second, self.table.rows, self.summary):
            part.apply_theme(theme)

    def show_work(self, title: str) -> None:
        """Show what is under way; nothing is."""
        self.work.setText(title)
        for widget in (self.work, self.progress, self.cancel):
            widget.setVisible(bool(title))
        self.progress.setRange(0, 0)

    def show_progress(self, done: int, total: int) -> None:
        """Show how far it is."""
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)

    # Events

    def reject(self) -> None:
        """Escape closes the window."""
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the place, and say so."""
        settings.write_bytes(_GEOMETRY, self.saveGeometry())
        self.closed.emit()
        event.accept()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Welcome files."""
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """A model takes the second place; data is what both are run on."""
        paths = dropped_files(event)
        if paths:
            self.dropped.emit(paths)


def _button(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    return button
