"""A cache that is bounded by bytes; what was used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class ByteCache:
    """Values by key, with the bytes each of them holds.

    Args:
        limit: bytes in all. A value larger than this is handed out but not kept.
    """

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._used = 0
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        """How many values it holds."""
        return len(self._items)

    @property
    def limit(self) -> int:
        """How many bytes it may hold."""
        return self._limit

    @property
    def used(self) -> int:
        """How many bytes it holds."""
        return self._used

    def get(self, key: Hashable) -> Any | None:
        """The value, which is thereby the one used last; None if it is not kept."""
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        return item[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of a size in bytes, and drop others until all of them fit."""
        self.discard(key)
        if size > self._limit:
            return
        self._items[key] = (value, size)
        self._used += size
        while self._used > self._limit:
            _, (_, dropped) = self._items.popitem(last=False)
            self._used -= dropped

    def discard(self, key: Hashable) -> None:
        """Forget a value, if it is kept."""
        item = self._items.pop(key, None)
        if item is not None:
            self._used -= item[1]

    def discard_where(self, test: Callable[[Any], bool]) -> None:
        """Forget every value whose key passes the test."""
        for key in [key for key in self._items if test(key)]:
            self.discard(key)

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._used = 0
