"""Where the values of a constant are, and how to look at them without a copy."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from inspector.errors import ModelError
from inspector.graph.operators import is_onnx_domain

_NAMES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.UNDEFINED: "",
}
_TYPE_ATTRIBUTES = frozenset(
    {
        *("to", "dtype", "output_dtype", "output_datatype"),
        *("stash_type", "precision", "softmax_precision"),
    }
)
"""Attributes of ONNX's own operators whose numbers are element types (onnx.defs, opset 25)."""
_BITS_PACKED = {
    name: bits
    for bits, names in {2: ("INT2", "UINT2"), 4: ("INT4", "UINT4", "FLOAT4E2M1")}.items()
    for name in names
}


@lru_cache(maxsize=64)
def dtype_name(elem_type: int) -> str:
    """The name a :class:`~inspector.graph.model.Tensor` gives to an ONNX element type."""
    known = _NAMES.get(elem_type)
    if known is not None:
        return known
    try:
        return str(TensorProto.DataType.Name(elem_type)).lower()
    except ValueError:
        return ""


def type_of_attribute(domain: str, key: str, value: object) -> str:
    """The element type that an attribute's number means: "int64" for 7 in a Cast's `to`.

    Args:
        domain: the operator's; others than ONNX's own may mean anything.
        key: the attribute's name.
        value: the attribute's value.

    Returns:
        A name as `dtype_name` gives it; "" where the attribute is no type.
    """
    if not is_onnx_domain(domain) or key not in _TYPE_ATTRIBUTES or not isinstance(value, int):
        return ""
    return dtype_name(value)


@lru_cache(maxsize=64)
def element_bits(elem_type: int) -> int:
    """Bits that one element takes in a file; 0 for strings and unknown types."""
    name = dtype_name(elem_type).upper()
    if name in _BITS_PACKED:
        return _BITS_PACKED[name]
    dtype = _numpy_dtype(elem_type)
    return 0 if dtype is None else dtype.itemsize * 8


@lru_cache(maxsize=64)
def _numpy_dtype(elem_type: int) -> np.dtype[Any] | None:
    if elem_type in {TensorProto.STRING, TensorProto.UNDEFINED}:
        return None
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
    except (KeyError, ValueError, TypeError):
        return None


def stored_bytes(elem_type: int, shape: tuple[int, ...]) -> int:
    """How many bytes the values of a tensor take in a file, as raw or external data."""
    return -(-prod(shape) * element_bits(elem_type) // 8)


class Source(Protocol):
    """The values of one constant, somewhere."""

    @property
    def elem_type(self) -> int:
        """ONNX element type."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""

    def raw(self) -> NDArray[np.uint8]:
        """The stored bytes, little-endian, as a read-only view."""

    def load(self) -> NDArray[Any]:
        """The values as a read-only array; a view wherever the element type allows it."""


def _view(raw: NDArray[np.uint8], elem_type: int, shape: tuple[int, ...]) -> NDArray[Any]:
    dtype = _numpy_dtype(elem_type)
    if dtype is None or element_bits(elem_type) < 8:
        proto = TensorProto(dims=shape, data_type=elem_type, raw_data=raw.tobytes())
        array: NDArray[Any] = numpy_helper.to_array(proto)
    else:
        array = raw.view(dtype).reshape(shape)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class BufferSource:
    """Values inside the bytes of a model file that was read, or of a model that was received."""

    buffer: bytes | NDArray[np.uint8]
    offset: int
    elem_type: int
    shape: tuple[int, ...]

    def raw(self) -> NDArray[np.uint8]:
        """The stored bytes, without a copy."""
        count = stored_bytes(self.elem_type, self.shape)
        return np.frombuffer(self.buffer, np.uint8, count, self.offset)

    def load(self) -> NDArray[Any]:
        """The values, without a copy."""
        return _view(self.raw(), self.elem_type, self.shape)


class MappedFile:
    """A read-only memory map of a whole file.

    It is made when a model is loaded, which reads nothing, and outlives the file's name: a model
    can be saved over the file that it was loaded from.

    Args:
        path: the file.

    Raises:
        OSError: if it cannot be mapped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None

    def view(self, offset: int, count: int) -> NDArray[np.uint8]:
        """Some bytes, without reading them.

        Raises:
            ValueError: if the file has been cut short since; to touch what is gone would end the
                process.
        """
        if not count:
            return np.empty(0, np.uint8)
        if self._map is None or self._map.size() < offset + count:
            raise ValueError("it is shorter than when the model was loaded")
        return np.frombuffer(self._map, np.uint8, count, offset)


@dataclass(frozen=True, slots=True, eq=False)
class FileSource:
    """Values in an external data file."""

    file: MappedFile
    offset: int
    elem_type: int
    shape: tuple[int, ...]
    tensor: str

    @property
    def path(self) -> Path:
        """The data file."""
        return self.file.path

    def raw(self) -> NDArray[np.uint8]:
        """The stored bytes, mapped.

        Raises:
            ModelError: if the file has shrunk since the model was loaded.
        """
        try:
            return self.file.view(self.offset, stored_bytes(self.elem_type, self.shape))
        except ValueError as error:
            raise ModelError(
                f"The external data file {self.path} of tensor '{self.tensor}' cannot be "
                f"read: {error}.",
                "Put the file back, and open the model again.",
            ) from error

    def load(self) -> NDArray[Any]:
        """The values, mapped."""
        return _view(self.raw(), self.elem_type, self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """Values computed by the program."""

    array: NDArray[Any]
    elem_type: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def raw(self) -> NDArray[np.uint8]:
        """The array's bytes as ONNX stores them."""
        if element_bits(self.elem_type) < 8:
            data = numpy_helper.from_array(self.array).raw_data
            return np.frombuffer(data, np.uint8)
        return np.ascontiguousarray(self.array).reshape(-1).view(np.uint8)

    def load(self) -> NDArray[Any]:
        """The array itself."""
        return self.array


@dataclass(frozen=True, slots=True, eq=False)
class ComputedSource:
    """Values that are computed when they are asked for, each time anew.

    So a file can be written of which no more than one tensor is in memory at a time.

    Attributes:
        compute: gives the bytes as ONNX stores them.
        origin: what they are computed from; None where that is in memory.
    """

    compute: Callable[[], NDArray[np.uint8]]
    elem_type: int
    shape: tuple[int, ...]
    origin: Source | None = None

    def raw(self) -> NDArray[np.uint8]:
        """The bytes, computed."""
        return self.compute()

    def load(self) -> NDArray[Any]:
        """The values, computed."""
        return _view(self.raw(), self.elem_type, self.shape)
