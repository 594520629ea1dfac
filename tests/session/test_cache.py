"""The cache stays within its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inspector.session.cache import ByteCache


def test_what_was_used_longest_ago_goes_first() -> None:
    """Asking for a value is using it."""
    cache = ByteCache(30)
    for key in "abc":
        cache.put(key, key.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert [cache.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_what_is_too_large_is_not_kept_and_drops_nothing_else() -> None:
    """But replaces its own older value."""
    cache = ByteCache(30)
    cache.put("a", "A", 10)
    cache.put("b", "B", 10)
    cache.put("b", "BB", 31)
    assert (cache.get("a"), cache.get("b"), cache.used, len(cache)) == ("A", None, 10, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=30))
def test_the_bytes_are_those_of_what_is_kept(puts: list[tuple[int, int]]) -> None:
    """Whatever was replaced, dropped or refused."""
    cache = ByteCache(60)
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        sizes[key] = size
        kept = [key for key in sizes if cache.get(key) is not None]
        assert cache.used == sum(sizes[key] for key in kept) <= cache.limit
    cache.discard_where(lambda key: key % 2 == 0)
    assert all(cache.get(key) is None for key in (0, 2, 4))
    cache.clear()
    assert (cache.used, len(cache)) == (0, 0)
