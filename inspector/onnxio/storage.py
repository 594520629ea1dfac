"""How codes of a width are stored: the ONNX type that holds them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from inspector.quant.kernels import pack_subbyte, quantize
from inspector.quant.qparams import QParams
from inspector.quant.slabs import slabs

_TYPES: dict[tuple[int, bool], Any] = {
    (2, True): ml_dtypes.int2, (2, False): ml_dtypes.uint2,
    (4, True): ml_dtypes.int4, (4, False): ml_dtypes.uint4,
    (8, True): np.int8, (8, False): np.uint8,
    (16, True): np.int16, (16, False): np.uint16,
}  # fmt: skip

_OPSETS = {2: 25, 4: 21, 8: 13, 16: 21}


@dataclass(frozen=True, slots=True)
class Storage:
    """An ONNX integer type.

    Attributes:
        bits: its width.
        signed: whether it holds negative codes.
    """

    bits: int
    signed: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the codes; ml_dtypes' where numpy has none."""
        found: np.dtype[Any] = np.dtype(_TYPES[self.bits, self.signed])
        return found

    @property
    def lowest(self) -> int:
        """The smallest code of the type, at which QuantizeLinear saturates."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest code of the type."""
        return self.lowest + (1 << self.bits) - 1

    @property
    def opset(self) -> int:
        """The first opset whose QuantizeLinear and DequantizeLinear take the type per channel."""
        return _OPSETS[self.bits]

    def holds_exactly(self, grid: QParams) -> bool:
        """Whether the type saturates where the grid ends."""
        return (grid.qmin, grid.qmax) == (self.lowest, self.highest)


def storage_of(grid: QParams) -> Storage:
    """The narrowest type that holds a grid's codes: int3 goes into int4, uint9 into uint16."""
    signed = grid.qmin < 0
    width = max(grid.qmax, -grid.qmin - 1).bit_length() + signed
    return Storage(min(bits for bits in _OPSETS if bits >= width), signed)


def as_unsigned(grid: QParams) -> QParams:
    """The same real grid in unsigned codes: every code and zero point moves up by 2^(bits-1).

    onnxruntime's kernels for unsigned by signed bytes add pairs of products in 16 bits on x86
    processors without VNNI, and these saturate. Its kernels for unsigned by unsigned bytes do not,
    so the same weights in unsigned codes give the sums that the model means on every machine.
    """
    half = 1 << (storage_of(grid).bits - 1)
    return replace(
        grid,
        zero_point=(grid.zero_point + half).astype(np.int32),
        qmin=grid.qmin + half,
        qmax=grid.qmax + half,
    )


def exact_codes(values: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """float32 values as int32 codes and scales that give them back, bit for bit where it can be.

    A float32 is a whole number of 24 bits times a power of two. A vector gets a scale of its own
    for each value and is exact. Other shapes share one scale, exact to 2^-31 of the largest value.

    Returns:
        Codes of the shape of `values`, and scales of shape (n,) for a vector and () for others.
    """
    real = np.asarray(values, np.float64)
    exponent = np.frexp(real)[1]
    exponent = exponent - 24 if real.ndim == 1 else np.max(exponent, initial=-96) - 30
    scale = np.exp2(np.maximum(exponent, -126).astype(np.float64))
    return np.rint(real / scale).astype(np.int32), np.asarray(scale, np.float32)


def stored_codes(values: NDArray[Any], grid: QParams, storage: Storage) -> NDArray[np.uint8]:
    """The codes of values on a grid, as ONNX stores the type: 2 and 4 bits packed into bytes.

    Works through the rows in slabs, so that little more memory is needed than the codes take.
    """
    per_byte = max(1, 8 // storage.bits)
    result = np.zeros(-(-values.size * storage.bits // 8), np.uint8)
    at = 0
    for rows, part in slabs(values, grid, per_byte):
        found = quantize(rows, part)
        packed = _packed(found, storage)
        result[at : at + packed.size] = packed
        at += packed.size
    return result


def _packed(found: NDArray[Any], storage: Storage) -> NDArray[np.uint8]:
    if storage.bits < 8:
        return pack_subbyte(found, storage.bits)
    return np.ascontiguousarray(found.astype(storage.dtype)).reshape(-1).view(np.uint8)
