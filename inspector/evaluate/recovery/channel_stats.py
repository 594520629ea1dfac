"""How large the channels of activations are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.runtime import open_session
from inspector.evaluate.samples import Feeds
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel, Progress

Doubles = NDArray[np.float64]


@dataclass(slots=True)
class ChannelStats:
    """Of each channel of a tensor, over all samples.

    Attributes:
        low: the smallest value.
        high: the largest.
        mean: the mean magnitude.
    """

    low: Doubles
    high: Doubles
    mean: Doubles
    _count: int = field(default=0)

    @property
    def largest(self) -> Doubles:
        """The largest magnitude of each channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


def channel_stats(
    model: Model,
    axes: Mapping[str, int],
    samples: Iterable[Feeds],
    count: int,
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> dict[str, ChannelStats]:
    """Runs a model and looks at the channels of some tensors.

    Args:
        model: the prepared model.
        axes: the axis of the channels of each tensor, by its name; tensors that nodes compute.
        samples: what to run on.
        count: how many samples there are.
        cancel: asked between runs and while one runs.
        progress: told of (samples done, all).

    Raises:
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.
    """
    found: dict[str, ChannelStats] = {}
    if not axes:
        return found
    session = open_session(runnable(model, outputs=list(axes)), memory_pattern=False)
    needed = {value.name for value in session.inputs}
    for number, feeds in enumerate(samples):
        given = {name: values for name, values in feeds.items() if name in needed}
        for name, values in session.run(given, cancel=cancel).items():
            _add(
                found,
                name,
                np.moveaxis(values, axes[name], 0).reshape(values.shape[axes[name]], -1),
            )
        if progress is not None:
            progress(number + 1, count)
    return found


def _add(found: dict[str, ChannelStats], name: str, rows: NDArray[np.float32]) -> None:
    low, high = (np.asarray(end, np.float64) for end in (rows.min(axis=1), rows.max(axis=1)))
    total = np.abs(rows).sum(axis=1, dtype=np.float64)
    one = found.get(name)
    if one is None:
        found[name] = ChannelStats(low, high, total / rows.shape[1], rows.shape[1])
        return
    one.low, one.high = np.minimum(one.low, low), np.maximum(one.high, high)
    both = one._count + rows.shape[1]
    one.mean, one._count = (one.mean * one._count + total) / both, both
