"""Layer-wise reconstruction: the codes of weights, from what the layers before them compute.

Each layer is rounded on inputs that the quantized layers before it made, so later layers make good
what earlier ones lost. One layer's second moments are held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError
from inspector.evaluate.recovery.bias import take_out_mean_error
from inspector.evaluate.recovery.walk import Stop, Walk
from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Layer
from inspector.graph.unfolding import columns, from_rows, to_rows, unfolds
from inspector.progress import Cancel
from inspector.quant.kernels import spread_grid
from inspector.quant.qparams import QParams
from inspector.quant.rounding import Steps, adaround, gptq

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Rounding = Callable[[Doubles, Doubles, Steps, Callable[[], None]], Doubles]

ROUNDINGS: Mapping[str, Rounding] = {"gptq": gptq, "adaround": adaround}
"""How the codes of a layer can be chosen."""

AIM_DAMPING = 1.0
"""What is added to the diagonal of E[x x^T], over its mean, where the aim of a layer is moved. With
less, weights follow noise of the samples: of 0.01, 0.1 and 1 the last was best on held-out data of
digits_cnn, digits_mobile, digits_vit and a MobileNet, at 4 bits and at 8."""

MOST_COLUMNS = 8192
"""A layer with more columns has second moments of more than half a gigabyte; it is left alone."""

POSITIONS = 32768
"""Positions that the second moments of a layer are gathered from, over all samples."""

_CHUNK = 2048
"""Positions whose products are summed up at once."""


@dataclass(slots=True)
class Reconstruction:
    """What was chosen.

    Attributes:
        weights: by layer, real values on the layer's grid, in the weight's shape and type.
        left: why layers were left alone.
    """

    weights: dict[str, NDArray[Any]]
    left: list[str]


def reconstruct(
    walk: Walk,
    graph: Graph,
    grids: Grids,
    constant: Callable[[str], NDArray[Any]],
    methods: Mapping[str, str],
    centred: Collection[str],
    count: int,
    *,
    alone: bool = False,
    cancel: Cancel | None = None,
) -> Reconstruction:
    """Chooses the codes of layers, in graph order.

    Args:
        walk: over the model; used up.
        graph: its graph.
        grids: the scales and zero points; they stay as they are.
        constant: gives the float weights.
        methods: by layer, one of `ROUNDINGS`.
        centred: layers whose mean error a bias takes out afterwards: only what varies counts.
        count: how many samples the walk has.
        alone: round each layer as if all others were float: for choices in which they may be.
        cancel: asked now and then.

    Raises:
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.
    """
    found = Reconstruction({}, [])

    def stop_if_cancelled() -> None:
        if cancel is not None and cancel():
            raise CancelledError

    for stop in walk:
        layer, method = stop.layer, methods.get(stop.layer.name)
        if method is None:
            continue
        grid = grids.weights.get(layer.name)
        why = _why_not(graph, layer, grid)
        if why is not None or grid is None:
            found.left.append(f"{layer.name}: {why}")
            continue
        assert layer.weight is not None
        weight = constant(layer.weight)
        centre = layer.name in centred
        moments, missed = second_moments(stop, graph, count, centred=centre, alone=alone)
        rows = to_rows(layer, weight.astype(np.float64))
        steps = grid_rows(layer, grid, weight.shape)
        chosen = ROUNDINGS[method](aimed(rows, moments, missed), moments, steps, stop_if_cancelled)
        chosen = better_rows(rows, moments, missed, steps.nearest(rows), chosen)
        values = from_rows(layer, chosen).astype(weight.dtype)
        found.weights[layer.name] = values
        if alone:
            continue
        stop.set_weight(values)
        if layer.name in centred:
            take_out_mean_error(stop)  # as a bias will: later layers are to see what they will see
    return found


def second_moments(
    stop: Stop, graph: Graph, count: int, *, centred: bool, alone: bool = False
) -> tuple[Doubles, Doubles]:
    """What a layer's rows are multiplied with: x in the quantized model, f in the float one.

    Args:
        stop: the layer.
        graph: its graph.
        count: samples that there are.
        centred: take the means away.
        alone: take x from the float model as well.

    Returns:
        E[x x^T] and E[(f - x) x^T], (groups, columns, columns) each.
    """
    layer, node = stop.layer, graph.node(stop.layer.name)
    most = max(POSITIONS // max(count, 1), 1)
    sums: list[Doubles] = []
    seen = 0
    for x, f in _chunks(
        # The same positions of both.
        tuple(
            columns(layer, node, values, most, np.random.default_rng(number))
            for values in (expected if alone else computed, expected)
        )
        for number, (expected, computed) in enumerate(stop.inputs())
    ):
        off = f - x
        parts = [
            (x.swapaxes(1, 2) @ x).astype(np.float64),
            (off.swapaxes(1, 2) @ x).astype(np.float64),
            x.sum(axis=1, dtype=np.float64),
            off.sum(axis=1, dtype=np.float64),
        ]
        sums = parts if not sums else [a + b for a, b in zip(sums, parts, strict=True)]
        seen += x.shape[1]
    moments, missed, mean, mean_off = (one / max(seen, 1) for one in sums)
    if centred:
        moments -= mean[:, :, None] * mean[:, None, :]
        missed -= mean_off[:, :, None] * mean[:, None, :]
    return moments, missed


def _chunks(parts: Iterable[tuple[Floats, ...]]) -> Iterator[tuple[Floats, ...]]:
    """Positions of several samples together: a sum over them costs as much as one over few.

    Args:
        parts: arrays (groups, positions, columns) of each sample.
    """
    held: list[tuple[Floats, ...]] = []
    for part in parts:
        held.append(part)
        if sum(one[0].shape[1] for one in held) >= _CHUNK:
            yield tuple(np.concatenate(one, axis=1) for one in zip(*held, strict=True))
            held = []
    if held:
        yield tuple(np.concatenate(one, axis=1) for one in zip(*held, strict=True))


def aimed(rows: Doubles, moments: Doubles, missed: Doubles) -> Doubles:
    """The real weights that come nearest to the float layer's outputs on quantized inputs.

    The least squares solution of W f = W* x, W* = W + W E[(f - x) x^T] E[x x^T]^-1, with an inverse
    damped so much that only strong directions are followed: what the layers before have lost is
    made good as far as it can be told from x, without learning the samples' own noise.

    Args:
        rows: W, (groups, rows, columns).
        moments: E[x x^T].
        missed: E[(f - x) x^T].
    """
    size = moments.shape[1]
    mean = np.trace(moments, axis1=1, axis2=2) / size
    if not (np.isfinite(mean).all() and np.isfinite(missed).all()) or (mean <= 0).any():
        return rows
    damped = moments + np.eye(size) * (AIM_DAMPING * mean)[:, None, None]
    better = np.linalg.solve(damped, (rows @ missed).swapaxes(1, 2)).swapaxes(1, 2)
    return np.asarray(rows + better)


def better_rows(
    rows: Doubles, moments: Doubles, missed: Doubles, nearest: Doubles, chosen: Doubles
) -> Doubles:
    """Of two roundings, the one with the lower error of the layer's outputs, row by row.

    With d = V - W for codes V, E|V x - W f|^2 = d E[x x^T] d^T - 2 d (W E[(f - x) x^T])^T + what no
    code changes.

    Args:
        rows: W, (groups, rows, columns).
        moments: E[x x^T].
        missed: E[(f - x) x^T].
        nearest: taken where the other is not better.
        chosen: the other.
    """
    pull = rows @ missed

    def error(offer: Doubles) -> Doubles:
        change = offer - rows
        return np.asarray(((change @ moments - 2 * pull) * change).sum(axis=-1))

    better = error(chosen) < error(nearest)
    return np.where(better[:, :, None], chosen, nearest)


def grid_rows(layer: Layer, grid: QParams, shape: tuple[int, ...]) -> Steps:
    """The grid of each weight, in rows."""
    scale, zero = (
        np.broadcast_to(one, shape).astype(np.float64) for one in spread_grid(grid, shape)
    )
    parts = (to_rows(layer, one) for one in (scale, grid.qmin - zero, grid.qmax - zero))
    return Steps(*(np.asarray(one) for one in parts))


def _why_not(graph: Graph, layer: Layer, grid: QParams | None) -> str | None:
    if grid is None:
        return "its weight is not quantized"
    if grid.table is not None:
        return "only evenly spaced codes are chosen this way"
    if not unfolds(layer):
        return f"a {layer.op_type} like this is not rounded by what it computes"
    assert layer.weight is not None
    if len(graph.tensors[layer.weight].consumers) != 1:
        return "other nodes read its weight too"
    if to_rows(layer, np.empty(layer.weight_shape or (), np.int8)).shape[2] > MOST_COLUMNS:
        return f"more than {MOST_COLUMNS} values meet in a sum"
    return None
