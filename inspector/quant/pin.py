"""Grids that are given as they are: scales and zero points from a file, not from a range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError

BIAS = "int32"
"""The type of a pin that is no choice of a spec: that of the sums which a bias is added to."""


@dataclass(frozen=True, slots=True, eq=False)
class Pin:
    """The grid of one tensor, exactly. Equal to another with the same numbers.

    Attributes:
        dtype: of the codes as a spec has it ("int8"), or `BIAS`.
        scale: float32, positive: shape () per tensor, (C,) per axis, for blocks as in ONNX.
        zero_point: int32, of the same shape.
        axis: of the channels, or along which blocks run; None per tensor.
        block: values per block; 0 for none.
    """

    dtype: str
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int32]
    axis: int | None = None
    block: int = 0
    _key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find what equal pins share."""
        digest = blake2b(digest_size=16)
        digest.update(repr((self.dtype, self.scale.shape, self.axis, self.block)).encode())
        digest.update(np.ascontiguousarray(self.scale).tobytes())
        digest.update(np.ascontiguousarray(self.zero_point).tobytes())
        object.__setattr__(self, "_key", digest.digest())

    @classmethod
    def of(
        cls,
        dtype: str,
        scale: ArrayLike,
        zero_point: ArrayLike = 0,
        axis: int | None = None,
        block: int = 0,
    ) -> Pin:
        """A pin of checked numbers.

        One number per tensor may have any shape of one element; a zero point that is one number is
        that of every scale.

        Raises:
            DataError: a scale is no positive finite number, the numbers do not fit one another, or
                a zero point is no code.
        """
        scales = np.asarray(scale, np.float32)
        if axis is None:
            if scales.size != 1:
                raise DataError(f"There are {scales.size} scales, and no axis that they run along.")
            scales = scales.reshape(())
        if not scales.size or not bool((np.isfinite(scales) & (scales > 0)).all()):
            raise DataError("A scale is no positive finite number.")
        zeros = np.asarray(zero_point, np.int64)
        if zeros.size not in {1, scales.size}:
            raise DataError(f"There are {scales.size} scales and {zeros.size} zero points.")
        if zeros.size == scales.size:
            zeros = zeros.reshape(scales.shape)
        zeros = np.broadcast_to(zeros.reshape(()) if zeros.size == 1 else zeros, scales.shape)
        return cls(dtype, scales, np.array(zeros, np.int32), axis, block)

    @property
    def rows(self) -> int:
        """How many scales there are."""
        return int(self.scale.size)

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are the same."""
        return isinstance(other, Pin) and self._key == other._key

    def __hash__(self) -> int:
        """Of the numbers."""
        return hash(self._key)


@dataclass(frozen=True, slots=True)
class PinnedTensor:
    """The grid of a tensor where certain nodes read it.

    Attributes:
        tensor: its name.
        pin: the grid.
        readers: names of nodes; "" is the model's own output; none at all: whoever reads it.
        fenced: of a weight: the file keeps runtimes from seeing the layer and its quantizer as one.
    """

    tensor: str
    pin: Pin
    readers: tuple[str, ...] = ()
    fenced: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pins:
    """All grids that are given for a model. Equal to others with the same entries.

    Attributes:
        entries: in the order of the file.
        fenced: names of the weights whose entries say so.
    """

    entries: tuple[PinnedTensor, ...]
    _by_reader: Mapping[tuple[str, str], Pin] = field(init=False, repr=False)
    _by_tensor: Mapping[str, Pin] = field(init=False, repr=False)
    fenced: frozenset[str] = field(init=False, repr=False)
    _key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the entries."""
        by_reader = {(one.tensor, name): one.pin for one in self.entries for name in one.readers}
        by_tensor = {one.tensor: one.pin for one in self.entries if not one.readers}
        digest = blake2b(digest_size=16)
        for one in self.entries:
            digest.update(repr((one.tensor, one.readers, one.fenced)).encode() + one.pin._key)
        fenced = frozenset(one.tensor for one in self.entries if one.fenced)
        object.__setattr__(self, "fenced", fenced)
        object.__setattr__(self, "_by_reader", by_reader)
        object.__setattr__(self, "_by_tensor", by_tensor)
        object.__setattr__(self, "_key", digest.digest())

    def of(self, tensor: str | None) -> Pin | None:
        """The grid of a constant; None where none is given."""
        return None if tensor is None else self._by_tensor.get(tensor)

    def at(self, tensor: str, reader: str) -> Pin | None:
        """The grid on which a node reads a tensor; None where it reads floats."""
        found = self._by_reader.get((tensor, reader))
        return self._by_tensor.get(tensor) if found is None else found

    @property
    def reads(self) -> Iterable[tuple[str, str]]:
        """(tensor, reader) of all entries that name readers."""
        return self._by_reader

    def __eq__(self, other: object) -> bool:
        """Whether all entries are the same."""
        return isinstance(other, Pins) and self._key == other._key

    def __hash__(self) -> int:
        """Of the entries."""
        return hash(self._key)


def as_pins(entries: Iterable[PinnedTensor]) -> Pins | None:
    """The entries, or None where there is none."""
    found = tuple(entries)
    return Pins(found) if found else None


def full_range(dtype: str) -> tuple[int, int]:
    """(lowest, highest) code of an integer type, all of them."""
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    if dtype.startswith("u"):
        return 0, (1 << bits) - 1
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def middle(dtype: str) -> int:
    """The code in the middle of a type, which stands for zero on a symmetric grid."""
    return (full_range(dtype)[1] + 1) // 2 if dtype.startswith("u") else 0
