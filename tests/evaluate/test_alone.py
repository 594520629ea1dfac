"""Layers quantized one at a time, against files in which only that layer is quantized."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest

from inspector.errors import CancelledError
from inspector.evaluate.alone import Alone, OneByOne
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.random_data import random_data
from inspector.evaluate.runtime import open_session
from inspector.evaluate.statistics import Calibration
from inspector.onnxio.loading import load_model
from inspector.onnxio.runnable import runnable
from inspector.quant.metrics import decibels
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.gather import all_tensors
from inspector.session.job import save_quantized
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe

SAMPLES = 3


class Case:
    """A model with its calibration, and the samples that figures are taken from."""

    def __init__(self, path: Path, data: Path | None = None) -> None:
        """Calibrates, with random samples where there is no data."""
        self.opened: OpenModel = open_model(path)
        graph = self.opened.graph
        samples = random_data(graph, samples=8) if data is None else load_data(data, graph)
        self.samples: Dataset = samples.spread(SAMPLES)
        self.calibration: Calibration = calibrate(
            self.opened.prepared, all_tensors(self.opened), samples.spread(8)
        )

    def runner(self) -> OneByOne:
        """One that has not run yet."""
        opened = self.opened
        return OneByOne(
            opened.source,
            opened.prepared,
            opened.placement,
            self.calibration.tensors,
            self.samples,
        )

    def specs(self, weights: str = "int8", activations: str = "uint8") -> dict[str, LayerSpecs]:
        """The same choice for every layer."""
        recipe = Recipe().with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))
        return recipe.resolve_all(self.opened.graph.layers)

    def names(self) -> list[str]:
        """Of all layers."""
        return [layer.name for layer in self.opened.graph.layers]

    def measured(self, layer: str, specs: LayerSpecs, folder: Path) -> float:
        """Output SQNR in dB of a file in which only this layer is quantized, from onnxruntime."""
        recipe = Recipe().with_default(FLOAT, FLOAT)
        recipe = recipe.with_layer(layer, specs.weights, specs.activations)
        target = folder / "alone.onnx"
        save_quantized(self.opened, recipe, self.calibration, None, target)
        reference = open_session(runnable(self.opened.source))
        written = open_session(runnable(load_model(target)), precise=True)
        signal = error = 0.0
        for feeds in self.samples.samples():
            outputs = written.run(feeds)
            for name, expected in reference.run(feeds).items():
                wanted = expected.astype(np.float64)
                signal += float(np.square(wanted).sum())
                error += float(np.square(wanted - outputs[name]).sum())
        return float(decibels(signal, error))


@pytest.fixture(scope="module")
def digits(sample_models: Path) -> Case:
    """The sample network with its own data."""
    return Case(sample_models / "digits_cnn.onnx", sample_models / "digits_calibration.npz")


def final(found: list[Alone]) -> dict[str, float]:
    """The last figure of each layer."""
    return {one.layer: one.fidelity.sqnr_db for one in found if one.is_final}


@pytest.mark.parametrize(("weights", "activations"), [("int4", "uint8"), ("int8", "uint4:mse")])
def test_files_do_what_was_predicted(
    digits: Case, tmp_path: Path, weights: str, activations: str
) -> None:
    """Every layer: the figure is that of a file in which only this layer is quantized."""
    specs = digits.specs(weights, activations)
    found = final(list(digits.runner().run(specs, digits.names())))
    assert set(found) == set(digits.names())
    for name in digits.names():
        measured = digits.measured(name, specs[name], tmp_path)
        assert found[name] == pytest.approx(measured, abs=0.5), name


def test_a_transformer_too(shared_models: Path, tmp_path: Path) -> None:
    """MatMuls, products of two activations among them: some of a model's layers."""
    case = Case(shared_models / "float" / "charlm.onnx", shared_models / "inputs/charlm_calib.npz")
    specs = case.specs()
    chosen = case.names()[:: max(len(case.names()) // 4, 1)]
    found = final(list(case.runner().run(specs, chosen)))
    for name in chosen:
        measured = case.measured(name, specs[name], tmp_path)
        assert found[name] == pytest.approx(measured, abs=0.5), name


def test_figures_come_in_rounds(digits: Case) -> None:
    """Every layer has a first figure before any has its second, and the last round is final."""
    names = digits.names()
    found = list(digits.runner().run(digits.specs(), names))
    assert [one.layer for one in found] == names * SAMPLES
    assert [one.fidelity.samples for one in found[:: len(names)]] == [1, 2, 3]
    assert [one.is_final for one in found] == [False] * (2 * len(names)) + [True] * len(names)


def test_asking_again_gives_the_same_figures(digits: Case) -> None:
    """What is kept between runs changes nothing; other layers do not either."""
    runner, specs = digits.runner(), digits.specs("int4")
    first = final(list(runner.run(specs, digits.names())))
    list(runner.run(digits.specs("int2"), digits.names()[:2]))
    again = final(list(runner.run(specs, digits.names()[1:3])))
    assert again == {name: first[name] for name in digits.names()[1:3]}


def test_coarser_is_worse(digits: Case) -> None:
    """Weights of 2 bits hurt more than weights of 8."""
    runner, names = digits.runner(), digits.names()
    fine = final(list(runner.run(digits.specs("int8", "float"), names)))
    coarse = final(list(runner.run(digits.specs("int2", "float"), names)))
    assert all(coarse[name] < fine[name] - 10 for name in names)


def test_layers_left_in_float_give_nothing(digits: Case) -> None:
    """There is nothing to run where nothing is quantized."""
    specs = digits.specs("float", "float")
    name = digits.names()[1]
    specs[name] = digits.specs()[name]
    found = list(digits.runner().run(specs, digits.names()))
    assert {one.layer for one in found} == {name}


def test_it_stops_between_layers(digits: Case) -> None:
    """What was found before a cancel is there; nothing comes after it."""
    stop = threading.Event()
    run = digits.runner().run(digits.specs(), digits.names(), stop.is_set)
    found = [next(run), next(run)]
    stop.set()
    with pytest.raises(CancelledError):
        next(run)
    assert [one.layer for one in found] == digits.names()[:2]
    assert not math.isnan(found[0].fidelity.sqnr_db)
