"""A big model file, of which only what is asked for is read."""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import ModelError
from inspector.onnxio.tensors import BufferSource, stored_bytes

LATE_BYTES = 1 << 24
"""Files of at least this size are read in parts; smaller ones are there sooner as a whole."""

_WINDOW = 1 << 14


class LateFile:
    """A file that is open, and read as a whole when its weights are asked for the first time.

    It is not mapped: touching a map of a file that another program cuts short ends the process.

    Args:
        path: the file.

    Raises:
        OSError: if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._close = weakref.finalize(self, os.close, self._file)
        self._lock = threading.Lock()
        self._data: bytes | None = None
        self._stamp = self._stat()
        self.size = self._stamp[0]

    def read(self, start: int, end: int) -> bytes:
        """The bytes from start to end; fewer where the file ends before.

        Raises:
            OSError: if it cannot be read.
        """
        with self._lock:
            if self._data is not None:
                return self._data[start:end]
            return self._read(start, end)

    def window(self, start: int) -> tuple[bytes, int]:
        """Some kilobytes, and the place of the first."""
        return self.read(start, start + _WINDOW), start

    def whole(self) -> bytes:
        """All bytes, read once and kept.

        Raises:
            ModelError: if it cannot be read, or has changed since it was opened.
        """
        with self._lock:
            if self._data is None:
                self._data = self._read_whole()
                self._close()
            return self._data

    def _read_whole(self) -> bytes:
        try:
            data = self._read(0, self.size)
            changed = self._stat() != self._stamp
        except OSError as error:
            raise ModelError(
                f"{self._path} cannot be read: {error.strerror or error}.", "Open it again."
            ) from error
        if changed or len(data) != self.size:
            raise ModelError(
                f"{self._path} has changed since it was opened.", "Open the model again."
            )
        return data

    def _read(self, start: int, end: int) -> bytes:
        # Through a file object of its own for each call: a loop over short reads that is not ours.
        with os.fdopen(self._file, "rb", buffering=0, closefd=False) as file:
            file.seek(start)
            parts = []
            while start < end:
                part = file.read(end - start)
                if not part:
                    break
                parts.append(part)
                start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _stat(self) -> tuple[int, int]:
        found = os.fstat(self._file)
        return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True, eq=False)
class LateSource:
    """Values inside a model file that has not been read yet."""

    file: LateFile
    offset: int
    elem_type: int
    shape: tuple[int, ...]

    def raw(self) -> NDArray[np.uint8]:
        """The stored bytes, a view of the file's.

        Raises:
            ModelError: if the file has changed since it was opened.
        """
        count = stored_bytes(self.elem_type, self.shape)
        return np.frombuffer(self.file.whole(), np.uint8, count, self.offset)

    def load(self) -> NDArray[Any]:
        """The values; raises as :meth:`raw`."""
        whole = self.file.whole()
        return BufferSource(whole, self.offset, self.elem_type, self.shape).load()
