"""What a classifier says of each sample, in float and quantized, and how often it is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOP = 5
"""How many classes are looked at."""

MOST_PREDICTIONS = 256
"""So many predictions are kept; a model of language makes one for every word."""

_SUM_TOLERANCE = 1e-3


_FEWEST_TO_DOUBT = 3


def doubt_of(accuracy: float, labelled: int) -> str:
    """What to tell a user whose float model gets no label right; empty where nothing is odd.

    Args:
        accuracy: share of the labelled predictions that the float model gets right.
        labelled: how many there are.
    """
    if accuracy > 0 or labelled < _FEWEST_TO_DOUBT:
        return ""
    return (
        f"The float model gets none of {labelled} labels right: they may be numbers of other "
        "classes."
    )


@dataclass(frozen=True, slots=True)
class Likely:
    """A class that is among the most likely ones.

    Attributes:
        number: of the class, from 0.
        probability: that this model gives it.
        other: the probability that the other model gives it.
    """

    number: int
    probability: float
    other: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely classes of one prediction, the likeliest first; equals by number.

    Attributes:
        sample: number of the sample.
        position: which of the sample's predictions this is.
        label: the right class; None where it is not known.
        expected: what the float model says; `other` is the quantized model's.
        found: what the quantized model says; `other` is the float model's.
    """

    sample: int
    position: int
    label: int | None
    expected: tuple[Likely, ...]
    found: tuple[Likely, ...]


@dataclass(frozen=True, slots=True)
class Classes:
    """What was found over all samples.

    Attributes:
        predictions: the first ones; empty where a model gives no score for each class.
        labelled: how many predictions have a label.
        accuracy: share of those that the float and the quantized model got right; None without
            labels.
    """

    predictions: tuple[Prediction, ...]
    labelled: int
    accuracy: tuple[float, float] | None


@dataclass(slots=True)
class ClassMeter:
    """Gathers predictions sample by sample; of scores only the highest are kept.

    Attributes:
        output: the output with a score for each class, or None: then nothing is gathered.
    """

    output: str | None
    _predictions: list[Prediction] = field(default_factory=list)
    _labelled: int = 0
    _right: list[int] = field(default_factory=lambda: [0, 0])
    _samples: int = 0

    def add(
        self,
        reference: Mapping[str, NDArray[Any]],
        other: Mapping[str, NDArray[Any]],
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        """Look at one run of the float model and of the quantized one.

        Args:
            reference: the float model's outputs.
            other: the quantized model's.
            labels: the right class of each prediction, -1 where it is not known. Ignored where
                there are not as many as predictions.
        """
        sample = self._samples
        self._samples += 1
        if self.output is None or self.output not in reference:
            return
        first, second = np.asarray(reference[self.output]), np.asarray(other[self.output])
        if first.shape != second.shape:
            return
        chosen = [
            values.argmax(axis=-1).reshape(-1) if values.dtype.kind == "f" else values.reshape(-1)
            for values in (first, second)
        ]
        known = np.full(chosen[0].size, -1) if labels is None else np.asarray(labels).reshape(-1)
        if known.size != chosen[0].size:
            known = np.full(chosen[0].size, -1)
        self._labelled += int((known >= 0).sum())
        for number, classes in enumerate(chosen):
            self._right[number] += int(((classes == known) & (known >= 0)).sum())
        if first.dtype.kind == "f" and first.size:
            self._keep(sample, first, second, known)

    def _keep(
        self, sample: int, first: NDArray[Any], second: NDArray[Any], known: NDArray[Any]
    ) -> None:
        rows = [values.reshape(-1, values.shape[-1]) for values in (first, second)]
        for position in range(min(len(rows[0]), MOST_PREDICTIONS - len(self._predictions))):
            expected, found = (probabilities(values[position]) for values in rows)
            label = int(known[position])
            self._predictions.append(
                Prediction(
                    sample,
                    position,
                    label if label >= 0 else None,
                    _most_likely(expected, found),
                    _most_likely(found, expected),
                )
            )

    def result(self) -> Classes:
        """What was gathered so far."""
        right = tuple(count / self._labelled for count in self._right) if self._labelled else None
        accuracy = None if right is None else (right[0], right[1])
        return Classes(tuple(self._predictions), self._labelled, accuracy)


def probabilities(scores: NDArray[Any]) -> NDArray[np.float64]:
    """The probability of each class, shape (classes,).

    Scores that are probabilities already (none negative, a sum of 1) stay as they are; of others
    softmax is taken. What is not a number counts as impossible.
    """
    values: NDArray[np.float64] = np.array(scores, np.float64)
    values[np.isnan(values)] = -np.inf
    values = np.minimum(values, np.finfo(np.float32).max)
    if (values >= 0).all() and abs(values.sum() - 1) <= _SUM_TOLERANCE:
        return values
    top = values.max()
    if not np.isfinite(top):
        return np.zeros_like(values)
    powers: NDArray[np.float64] = np.exp(values - top)
    powers /= powers.sum()
    return powers


def _most_likely(own: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[Likely, ...]:
    order = np.argsort(-own, kind="stable")[:TOP]
    return tuple(Likely(int(n), float(own[n]), float(other[n])) for n in order)
