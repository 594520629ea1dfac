"""What a pass did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from inspector.graph.model import Unit


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass did to a model.

    Attributes:
        name: the pass.
        changed: how many places it rewrote or recognized.
        left: what it found but had to leave, and why, one sentence each.
        gone: nodes of the main graph that are no more, each with the node that does its work now;
            "" where a constant does. Found by `inspector.onnxio.passes.prepare`.
        made: nodes that are new, or another operator than before.
        units: what it recognized as one and left as it is.
        skipped: it was switched off.
    """

    name: str
    changed: int = 0
    left: tuple[str, ...] = ()
    gone: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    made: tuple[str, ...] = field(default=(), compare=False)
    units: tuple[Unit, ...] = field(default=(), compare=False)
    skipped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        return {
            "name": self.name,
            "changed": self.changed,
            "left": list(self.left),
            "skipped": self.skipped,
        }
