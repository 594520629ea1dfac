"""Memory that is free, given back to the system."""

from __future__ import annotations

import sys
from ctypes import CDLL


def give_memory_back() -> None:
    """Let go of what is free, which glibc keeps: after large models that is most of what it has.

    Cost: some milliseconds, without Python's lock. Does nothing where the C library cannot.
    """
    trim = getattr(CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
