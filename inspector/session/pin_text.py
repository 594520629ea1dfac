"""The text of the grids that a recipe gives: [[grid]] tables, with large arrays as base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.quant.pin import BIAS, Pin, PinnedTensor, Pins, full_range
from inspector.quant.spec import DTYPES
from inspector.quant.tables import table_of
from inspector.session.toml_text import quote

KEYS = ("tensor", "readers", "type", "axis", "block", "scale", "zero_point", "fenced")
_INLINE = 16
"""So many numbers are written as numbers; more as base64 of their bytes."""
_WIDTH = 96
_MOST = 1 << 26


def grid_lines(pins: Pins) -> list[str]:
    """The TOML tables of all entries."""
    return [line for entry in pins.entries for line in _lines_of(entry)]


@lru_cache(maxsize=65536)
def _lines_of(entry: PinnedTensor) -> tuple[str, ...]:
    pin = entry.pin
    lines = ["", "[[grid]]", f"tensor = {quote(entry.tensor)}"]
    if entry.readers:
        lines.append(f"readers = [{', '.join(map(quote, entry.readers))}]")
    lines += ["fenced = true"] if entry.fenced else []
    lines.append(f'type = "{pin.dtype}"')
    lines += [f"axis = {pin.axis}"] if pin.axis is not None else []
    lines += [f"block = {pin.block}"] if pin.block else []
    lines.append(f"scale = {_array_text(pin.scale)}")
    first = int(pin.zero_point.reshape(-1)[0])
    if (pin.zero_point != first).any():
        lines.append(f"zero_point = {_array_text(pin.zero_point)}")
    elif first:
        lines.append(f"zero_point = {first}")
    return tuple(lines)


def _array_text(values: NDArray[Any]) -> str:
    """Numbers in the shortest text that reads back as the same float32, or base64."""
    if values.ndim == 0:
        return str(values[()])
    if values.ndim == 1 and values.size <= _INLINE:
        return f"[{', '.join(map(str, values))}]"
    shape = "x".join(map(str, values.shape))
    data = base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()
    parts = [data[at : at + _WIDTH] for at in range(0, len(data), _WIDTH)]
    kind = "f32" if values.dtype == np.float32 else "i32"
    return "\n".join([f'"""{kind} {shape}', *parts]) + '"""'


def read_entry(data: Mapping[str, Any]) -> PinnedTensor:
    """One table of the text.

    Raises:
        DataError: something in it is wrong; the message begins with the key.
    """
    tensor, dtype = data.get("tensor"), data.get("type")
    if not isinstance(tensor, str) or not tensor:
        raise DataError("tensor: it names no tensor.", 'Write tensor = "conv1.weight".')
    if not isinstance(dtype, str) or dtype == "float" or dtype not in {*DTYPES, BIAS}:
        raise DataError(f"type: {dtype!r} is no type of a grid.", 'Write type = "int8".')
    readers = data.get("readers", [])
    if not isinstance(readers, list) or not all(isinstance(name, str) for name in readers):
        raise DataError("readers: they are no list of names.", 'Write readers = ["conv1"].')
    axis, block = _whole(data, "axis"), _whole(data, "block") or 0
    if block < 0 or (block and axis is None):
        raise DataError("block: it needs a size above 0 and an axis.", "Write axis = 1.")
    if "scale" not in data:
        raise DataError("scale: it is missing.", "Write scale = 0.01, or a list.")
    scale = _array(data["scale"], "scale", np.float32)
    zero = _array(data.get("zero_point", 0), "zero_point", np.int32)
    try:
        pin = Pin.of(dtype, scale, zero, axis, block)
    except DataError as error:
        raise DataError(f"scale: {error.message}", error.hint) from error
    low, high = _codes(dtype)
    if pin.rows and not bool(((pin.zero_point >= low) & (pin.zero_point <= high)).all()):
        raise DataError(f"zero_point: it is no code of {dtype} ({low} to {high}).")
    fenced = data.get("fenced", False)
    if not isinstance(fenced, bool):
        raise DataError(f"fenced: {fenced!r} is neither true nor false.")
    return PinnedTensor(tensor, pin, tuple(readers), fenced)


def _codes(dtype: str) -> tuple[int, int]:
    if dtype == BIAS or table_of(dtype) is not None:
        return 0, 0
    return full_range(dtype)


def _whole(data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise DataError(f"{key}: {value!r} is no whole number.")
    return value


def _array(value: Any, key: str, dtype: type[np.generic]) -> NDArray[Any]:
    if isinstance(value, str):
        return _packed(value, key, dtype)
    values = value if isinstance(value, list) else [value]
    whole = dtype is np.int32
    for one in values:
        fits = isinstance(one, int) if whole else isinstance(one, int | float)
        if isinstance(one, bool) or not fits or abs(one) > (2**31 - 1 if whole else 3.5e38):
            what = "whole numbers" if whole else "numbers"
            raise DataError(f"{key}: it holds more than {what}.", f"Write {key} = 1, or a list.")
    found = np.array(values, dtype)
    return found if isinstance(value, list) else found.reshape(())


def _packed(text: str, key: str, dtype: type[np.generic]) -> NDArray[Any]:
    """The values of base64 text behind their type and shape."""
    kind = "f32" if dtype is np.float32 else "i32"
    head, _, body = text.partition("\n")
    name, _, sizes = head.partition(" ")
    wrong = DataError(
        f"{key}: the text is no array.", f'It begins with "{kind} " and the shape, as in 64x32.'
    )
    try:
        shape = tuple(int(size) for size in sizes.split("x"))
        data = base64.b64decode("".join(body.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise wrong from error
    count = int(np.prod(shape, dtype=np.float64))
    if name != kind or min(shape) < 1 or count > _MOST or len(data) != 4 * count:
        raise wrong
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)
