"""Weights are worked off in batches: each once, the preferred first, none lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from inspector.errors import InspectorError, ModelError
from inspector.gui import weight_queue
from inspector.gui.planned import planned
from inspector.gui.plans import Plans, plan_all
from inspector.gui.tasks import Tasks
from inspector.gui.weight_queue import WeightAnswer, WeightQueue
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.document import Document
from inspector.session.edits import change_layers
from inspector.session.opening import open_model


@dataclass(frozen=True)
class _Request:
    """Stands for the work of one layer."""

    name: str
    gate: threading.Event

    def run(self) -> str:
        """The name in capitals; an error for names that say so."""
        self.gate.wait(10)
        if "bad" in self.name:
            raise ModelError(self.name)
        return self.name.upper()


@pytest.fixture
def tasks(qtbot: QtBot) -> Iterator[Tasks]:
    """A runner that is closed at the end."""
    made = Tasks()
    yield made
    made.close()


class _Office:
    """A queue, and what came of it."""

    def __init__(self, tasks: Tasks) -> None:
        self.gate = threading.Event()
        self.answers: list[tuple[str, Any]] = []
        self.batches: list[int] = []
        self.queue = WeightQueue(tasks, self._request_of, self._take)

    def _request_of(self, name: str) -> Any:
        return None if name == "nothing" else _Request(name, self.gate)

    def _take(self, answers: Sequence[WeightAnswer]) -> None:
        self.answers += answers
        self.batches.append(len(answers))
        self.queue.work()

    @property
    def names(self) -> list[str]:
        """Of the answers, in order."""
        return [name for name, _ in self.answers]


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_each_is_worked_off_once(
    qtbot: QtBot, tasks: Tasks, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """One at a time or many, with errors among the answers."""
    monkeypatch.setattr(weight_queue, "_BATCH_SECONDS", seconds)
    office = _Office(tasks)
    names = [*(f"n{i}" for i in range(150)), "nothing", "bad", "n3"]
    for name in names:
        office.queue.add(name)
    office.gate.set()
    office.queue.work()
    office.queue.work()
    qtbot.waitUntil(lambda: office.queue.is_done)
    assert office.names == [f"n{i}" for i in range(150)] + ["bad"]
    found = dict(office.answers)
    assert found["n7"] == "N7"
    assert isinstance(found["bad"], InspectorError)
    assert max(office.batches) == (1 if seconds == 0.0 else 151)


def test_the_preferred_come_first(
    qtbot: QtBot, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order given; what is under way is ended first, the rest of its batch is not."""
    monkeypatch.setattr(weight_queue, "_BATCH_SECONDS", 0.0)
    office = _Office(tasks)
    for name in "abcdef":
        office.queue.add(name)
    office.queue.prefer(["c", "unknown", "b"])
    office.gate.set()
    office.queue.work()
    qtbot.waitUntil(lambda: office.queue.is_done)
    assert "".join(office.names) == "cbadef"


def test_the_preferred_need_not_wait_for_a_batch(
    qtbot: QtBot, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that takes long ends after what it is at; none of the rest is lost."""
    monkeypatch.setattr(weight_queue, "_BATCH_SECONDS", 60.0)
    monkeypatch.setattr(weight_queue, "_BATCH", 3)
    office = _Office(tasks)
    for name in "abcdef":
        office.queue.add(name)
    office.queue.work()
    office.queue.prefer("f")
    office.gate.set()
    qtbot.waitUntil(lambda: office.queue.is_done)
    assert office.batches[0] == 1
    assert sorted(office.names) == list("abcdef")
    assert office.names.index("f") < office.names.index("d")


def test_clearing_forgets_what_waits_and_what_is_under_way(qtbot: QtBot, tasks: Tasks) -> None:
    """No answer of another model arrives."""
    office = _Office(tasks)
    for name in "abc":
        office.queue.add(name)
    office.queue.work()
    assert not office.queue.is_done
    office.queue.clear()
    assert office.queue.is_done
    office.gate.set()
    qtbot.wait(30)
    assert office.answers == []


def test_a_plan_found_in_the_background_is_the_same(sample_models: Path) -> None:
    """And is used only for the model and the choices that it is for."""
    opened = open_model(sample_models / "digits_cnn.onnx")
    document = Document(opened)
    names = [layer.name for layer in document.layers]
    plan = opened.placement.plan(document.specs)
    expected = {
        name: planned(document.graph, plan, document.layer(name), document.specs_of(name))
        for name in names
    }
    ready = plan_all(opened.placement, document.specs)
    assert dict(ready.layers) == expected
    plans = Plans(document)
    plans.expect(ready)
    assert all(plans.of(name) is ready.layers[name] for name in names)
    first = document.layers[0]
    changed = document.apply(
        change_layers([first], "weights", lambda _: QuantSpec.parse("int4"), "int4")
    )
    assert plans.anew(changed) >= {first.name}
    assert plans.of(first.name).weights.dtype != expected[first.name].weights.dtype
    other = open_model(sample_models / "digits_cnn.onnx")
    stranger = plan_all(other.placement, {n: LayerSpecs(FLOAT, FLOAT) for n in names})
    fresh = Plans(Document(opened))
    fresh.expect(stranger)
    assert {name: fresh.of(name) for name in names} == expected
