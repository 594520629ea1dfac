"""Runs that begin where a choice differs from the last: the same figures to the last bit."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from inspector.cache import CachePool
from inspector.errors import CancelledError
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.preview import Numbers, Preview
from inspector.evaluate.random_data import random_data
from inspector.evaluate.resume import Resumed
from inspector.graph.grids import GridChooser
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.opening import open_model

_WEIGHTS = ("int8", "int4:tensor", "float", "int6:channel:minmax", "int16")
_ACTIVATIONS = ("uint8", "float", "uint4:tensor:minmax", "uint16:tensor:minmax")
_SHARED = ("squeezenet1.1_imagenet", "gtcrn_simple")


class _Bench:
    """A model under random choices, run whole and resumed."""

    def __init__(self, path: Path, pool: CachePool) -> None:
        opened = open_model(path)
        self.placement = opened.placement
        data = random_data(opened.graph, samples=2)
        self.samples = list(data.samples())
        found = calibrate(opened.prepared, opened.placement.measured, data)
        constant = opened.prepared.constant
        self.chooser = GridChooser(opened.graph, constant, found.tensors)
        self.preview = Preview(opened.prepared, opened.placement, threads=1)
        self.pool = pool
        self.names = [layer.name for layer in opened.graph.layers]
        self._dice = random.Random(3)
        self._specs = dict.fromkeys(self.names, _specs("int8", "uint8"))
        kept, numbers = pool.section("cuts"), self.numbers()
        self.resumed = Resumed(self.preview, self.samples, kept, numbers, threads=1)

    def change(self, name: str) -> None:
        """Other specs for a layer."""
        before = self._specs[name]
        while self._specs[name] == before:
            chosen = self._dice.choice(_WEIGHTS), self._dice.choice(_ACTIVATIONS)
            self._specs[name] = _specs(*chosen)

    def numbers(self) -> Numbers:
        """Of the choices of now."""
        return self.preview.numbers(self.chooser.choose(self.placement.plan(self._specs)))

    def compare(self) -> list[int | None]:
        """Run both; gives where the resumed runs began."""
        numbers = self.numbers()
        begun = []
        for number, feeds in enumerate(self.samples):
            begun.append(self.resumed.begins_at(number, numbers))
            found = self.resumed.run(number, numbers)
            expected = self.preview.run_with(numbers, feeds)
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value)
        return begun


def _specs(weights: str, activations: str) -> LayerSpecs:
    return LayerSpecs(
        QuantSpec.parse(weights).filled("weights"),
        QuantSpec.parse(activations).filled("activations"),
    )


def test_the_first_runs_are_whole_and_later_ones_begin_late(sample_models: Path) -> None:
    """What was computed before the change is not computed again."""
    bench = _Bench(sample_models / "digits_cnn.onnx", CachePool())
    assert bench.resumed.cuts > 1
    assert bench.compare() == [-1, -1]
    assert bench.compare() == [None, None]
    bench.change(bench.names[-1])
    assert bench.compare() == [bench.resumed.cuts - 1] * 2
    bench.change(bench.names[0])
    assert bench.compare() == [-1, -1]


@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit", "digits_mobile"])
def test_random_changes_give_the_same_to_the_last_bit(sample_models: Path, name: str) -> None:
    """Of one layer, or of a few, one after the other."""
    bench = _Bench(sample_models / f"{name}.onnx", CachePool())
    dice, begun = random.Random(5), []
    for _ in range(14):
        for one in dice.sample(bench.names, dice.choice((1, 1, 2))):
            bench.change(one)
        begun += bench.compare()
    assert any(at is not None and at >= 0 for at in begun)


@pytest.mark.parametrize("name", _SHARED)
def test_models_with_many_paths_and_outputs(shared_models: Path, name: str) -> None:
    """Several tensors flow through each cut, and some outputs come early."""
    bench = _Bench(shared_models / "float" / f"{name}.onnx", CachePool())
    bench.compare()
    for one in random.Random(1).sample(bench.names, 5):
        bench.change(one)
        bench.compare()


def test_without_room_runs_begin_earlier(sample_models: Path) -> None:
    """And give the same."""
    bench = _Bench(sample_models / "digits_cnn.onnx", CachePool())
    bench.compare()
    bench.pool.clear()
    bench.change(bench.names[-1])
    assert bench.compare() == [-1, -1]
    bench.pool.set_limit(2_000)
    for name in bench.names[::-1]:
        bench.change(name)
        bench.compare()
        assert bench.pool.used <= 2_000


def test_a_run_that_was_stopped_changes_nothing(sample_models: Path) -> None:
    """The next one begins where the last that was finished allows it."""
    bench = _Bench(sample_models / "digits_cnn.onnx", CachePool())
    bench.compare()
    bench.change(bench.names[2])
    with pytest.raises(CancelledError):
        bench.resumed.run(0, bench.numbers(), lambda: True)
    bench.change(bench.names[-1])
    bench.compare()
