"""How good quantized models are, side by side with the best that onnxruntime's quantizer makes.

Ours by default against the best of onnxruntime's MinMax, Entropy and Percentile: QDQ, int8 weights
per channel, uint8 activations, the same samples to calibrate with and the same others to judge by.
Photographs are few: their halves take turns, and the figures are means of both.
onnxruntime's files are run in two ways: as anyone runs them, where kernels of processors without
VNNI saturate, and with session.x64quantprecision=1, where they do not. Ours is run as anyone
runs it, and stands beside what was predicted of it; so do a recipe of 4 and 8 bits and one of 16.

    python tests/benchmarks/quality.py [PART OF A NAME ...]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

import numpy as np
import ort_quantizer
from cases import Case, Feeds, all_cases
from numpy.typing import NDArray
from tables import number, table

from inspector.errors import InspectorError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.runtime import open_session
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import QuantSpec
from inspector.session.job import save_quantized
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe

METHODS = ("MinMax", "Entropy", "Percentile")


class _Samples:
    """Samples held in memory."""

    labels: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._feeds = feeds

    def __len__(self) -> int:
        return len(self._feeds)

    def read(self, index: int) -> Feeds:
        return self._feeds[index]

    def size_of(self, index: int) -> int:
        return sum(value.size for value in self._feeds[index].values())


@dataclass(frozen=True, slots=True)
class Figures:
    """SQNR in dB, and agreement of the top class, 0 to 1; None where the outputs are no classes."""

    sqnr_db: float
    top1: float | None

    @classmethod
    def of(cls, fidelity: Fidelity) -> Figures:
        """What one run gave."""
        return cls(fidelity.sqnr_db, fidelity.top1_agreement)

    @classmethod
    def mean(cls, several: Iterable[Figures]) -> Figures:
        """The mean over folds, of decibels as of shares."""
        several = list(several)
        shares = [one.top1 for one in several if one.top1 is not None]
        return cls(mean(one.sqnr_db for one in several), mean(shares) if shares else None)


@dataclass(frozen=True, slots=True)
class OrtResult:
    """One of onnxruntime's methods, run as usual and precisely; or why it made no file."""

    method: str
    usual: Figures | None = None
    precise: Figures | None = None
    error: str = ""

    @classmethod
    def mean(cls, several: Sequence[OrtResult]) -> OrtResult:
        """The mean over folds; an error if any of them is one."""
        error = next((one.error for one in several if one.error), "")
        if error:
            return cls(several[0].method, error=error)
        usual = Figures.mean(one.usual for one in several if one.usual)
        precise = Figures.mean(one.precise for one in several if one.precise)
        return cls(several[0].method, usual, precise)


@dataclass(frozen=True, slots=True)
class Promise:
    """What was predicted of a file, and what it does."""

    predicted: Figures
    measured: Figures

    @classmethod
    def mean(cls, several: Sequence[Promise]) -> Promise:
        """The mean over folds."""
        predicted = Figures.mean(one.predicted for one in several)
        return cls(predicted, Figures.mean(one.measured for one in several))


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything measured of one case; `error` where the model could not be quantized."""

    name: str
    samples: int
    ours: dict[str, Promise] = field(default_factory=dict)
    ort: tuple[OrtResult, ...] = ()
    error: str = ""

    def best(self, way: str) -> Figures | None:
        """The best of onnxruntime's methods, run in a way ("usual" or "precise")."""
        found = [getattr(one, way) for one in self.ort if getattr(one, way) is not None]
        return max(found, key=lambda figures: figures.sqnr_db, default=None)


def default_recipe(opened: OpenModel) -> Recipe:
    """What a user gets who chooses nothing."""
    del opened
    return Recipe()


def mixed_recipe(opened: OpenModel) -> Recipe:
    """Every other layer's weight at 4 bits."""
    names = [layer.name for layer in opened.graph.layers if layer.weight is not None]
    return Recipe().with_layers(names[1::2], weights=QuantSpec.parse("int4:channel:mse"))


def wide_recipe(opened: OpenModel) -> Recipe:
    """16 bits everywhere."""
    del opened
    wide = {"weights": QuantSpec.parse("int16"), "activations": QuantSpec.parse("uint16")}
    return Recipe(default=replace(Recipe().default, **wide))


RECIPES = {"default": default_recipe, "mixed 4/8": mixed_recipe, "16 bits": wide_recipe}


def measure(
    case: Case, *, recipes: Sequence[str] = tuple(RECIPES), methods: Sequence[str] = METHODS
) -> Quality:
    """All figures of one case: means over its folds."""
    folds = [_measure_fold(case, fold, recipes, methods) for fold in range(case.folds)]
    samples = sum(one.samples for one in folds)
    error = next((one.error for one in folds if one.error), "")
    if error:
        return Quality(case.name, samples, error=error)
    ours = {name: Promise.mean([one.ours[name] for one in folds]) for name in recipes}
    by_method = zip(*(one.ort for one in folds), strict=True)
    return Quality(case.name, samples, ours, tuple(OrtResult.mean(each) for each in by_method))


def _measure_fold(case: Case, fold: int, recipes: Sequence[str], methods: Sequence[str]) -> Quality:
    calibration_feeds, evaluation_feeds = case.read(fold)
    held_out = dataset("held-out data", evaluation_feeds)
    ours: dict[str, Promise] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            opened = open_model(case.model)
            opened.require_quantizable()
            calibration = _calibrate(opened, calibration_feeds)
            for name in recipes:
                output = Path(folder) / "ours.onnx"
                recipe = RECIPES[name](opened)
                result = save_quantized(opened, recipe, calibration, held_out, output, force=True)
                proof = result.verification
                assert proof is not None
                ours[name] = Promise(Figures.of(proof.predicted), Figures.of(proof.measured))
        except InspectorError as error:
            return Quality(case.name, len(held_out), error=error.message)
        ort = measure_ort(case, Path(folder), calibration_feeds, held_out, methods)
    return Quality(case.name, len(held_out), ours, tuple(ort))


def _calibrate(opened: OpenModel, feeds: Sequence[Feeds]) -> Calibration:
    data = dataset("calibration data", feeds)
    return calibrate(opened.prepared, opened.placement.measured, data)


def dataset(source: str, feeds: Sequence[Feeds]) -> Dataset:
    """Samples held in memory as the program takes them."""
    return Dataset.of(source, [_Samples(feeds)])


def measure_ort(
    case: Case,
    folder: Path,
    calibration: Sequence[Feeds],
    held_out: Dataset,
    methods: Sequence[str] = METHODS,
) -> list[OrtResult]:
    """Each of onnxruntime's methods on one case."""
    prepared = folder / "prepared.onnx"
    try:
        ort_quantizer.preprocess(case.model, prepared)
    except Exception as error:
        return [OrtResult(method, error=str(error)) for method in methods]
    opened = open_model(case.model)
    reference = open_session(runnable(opened.source))
    expected = [reference.run(feeds) for feeds in held_out.samples()]
    found = []
    for method in methods:
        output = folder / f"{method}.onnx"
        try:
            ort_quantizer.quantize(prepared, output, calibration, method)
            usual, precise = (
                _fidelity(opened, output, expected, held_out, precise=precise)
                for precise in (False, True)
            )
            found.append(OrtResult(method, Figures.of(usual), Figures.of(precise)))
        except Exception as error:  # whatever stops onnxruntime's quantizer or its file
            told = f"{type(error).__name__}: {error}".replace(f"{folder}{os.sep}", "")
            found.append(OrtResult(method, error=told))
    return found


def _fidelity(
    opened: OpenModel, file: Path, expected: Sequence[Feeds], held_out: Dataset, *, precise: bool
) -> Fidelity:
    session = open_session(file, precise=precise)
    meter = FidelityMeter(class_output(opened.placement.graph))
    for wanted, feeds in zip(expected, held_out.samples(), strict=True):
        meter.add(wanted, session.run(feeds))
    return meter.result()


def quality_table(found: Sequence[Quality]) -> str:
    """Ours by default against onnxruntime's best; SQNR in dB, agreement of the top class in %."""
    header = ["model", "samples", "ours predicted", "ours measured", "ORT best as run by default"]
    header += ["ORT best, precise", "ours − best", "top-1 ours", "top-1 ORT default"]
    header += ["top-1 ORT precise"]
    rows = []
    for one in found:
        if "default" not in one.ours:
            rows.append([one.name, str(one.samples), f"not quantized: {one.error}", *["—"] * 7])
            continue
        ours, usual, precise = one.ours["default"], one.best("usual"), one.best("precise")
        levels = [best.sqnr_db for best in (usual, precise) if best is not None]
        margin = ours.measured.sqnr_db - max(levels) if levels else None
        rows.append(
            [
                one.name,
                str(one.samples),
                number(ours.predicted.sqnr_db),
                number(ours.measured.sqnr_db),
                _sqnr(usual),
                _sqnr(precise),
                "ORT fails" if margin is None else f"{margin:+.2f}{'' if margin >= 0 else ' **'}",
                _top1(ours.measured),
                _top1(usual),
                _top1(precise),
            ]
        )
    return table(header, rows)


def promise_table(found: Sequence[Quality]) -> str:
    """Predicted and measured SQNR of three recipes."""
    header = ["model"]
    for name in RECIPES:
        header += [f"{name} predicted", "measured", "difference"]
    rows = []
    for one in found:
        row = [one.name]
        for name in RECIPES:
            figures = one.ours.get(name)
            if figures is None:
                row += ["—"] * 3
                continue
            a, b = figures.predicted.sqnr_db, figures.measured.sqnr_db
            apart = 0.0 if a == b else abs(a - b)
            row += [number(a), number(b), number(apart, 3)]
        rows.append(row)
    return table(header, rows)


def failures(found: Sequence[Quality]) -> str:
    """What onnxruntime's quantizer could not do, a line each."""
    lines = []
    for one in found:
        lines.extend(
            f"- {one.name}, {r.method}: {' '.join(r.error.split())[:200]}"
            for r in one.ort
            if r.error
        )
    return "\n".join(lines)


def _sqnr(figures: Figures | None) -> str:
    return number(figures.sqnr_db if figures else None)


def _top1(figures: Figures | None) -> str:
    agreement = figures.top1 if figures else None
    return number(None if agreement is None else 100 * agreement, 1)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    results = []
    for each in all_cases():
        if not wanted or any(part in each.name for part in wanted):
            results.append(measure(each))
            print(quality_table(results[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(quality_table(results), promise_table(results), failures(results), sep="\n\n")
