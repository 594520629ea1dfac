"""200 random graphs with random recipes: QDQ, QOperator, simulation and ONNX's evaluator agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from inspector.evaluate.runtime import open_session
from inspector.graph.placement import REST, Site
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.loading import model_of
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.qoperator import to_qoperator
from tests.evaluate.random_graphs import RandomGraph, sqnr

Arrays = Mapping[str, np.ndarray]

_WEIGHTS = ("int8", "int8", "int8:tensor", "uint8:tensor", "int6", "int8:mse", "float")
_ACTIVATIONS = ("uint8", "uint8", "uint8:minmax", "int8:sym", "uint7", "uint8:percentile99.9")
_GROUPS, _EACH = 20, 10
_EXACT = 100.0
"""dB, from which on nothing but float32 itself differs."""
_FLIPS = 0.02
"""Values that may fall to another code: those halfway between two, and what follows from them."""


def _choices(rng: np.random.Generator, names: list[str], of: tuple[str, ...]) -> dict[str, str]:
    return {name: str(rng.choice(of)) for name in names}


def _run(model: Any, feeds: Arrays, *, optimize: bool) -> Arrays:
    session = open_session(runnable(model), threads=1, optimize=optimize)
    return session.run(dict(feeds))


def _evaluated(proto: onnx.ModelProto, feeds: Arrays) -> Arrays | None:
    """The outputs by ONNX's own evaluator; None where it fails, as in some ConvTranspose."""
    names = [value.name for value in proto.graph.output]
    try:
        return dict(zip(names, ReferenceEvaluator(proto).run(None, dict(feeds)), strict=True))
    except ValueError:
        return None


def _steps(made: Any) -> dict[str, float]:
    """The scale of every output that is on a grid."""
    found = {}
    for name in made.placement.graph.outputs:
        point = made.plan.sites.get(Site(name, REST))
        if point is not None:
            found[name] = float(made.grids.points[point].scale)
    return found


def _compare(reference: Arrays, found: Arrays, steps: Mapping[str, float], what: str) -> None:
    """Within one step of an output's grid, but for values that were halfway somewhere."""
    for name, wanted in reference.items():
        apart = np.abs(found[name].astype(np.float64) - wanted)
        limit = 1.01 * steps[name] if name in steps else 1e-4 * max(np.abs(wanted).max(), 1e-6)
        assert np.mean(apart > limit) <= max(_FLIPS, 1.5 / apart.size), (what, name)


@pytest.mark.parametrize("group", range(_GROUPS))
def test_four_ways(quantized: Callable[..., Any], group: int) -> None:
    """All mean the same; so the loss that was predicted is the one that is measured."""
    evaluated = 0
    for seed in range(group * _EACH, (group + 1) * _EACH):
        rng = np.random.default_rng(seed)
        graph = RandomGraph(seed, int(rng.integers(1, 7)), 21)
        names = [node.name for node in graph.nodes]
        weights, activations = (_choices(rng, names, of) for of in (_WEIGHTS, _ACTIVATIONS))
        made = quantized(graph.proto, weights, activations, samples=2, seed=seed)
        steps = _steps(made)
        operators = to_qoperator(made.written)
        onnx.checker.check_model(whole_proto(operators))
        feeds = made.feeds[0]
        (predicted,) = made.predicted([feeds])
        true = _run(model_of(graph.proto), feeds, optimize=True)
        ways = {
            "QDQ": _run(made.written, feeds, optimize=True),
            "QOperator": _run(operators, feeds, optimize=False),
        }
        if _evaluated(graph.proto, feeds) is not None:
            ways["reference"] = _evaluated(made.proto, feeds)
            evaluated += 1
        loss = sqnr(true, predicted)
        for what, found in ways.items():
            _compare(predicted, found, steps, f"{what}, seed {seed}")
            if loss < _EXACT:
                assert sqnr(true, found) == pytest.approx(loss, abs=0.5), f"{what}, seed {seed}"
    assert evaluated > _EACH // 2
