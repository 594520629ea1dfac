"""How near one model's outputs are to another's, gathered sample by sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph
from inspector.quant.metrics import decibels


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near outputs are to the float model's, over all samples.

    Attributes:
        sqnr_db: signal power over error power of all float outputs together, in dB; infinite where
            they are equal, minus infinity where the signal is zero and the error is not, or where
            one has numbers and the other has none. NaN where no output is of floats.
        cosine: cosine similarity of all float outputs together; NaN where there are none.
        top1_agreement: share of predictions with the same highest class, 0 to 1; None where the
            outputs are not classes.
        per_output: SQNR in dB of each output.
        samples: how many samples were compared.
    """

    sqnr_db: float
    cosine: float
    top1_agreement: float | None
    per_output: Mapping[str, float]
    samples: int

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not finite becomes None where it is written."""
        return {
            "sqnr_db": self.sqnr_db,
            "cosine": self.cosine,
            "top1_agreement": self.top1_agreement,
            "samples": self.samples,
        }


def class_output(graph: Graph) -> str | None:
    """The output that holds a score for each class; None where none can be told.

    One prediction a sample is [N, classes]. A model that reads sequences of integers and writes one
    output of [N, length, classes] predicts a class at each position. Whatever else has a last axis
    (boxes, pixels, features) is not taken for classes. A model whose only output is of integers
    has chosen its classes itself.
    """
    if len(graph.outputs) == 1:
        only = graph.tensors.get(graph.outputs[0])
        if only is not None and only.dtype in {"int32", "int64"}:
            return only.name
    tensors = [graph.tensors[name] for name in graph.outputs if name in graph.tensors]
    scores = [t for t in tensors if t.dtype in {"float32", "float16", "float64"} and t.shape]
    if len(scores) != 1:
        return None
    shape = scores[0].shape
    assert shape is not None
    classes = shape[-1]
    if isinstance(classes, int) and classes < 2:
        return None
    reads_tokens = all(graph.tensors[n].dtype.startswith(("int", "uint")) for n in graph.inputs)
    if len(shape) == 2 or (len(shape) == 3 and reads_tokens):
        return scores[0].name
    return None


@dataclass(slots=True)
class FidelityMeter:
    """Adds up what a Fidelity needs; arrays are looked at once and not kept.

    Attributes:
        classes: the output with a score for each class, or None.
    """

    classes: str | None
    _signal: dict[str, float] = field(default_factory=dict)
    _error: dict[str, float] = field(default_factory=dict)
    _other: float = 0.0
    _dot: float = 0.0
    _agreed: int = 0
    _predictions: int = 0
    _samples: int = 0

    def add(self, reference: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> None:
        """Compares one run's outputs, of the same names and shapes."""
        self._samples += 1
        for name, expected in reference.items():
            if not isinstance(expected, np.ndarray) or expected.dtype.kind != "f":
                continue
            a = expected.astype(np.float64, copy=False).ravel()
            b = other[name].astype(np.float64, copy=False).ravel()
            if expected.shape != other[name].shape:
                # Found boxes and the like: nothing says which belongs to which, so none does.
                a, b = np.append(a, np.zeros_like(b)), np.append(np.zeros_like(a), b)
            # Two infinities of one sign agree; masks put them into outputs on purpose. So do NaNs.
            agree = (a == b) | (np.isnan(a) & np.isnan(b))
            with np.errstate(invalid="ignore"):
                difference = np.where(agree, 0.0, a - b)
            finite = np.isfinite(a) & np.isfinite(b)
            a, b = np.where(finite, a, 0.0), np.where(finite, b, 0.0)
            self._signal[name] = self._signal.get(name, 0.0) + float(a @ a)
            self._error[name] = self._error.get(name, 0.0) + float(difference @ difference)
            self._other += float(b @ b)
            self._dot += float(a @ b)
        if self.classes is not None and self.classes in reference:
            same = _same_classes(reference[self.classes], other[self.classes])
            self._agreed += int(np.sum(same))
            self._predictions += same.size

    def merge(self, other: FidelityMeter) -> None:
        """Adds what another meter gathered of further samples."""
        for name in other._signal:
            self._signal[name] = self._signal.get(name, 0.0) + other._signal[name]
            self._error[name] = self._error.get(name, 0.0) + other._error[name]
        self._other += other._other
        self._dot += other._dot
        self._agreed += other._agreed
        self._predictions += other._predictions
        self._samples += other._samples

    def to_json(self) -> dict[str, Any]:
        """The sums as plain data; endless ones as text, which JSON has no numbers for."""
        sums = {name: [self._signal[name], str(self._error[name])] for name in self._signal}
        return {
            "sums": sums,
            "other": self._other,
            "dot": self._dot,
            "agreed": self._agreed,
            "predictions": self._predictions,
            "samples": self._samples,
        }

    @classmethod
    def from_json(cls, classes: str | None, data: Mapping[str, Any]) -> FidelityMeter:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the data is not what `to_json` gives.
        """
        meter = cls(classes)
        for name, (signal, error) in dict(data["sums"]).items():
            meter._signal[name], meter._error[name] = float(signal), float(error)
        meter._other, meter._dot = float(data["other"]), float(data["dot"])
        meter._agreed, meter._predictions = int(data["agreed"]), int(data["predictions"])
        meter._samples = int(data["samples"])
        return meter

    def result(self) -> Fidelity:
        """What was gathered so far."""
        signal, error = sum(self._signal.values()), sum(self._error.values())
        top1 = self._agreed / self._predictions if self._predictions else None
        if self._samples and not self._signal:
            return Fidelity(math.nan, math.nan, top1, {}, self._samples)
        norm = math.sqrt(signal) * math.sqrt(self._other)
        return Fidelity(
            sqnr_db=_decibel(signal, error),
            cosine=self._dot / norm if norm > 0 else (1.0 if error == 0 else 0.0),
            top1_agreement=top1,
            per_output={n: _decibel(self._signal[n], self._error[n]) for n in self._signal},
            samples=self._samples,
        )


def _same_classes(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    """For each prediction, whether both chose the same class."""
    if first.dtype.kind == "f":
        first, second = first.argmax(axis=-1), second.argmax(axis=-1)
    if first.shape != second.shape:
        return np.zeros(first.shape, np.bool_)
    return np.asarray(first == second)


def _decibel(signal: float, error: float) -> float:
    """As `decibels`; numbers where the other has none are an endless error."""
    return float(decibels(signal, error)) if math.isfinite(error) else -math.inf
