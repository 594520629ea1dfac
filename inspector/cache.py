"""One bound for all that is kept only to be quick; what was used longest ago goes first."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

CACHE_BYTES = 1_000_000_000
"""How much is kept unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one kind of value takes.

    Attributes:
        title: the kind.
        count: how many values are kept.
        used: their bytes.
    """

    title: str
    count: int
    used: int


class CachePool:
    """Values of many kinds under one bound. Safe to use from several threads.

    Args:
        limit: bytes in all. A value larger than this is handed out but not kept.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        """Start empty."""
        self._limit = limit
        self._used = 0
        self._dropped = 0
        self._items: OrderedDict[tuple[int, Hashable], tuple[Any, int]] = OrderedDict()
        self._sections: dict[int, _Counts] = {}
        self._numbers = itertools.count()
        # A section may end while its pool works: the collector runs at any time, in any thread.
        self._lock = threading.RLock()

    @property
    def limit(self) -> int:
        """How many bytes may be kept."""
        return self._limit

    @property
    def used(self) -> int:
        """How many bytes are kept."""
        return self._used

    @property
    def dropped(self) -> int:
        """How many values had to go so far to make room for others."""
        return self._dropped

    def set_limit(self, limit: int) -> None:
        """Another bound; what does not fit any more goes now."""
        with self._lock:
            self._limit = limit
            self._make_room()

    def section(self, title: str) -> ByteCache:
        """Room for values of one kind, whose keys are its own.

        Args:
            title: what is kept; sections of one title are counted together.
        """
        with self._lock:
            number = next(self._numbers)
            self._sections[number] = _Counts(title)
        made = ByteCache(self, number)
        weakref.finalize(made, self._end, number)
        return made

    def usage(self) -> tuple[Usage, ...]:
        """What each kind of value takes, the first that was asked for first."""
        with self._lock:
            found: dict[str, tuple[int, int]] = {}
            for one in self._sections.values():
                count, used = found.get(one.title, (0, 0))
                found[one.title] = count + one.count, used + one.used
        return tuple(Usage(title, *numbers) for title, numbers in found.items())

    def clear(self) -> None:
        """Forget everything: it is found again when it is wanted."""
        with self._lock:
            self._items.clear()
            self._used = 0
            for one in self._sections.values():
                one.count = one.used = 0

    # For sections

    def _get(self, number: int, key: Hashable) -> Any | None:
        with self._lock:
            item = self._items.get((number, key))
            if item is None:
                return None
            self._items.move_to_end((number, key))
            return item[0]

    def _put(self, number: int, key: Hashable, value: Any, size: int) -> None:
        with self._lock:
            self._discard((number, key))
            if size > self._limit:
                return
            self._items[number, key] = (value, size)
            self._count(number, 1, size)
            self._make_room()

    def _discard_where(self, number: int, test: Callable[[Any], bool]) -> None:
        with self._lock:
            for place in [one for one in self._items if one[0] == number and test(one[1])]:
                self._discard(place)

    def _counts(self, number: int) -> _Counts:
        return self._sections[number]

    def _discard(self, place: tuple[int, Hashable]) -> None:
        item = self._items.pop(place, None)
        if item is not None:
            self._count(place[0], -1, -item[1])

    def _count(self, number: int, count: int, size: int) -> None:
        self._used += size
        self._sections[number].count += count
        self._sections[number].used += size

    def _make_room(self) -> None:
        while self._used > self._limit:
            place = next(iter(self._items))
            self._discard(place)
            self._dropped += 1

    def _end(self, number: int) -> None:
        with self._lock:
            self._discard_where(number, lambda _: True)
            del self._sections[number]


@dataclass(slots=True)
class _Counts:
    title: str
    count: int = 0
    used: int = 0


class ByteCache:
    """The values of one kind; made by `CachePool.section`. They go when it does."""

    def __init__(self, pool: CachePool, number: int) -> None:
        """Use `CachePool.section`."""
        self._pool, self._number = pool, number

    def __len__(self) -> int:
        """How many values it holds."""
        return self._pool._counts(self._number).count

    @property
    def used(self) -> int:
        """How many bytes it holds."""
        return self._pool._counts(self._number).used

    def get(self, key: Hashable) -> Any | None:
        """The value, which is thereby the one used last; None if it is not kept."""
        return self._pool._get(self._number, key)

    def put(self, key: Hashable, value: Any, size: int | None = None) -> None:
        """Keep a value, and drop others until all of them fit.

        Args:
            key: of the value.
            value: never None.
            size: its bytes; those of all its arrays by default.
        """
        self._pool._put(self._number, key, value, bytes_of(value) if size is None else size)

    def discard_where(self, test: Callable[[Any], bool]) -> None:
        """Forget every value whose key passes the test."""
        self._pool._discard_where(self._number, test)

    def clear(self) -> None:
        """Forget everything."""
        self.discard_where(lambda _: True)


_ITEM_BYTES = 512
"""What a value takes beside its arrays, about."""


def bytes_of(value: object) -> int:
    """About how many bytes a frozen value takes: its arrays, and something for the rest."""
    return _ITEM_BYTES + _array_bytes(value)


def _array_bytes(value: object) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value) and not isinstance(value, type):
        return sum(_array_bytes(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return sum(_array_bytes(one) for one in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return sum(_array_bytes(one) for one in value)
    return 0
