"""What each layer alone does to the outputs, as one forward pass and its errors tell."""

from __future__ import annotations

import math

from inspector.evaluate.calibrate import Calibration
from inspector.evaluate.data import Dataset
from inspector.evaluate.first_order import gains, noise
from inspector.evaluate.sensitivity import Case
from inspector.graph.grids import GridChooser
from inspector.progress import Cancel
from inspector.session.opening import OpenModel
from inspector.session.widths import Widths


def estimate(
    opened: OpenModel,
    calibration: Calibration,
    samples: Dataset,
    widths: Widths,
    cancel: Cancel | None = None,
) -> dict[Case, float]:
    """The first-order estimate of the noise power over the signal power at the outputs.

    Of each layer alone, by weights, by activations and by both. Cost: one run of the float model
    and a pass over the weights for each width; see `inspector.evaluate.first_order`.
    """
    graph = opened.graph
    reach = gains(opened.prepared, graph, samples.feeds(0), cancel)
    chooser = GridChooser(graph, opened.prepared.constant, calibration.tensors)
    found: dict[Case, float] = {}
    for bits in widths.choices:
        choice = widths.choices[bits]
        grids = chooser.choose(opened.placement.plan(choice), cancel)
        for name in widths.layers(bits):
            layer = graph.layer(name)
            weights, activations = noise(
                grids, graph, opened.prepared.constant, calibration.tensors, name
            )
            weights *= reach.of_weights(layer)
            activations *= reach.of_activations(layer)
            found[Case(name, bits, "weights")] = weights
            found[Case(name, bits, "activations")] = activations
            found[Case(name, bits, "both")] = weights + activations
    return found


def decibels_of(power: float) -> float:
    """A ratio of noise to signal power as SQNR in dB; infinite for none."""
    return -10 * math.log10(power) if power > 0 else math.inf
