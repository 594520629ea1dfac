"""Memory of this process: how much there is, and what is free given back to the system."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from ctypes import CDLL
from pathlib import Path


def give_memory_back() -> None:
    """Let go of what is free, which glibc keeps: after large models that is most of what it has.

    Cost: some milliseconds, without Python's lock. Does nothing where the C library cannot.
    """
    trim = getattr(CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def free_bytes() -> int | None:
    """How much memory can be had without swapping; None where the system does not say.

    Source: proc(5), /proc/meminfo: MemAvailable, in kB.
    """
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def resident_bytes() -> int | None:
    """How much of this process is in memory now; None where the system does not say.

    Source: proc(5), /proc/[pid]/statm: the second number is the resident set in pages.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def peak_bytes() -> int | None:
    """The most of this process that was in memory since `forget_peak`; None where nobody says.

    Source: proc(5), /proc/[pid]/status: VmHWM, in kB.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def forget_peak() -> None:
    """Let `peak_bytes` begin anew, where the system can.

    Source: proc(5), /proc/[pid]/clear_refs: 5 resets the peak resident set size.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
