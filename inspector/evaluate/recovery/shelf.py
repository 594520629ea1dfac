"""Arrays that are kept while layers are visited: in memory, and on disk past a budget."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUDGET = 512 << 20
"""Bytes that are held in memory at a time."""

Key = tuple[str, int, bool]
"""A tensor's name, the number of a sample, and whether it is of the quantized model."""


class Shelf:
    """Arrays by key; those past the budget lie in files of a folder of their own."""

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        """Starts empty."""
        self._folder = folder
        self._budget = budget
        self._held: dict[Key, NDArray[Any]] = {}
        self._files: dict[Key, Path] = {}
        self._used = 0
        self._named = 0

    @property
    def used_bytes(self) -> int:
        """How much is held in memory."""
        return self._used

    def put(self, key: Key, values: NDArray[Any]) -> None:
        """Keep an array, in the place of what had its key."""
        self.drop(key)
        if self._used + values.nbytes <= self._budget or values.dtype.hasobject:
            self._held[key] = values
            self._used += values.nbytes
            return
        self._named += 1
        path = self._folder / f"{self._named}.npy"
        np.save(path, values)
        self._files[key] = path

    def get(self, key: Key) -> NDArray[Any]:
        """An array that was kept."""
        found = self._held.get(key)
        return np.load(self._files[key]) if found is None else found

    def drop(self, key: Key) -> None:
        """Forget an array, if there is one."""
        held = self._held.pop(key, None)
        if held is not None:
            self._used -= held.nbytes
        path = self._files.pop(key, None)
        if path is not None:
            path.unlink()


@contextmanager
def shelf(budget: int = BUDGET) -> Iterator[Shelf]:
    """A shelf whose files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="quant-inspector-") as folder:
        yield Shelf(Path(folder), budget)
