"""What each way to recover accuracy brings, on every model there is data for.

Three ways to quantize that cost accuracy (8-bit weights with one scale a tensor, 4-bit weights, and
4-bit weights alone) and the default, each without and with the methods of `--recover`, one by one
and together. All figures are of saved files that were run, on data that neither calibration nor
the methods saw; photographs are few, so the halves take turns as in `quality`.

    python tests/benchmarks/recovery.py [PART OF A NAME ...]           to the screen
    python tests/benchmarks/recovery.py --write [PART OF A NAME ...]   also into RECOVERY.md

All of it takes hours. `--keep=FOLDER` keeps each figure there as it is found, so that it can be cut
off and goes on where it was; with `--kept` nothing is run, and models not yet done are left out.
"""

from __future__ import annotations

import pickle
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from cases import Case, all_cases
from quality import Figures, Promise, dataset
from tables import number, table

from inspector.errors import InspectorError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset
from inspector.quant.recover import Recover
from inspector.quant.spec import QuantSpec
from inspector.session.job import save_quantized
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe
from inspector.session.recovery import recover

RESULTS = Path(__file__).resolve().parent / "RECOVERY.md"
MOST_EVALUATED = 96

ONE_BY_ONE = ("none", "equalize", "absorb", "smooth", "bias", "equalize,bias")
ROUNDED = ("none", "bias", "gptq", "adaround", "gptq,bias", "adaround,bias", "equalize,gptq,bias")
ALONE = ("none", "equalize", "awq", "gptq", "adaround", "awq,gptq", "gptq,bias")

SETTINGS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "8 bits, one scale a channel (the default)": ("int8:channel", "uint8", ONE_BY_ONE),
    "8 bits, one scale a tensor": ("int8:tensor", "uint8", ONE_BY_ONE),
    "4-bit weights, one scale a channel, 8-bit activations": ("int4:channel:mse", "uint8", ROUNDED),
    "4-bit weights alone, one scale a channel": ("int4:channel:mse", "float", ALONE),
}
"""By title: the spec of weights, that of activations, and what is switched on in each column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model under one setting: figures by what is switched on."""

    name: str
    samples: int
    found: dict[str, Promise]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Figures that were found before.

    Attributes:
        folder: where they are; None to keep none.
        only: run nothing.
    """

    folder: Path | None = None
    only: bool = False

    def path(self, *key: object) -> Path | None:
        """The file of some figures."""
        words = "-".join(re.sub(r"[^\w.]+", "_", str(part)) for part in key)
        return None if self.folder is None else self.folder / f"{words}.pickle"


def measure(case: Case, setting: str, kept: Kept) -> Row:
    """All figures of one case under a setting: means over its folds."""
    folds = [_kept_fold(case, fold, setting, kept) for fold in range(case.folds)]
    error = next((one.error for one in folds if one.error), "")
    samples = sum(one.samples for one in folds)
    if error:
        return Row(case.name, samples, {}, error)
    names = SETTINGS[setting][2]
    return Row(case.name, samples, {n: Promise.mean([f.found[n] for f in folds]) for n in names})


def _kept_fold(case: Case, fold: int, setting: str, kept: Kept) -> Row:
    path = kept.path(case.name, fold, setting)
    if path is not None and path.exists():
        found: Row = pickle.loads(path.read_bytes())
        return found
    if kept.only:
        return Row(case.name, 0, {}, "not measured yet")
    row = _measure_fold(case, fold, setting, kept)
    if path is not None:
        path.write_bytes(pickle.dumps(row))
    return row


def _measure_fold(case: Case, fold: int, setting: str, kept: Kept) -> Row:
    calibration_feeds, evaluation_feeds = case.read(fold)
    data = dataset("calibration data", calibration_feeds)
    held_out = dataset("held-out data", evaluation_feeds).spread(MOST_EVALUATED)
    weights, activations, columns = SETTINGS[setting]
    default = Recipe().with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))
    found: dict[str, Promise] = {}
    try:
        opened = open_model(case.model)
        opened.require_quantizable()
        calibration = calibrate(opened.prepared, opened.placement.measured, data)
        for name in columns:
            path = kept.path(case.name, fold, setting, name)
            if path is not None and path.exists():
                found[name] = pickle.loads(path.read_bytes())
                continue
            recipe = Recipe(default.default, recover=Recover.parse(name))
            found[name] = _promise(opened, recipe, calibration, data, held_out)
            if path is not None:
                path.write_bytes(pickle.dumps(found[name]))
    except InspectorError as error:
        return Row(case.name, len(held_out), {}, error.message)
    return Row(case.name, len(held_out), found)


def _promise(
    opened: OpenModel,
    recipe: Recipe,
    calibration: Calibration,
    data: Dataset,
    held_out: Dataset,
) -> Promise:
    """Predicted and measured figures of one file."""
    recovery = None
    if recipe.recovers:
        recovery = recover(opened, recipe, calibration, data, held_out.spread(1))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.onnx"
        result = save_quantized(
            opened, recipe, calibration, held_out, output, recovery=recovery, force=True
        )
    proof = result.verification
    assert proof is not None
    return Promise(Figures.of(proof.predicted), Figures.of(proof.measured))


def setting_table(rows: Sequence[Row], setting: str) -> str:
    """Measured SQNR in dB, and agreement of the top class in % behind a stroke."""
    columns = SETTINGS[setting][2]
    header = ["model", "samples", *columns]
    lines = []
    for row in rows:
        if row.error:
            cells = [f"not quantized: {row.error}", *["—"] * (len(columns) - 1)]
        else:
            cells = [_cell(row.found[name].measured) for name in columns]
        lines.append([row.name, str(row.samples), *cells])
    return table(header, lines)


def apart(rows: Sequence[Row]) -> float:
    """The largest difference of predicted and measured SQNR, in dB."""
    pairs = [(p.predicted.sqnr_db, p.measured.sqnr_db) for r in rows for p in r.found.values()]
    return max((abs(a - b) for a, b in pairs if a != b), default=0.0)


def gains(rows: Sequence[Row], setting: str) -> str:
    """The mean gain of each column over nothing recovered, and where it was a loss."""
    lines = []
    whole = [row for row in rows if not row.error]
    for name in SETTINGS[setting][2][1:]:
        each = {
            row.name: row.found[name].measured.sqnr_db - row.found["none"].measured.sqnr_db
            for row in whole
        }
        lost = [f"{model} {gain:.1f}" for model, gain in each.items() if gain < -0.5]
        lines.append([name, number(mean(each.values())), ", ".join(lost) or "none"])
    return table(["switched on", "mean gain in dB", "loses more than 0.5 dB on"], lines)


def _cell(figures: Figures) -> str:
    top1 = "" if figures.top1 is None else f" / {number(100 * figures.top1, 1)}"
    return number(figures.sqnr_db, 1) + top1


def report(found: dict[str, list[Row]]) -> str:
    """The whole file."""
    parts = ["# Recovery", "", "Written by `python tests/benchmarks/recovery.py --write`.", ""]
    parts += [
        "SQNR of the outputs in dB / agreement of the top class with the float model in %,",
        "measured by running the saved file on data that neither calibration nor the methods saw.",
        "A column is what was switched on with `--recover`.",
        "",
    ]
    for setting, rows in found.items():
        if rows:
            weights, activations, _ = SETTINGS[setting]
            parts += [
                f"## {setting}",
                "",
                f"`--weights {weights} --activations {activations}`. Predicted and measured SQNR "
                f"are at most {apart(rows):.2f} dB apart.",
                "",
                setting_table(rows, setting),
                "",
                gains(rows, setting),
                "",
            ]
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> None:
    """Entry point."""
    wanted = [one for one in arguments if not one.startswith("--")]
    folder = next((Path(one[7:]) for one in arguments if one.startswith("--keep=")), None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder, "--kept" in arguments)
    found: dict[str, list[Row]] = {setting: [] for setting in SETTINGS}
    for case in all_cases():
        if wanted and not any(part in case.name for part in wanted):
            continue
        for setting, rows in found.items():
            row = measure(case, setting, kept)
            if kept.only and row.error == "not measured yet":
                continue
            rows.append(row)
            line = setting_table(rows[-1:], setting).splitlines()[-1]
            print(f"{setting}: {line}", file=sys.stderr, flush=True)
        if "--write" in arguments:
            RESULTS.write_text(report(found), encoding="utf-8")
    print(report(found))


if __name__ == "__main__":
    main(sys.argv[1:])
