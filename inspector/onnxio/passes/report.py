"""What a pass did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass did to a model.

    Attributes:
        name: the pass.
        changed: how many places it rewrote.
        left: what it found but had to leave, and why, one sentence each.
    """

    name: str
    changed: int = 0
    left: tuple[str, ...] = ()
