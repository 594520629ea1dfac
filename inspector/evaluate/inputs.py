"""What a model wants to be fed, and how an array of samples maps onto one of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.graph.model import Dim, Graph

FEEDABLE = frozenset(
    (
        *("float16", "float32", "float64", "bool"),
        *("int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
    )
)
"""Element types of model inputs that numpy arrays can be given for."""

_BATCH_AND_ONE_MORE = 2
_IMAGE_RANK = 4


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model.

    Attributes:
        name: the tensor's name.
        dtype: numpy's name of the element type.
        shape: one entry an axis, a name or None where the size is free.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...]

    def __str__(self) -> str:
        """Write it for a message: its name, type and shape."""
        return f"'{self.name}' ({self.dtype} {shape_text(self.shape)})"

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The element type as numpy's."""
        return np.dtype(self.dtype)


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """Where the samples lie in an array for one input.

    Attributes:
        count: the number of samples.
        axis: the axis along which samples lie.
        rows: how many rows along `axis` make one sample: the model's fixed batch size, or 1.
        stacked: the array has one axis more than the input, which a sample loses.
        lifted: the array has one axis less than the input: it is one sample without a batch axis.
        left_over: rows at the end that do not fill a fixed batch.
    """

    count: int
    axis: int = 0
    rows: int = 1
    stacked: bool = False
    lifted: bool = False
    left_over: int = 0

    def take(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Bring the rows of one sample into the input's shape."""
        if self.lifted:
            return rows[np.newaxis]
        return rows[0] if self.stacked else rows


def shape_text(shape: Sequence[Dim]) -> str:
    """Write a shape as ``[N, 3, ?, ?]``."""
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"


def input_specs(graph: Graph) -> tuple[InputSpec, ...]:
    """List what `graph` wants to be fed.

    Raises:
        DataError: it has no inputs, or one that no numpy array can be given for.
    """
    if not graph.inputs:
        raise DataError(
            f"The model '{graph.name}' has no inputs: there is nothing to feed.",
            "Choose a model that computes something from an input.",
        )
    return tuple(_input_spec(graph, name) for name in graph.inputs)


def _input_spec(graph: Graph, name: str) -> InputSpec:
    tensor = graph.tensors[name]
    if tensor.dtype not in FEEDABLE:
        kind = f"of type {tensor.dtype}" if tensor.dtype else "not a plain tensor"
        raise DataError(
            f"The model's input '{name}' is {kind}; it cannot be fed from data.",
            "Cut that part off the model first: inputs have to be numbers or booleans.",
        )
    if tensor.shape is None:
        raise DataError(
            f"The model does not say how many axes its input '{name}' has.",
            "Give the input a shape (sizes may stay symbolic) and open the model again.",
        )
    return InputSpec(name, tensor.dtype, tensor.shape)


def batch_symbol(specs: Sequence[InputSpec]) -> str | None:
    """Find the name that the model gives its batch size.

    That is the name of axis 0 of the first input with two or more axes which has one there.
    """
    for spec in specs:
        if len(spec.shape) >= _BATCH_AND_ONE_MORE and isinstance(spec.shape[0], str):
            return spec.shape[0]
    return None


def sample_layout(
    spec: InputSpec, shape: tuple[int, ...], batch: str | None
) -> SampleLayout | None:
    """Find how an array of `shape` holds samples for `spec`.

    An array with as many axes as the input holds samples along axis 0 (or along the axis that
    carries the model's `batch` symbol), as many rows a sample as the input's fixed size there. An
    array with one more axis is a stack of whole inputs. An array that lacks a batch axis of free
    size or of size 1 is a single sample.

    Returns:
        None when the array does not fit the input.
    """
    rank = len(spec.shape)
    if len(shape) == rank + 1 and shape[0] > 0 and _fits(shape[1:], spec.shape):
        return SampleLayout(shape[0], stacked=True)
    if len(shape) == rank - 1 and (rank > 1 and not _fixed_above_one(spec.shape[0])):
        return SampleLayout(1, lifted=True) if _fits(shape, spec.shape[1:]) else None
    if len(shape) != rank:
        return None
    return _same_rank_layout(spec, shape, batch)


def _same_rank_layout(
    spec: InputSpec, shape: tuple[int, ...], batch: str | None
) -> SampleLayout | None:
    if not shape:
        return SampleLayout(1)
    axis = _sample_axis(spec, batch)
    if axis is None:
        return SampleLayout(1, rows=shape[0]) if _fits(shape, spec.shape) else None
    others = [(n, d) for k, (n, d) in enumerate(zip(shape, spec.shape, strict=True)) if k != axis]
    if not _fits([n for n, _ in others], [d for _, d in others]):
        return None
    dim = spec.shape[axis]
    rows = dim if isinstance(dim, int) else 1
    if rows == 0 or shape[axis] < rows:
        return None
    return SampleLayout(shape[axis] // rows, axis, rows, left_over=shape[axis] % rows)


def _sample_axis(spec: InputSpec, batch: str | None) -> int | None:
    """Find the axis along which samples lie; None when the whole array is one sample."""
    if batch is not None and batch in spec.shape:
        return spec.shape.index(batch)
    if len(spec.shape) == 1 and spec.shape[0] != 1:
        return None  # a vector such as [length]: its only axis is not a batch
    return 0


def _fixed_above_one(dim: Dim) -> bool:
    return isinstance(dim, int) and dim != 1


def _fits(shape: Sequence[int], wanted: Sequence[Dim]) -> bool:
    return all(not isinstance(d, int) or n == d for n, d in zip(shape, wanted, strict=True))


def shape_error(spec: InputSpec, where: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """Say what an array is and what the model wants, for a `DataError`."""
    return (
        f"{where} is {dtype.name} {shape_text(shape)}; "
        f"the model's input '{spec.name}' wants {spec.dtype} {shape_text(spec.shape)}."
    )


def shape_hint(spec: InputSpec, shape: tuple[int, ...]) -> str:
    """Say what would make an array of `shape` fit, where that can be seen."""
    image = len(shape) == len(spec.shape) == _IMAGE_RANK
    if image and _fits([shape[k] for k in (3, 1, 2)], spec.shape[1:]):
        return "It looks channels-last: transpose it with (0, 3, 1, 2)."
    if image and _fits([shape[k] for k in (2, 3, 1)], spec.shape[1:]):
        return "It looks channels-first: transpose it with (0, 2, 3, 1)."
    if len(shape) == len(spec.shape) and shape and _fixed_above_one(spec.shape[0]):
        return f"Samples lie along axis 0, {spec.shape[0]} for each run of this model."
    return "Samples lie along axis 0; every other size has to be the model's."


def check_dtype(spec: InputSpec, where: str, dtype: np.dtype[Any]) -> str:
    """Check that values of `dtype` may be fed to `spec`.

    Any width of float goes to any other, any width of integer to any other (values that do not fit
    are refused when they are met), integers and booleans to floats.

    Returns:
        A remark when the numbers are taken for what they are not, such as integers for an input of
        floats; else nothing.

    Raises:
        DataError: the conversion would lose what the values mean.
    """
    kinds = _kind(dtype), _kind(spec.numpy_dtype)
    if kinds in {("i", "f"), ("b", "f")}:
        return f"{where} is {dtype.name}, fed unscaled to an input of {spec.dtype}"
    if kinds[0] == kinds[1] or kinds == ("b", "i"):
        return ""
    wanted = "True and False" if kinds[1] == "b" else f"{spec.dtype} values"
    raise DataError(
        f"{where} is {dtype.name}; the model's input '{spec.name}' wants {spec.dtype}.",
        f"Save {wanted} for it: array.astype('{spec.dtype}').",
    )


def _kind(dtype: np.dtype[Any]) -> str:
    return "i" if dtype.kind == "u" else dtype.kind


def convert(values: NDArray[Any], spec: InputSpec, where: str) -> NDArray[Any]:
    """Turn one sample into the input's element type, contiguous.

    Args:
        values: the sample, of a type that `check_dtype` accepted.
        spec: the input it is for.
        where: what to call the sample in an error.

    Raises:
        DataError: a value is NaN or infinite, or does not fit the type.
    """
    wanted = spec.numpy_dtype
    if wanted.kind in "iu" and values.dtype != wanted and values.size:
        limits = np.iinfo(wanted)
        low, high = int(values.min()), int(values.max())
        if low < limits.min or high > limits.max:
            worst = low if low < limits.min else high
            raise DataError(
                f"{where} holds {worst}; the model's input '{spec.name}' is {wanted.name}.",
                f"Its values have to lie between {limits.min} and {limits.max}.",
            )
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(values, dtype=wanted).reshape(values.shape)
    if wanted.kind == "f" and not np.isfinite(result).all():
        raise DataError(
            f"{where} holds NaN, infinity or a value too large for {wanted.name}.",
            "Take that sample out of the data, or look at how it was made.",
        )
    return result
