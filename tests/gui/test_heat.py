"""The heat colours of layers: their numbers, where they come from, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from inspector.errors import RunError
from inspector.evaluate.alone import OneByOne
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import load_data
from inspector.gui import heat_outputs
from inspector.gui.bridge import Bridge
from inspector.gui.figures import layer_bytes
from inspector.gui.graph_view.legend import HeatLegend
from inspector.gui.heat import Heat, bind
from inspector.gui.heat_outputs import CHANNEL
from inspector.gui.tasks import Tasks
from inspector.gui.theme import heat as tone
from inspector.quant.spec import FLOAT, QuantSpec
from inspector.session.document import Document
from inspector.session.edits import set_default, set_layers
from inspector.session.gather import all_tensors
from inspector.session.opening import open_model
from inspector.session.quantities import ACTIVATION_SQNR, OUTPUT_ERROR, PARAMETERS, SIZE

GEMM = "/head/Gemm"


class Room:
    """A document with all that heat needs, and no window."""

    def __init__(self, qtbot: QtBot, models: Path) -> None:
        """Nothing is open yet."""
        self.qtbot, self.models = qtbot, models
        self.document = Document()
        self.tasks = Tasks()
        self.bridge = Bridge(self.document, self.tasks)
        self.heat = Heat(self.bridge, self.tasks, lambda: self.bridge.grids)

    def open(self) -> None:
        """The sample network."""
        self.document.set_model(open_model(self.models / "digits_cnn.onnx"))
        self.wait()

    def calibrate(self) -> None:
        """With its own data."""
        opened = self.document.opened
        data = load_data(self.models / "digits_calibration.npz", opened.graph).spread(32)
        self.document.set_dataset(data)
        self.document.set_calibration(calibrate(opened.prepared, all_tensors(opened), data))
        self.wait()

    def wait(self) -> None:
        """Until nothing runs, and nothing is about to."""

        def quiet() -> bool:
            timers = self.heat._timer, self.outputs._timer
            return not self.tasks.is_busy() and not any(timer.isActive() for timer in timers)

        self.qtbot.waitUntil(quiet, timeout=60_000)

    def names(self) -> list[str]:
        """Of all layers."""
        return [layer.name for layer in self.document.layers]

    @property
    def outputs(self) -> heat_outputs.OutputErrors:
        """The source that takes long."""
        found = self.heat._sources[OUTPUT_ERROR.key]
        assert isinstance(found, heat_outputs.OutputErrors)
        return found

    def spec(self, *names: str, weights: str) -> None:
        """Choose weights for some layers, or for all."""
        spec = QuantSpec.parse(weights)
        edit = set_layers(names, weights=spec) if names else set_default(weights=spec)
        self.document.apply(edit)


@pytest.fixture
def room(qtbot: QtBot, sample_models: Path) -> Iterator[Room]:
    """With no model."""
    made = Room(qtbot, sample_models)
    yield made
    made.tasks.close()
    made.bridge.close()


@pytest.fixture
def opened(room: Room) -> Room:
    """With the sample network."""
    room.open()
    return room


@pytest.fixture
def calibrated(opened: Room) -> Room:
    """With its data too."""
    opened.calibrate()
    return opened


def test_weight_errors_are_there_first(opened: Room) -> None:
    """The bridge's own figures, in the colours of the range."""
    heat = opened.heat
    assert heat.title == "Weight SQNR"
    assert heat.range == (10.0, 60.0)
    for name in opened.names():
        value = heat.value(name)
        assert value == opened.bridge.sqnr(name)
        assert value is not None
        assert heat.colour(name) == tone((value - 10) / 50)
        assert heat.text(name) == f"{value:.1f} dB"
        assert not heat.is_estimate(name)
        assert not heat.is_stale(name)


def test_a_stale_weight_error_says_so(opened: Room) -> None:
    """From the change until the new figure is there."""
    before = opened.heat.value(GEMM)
    opened.spec(weights="int3:channel:mse")
    assert opened.heat.is_stale(GEMM)
    assert opened.heat.value(GEMM) == before
    assert opened.heat.notes().stale > 0
    opened.wait()
    assert not opened.heat.is_stale(GEMM)
    after = opened.heat.value(GEMM)
    assert after is not None
    assert before is not None
    assert after < before


@pytest.mark.parametrize("spec", ["int8", "int4:tensor", "float", "int8:block8@1"])
def test_sizes_add_up_to_what_the_window_says(opened: Room, spec: str) -> None:
    """The layers' sizes are the parts of the size of the whole model; they follow the specs."""
    opened.heat.choose(SIZE.key)
    before = opened.heat.value(GEMM)
    opened.spec(weights=spec)
    found = [opened.heat.value(name) for name in opened.names()]
    assert sum(value for value in found if value is not None) == sum(
        layer_bytes(opened.document, layer)[1] for layer in opened.document.layers
    )
    assert (opened.heat.value(GEMM) == before) is (spec == "int8")


def test_a_range_of_the_data(opened: Room) -> None:
    """The smallest number is dark, the largest bright; the middle of the ratios in the middle."""
    heat = opened.heat
    heat.choose(PARAMETERS.key)
    counts = {layer.name: layer.parameters for layer in opened.document.layers}
    assert heat.range == (min(counts.values()), max(counts.values()))
    assert heat.colour(max(counts, key=lambda name: counts[name])) == tone(1.0)
    assert heat.colour(min(counts, key=lambda name: counts[name])) == tone(0.0)


def test_a_range_by_hand(qtbot: QtBot, opened: Room) -> None:
    """It counts for its quantity alone until Auto takes it back; nonsense is ignored."""
    heat = opened.heat
    with qtbot.waitSignal(heat.changed):
        heat.set_range(30.0, 50.0)
    value = heat.value(GEMM)
    assert value is not None
    assert heat.colour(GEMM) == tone((value - 30) / 20)
    for nonsense in ((50.0, 30.0), (math.nan, 1.0), (0.0, math.inf)):
        heat.set_range(*nonsense)
    assert heat.range == (30.0, 50.0)
    heat.choose(SIZE.key)
    assert heat.is_automatic
    heat.choose("weight_sqnr")
    assert heat.range == (30.0, 50.0)
    heat.set_automatic()
    assert heat.range == (10.0, 60.0)


def test_no_heat(opened: Room) -> None:
    """No colour, no text; other names mean the same."""
    opened.heat.choose("")
    assert opened.heat.quantity is None
    assert opened.heat.colour(GEMM) is None
    assert opened.heat.text(GEMM) == ""
    assert opened.heat.title == ""
    base = np.zeros((2, 3), np.uint8)
    assert (opened.heat.over([GEMM, "x"], base) == base).all()


def test_names_without_numbers(opened: Room) -> None:
    """Nodes that are no layers have no heat."""
    for name in ("", "no such layer", "长\n<script>"):
        assert opened.heat.value(name) is None
        assert opened.heat.colour(name) is None
        assert opened.heat.text(name) == ""
        assert not opened.heat.is_stale(name)


def test_heat_lies_over_other_colours(opened: Room) -> None:
    """Where it is known; the base stays as it was."""
    base = np.full((3, 3), 7, np.uint8)
    found = opened.heat.over(["none", GEMM, "none"], base)
    wanted = opened.heat.colour(GEMM)
    assert wanted is not None
    assert np.abs(found[1].astype(int) - [wanted.red(), wanted.green(), wanted.blue()]).max() <= 3
    assert (found[[0, 2]] == 7).all()
    assert (base == 7).all()


def test_layers_left_in_float(opened: Room) -> None:
    """They have no error, and the legend explains their look."""
    assert not opened.heat.notes().floats
    opened.document.apply(set_layers([GEMM], weights=FLOAT, activations=FLOAT))
    opened.wait()
    assert opened.heat.value(GEMM) is None
    assert opened.heat.notes().floats


# Activations


def test_activation_errors_are_those_of_the_panel(calibrated: Room) -> None:
    """The same figures that the layer's own panel shows, marked as estimates."""
    heat = calibrated.heat
    heat.choose(ACTIVATION_SQNR.key)
    for name in calibrated.names():
        facts = calibrated.bridge.activation_facts(name)
        assert facts is not None
        assert facts.profile is not None
        assert heat.value(name) == pytest.approx(facts.profile.total_sqnr_db, abs=1e-9)
        assert heat.is_estimate(name)
        assert heat.text(name).startswith("≈ ")


def test_activation_errors_follow_the_specs(calibrated: Room) -> None:
    """Out of date at once, new soon after, and never without data."""
    heat = calibrated.heat
    heat.choose(ACTIVATION_SQNR.key)
    before = heat.value(GEMM)
    calibrated.document.apply(set_default(activations=QuantSpec.parse("uint4")))
    assert heat.is_stale(GEMM)
    assert heat.value(GEMM) == before
    calibrated.wait()
    assert not heat.is_stale(GEMM)
    after = heat.value(GEMM)
    assert after is not None
    assert before is not None
    assert after < before - 15
    calibrated.document.set_calibration(None)
    calibrated.wait()
    assert heat.value(GEMM) is None
    assert heat.notes().notice == "Open calibration data to see this."


# Each layer alone


def alone(room: Room) -> dict[str, float]:
    """Every figure that is known."""
    values = {name: room.heat.value(name) for name in room.names()}
    return {name: value for name, value in values.items() if value is not None}


def test_nothing_runs_before_it_is_looked_at(calibrated: Room) -> None:
    """It takes long; who does not ask does not wait."""
    assert calibrated.heat.numbers().keys() == {"sqnr", "asqnr", "size"}


def test_each_layer_alone(calibrated: Room) -> None:
    """Every layer gets a figure, marked as an estimate; then nothing is left to ask for."""
    calibrated.heat.choose(OUTPUT_ERROR.key)
    assert calibrated.tasks.is_busy(CHANNEL)
    calibrated.wait()
    found = alone(calibrated)
    assert found.keys() == set(calibrated.names())
    assert all(10 < value < 80 for value in found.values())
    assert calibrated.heat.text(GEMM).startswith("≈ ")
    notes = calibrated.heat.notes()
    assert (notes.notice, notes.can_update, notes.stale) == ("", False, 0)


def test_figures_come_while_it_runs(monkeypatch: pytest.MonkeyPatch, calibrated: Room) -> None:
    """Each as soon as it is there, with how far the work is."""
    monkeypatch.setattr("inspector.gui.heat_work._TELL_SECONDS", 0.0)
    counts: list[int] = []
    notices: list[str] = []

    def look() -> None:
        counts.append(len(alone(calibrated)))
        notices.append(calibrated.heat.notes().notice)

    calibrated.outputs.changed.connect(look)
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.wait()
    every = len(calibrated.names())
    assert len(set(counts) - {0, every}) >= 2
    assert counts[-1] == every
    assert f"2 of {every} layers so far" in notices


def test_a_change_concerns_its_layer_alone(calibrated: Room) -> None:
    """Stale at once, looked at again of itself; an undo needs no work at all."""
    heat = calibrated.heat
    heat.choose(OUTPUT_ERROR.key)
    calibrated.wait()
    before = alone(calibrated)
    calibrated.spec(GEMM, weights="int2")
    assert heat.is_stale(GEMM)
    assert heat.notes().stale == 1
    assert heat.value(GEMM) == before[GEMM]
    calibrated.wait()
    after = alone(calibrated)
    assert not heat.is_stale(GEMM)
    assert after.pop(GEMM) < before[GEMM] - 5
    assert after == {name: value for name, value in before.items() if name != GEMM}
    calibrated.document.undo()
    assert alone(calibrated) == before
    assert not heat.is_stale(GEMM)


def test_great_changes_wait_to_be_asked(monkeypatch: pytest.MonkeyPatch, calibrated: Room) -> None:
    """Many layers are long work: they stay out of date until somebody wants them."""
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.wait()
    monkeypatch.setattr(heat_outputs, "FEW", 2)
    before = alone(calibrated)
    calibrated.spec(weights="int3")
    calibrated.wait()
    assert all(calibrated.heat.is_stale(name) for name in calibrated.names())
    assert alone(calibrated) == before
    assert calibrated.heat.notes().can_update
    calibrated.heat.refresh()
    calibrated.wait()
    assert not calibrated.heat.notes().can_update
    assert all(value < before[name] for name, value in alone(calibrated).items())


def test_stopping_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch, calibrated: Room) -> None:
    """The user's Cancel ends it, and it does not start again of itself."""
    monkeypatch.setattr("inspector.gui.heat_work._TELL_SECONDS", 0.0)
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.qtbot.waitUntil(lambda: len(alone(calibrated)) >= 2, timeout=30_000)
    calibrated.tasks.cancel(CHANNEL)
    assert len(alone(calibrated)) >= 2
    notes = calibrated.heat.notes()
    assert notes.can_update
    assert notes.notice.startswith("Stopped: ")
    calibrated.spec(GEMM, weights="int2")
    calibrated.wait()
    assert calibrated.heat.notes().can_update
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.wait()
    assert alone(calibrated).keys() == set(calibrated.names())
    assert calibrated.heat.notes().notice == ""


def test_looking_away_stops_it(calibrated: Room) -> None:
    """Another quantity is looked at: long work makes room."""
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.heat.choose(SIZE.key)
    assert not calibrated.tasks.is_busy(CHANNEL)
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.wait()
    assert alone(calibrated).keys() == set(calibrated.names())


def test_it_waits_for_data(opened: Room) -> None:
    """It says what is missing, and starts as soon as that is there."""
    opened.heat.choose(OUTPUT_ERROR.key)
    assert opened.heat.notes().notice == "Open calibration data to see this."
    assert not opened.heat.notes().can_update
    opened.calibrate()
    assert alone(opened).keys() == set(opened.names())


def test_layers_in_float_are_not_run(calibrated: Room) -> None:
    """There is no figure where nothing is quantized, and none is waited for."""
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.wait()
    calibrated.document.apply(set_layers([GEMM], weights=FLOAT, activations=FLOAT))
    calibrated.wait()
    assert GEMM not in alone(calibrated)
    assert not calibrated.heat.notes().can_update


def test_another_model_starts_anew(calibrated: Room) -> None:
    """Nothing is left of the one before, also while its work goes on."""
    calibrated.heat.choose(OUTPUT_ERROR.key)
    calibrated.heat.set_range(20.0, 30.0)
    calibrated.open()
    assert alone(calibrated) == {}
    assert calibrated.heat.is_automatic
    assert calibrated.heat.notes().notice == "Open calibration data to see this."
    calibrated.document.close_model()
    calibrated.wait()
    assert alone(calibrated) == {}
    assert calibrated.heat.notes().notice == ""


def test_an_error_is_told_in_the_legend(monkeypatch: pytest.MonkeyPatch, calibrated: Room) -> None:
    """In its words; after a change that may help it is tried again."""

    def fail(*_: object) -> Iterator[None]:
        raise RunError("onnxruntime could not run the model.")

    with monkeypatch.context() as patch:
        patch.setattr(OneByOne, "run", fail)
        calibrated.heat.choose(OUTPUT_ERROR.key)
        calibrated.wait()
    assert calibrated.heat.notes().notice == "onnxruntime could not run the model."
    assert calibrated.heat.notes().can_update
    calibrated.spec(GEMM, weights="int4")
    calibrated.wait()
    assert alone(calibrated).keys() == set(calibrated.names())


# With the legend


def test_the_legend_is_bound(qtbot: QtBot, opened: Room) -> None:
    """It shows what the heat is, and its user changes it."""
    view = QWidget()
    qtbot.addWidget(view)
    view.resize(1000, 800)
    legend = HeatLegend(view)
    bind(opened.heat, legend)
    view.show()
    assert legend.chooser.currentText() == "Weight SQNR"
    qtbot.keyClick(legend.low, Qt.Key.Key_Up)
    assert opened.heat.range == (11.0, 60.0)
    assert legend.low.text() == "11.0 dB"
    qtbot.mouseClick(legend.auto, Qt.MouseButton.LeftButton)
    assert legend.low.text() == "10.0 dB"
    legend.chooser.activated.emit(legend.chooser.findData(SIZE.key))
    assert opened.heat.quantity is SIZE
    assert legend.meaning.text() == "small → large"
    assert legend.high.text().endswith("B")


def test_many_changes_are_one_signal(opened: Room) -> None:
    """Figures that come one by one cost one repaint."""
    heard = 0

    def count() -> None:
        nonlocal heard
        heard += 1

    opened.heat.changed.connect(count)
    for name in opened.names():
        opened.bridge.facts_changed.emit(frozenset({name}))
    assert heard == 0
    opened.wait()
    assert heard == 1
