"""Writing a tensor's values as a NumPy file, piece by piece. No Qt here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, SaveError
from inspector.files import atomic_file, check_not_read, check_target
from inspector.onnxio.values import CHUNK, Values
from inspector.report.units import bytes_text


def file_name(tensor: str) -> str:
    """A file name that every system takes, made from a tensor's name."""
    name = re.sub(r"[^\w.-]+", "_", tensor).strip("._")[-80:]
    return f"{name or 'tensor'}.npy"


def write_npy(
    values: Values,
    path: Path,
    *,
    read: Iterable[Path | None] = (),
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Write values in the .npy format (numpy.lib.format, version 1.0), without pickle.

    Types that NumPy has no name for are written in the next that holds them exactly: bfloat16 and
    8-bit floats as float32, integers of 2 and 4 bits as bytes. Memory of one stretch of values,
    but for strings.

    Args:
        values: of the tensor.
        path: the file.
        read: files of the model, which must not be written over.
        cancelled: asked now and then.
        progress: told the values written and how many there are.

    Returns:
        The size of the file in bytes.

    Raises:
        SaveError: it cannot be written; what was there before is untouched.
        CancelledError: `cancelled` said so.
    """
    target = check_target(path)
    check_not_read(target, read)
    whole = _text(values) if values.is_text else None
    first = values.read(0, min(values.size, 1)) if whole is None else whole
    # Of the types from outside NumPy, float8_e5m2 alone says that it is a float of one byte.
    foreign = first.dtype.kind == "V" or first.dtype == ml_dtypes.float8_e5m2
    dtype = np.dtype(np.float32) if foreign else first.dtype
    _check_room(target, values.size * dtype.itemsize)
    with atomic_file(target) as file:
        _header(file, dtype, values.shape)
        for start in range(0, values.size, CHUNK):
            if cancelled():
                raise CancelledError()
            stop = min(start + CHUNK, values.size)
            part = values.read(start, stop) if whole is None else whole[start:stop]
            file.write(np.ascontiguousarray(part.astype(dtype, copy=False)).tobytes())
            progress(stop, values.size)
    return target.stat().st_size


def _header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )


def _text(values: Values) -> NDArray[Any]:
    """Strings as an array of characters, as wide as the longest."""
    items = [
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
        for item in values.read(0, values.size).tolist()
    ]
    width = max((len(item) for item in items), default=1)
    if 4 * width * len(items) > 1 << 30:
        raise SaveError(
            f"The strings would take {bytes_text(4.0 * width * len(items))} as a NumPy file, "
            "which makes each as long as the longest.",
            "Copy them from the table instead.",
        )
    return np.array(items, dtype=f"<U{max(width, 1)}")


def _check_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise SaveError(
            f"{path.name} would take {bytes_text(size)}, but there is room for {bytes_text(free)}.",
            "Choose a folder on another disk.",
        )
