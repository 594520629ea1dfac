"""Between the document and the window of a comparison: reads, runs and shows two models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from inspector.errors import InspectorError
from inspector.files import check_not_read
from inspector.gui.bridge import Bridge
from inspector.gui.comparing.shown import USUAL_ENDS, Shown
from inspector.gui.comparing.tensor_table import TensorRow
from inspector.gui.comparing.window import ComparisonWindow
from inspector.gui.comparing.work import (
    Data,
    Figures,
    Painted,
    Prepared,
    Source,
    compare,
    paint,
    prepare,
    time_both,
)
from inspector.gui.graph_view.picture import card_fonts
from inspector.gui.opening import kind_of
from inspector.gui.saving import SaveRequest
from inspector.gui.tasks import Context, Task
from inspector.gui.theme import ThemeManager
from inspector.session.quantities import DIFFERENCE, is_range

if TYPE_CHECKING:
    from inspector.evaluate.latency import Latencies
    from inspector.session.comparison import Comparison

T = TypeVar("T")
PREPARE, COMPARE, PAINT, TIMES, WRITE = (
    f"comparison: {part}" for part in ("models", "figures", "colours", "times", "report")
)
CHANNELS = (PREPARE, COMPARE, PAINT, TIMES, WRITE)
_FILTER = "ONNX models (*.onnx);;All files (*)"
_DATA_FILTER = "Calibration data (*.npz *.npy *.png *.jpg *.jpeg *.bmp);;All files (*)"
_REPORT_FILTER = "Web page (*.html);;Markdown (*.md);;Data (*.json)"


class ComparisonPresenter(QObject):
    """Opens the window and fills it.

    Args:
        bridge: the document.
        themes: tells which theme is in force.
        window: the main window, over which it lies.
    """

    def __init__(self, bridge: Bridge, themes: ThemeManager, window: QWidget) -> None:
        super().__init__(window)
        self._bridge, self._tasks, self._themes = bridge, bridge.tasks, themes
        self._parent = window
        self.window = ComparisonWindow(window)
        self._shown = Shown(self.window)
        self._sources: tuple[Source, Source] | None = None
        self._data = Data()
        self._prepared: Prepared | None = None
        self._figures: Figures | None = None
        self._times: Latencies | None = None
        self._ends: tuple[float, float] | None = USUAL_ENDS
        self._is_stale = False
        self._connect()
        self._tasks.started.connect(self._started)
        self._tasks.progressed.connect(self._progressed)
        self._tasks.ended.connect(self._ended)
        themes.changed.connect(self.window.apply_theme)
        bridge.specs_changed.connect(lambda _: self._choices_changed())
        self.window.apply_theme(themes.theme)

    # What is asked for

    def is_settled(self) -> bool:
        """Whether nothing of it is under way."""
        return not any(self._tasks.is_busy(channel) for channel in CHANNELS)

    def ask_for_model(self) -> None:
        """Which model to compare the open one with."""
        folder = str(self._bridge.document.opened.path.parent)
        name, _ = QFileDialog.getOpenFileName(self._parent, "Compare with", folder, _FILTER)
        if name:
            self.compare_with(Path(name))

    def compare_with(self, path: Path) -> None:
        """Compare the open model with a file."""
        self._begin((self._open_model(), Source(path.name, path)))

    def compare_with_choices(self) -> None:
        """Compare the open model with what would be saved now."""
        document = self._bridge.document
        title = f"{document.opened.path.stem}, quantized as chosen now"
        self._begin((self._open_model(), Source(title, choices=SaveRequest.of(document))))

    def comparison(self) -> Comparison | None:
        """All that is known; None while nothing is."""
        if self._figures is None:
            return None
        found = self._figures.comparison
        return found if self._times is None else found.with_latencies(self._times)

    def save(self, path: Path) -> None:
        """Write what was found as a report, in the background."""
        found = self.comparison()
        if found is None:
            return

        def work(_: Context) -> Path | InspectorError:
            from inspector.report.comparison import ComparisonReport, write_comparison

            try:
                check_not_read(path, (found.a.path, found.b.path))
                write_comparison(ComparisonReport(found), path)
            except InspectorError as error:
                return error
            return path

        self._tasks.submit(WRITE, work, self._written, f"Saving {path.name}")

    def _open_model(self) -> Source:
        opened = self._bridge.document.opened
        return Source(opened.path.name, None, opened.source, opened.shown)

    def _begin(self, sources: tuple[Source, Source]) -> None:
        """Show two models, and compare them."""
        self._data = Data(self._bridge.document.dataset)
        self._sources = sources
        window = self.window
        for message in window.messages.messages():
            message.dismiss()
        window.hide()  # what is shown anew comes to the front
        window.show()
        window.first.view.setFocus()
        self._prepare()

    @property
    def prepared(self) -> Prepared | None:
        """The models that are shown."""
        return self._prepared

    # The way of the figures

    def _prepare(self) -> None:
        assert self._sources is not None
        for channel in CHANNELS:
            self._tasks.cancel(channel)
        self._prepared = self._figures = self._times = None
        self._is_stale = False
        sources, fonts = self._sources, card_fonts()
        self._shown.clear(sources)
        self._tasks.submit(
            PREPARE,
            lambda context: prepare(sources[0], sources[1], fonts, context),
            self._prepared_arrived,
            "Opening both models",
        )

    def _prepared_arrived(self, answer: Prepared | InspectorError) -> None:
        found = self._taken(answer)
        if found is None or self._sources is None:
            return
        self._prepared = found
        self._shown.show_models(self._sources, found)
        if found.pair.obstacle is not None:
            self._refuse(found.pair.obstacle)
        else:
            self._compare()

    def _compare(self) -> None:
        prepared, data = self._prepared, self._data
        if prepared is None:
            return
        self._tasks.submit(
            COMPARE,
            lambda context: compare(prepared, data, context),
            self._figures_arrived,
            "Comparing",
            early=self._figures_arrived,
        )

    def _figures_arrived(self, answer: Figures | InspectorError) -> None:
        found = self._taken(answer)
        if found is not None:
            self._figures = found
            self._shown.show_comparison(self.comparison(), found.rows)
            self._paint()

    def _paint(self) -> None:
        prepared, found, ends = self._prepared, self._figures, self._ends
        if prepared is None or found is None:
            return

        def painted(answer: Painted) -> None:
            self._shown.show_painted(answer, prepared, ends)

        self._tasks.submit(
            PAINT,
            lambda context: paint(prepared, found, ends, context),
            lambda _: None,
            early=painted,
        )

    def _measure(self) -> None:
        prepared, data = self._prepared, self._data
        if prepared is None:
            return
        self._tasks.submit(
            TIMES,
            lambda context: time_both(prepared, data, context),
            self._times_arrived,
            "Measuring time and memory",
        )

    def _times_arrived(self, answer: Latencies | InspectorError) -> None:
        self._times = self._taken(answer)
        self._shown.show_comparison(self.comparison())

    def _written(self, answer: Path | InspectorError) -> None:
        path = self._taken(answer)
        if path is not None:
            self.window.messages.show_message("success", f"Comparison saved as {path.name}.")

    def _taken(self, answer: T | InspectorError) -> T | None:
        """An answer, or none, where what stands against it is told."""
        if isinstance(answer, InspectorError):
            self._refuse(answer)
            return None
        return answer

    # What the user does

    def _connect(self) -> None:
        window = self.window
        window.swap_asked.connect(self._swap)
        window.data_asked.connect(self._ask_for_data)
        window.again_asked.connect(self._again)
        window.save_asked.connect(self._ask_where)
        window.cancel_asked.connect(self._cancel)
        window.closed.connect(self._closed)
        window.dropped.connect(self._dropped)
        window.order_chosen.connect(lambda _: self._reorder())
        window.parting_asked.connect(self._show_parting)
        window.summary.times_asked.connect(self._measure)
        window.table.asked.connect(self._row_asked)
        window.link.chosen.connect(
            lambda side, names: window.table.show_node(names, second=side == "second")
        )
        for pane in (window.first, window.second):
            pane.legend.range_changed.connect(self._set_ends)
            pane.legend.auto_asked.connect(lambda: self._set_ends(*USUAL_ENDS))
            pane.legend.quantity_chosen.connect(self._choose_heat)

    def _reorder(self) -> None:
        if self._figures is not None:
            self._shown.show_table(self._figures.rows)

    def _row_asked(self, row: TensorRow) -> None:
        self.window.link.choose((row.node,), (row.other,))

    def _show_parting(self) -> None:
        found = self.comparison()
        if found is not None and found.parted_at is not None:
            layer = next(one for one in found.layers if one.node == found.parted_at)
            self.window.link.choose((layer.node,), (layer.other,))
            self.window.table.show_node((layer.node,), second=False)

    def _set_ends(self, low: float, high: float) -> None:
        if is_range(DIFFERENCE, low, high):
            self._ends = (low, high)
            self.window.table.rows.set_ends(self._ends)
            self._paint()

    def _choose_heat(self, key: str) -> None:
        self._ends = (self._ends or USUAL_ENDS) if key else None
        self._paint()

    def _swap(self) -> None:
        if self._sources is not None:
            self._sources = self._sources[::-1]
            self._prepare()

    def _again(self) -> None:
        """Once more; with today's choices, where they are compared and have changed."""
        if self._sources is None:
            return
        if self._is_stale or self._prepared is None:
            first, second = (self._renewed(one) for one in self._sources)
            self._sources = first, second
            self._prepare()
        else:
            self._times = None
            self._compare()

    def _renewed(self, source: Source) -> Source:
        """The same with today's choices, where it is the choices for the model that is open."""
        document, choices = self._bridge.document, source.choices
        if choices is None or not document.is_open or document.opened is not choices.opened:
            return source
        return replace(source, choices=SaveRequest.of(document))

    def _ask_for_data(self) -> None:
        document = self._bridge.document
        folder = str(document.opened.path.parent) if document.is_open else ""
        title = "Data to compare on"
        name, _ = QFileDialog.getOpenFileName(self.window, title, folder, _DATA_FILTER)
        if name:
            self._use_data(Path(name))

    def _use_data(self, path: Path) -> None:
        self._data, self._times = Data(path=path), None
        self._compare()

    def _dropped(self, paths: Sequence[Path]) -> None:
        """A model takes the second place; data is what both are run on."""
        for path in paths:
            try:
                kind = kind_of(path)
            except InspectorError as error:
                self._refuse(error)
                continue
            if kind == "data":
                self._use_data(path)
            elif kind == "model" and self._sources is not None:
                self._sources = self._sources[0], Source(path.name, path)
                self._prepare()

    def _ask_where(self) -> None:
        found = self.comparison()
        if found is None:
            return
        suggested = found.a.path.with_name(f"{found.a.path.stem}_comparison.html")
        name, _ = QFileDialog.getSaveFileName(
            self.window, "Save comparison", str(suggested), _REPORT_FILTER
        )
        if name:
            self.save(Path(name))

    def _cancel(self) -> None:
        for channel in CHANNELS:
            self._tasks.cancel(channel)

    def _closed(self) -> None:
        """Let go of the models: they may be large."""
        self._cancel()
        self._prepared = self._figures = self._times = self._sources = None
        self._shown.clear()

    # What happens elsewhere

    def _choices_changed(self) -> None:
        sources, prepared = self._sources, self._prepared
        if self._is_stale or sources is None or not any(one.choices for one in sources):
            return
        self._is_stale = True
        if prepared is not None:
            self._shown.show_heads(sources, prepared.sides, stale=True)

    def _started(self, task: Task) -> None:
        if task.channel in CHANNELS:
            if task.title:
                self.window.show_work(task.title)
            self._enable()

    def _progressed(self, task: Task, done: int, total: int) -> None:
        if task.channel in CHANNELS:
            self.window.show_progress(done, total)

    def _ended(self, task: Task) -> None:
        if task.channel in CHANNELS:
            if self.is_settled():
                self.window.show_work("")
            self._enable()

    def _enable(self) -> None:
        window, settled, found = self.window, self.is_settled(), self._prepared
        can_run = settled and found is not None and found.pair.obstacle is None
        for button, possible in (
            (window.summary.measure, can_run),
            (window.save, settled and self._figures is not None),
            (window.again, can_run or (settled and self._sources is not None and found is None)),
            (window.data, can_run),
            (window.swap, self._sources is not None),
        ):
            button.setEnabled(possible)

    def _refuse(self, error: InspectorError) -> None:
        self.window.messages.show_message("error", error.message, error.hint)
