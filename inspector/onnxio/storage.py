"""How codes of a width are stored: the ONNX type that holds them."""

from __future__ import annotations

from collections.abc import Callable
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

_FLOATS: dict[str, Any] = {"fp8e4m3": ml_dtypes.float8_e4m3fn, "fp8e5m2": ml_dtypes.float8_e5m2}
_FLOAT_OPSET = 19

SHORT_FLOATS: dict[str, Any] = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
"""Types that values are stored in without a scale, by their names in a spec."""


@dataclass(frozen=True, slots=True)
class Storage:
    """An ONNX type that QuantizeLinear writes.

    Attributes:
        bits: its width.
        signed: whether it holds negative codes.
        floating: the name of a float type in a spec; empty for integers.
    """

    bits: int
    signed: bool
    floating: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the codes; ml_dtypes' where numpy has none."""
        integer = _TYPES[self.bits, self.signed]
        found: np.dtype[Any] = np.dtype(_FLOATS.get(self.floating, integer))
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
        return _FLOAT_OPSET if self.floating else _OPSETS[self.bits]

    def holds_exactly(self, grid: QParams) -> bool:
        """Whether the type saturates where the grid ends."""
        if self.floating:
            return True
        return (grid.qmin, grid.qmax) == (self.lowest, self.highest)


def storage_of(grid: QParams) -> Storage:
    """The narrowest type that holds a grid's codes: int3 goes into int4, uint9 into uint16."""
    if grid.table is not None and grid.table.name in _FLOATS:
        return Storage(8, True, grid.table.name)
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
    """The codes of values on a grid, as ONNX stores the type: 2 and 4 bits packed into bytes."""
    return _in_slabs(values, grid, storage.bits, lambda found: _packed(found, storage))


def packed_codes(values: NDArray[Any], grid: QParams) -> NDArray[np.uint8]:
    """The codes of values on a grid with a table, counted from 0, in `packed_bits` each.

    The first is in the lowest bits of the first byte.
    """
    bits = packed_bits(grid.qmax - grid.qmin + 1)
    return _in_slabs(
        values, grid, bits, lambda found: pack_subbyte(found.astype(np.int16) - grid.qmin, bits)
    )


def packed_bits(levels: int) -> int:
    """Bits of a packed code: a byte holds 8, 4, 2 or 1 of them."""
    return next(bits for bits in (1, 2, 4, 8) if 1 << bits >= levels)


def is_decoded(grid: QParams | None) -> bool:
    """Whether a grid's codes are packed into bytes that a table decodes, not DequantizeLinear."""
    return grid is not None and grid.table is not None and grid.table.name not in _FLOATS


def _in_slabs(
    values: NDArray[Any],
    grid: QParams,
    bits: int,
    pack: Callable[[NDArray[Any]], NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """Packed codes, with little more memory than they take: the rows are coded in slabs."""
    result = np.zeros(-(-values.size * bits // 8), np.uint8)
    at = 0
    for rows, part in slabs(values, grid, max(1, 8 // bits)):
        packed = pack(quantize(rows, part))
        result[at : at + packed.size] = packed
        at += packed.size
    return result


def _packed(found: NDArray[Any], storage: Storage) -> NDArray[np.uint8]:
    if storage.floating:
        # The code of a float8 number is its byte without the sign bit, with that sign.
        sign = np.where(found < 0, 0x80, 0).astype(np.uint8)
        return np.asarray((np.abs(found).astype(np.uint8) | sign).reshape(-1))
    if storage.bits < 8:
        return pack_subbyte(found, storage.bits)
    return np.ascontiguousarray(found.astype(storage.dtype)).reshape(-1).view(np.uint8)
