"""Why predicted and measured figures part where the loss is below -80 dB, and nowhere else.

A value on its way through float32 is off by some noise e. Rounding it to a step d far larger than e
takes it to another code with a probability of about e / d, and is off by d then: the power of the
difference behind is e d, which in dB is the mean of both. So of two runs that add up in another
order, the difference grows with every rounding in a row, from that of float32 (-140 dB) half of the
way to the step (-96 dB for 16 bits) each time, whatever computes them. At 8 bits integer kernels
add up exactly, and there is no e.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import load_data
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.chosen import grids_of, resolve
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe
from inspector.session.writing import write_model
from tests.evaluate.random_graphs import sqnr

_RECIPE = Recipe().with_default(QuantSpec.parse("int16"), QuantSpec.parse("uint16"))


class Setting:
    """A model of ten layers with samples, and what files and simulation make of it."""

    def __init__(self, folder: Path) -> None:
        """Opens and calibrates it."""
        self.opened: OpenModel = open_model(folder / "digits_cnn.onnx")
        data = load_data(folder / "digits_calibration.npz", self.opened.graph, limit=16)
        self.calibration: Calibration = calibrate(
            self.opened.prepared, self.opened.placement.measured, data
        )
        samples = [feeds for _, feeds in zip(range(8), data.samples(), strict=False)]
        self.feeds = {name: np.concatenate([one[name] for one in samples]) for name in samples[0]}
        self.specs = resolve(self.opened, _RECIPE)
        self.layers = list(self.specs)

    def apart(self, specs: Mapping[str, LayerSpecs]) -> float:
        """How far simulation and file are apart, in dB."""
        opened = self.opened
        plan = opened.placement.plan(specs)
        grids = grids_of(opened, plan, self.calibration)
        written = write_model(opened.prepared, opened.placement, _RECIPE, grids)
        preview = Preview.suiting(grids, opened.prepared, opened.placement, threads=1)
        found = open_session(runnable(written), threads=1, optimize=False).run(self.feeds)
        return sqnr(found, preview.run(grids, self.feeds))

    def activations(self, layers: list[str]) -> dict[str, LayerSpecs]:
        """Specs of the activations of some layers alone."""
        return {
            name: LayerSpecs(FLOAT, spec.activations if name in layers else FLOAT)
            for name, spec in self.specs.items()
        }


@pytest.fixture(scope="module")
def setting(sample_models: Path) -> Setting:
    """The sample with the deepest chain."""
    return Setting(sample_models)


def test_one_rounding_alone_agrees_to_float32(setting: Setting) -> None:
    """Weights and activations of a single layer: nothing behind them rounds."""
    for name in (setting.layers[0], setting.layers[5], setting.layers[-1]):
        alone = {
            other: spec if other == name else LayerSpecs(FLOAT, FLOAT)
            for other, spec in setting.specs.items()
        }
        assert setting.apart(alone) > 125
    weights = {name: LayerSpecs(spec.weights, FLOAT) for name, spec in setting.specs.items()}
    assert setting.apart(weights) > 125


def test_every_rounding_in_a_row_goes_half_of_the_way_to_the_step(setting: Setting) -> None:
    """Never more than that, in dB, so that it ends at the step."""
    step = 20 * math.log10(2**16) - 4.8  # of values spread evenly over the grid
    before = setting.apart(setting.activations(setting.layers[:1]))
    for count in (2, 3, 5, 8):
        found = setting.apart(setting.activations(setting.layers[:count]))
        assert found < before + 1
        assert found > min((before + step) / 2, step) - 6
        before = found
    assert before > step - 6
