"""All that is kept to be quick stays within one bound."""

from __future__ import annotations

import gc
import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inspector.cache import CachePool, Usage, bytes_of
from inspector.quant.distribution import ExactDistribution


def test_what_was_used_longest_ago_goes_first() -> None:
    """Asking for a value is using it."""
    cache = CachePool(30).section("letters")
    for key in "abc":
        cache.put(key, key.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert [cache.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_what_is_too_large_is_not_kept_and_drops_nothing_else() -> None:
    """But replaces its own older value."""
    cache = CachePool(30).section("letters")
    cache.put("a", "A", 10)
    cache.put("b", "B", 10)
    cache.put("b", "BB", 31)
    assert (cache.get("a"), cache.get("b"), cache.used, len(cache)) == ("A", None, 10, 1)


def test_sections_share_the_bound_and_keep_their_keys_apart() -> None:
    """The oldest goes, of whatever kind it is."""
    pool = CachePool(30)
    first, second = pool.section("first"), pool.section("second")
    first.put("a", 1, 10)
    second.put("a", 2, 10)
    assert (first.get("a"), second.get("a")) == (1, 2)
    second.put("b", 3, 20)
    assert (first.get("a"), second.get("a"), second.get("b")) == (None, 2, 3)
    assert pool.usage() == (Usage("first", 0, 0), Usage("second", 2, 30))
    assert pool.dropped == 1


def test_a_smaller_bound_holds_at_once() -> None:
    """And a larger one lets more be kept."""
    pool = CachePool(100)
    cache = pool.section("numbers")
    for key in range(10):
        cache.put(key, key, 10)
    pool.set_limit(35)
    assert (pool.used, [key for key in range(10) if cache.get(key) is not None]) == (30, [7, 8, 9])
    pool.set_limit(100)
    cache.put(10, 10, 70)
    assert pool.used == 100
    pool.clear()
    assert (pool.used, len(cache), pool.usage()) == (0, 0, (Usage("numbers", 0, 0),))


def test_the_values_of_a_section_go_with_it() -> None:
    """Sections of one title are counted together while they live."""
    pool = CachePool(100)
    one, other = pool.section("weights"), pool.section("weights")
    one.put("a", "A", 40)
    other.put("a", "B", 20)
    assert pool.usage() == (Usage("weights", 2, 60),)
    del one
    gc.collect()
    assert pool.usage() == (Usage("weights", 1, 20),)
    assert (pool.used, other.get("a")) == (20, "B")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=30))
def test_the_bytes_are_those_of_what_is_kept(puts: list[tuple[int, int]]) -> None:
    """Whatever was replaced, dropped or refused."""
    pool = CachePool(60)
    cache = pool.section("numbers")
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        sizes[key] = size
        kept = [key for key in sizes if cache.get(key) is not None]
        assert cache.used == sum(sizes[key] for key in kept) <= pool.limit
    cache.discard_where(lambda key: key % 2 == 0)
    assert all(cache.get(key) is None for key in (0, 2, 4))
    cache.clear()
    assert (cache.used, len(cache)) == (0, 0)


def test_threads_may_share_a_pool() -> None:
    """The sums stay right, and the bound holds."""
    pool = CachePool(5_000)

    def work(seed: int) -> None:
        cache = pool.section(f"section {seed % 2}")
        for number in np.random.default_rng(seed).integers(0, 50, 400).tolist():
            if cache.get(number) is None:
                cache.put(number, number, 97)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert pool.used == sum(one.used for one in pool.usage()) <= pool.limit


def test_a_value_takes_what_its_arrays_take() -> None:
    """Those within it count as well."""
    dist = ExactDistribution.of(np.arange(1000, dtype=np.float32))
    arrays = dist.values.nbytes + dist.sum1.nbytes + dist.sum2.nbytes
    assert 0 <= bytes_of(dist) - arrays < 1024
    assert 0 <= bytes_of((dist, dist.values)) - arrays - 4000 < 1024
