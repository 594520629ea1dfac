"""How near the outputs of one model are to another's, whatever they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inspector.evaluate.fidelity import Fidelity, FidelityMeter


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How one output differs.

    Attributes:
        name: of the output, in the first model.
        sqnr_db: over all samples; None where it is not of floats.
        equal: the share of values that are the same, where it is of integers, truths or texts.
        note: why there are no figures; empty where there are.
    """

    name: str
    sqnr_db: float | None = None
    equal: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"sqnr_db": self.sqnr_db, "equal": self.equal, "note": self.note}


@dataclass(slots=True)
class OutputMeter:
    """Adds up what is known of all outputs; arrays are looked at once and not kept.

    Attributes:
        fidelity: of those that are floats.
    """

    fidelity: FidelityMeter
    _equal: dict[str, list[int]] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)

    def add(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
        """Compare one run's outputs, of the same names."""
        both = {
            name: (value, second[name])
            for name, value in first.items()
            if self._is_array(name, value, second[name])
        }
        self.fidelity.add(
            {name: one for name, (one, _) in both.items()},
            {name: two for name, (_, two) in both.items()},
        )
        for name, (one, two) in both.items():
            if one.dtype.kind == "f":
                if one.shape != two.shape:
                    self._notes[name] = f"Its shapes differ: {one.shape} and {two.shape}."
            else:
                counts = self._equal.setdefault(name, [0, 0])
                same = one == two if one.shape == two.shape else np.zeros(1, np.bool_)
                counts[0] += int(np.sum(same))
                counts[1] += int(np.size(same))

    def _is_array(self, name: str, one: object, two: object) -> bool:
        if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
            if (one.dtype.kind == "f") == (two.dtype.kind == "f"):
                return True
            self._notes[name] = f"Its types differ: {one.dtype} and {two.dtype}."
        else:
            self._notes[name] = "Not applicable: it is no tensor."
        return False

    def result(self) -> tuple[Fidelity, tuple[OutputDifference, ...]]:
        """What was gathered so far."""
        fidelity = self.fidelity.result()
        names = dict.fromkeys((*fidelity.per_output, *self._equal, *self._notes))
        return fidelity, tuple(
            OutputDifference(
                name,
                fidelity.per_output.get(name),
                self._share(name),
                self._notes.get(name, ""),
            )
            for name in names
        )

    def _share(self, name: str) -> float | None:
        same, count = self._equal.get(name, (0, 0))
        return same / count if count else None
