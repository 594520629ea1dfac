"""Between what is found of widths and the views: charts, table, and the two commands."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer

from inspector.gui.actions import Actions
from inspector.gui.bridge import Bridge
from inspector.gui.heat import Heat
from inspector.gui.layer_rows import Alone
from inspector.gui.mixing.mixed import LIMITS, WIDTHS, MixedSearch
from inspector.gui.mixing.sensitivities import Sensitivities, SensitivitySource
from inspector.gui.mixing.shown import Mixture, Ranking
from inspector.gui.plot_slot import PlotSlot
from inspector.gui.presenter import Presenter
from inspector.gui.selection import Selection
from inspector.report.units import bytes_text, count_text, decibel_text, plural
from inspector.session.quantities import SENSITIVITY

if TYPE_CHECKING:
    from inspector.evaluate.sensitivity import Way
    from inspector.gui.mixing.front_plot import FrontPlot
    from inspector.gui.mixing.sensitivity_plot import SensitivityPlot
    from inspector.gui.plots.plot_pane import PlotPane

PAGE = "Widths"
_GATHER_MS = 60
_NO_DATA = "Drop calibration data to see which layers matter"


class MixingPresenter(QObject):
    """Shows what is known, as often as it is worth while."""

    def __init__(
        self,
        bridge: Bridge,
        selection: Selection,
        heat: Heat,
        table: Presenter,
        slot: PlotSlot,
        actions: Actions,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._selection, self._table = bridge, selection, table
        self.sensitivities, self.mixed = Sensitivities(bridge, self), MixedSearch(bridge, self)
        heat.add_source(SENSITIVITY.key, SensitivitySource(self.sensitivities, self))
        self._slot = slot
        self._chart: SensitivityPlot | None = None
        self._front: FrontPlot | None = None
        self._has_column = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_GATHER_MS)
        self._timer.timeout.connect(self._show)
        for source in (self.sensitivities, self.mixed):
            source.changed.connect(self._gather)
        selection.changed.connect(self._chosen)
        table.use_alone(self._alone)
        actions["actionSensitivity"].triggered.connect(partial(self._ask, self.sensitivities.run))
        actions["actionSearch"].triggered.connect(partial(self._ask, self.mixed.run))

    def is_settled(self) -> bool:
        """Whether the views show all that is known."""
        return not self._timer.isActive()

    def show_plots(self, plots: PlotPane) -> None:
        """The plots are there: each is kept up to date once it is made."""
        plots.sensitivity.then(self.show_chart)
        plots.front.then(self.show_front)

    def show_chart(self, chart: SensitivityPlot) -> None:
        """The ranking is there, and is kept up to date from now on."""
        self._chart = chart
        chart.picked.connect(lambda name: self._selection.choose((name,)))
        chart.width_chosen.connect(self.sensitivities.show)
        chart.run_asked.connect(self.sensitivities.run)
        self._show()

    def show_front(self, front: FrontPlot) -> None:
        """The plot of mixtures is there, and is kept up to date from now on."""
        self._front = front
        limits = [(limit.title, limit.unit, limit.usual) for limit in LIMITS]
        front.set_options([f"{_listed(widths)} bits" for widths in WIDTHS], limits)
        front.picked.connect(self._try)
        front.run_asked.connect(self.mixed.run)
        front.options_changed.connect(
            lambda widths, limit, value: self.mixed.choose(WIDTHS[widths], LIMITS[limit], value)
        )
        front.best_asked.connect(self._take_best)
        self._show()

    def _ask(self, run: object) -> None:
        """Turn to the page, and start."""
        assert callable(run)
        self._slot.make().pages.turn_to(PAGE)
        run()

    def _try(self, number: int) -> None:
        self.mixed.try_out(self.mixed.tried[number].point)

    def _take_best(self) -> None:
        if (number := self.mixed.best()) is not None:
            self._try(number)

    def _alone(self, name: str) -> Alone | None:
        """What the table says of a layer."""
        value = self.sensitivities.sqnr(name)
        if value is None:
            return None
        return Alone(value, self.sensitivities.bits, self.sensitivities.is_stale(name))

    def _gather(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _chosen(self) -> None:
        if self._chart is not None and not self._chart.is_empty():
            self._chart.choose(self._bridge.selected)

    def _show(self) -> None:
        """Cost: linear in the number of layers and of choices."""
        self._timer.stop()
        if self.sensitivities.outcomes or self._has_column:
            self._has_column = bool(self.sensitivities.outcomes)
            self._table.alone_changed()
        if self._chart is not None:
            self._show_chart(self._chart)
        if self._front is not None:
            self._show_front(self._front)

    # The ranking

    def _show_chart(self, chart: SensitivityPlot) -> None:
        known = self.sensitivities
        chart.run.setEnabled(known.has_data and not known.is_running)
        chart.run.setText("Find again" if known.outcomes else "Find")
        if known.widths is None:
            chart.bits_box.hide()
            chart.show_empty(self._empty_text(running=known.is_running))
            return
        names = known.widths.layers(known.bits)
        ranking = self._ranking(names)
        chart.show_ranking(
            ranking,
            tuple(known.widths.choices),
            known.bits,
            self._bridge.selected,
            self._chart_note(ranking),
        )

    def _empty_text(self, *, running: bool) -> str:
        if not self._bridge.document.layers:
            return ""
        if not self.sensitivities.has_data:
            return _NO_DATA
        if running:
            return "Quantizing one layer after another…"
        return "Find out what each layer does to the outputs when it alone is quantized"

    def _ranking(self, names: tuple[str, ...]) -> Ranking:
        known = self.sensitivities

        def column(way: Way) -> NDArray[np.float64]:
            found = [known.sqnr(name, way) for name in names]
            return np.array([np.nan if one is None else one for one in found], np.float64)

        estimates = [known.estimates.get((name, known.bits, "both")) for name in names]
        estimate = np.array([np.nan if e is None else e for e in estimates], np.float64)
        both = column("both")
        order = np.argsort(np.where(np.isfinite(both), both, estimate), kind="stable")
        made = Ranking(
            names, both, column("weights"), column("activations"), column("rest"), estimate,
            np.array([known.is_stale(name) for name in names], np.bool_),
        )  # fmt: skip
        columns = ("both", "weights", "activations", "rest", "estimate", "stale")
        sorted_ = {name: getattr(made, name)[order] for name in columns}
        return replace(made, names=[names[n] for n in order.tolist()], **sorted_)

    def _chart_note(self, ranking: Ranking) -> str:
        known = self.sensitivities
        done = int(np.isfinite(ranking.both).sum())
        if not done:
            return "Estimated; measuring…" if known.is_running else "Estimated"
        worst = int(np.nanargmin(ranking.both))
        text = f"lowest {decibel_text(float(ranking.both[worst]))}, {ranking.names[worst]}"
        text += self._training_note(ranking)
        if known.is_running and done < len(ranking.names):
            text = f"{done} of {plural(len(ranking.names), 'layer')} so far; {text}"
        elif known.was_stopped:
            text = f"Stopped; {text}"
        return f"{text} (partly of earlier choices)" if ranking.stale.any() else text

    def _training_note(self, ranking: Ranking) -> str:
        """How many layers are too bad alone, and what to do about them."""
        from inspector.session.effects import TOO_LOW_DB  # there are figures: all is imported

        bad = [n for n, one in zip(ranking.names, ranking.both, strict=True) if one < TOO_LOW_DB]
        if not bad:
            return ""
        recipe = self._bridge.document.recipe
        switched = recipe.recover_all(self._bridge.document.layers)
        tried = all(switched[name] for name in bad)
        do = "worth training" if tried else "try recovery, then training"
        return f"; {plural(len(bad), 'layer')} below {decibel_text(TOO_LOW_DB)}: {do}"

    # The front

    def _show_front(self, front: FrontPlot) -> None:
        mixed = self.mixed
        for widget in (front.run, front.widths, front.limit, front.value):
            widget.setEnabled(mixed.has_data and not mixed.is_running)
        if not mixed.tried or mixed.mix is None:
            front.show_empty(self._front_text())
            return
        kept = {id(point) for point in mixed.front()}
        axis, unit = self._axis()
        mixtures: list[Mixture] = []
        for one in mixed.tried:
            point = one.point
            text = self._cost_text(point.cost)
            fidelity = point.outcome.fidelity
            mixtures.append(
                Mixture(
                    point.cost / unit,
                    text,
                    one.bits,
                    fidelity.sqnr_db,
                    fidelity.top1_agreement,
                    id(point) in kept,
                )
            )
        number = mixed.today()
        front.show_mixtures(
            mixtures,
            number,
            axis,
            self._front_note(mixtures, number),
            best=mixed.best(),
            stale=mixed.is_stale(),
        )

    def _axis(self) -> tuple[str, float]:
        """What a choice costs, in words, and how much of it makes one unit."""
        assert self.mixed.mix is not None
        measure, most = self.mixed.mix.measure, max(one.point.cost for one in self.mixed.tried)
        if measure.kind == "mean_bits":
            return "bits a weight", measure.unit
        if measure.kind == "bit_operations":
            return ("bit operations, M", 1e6) if most < 1e9 else ("bit operations, G", 1e9)
        return ("size, kB", 1e3) if most < 1e6 else ("size, MB", 1e6)

    def _cost_text(self, cost: int) -> str:
        assert self.mixed.mix is not None
        measure = self.mixed.mix.measure
        if measure.kind == "mean_bits":
            return ""  # the bits are said anyway
        if measure.kind == "bit_operations":
            return f"{count_text(cost)} bit operations"
        return bytes_text(cost)

    def _front_text(self) -> str:
        if not self._bridge.document.layers:
            return ""
        if not self.mixed.has_data:
            return "Drop calibration data to look for mixed precision"
        if self.mixed.is_running:
            return "Quantizing one layer after another…"
        return "Find out which width each layer should have"

    def _front_note(self, mixtures: list[Mixture], today: int | None) -> str:
        mixed = self.mixed
        if mixed.is_stale():
            return "Of earlier choices: search again"
        text = plural(len(mixtures), "choice") + " run"
        if mixed.is_running:
            return f"{text} so far; click one to try it"
        stopped = "Stopped; " if mixed.was_stopped else ""
        best = mixed.best()
        if best is not None and mixed.searched is not None:
            what = "best within the limit" if mixed.searched.met else "none reaches it; the nearest"
            what += ", today's" if best == today else ""
            return f"{what}: {mixtures[best].words()}"
        if today is not None:
            return f"{stopped}today: {mixtures[today].words()}"
        return f"{stopped}{text}; click one to try it, Ctrl+Z takes it back"


def _listed(widths: tuple[int, ...]) -> str:
    return ", ".join(str(width) for width in widths)
