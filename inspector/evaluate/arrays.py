"""Arrays in .npy and .npz files, read a few rows at a time and never unpickled.

The format is described in `numpy.lib.format`; an .npz file is a zip archive of .npy files. Headers
are read when the file is opened; values only when they are asked for, straight from the file, so
that data larger than memory can be used. `numpy.load` would read a whole member at once.
"""

from __future__ import annotations

import struct
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError

_ZIP_MAGIC = b"PK"
_NPY_MAGIC = b"\x93NUMPY"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError,
    ValueError, struct.error, KeyError,
)  # fmt: skip


class ArraySource(Protocol):
    """An array that is read when it is asked for."""

    @property
    def where(self) -> str:
        """What to call it in a message: the file, and its name there."""

    @property
    def name(self) -> str:
        """Its name in the file; empty when it has none."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its element type."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` along axis 0.

        Raises:
            DataError: the file cannot be read.
        """

    def read_all(self) -> NDArray[Any]:
        """Read the whole array.

        Raises:
            DataError: the file cannot be read.
        """


@dataclass(frozen=True, slots=True)
class _Header:
    """What precedes the values in the .npy format; `size` is its own length in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    size: int

    @property
    def count(self) -> int:
        return int(np.prod(self.shape, dtype=object))

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize

    def rows(self, data: bytes | bytearray) -> NDArray[Any]:
        values = np.frombuffer(data, self.dtype)
        if self.fortran:
            return values.reshape(self.shape[::-1]).transpose()
        return values.reshape(-1, *self.shape[1:]) if self.shape else values.reshape(())


class _StoredArray(ABC):
    """An array whose values lie one behind another, as an .npy file has them."""

    def __init__(self, path: Path, name: str, header: _Header) -> None:
        self.where = _where(path, name)
        self.name = name
        self.shape = header.shape
        self.dtype = header.dtype
        self._path = path
        self._header = header

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` along axis 0."""
        if self._header.fortran:
            return self.read_all()[start:stop]
        row = self._header.row_bytes
        return self._header.rows(self._bytes(start * row, (stop - start) * row))

    def read_all(self) -> NDArray[Any]:
        """Read the whole array."""
        return self._header.rows(self._bytes(0, self._header.count * self.dtype.itemsize))

    @abstractmethod
    def _bytes(self, start: int, size: int) -> bytes:
        """Read `size` bytes of the values, from byte `start` of them."""


class FileArray(_StoredArray):
    """An array of an .npy file, or of an .npz file that was saved without compression."""

    def __init__(self, path: Path, name: str, header: _Header, offset: int) -> None:
        """Describe the array whose values start at byte `offset` of `path`."""
        super().__init__(path, name, header)
        self._offset = offset

    def _bytes(self, start: int, size: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset + start)
                data = file.read(size)
        except OSError as error:
            raise _unreadable(self.where, error) from error
        if len(data) != size:
            raise _truncated(self.where)
        return data


class ZippedArray(_StoredArray):
    """An array of a compressed .npz file: read from the front, remembering how far it got.

    Reading onwards costs only what lies between; reading backwards starts over.
    """

    def __init__(self, path: Path, name: str, header: _Header, member: str) -> None:
        """Describe the array in `member` of the archive `path`."""
        super().__init__(path, name, header)
        self._member = member
        self._stream: IO[bytes] | None = None
        self._lock = threading.Lock()

    def _bytes(self, start: int, size: int) -> bytes:
        with self._lock:
            try:
                if self._stream is None:
                    # The member keeps the archive's file open for as long as it is open itself.
                    with zipfile.ZipFile(self._path) as archive:
                        self._stream = archive.open(self._member)
                self._stream.seek(self._header.size + start)
                data = self._stream.read(size)
                if start + size >= self._header.count * self.dtype.itemsize:
                    self.close()
            except _DAMAGED as error:
                self.close()
                raise _unreadable(self.where, error) from error
        if len(data) != size:
            raise _truncated(self.where)
        return data

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __del__(self) -> None:
        """Let go of the file."""
        self.close()


def open_arrays(path: Path) -> Mapping[str, ArraySource]:
    """Open an .npy or .npz file, whichever it is by its content.

    Returns:
        The arrays by name; that of an .npy file has the name "".

    Raises:
        DataError: it is neither, is damaged, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_NPY_MAGIC))
            if magic == _NPY_MAGIC:
                file.seek(0)
                return {"": _npy_array(path, "", file, 0, path.stat().st_size)}
        if magic.startswith(_ZIP_MAGIC):
            return _npz_arrays(path)
    except _DAMAGED as error:
        raise _unreadable(str(path), error) from error
    what = "is empty" if not magic else "is not an .npy or .npz file, or is damaged"
    raise DataError(f"{path}: the file {what}.", "Save it with numpy.save or numpy.savez.")


def _npz_arrays(path: Path) -> dict[str, ArraySource]:
    arrays: dict[str, ArraySource] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir() or not info.filename.endswith(".npy"):
                continue
            name = info.filename.removesuffix(".npy")
            arrays[name] = _npz_array(path, name, archive, info)
    if not arrays:
        raise DataError(
            f"{path}: the archive holds no arrays.", "Save it with numpy.savez(path, name=array)."
        )
    return arrays


def _npz_array(
    path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> ArraySource:
    with archive.open(info) as stream:
        header = _read_header(stream, _where(path, name))
    if header.size + header.count * header.dtype.itemsize > info.file_size:
        raise _truncated(_where(path, name))
    if info.compress_type != zipfile.ZIP_STORED:
        return ZippedArray(path, name, header, info.filename)
    with path.open("rb") as file:
        file.seek(info.header_offset)
        signature, name_length, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if signature != b"PK\x03\x04":
            raise _truncated(_where(path, name))
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra
    return FileArray(path, name, header, start + header.size)


def _npy_array(path: Path, name: str, file: IO[bytes], start: int, end: int) -> ArraySource:
    header = _read_header(file, _where(path, name))
    if start + header.size + header.count * header.dtype.itemsize > end:
        raise _truncated(_where(path, name))
    return FileArray(path, name, header, start + header.size)


def _read_header(file: IO[bytes], where: str) -> _Header:
    try:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_2_0
        if major == 1:
            read = np.lib.format.read_array_header_1_0
        elif major != 2:  # version 3 exists for the names of structured types only
            raise ValueError("structured arrays are not understood")
        shape, fortran, dtype = read(file)
    except ValueError as error:
        raise _unreadable(where, error) from error
    if dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which are never loaded: they could run any code.",
            "Save plain arrays of numbers: numpy.save(path, array, allow_pickle=False).",
        )
    if dtype.kind not in "fiub":
        raise DataError(f"{where} is {dtype}, not numbers.", "Save plain arrays of numbers.")
    if any(n < 0 for n in shape):
        raise _truncated(where)
    return _Header(shape, dtype, fortran, file.tell())


def _where(path: Path, name: str) -> str:
    return f"{path}: array '{name}'" if name else str(path)


def _unreadable(where: str, error: BaseException) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = " ".join(reason.split()).rstrip(".") or type(error).__name__
    return DataError(f"{where} cannot be read: {reason}.", "Check the file, or save it again.")


def _truncated(where: str) -> DataError:
    return DataError(f"{where} is cut short: values are missing.", "Copy or save the file again.")


_SMALL = 1 << 16
"""Arrays of so many values are compared one by one; larger ones are equal if they are the same."""


def same_array(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two arrays are equal; of large ones, only if they are the same memory."""
    if first is second:
        return True
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.size > _SMALL:
        return bool(first.ctypes.data == second.ctypes.data)
    return bool(np.array_equal(first, second))
