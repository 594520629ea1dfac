"""Codes and offsets as different guides write them, converted exactly.

All of them are one form, x = scale * (q - z) with q = clip(round(x / scale) + z), but for the type
that q is stored in and the sign of what is stored for z:

- ONNX, onnxruntime, TFLite: z itself, in the type of the codes.
- Ascend AMCT: ``offset_d`` is z on the signed codes; asymmetric data are computed as uint8 and
  moved to int8 by 128.
- AIMET, QNN: ``offset`` is -z on the unsigned codes.
- TFLite Micro, CMSIS-NN: ``input_offset`` is -z, ``output_offset`` is z, both on signed codes.

Moving between signed and unsigned codes of b bits adds 2^(b-1) to codes and zero point alike, so
that every difference q - z, and with it every real value, stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError
from inspector.quant.rows import as_float32

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Offsets:
    """Zero points in every convention; all arrays have the shape of the scales.

    Attributes:
        unsigned: z on codes from 0 to 2^b - 1.
        signed: z on codes from -2^(b-1) to 2^(b-1) - 1; AMCT's offset_d, TFLite's output_offset.
    """

    unsigned: NDArray[np.int64]
    signed: NDArray[np.int64]

    @classmethod
    def of(cls, zero_point: ArrayLike, bits: int, *, signed: bool) -> Offsets:
        """All conventions of zero points that are known in one.

        Args:
            zero_point: z.
            bits: width of the codes.
            signed: whether z is on signed codes.
        """
        found = np.asarray(zero_point, np.int64)
        half = 1 << (bits - 1)
        return cls(found + half, found) if signed else cls(found, found - half)

    @property
    def subtracted(self) -> NDArray[np.int64]:
        """AIMET's and QNN's offset: what is added to unsigned codes before they are scaled."""
        return -self.unsigned

    @property
    def input_offset(self) -> NDArray[np.int64]:
        """TFLite Micro's: what is added to signed codes before they are multiplied."""
        return -self.signed


def to_unsigned(codes: ArrayLike, bits: int = 8) -> Integers:
    """Signed codes of ``bits`` bits as the unsigned ones 2^(bits-1) above them.

    Raises:
        DataError: a code does not fit the bits.
    """
    return _moved(codes, bits, 1 << (bits - 1), "signed")


def to_signed(codes: ArrayLike, bits: int = 8) -> Integers:
    """The inverse of `to_unsigned`.

    Raises:
        DataError: a code does not fit the bits.
    """
    return _moved(codes, bits, -(1 << (bits - 1)), "unsigned")


def _moved(codes: ArrayLike, bits: int, shift: int, kind: str) -> Integers:
    found = np.asarray(codes)
    lowest = min(-shift, 0)
    if found.size and (found.min() < lowest or found.max() > lowest + (1 << bits) - 1):
        reach = f"{found.min()} to {found.max()}"
        raise DataError(f"Codes from {reach} are not {kind} {bits}-bit codes.")
    names = ("uint8", "uint16") if shift > 0 else ("int8", "int16")
    return np.asarray((found.astype(np.int32) + shift).astype(names[bits > 8]))


def unified_codes(
    x: ArrayLike, scale: ArrayLike, offset: ArrayLike, qmin: int, qmax: int
) -> NDArray[np.int32]:
    """clip(round(x / scale) + offset, qmin, qmax), the form in which hardware guides state both.

    Symmetric: the offset is 0 and codes are signed. Asymmetric: codes are unsigned. Halves round to
    even, and the division is float32, as in ONNX QuantizeLinear.

    Args:
        x: real values.
        scale: positive; broadcasts against ``x``.
        offset: whole numbers; broadcasts against ``x``.
        qmin: the lowest code.
        qmax: the highest code.
    """
    values = as_float32(x)
    steps = np.rint(values / np.asarray(scale, np.float32)).astype(np.float64)
    return np.clip(steps + np.asarray(offset, np.float64), qmin, qmax).astype(np.int32)
