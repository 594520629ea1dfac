"""Free memory goes back to the system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from inspector import memory
from inspector.memory import give_memory_back


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc, and glibc alone keeps memory")
def test_free_memory_goes_back() -> None:
    """Many small blocks, freed but for the last ones, which keep the heap from shrinking."""

    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    blocks = [bytes(5000) for _ in range(20_000)]
    kept = blocks[::400]
    del blocks
    before = resident()
    give_memory_back()
    assert before - resident() > 50 << 20
    assert len(kept) == 50


def test_other_systems_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no such function to be looked for."""
    monkeypatch.setattr(memory, "CDLL", lambda _: pytest.fail("looked for it"))
    monkeypatch.setattr(sys, "platform", "win32")
    give_memory_back()


def test_a_library_without_it_is_none() -> None:
    """Other C libraries do not keep so much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "CDLL", lambda _: object())
        give_memory_back()
