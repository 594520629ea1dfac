"""Samples and outputs of models that take and give integers; see `writers.integer_io`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from inspector.onnxio.loading import load_model
from inspector.onnxio.writers.integer_io import End, ends_of
from inspector.quant.kernels import dequantize, quantize

Arrays = dict[str, NDArray[Any]]


def ends_of_file(path: Path) -> tuple[End, ...]:
    """The integer inputs and outputs of a model file.

    Raises:
        ModelError: it cannot be read, or says of them what cannot be understood.
    """
    return ends_of(load_model(path).metadata)


def as_fed(feeds: Mapping[str, NDArray[Any]], ends: Sequence[End]) -> Arrays:
    """A sample of floats as such a model takes it."""
    given = dict(feeds)
    for end in ends:
        if end.is_input:
            given[end.name] = quantize(given[end.name], end.grid).astype(end.dtype)
    return given


def as_real(outputs: Arrays, ends: Sequence[End]) -> Arrays:
    """The outputs of such a model in real numbers."""
    return outputs | {e.name: dequantize(outputs[e.name], e.grid) for e in ends if not e.is_input}
