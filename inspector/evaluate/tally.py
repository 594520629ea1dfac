"""What a choice does to the outputs of some samples, in sums that can be kept and added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.fidelity import Fidelity, FidelityMeter

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How near outputs are to the float model's, and how often they are right.

    Attributes:
        fidelity: to the float model's outputs.
        accuracy: share of labelled predictions that are right; None without labels, or where the
            outputs are not classes.
    """

    fidelity: Fidelity
    accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.fidelity.to_json(), "accuracy": self.accuracy}


@dataclass(slots=True)
class Tally:
    """Sums over samples; those of two halves added up are those of the whole.

    Attributes:
        classes: the output with a score for each class, or None.
        right: predictions that are as their label says.
        labelled: predictions that have a label.
    """

    classes: str | None
    meter: FidelityMeter
    right: int = 0
    labelled: int = 0

    @classmethod
    def of(
        cls,
        classes: str | None,
        expected: Outputs,
        found: Outputs,
        labels: NDArray[np.int64] | None = None,
    ) -> Tally:
        """Of one sample.

        Args:
            classes: the output with a score for each class, or None.
            expected: the float model's outputs.
            found: the quantized model's, of the same names.
            labels: the right class of each prediction, negative where it is not known; ignored
                where there are not as many as predictions.
        """
        tally = cls(classes, FidelityMeter(classes))
        tally.meter.add(expected, found)
        if classes is not None and labels is not None and classes in found:
            values = np.asarray(found[classes])
            chosen = values.argmax(axis=-1) if values.dtype.kind == "f" else values
            wanted = np.asarray(labels).reshape(-1)
            if wanted.size == chosen.size:
                known = wanted >= 0
                tally.labelled = int(known.sum())
                tally.right = int(((chosen.reshape(-1) == wanted) & known).sum())
        return tally

    def outcome(self) -> Outcome:
        """What was gathered."""
        accuracy = self.right / self.labelled if self.labelled else None
        return Outcome(self.meter.result(), accuracy)

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `from_json` makes an equal tally."""
        return {"right": self.right, "labelled": self.labelled, **self.meter.to_json()}

    @classmethod
    def from_json(cls, classes: str | None, data: Mapping[str, Any]) -> Tally:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the data is not what `to_json` gives.
        """
        meter = FidelityMeter.from_json(classes, data)
        return cls(classes, meter, int(data["right"]), int(data["labelled"]))


def total(tallies: Iterable[Tally]) -> Outcome:
    """Of the samples of all tallies together, added up in their order."""
    first, *others = tallies
    meter = FidelityMeter(first.classes)
    for one in (first, *others):
        meter.merge(one.meter)
    every = (first, *others)
    return Tally(
        first.classes, meter, sum(t.right for t in every), sum(t.labelled for t in every)
    ).outcome()
