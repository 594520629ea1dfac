"""A storm of edits: at its end all that is shown is what a fresh computation gives."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from inspector.evaluate.fidelity import FidelityMeter, class_output
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import Grids, choose_grids
from inspector.gui.estimate import preview_samples
from inspector.gui.layer_table import ACTIVATIONS, NAME, SQNR, WEIGHTS
from inspector.gui.main_window import MainWindow
from inspector.onnxio.runnable import runnable
from inspector.quant.distribution import ExactDistribution
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.profile import error_profile
from inspector.quant.spec import QuantSpec
from inspector.report.units import cosine_text, decibel_text, percent_text
from inspector.session.chosen import resolve
from inspector.session.edits import set_default

EDITS = 200
_WEIGHTS = (
    *("int8", "int4:tensor:minmax", "int5:channel:mse", "int6:block16:minmax", "float"),
    *("int8:tensor:percentile99.9", "int3:channel", "uint7:tensor:minmax:asym", "int16"),
    *("int4:tensor:kl", "int8:tensor:range[-0.2,0.3]:asym", "int8:channel:minmax:pow2"),
)
_ACTIVATIONS = (
    *("uint8", "float", "int8:tensor:minmax", "uint4:tensor:mse", "uint16", "uint6:tensor:kl"),
    *("uint8:tensor:percentile99.9", "uint8:tensor:range[0,3]"),
)


class _Storm:
    """Random edits, as quick as they come."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._dice = random.Random(11)
        self._names = [layer.name for layer in window.document.layers]
        self._weights = [QuantSpec.parse(text) for text in _WEIGHTS]
        self._activations = [QuantSpec.parse(text) for text in _ACTIVATIONS]

    def edit(self) -> None:
        """One of all kinds of changes."""
        dice, window = self._dice, self._window
        some = dice.sample(self._names, dice.choice((1, 1, 1, 2, 5)))
        window.presenter.select(some)
        kind = dice.random()
        if kind < 0.45:
            window.bridge.set_specs(some, dice.choice(self._weights), None)
        elif kind < 0.75:
            window.bridge.set_specs(some, None, dice.choice(self._activations))
        elif kind < 0.82:
            window.bridge.undo()
        elif kind < 0.87:
            window.bridge.redo()
        elif kind < 0.93:
            window.bridge.reset_layers(some)
        else:
            window.bridge.apply(set_default(weights=dice.choice(self._weights)))

    def pause(self) -> float:
        """Seconds until the next."""
        return self._dice.choice((0.0, 0.0, 0.0, 0.0, 0.002, 0.03))


def _column(window: MainWindow, number: int) -> dict[str, str]:
    model = window.pane.table.model()
    rows = range(model.rowCount())
    return {
        str(model.index(row, NAME).data()): str(model.index(row, number).data()) for row in rows
    }


def _fresh_grids(window: MainWindow) -> Grids:
    opened, document = window.document.opened, window.document
    assert document.calibration is not None
    plan = opened.placement.plan(resolve(opened, document.recipe))
    return choose_grids(opened.graph, plan, opened.prepared.constant, document.calibration.tensors)


def _number(text: str) -> float:
    text = text.replace("≈", "").replace("dB", "").replace("∞", "inf").replace("−", "-")
    return float(text.strip())


def _check_table_and_badges(window: MainWindow, grids: Grids) -> None:
    document = window.document
    specs, activations = _column(window, WEIGHTS), _column(window, ACTIVATIONS)
    figures, badges = _column(window, SQNR), window.graph.look().badges
    for layer in document.layers:
        assert not window.bridge.is_stale(layer.name)
        spec = grids.plan.weights.get(layer.name)
        read = [grids.plan.sites.get(site) for site in _sites(window, layer.name)]
        given = {"float" if at is None else grids.plan.points[at].spec.dtype for at in read}
        assert activations[layer.name].rstrip("*") in given
        badge = badges[layer.name]
        assert not badge.stale
        if spec is None:
            assert (specs[layer.name], figures[layer.name]) == ("float", "–")
            assert badge.figure == ""
            continue
        assert specs[layer.name] == spec.dtype
        values = document.model.constant(layer.weight or "")
        fresh = float(sqnr_db(values, fake_quantize(values, grids.weights[layer.name])))
        assert _number(figures[layer.name]) == pytest.approx(fresh, abs=0.06), str(spec)
        assert _number(badge.figure) == pytest.approx(fresh, abs=0.06)
        shown = window.bridge.sqnr(layer.name)
        assert shown == pytest.approx(fresh, abs=1e-3)


def _sites(window: MainWindow, name: str) -> list[object]:
    placement = window.document.opened.placement
    return [site for site in placement.sites if site.consumer == name]


def _check_chosen(window: MainWindow, grids: Grids, name: str) -> None:
    """The panel and the plots of a chosen layer."""
    document = window.document
    layer = document.layer(name)
    grid, plots = grids.weights.get(name), window.plots
    shape = plots.weights.shape()
    values = document.model.constant(layer.weight or "")
    said = [label.text() for label in window.panel.weight_figures.findChildren(QLabel)]
    if grid is None:
        assert "no, left in float" in said
        assert plots.error.is_empty()
    else:
        fresh = fake_quantize(values, grid)
        assert decibel_text(float(sqnr_db(values, fresh))) in said
        zeroed = float(np.mean((fresh == 0) & (values != 0)))
        assert percent_text(zeroed) in said
        assert shape is not None
        assert shape.counts.sum() == values.size
        assert (shape.low, shape.high) == pytest.approx(
            (float(grid.lo.min()), float(grid.hi.max())), rel=1e-6
        )
        row = None if grid.axis is None else grid.axis
        dist = ExactDistribution.of(values, axis=row, block=grid.block)
        profile = error_profile(dist, grid)
        worst = int(np.argmin(profile.sqnr_db)) if grid.rows > 1 else 0
        curve = plots.error.curve()
        assert curve is not None
        step = float(grid.scale.reshape(-1)[worst])
        assert f"step {step:.3g}" in plots.error.words()
    tensor = layer.activations[0]
    calibration, at = document.calibration, grids.at(tensor, name)
    assert calibration is not None
    said = [label.text() for label in window.panel.activation_figures.findChildren(QLabel)]
    if at is None:
        assert "no, left in float" in said
    else:
        profile = error_profile(calibration.tensors[tensor], at)
        assert f"≈ {decibel_text(profile.total_sqnr_db)}" in said


def _check_strip(window: MainWindow, grids: Grids) -> None:
    opened, document = window.document.opened, window.document
    assert document.dataset is not None
    meter = FidelityMeter(class_output(opened.graph))
    session = open_session(runnable(opened.source))
    preview = Preview(opened.prepared, opened.placement)
    for feeds in preview_samples(document.dataset).samples():
        meter.add(session.run(feeds), preview.run(grids, feeds))
    fresh, strip = meter.result(), window.strip
    assert strip.text("sqnr") == f"Output SQNR ≈ {decibel_text(fresh.sqnr_db)}"
    assert strip.text("cosine") == f"Cosine ≈ {cosine_text(fresh.cosine)}"
    assert strip.text("top1") == f"Top-1 ≈ {percent_text(fresh.top1_agreement)}"
    assert all(label.isEnabled() for label in strip.figures.labels.values())


def test_after_a_storm_all_that_is_shown_is_fresh(
    calibrated: MainWindow,
    qtbot: QtBot,
    idle: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    """Older evaluations gave way, nothing was built anew, and no old figure is left anywhere."""
    window, beats = calibrated, [time.perf_counter()]
    heart = QTimer()
    heart.setInterval(0)
    heart.timeout.connect(lambda: beats.append(time.perf_counter()))
    heart.start()
    before = window.bridge.evaluation.runs.asked
    built = window.bridge.evaluation.sessions_built
    storm = _Storm(window)
    for _ in range(EDITS):
        storm.edit()
        qtbot.wait(round(1e3 * storm.pause()))
    idle()
    heart.stop()
    gaps = [1e3 * (later - earlier) for earlier, later in itertools.pairwise(beats)]
    record_property("longest gap of the event loop, ms", round(max(gaps), 1))
    runs, evaluation = window.bridge.evaluation.runs, window.bridge.evaluation
    assert runs.asked - before > EDITS / 2
    assert runs.answered + runs.replaced == runs.asked
    assert runs.replaced > runs.answered > 0
    assert evaluation.sessions_built == built == 1
    assert not evaluation.is_stale
    grids = _fresh_grids(window)
    _check_table_and_badges(window, grids)
    _check_strip(window, grids)
    for layer in window.document.layers[::3]:
        window.presenter.select((layer.name,))
        idle()
        _check_chosen(window, grids, layer.name)


def test_a_storm_within_little_memory_ends_the_same(
    calibrated: MainWindow, qtbot: QtBot, idle: Callable[[], None]
) -> None:
    """What has to make room all the time is found again, and is the same."""
    window = calibrated
    window.document.caches.set_limit(200_000)
    storm = _Storm(window)
    for _ in range(40):
        storm.edit()
        qtbot.wait(0)
        assert window.document.caches.used <= window.document.caches.limit
    idle()
    assert window.document.caches.dropped > 0
    grids = _fresh_grids(window)
    _check_table_and_badges(window, grids)
    _check_strip(window, grids)
