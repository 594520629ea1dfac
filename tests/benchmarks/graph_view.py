"""The graph view: how long from a file to its picture, and how smoothly that moves."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from generators import generate
from graphs import transformer
from tables import number, table

PROBE = Path(__file__).with_name("graph_probe.py")
PACKAGE = PROBE.parents[2] / "inspector"


@dataclass(frozen=True)
class Case:
    """A graph to draw.

    Attributes:
        title: in the tables.
        make: gives the file.
        netron: seconds from file to picture and megabytes of Netron 9.3.3 in Chromium on such a
            machine and such a graph, as measured for this project's design; None where nobody did.
    """

    title: str
    make: Callable[[Path], Path]
    netron: tuple[float, float] | None = None


CASES = (
    Case("ResNet-50-like, 100 MB", lambda folder: generate("resnet", folder).model, (0.7, 670)),
    Case("1,000 nodes", lambda folder: transformer(1_000, folder), (1.4, 580)),
    Case("5,000 nodes", lambda folder: transformer(5_000, folder), (4.6, 1100)),
    Case(
        "5,000 nodes and a mask", lambda folder: transformer(5_000, folder, mask=True), (45.0, 2900)
    ),
    Case("20,000 nodes", lambda folder: transformer(20_000, folder), (24.0, 2700)),
    Case("100,000 nodes", lambda folder: transformer(100_000, folder)),
)
"""Netron's figures at 20,000 nodes besides: pan 189 ms, zoom 2,450 ms, select 646 ms, find 18 s."""


def measure(
    folder: Path, *, rounds: int, told: Callable[[str], None], cases: tuple[Case, ...] = CASES
) -> dict[str, dict[str, float]]:
    """The medians of every figure, by the title of the case.

    The program is compiled first, as an installed one is.
    """
    compileall.compile_dir(PACKAGE, quiet=1)
    found = {}
    for case in cases:
        model = case.make(folder)
        runs = [_probe(model) for _ in range(rounds)]
        cold = [_probe(model, cold=True) for _ in range(rounds)]
        figures = {key: median(run[key] for run in runs) for key in runs[0]}
        figures["cold_seconds"] = median(run["cold_seconds"] for run in cold)
        found[case.title] = figures
        told(f"{case.title}: {figures}")
    return found


def _probe(model: Path, *, cold: bool = False) -> dict[str, float]:
    command = [sys.executable, str(PROBE), str(model)]
    if cold:
        command += ["--cold", str(time.time())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def opening_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """From file to picture, beside Netron.

    The longest gap is the time in which the window did not answer; the longest turn is the
    processor time of its thread between two answers, which other programs do not lengthen.
    """
    known = {case.title: case.netron for case in CASES}
    rows = []
    for title, figures in found.items():
        netron = known.get(title)
        rows.append(
            [
                title,
                number(figures["painted_seconds"]),
                number(netron[0] if netron else None, 1),
                number(figures["cold_seconds"]),
                number(figures["ready_seconds"]),
                number(figures["longest_gap_ms"], 0),
                number(figures["longest_turn_ms"], 0),
                number(figures["painted_megabytes"], 0),
                number(figures["megabytes"], 0),
                number(netron[1] if netron else None, 0),
            ]
        )
    header = ["graph", "painted s", "Netron s", "cold start s", "all figures s"]
    header += [
        "longest gap ms",
        "of it own work ms",
        "MB when painted",
        "MB at the end",
        "Netron MB",
    ]
    return table(header, rows)


def moving_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """How long frames and answers take."""
    keys = ("pan_median_ms", "pan_p95_ms", "zoom_p95_ms", "select_ms", "find_ms")
    rows = [[title, *(number(one[key], 1) for key in keys)] for title, one in found.items()]
    header = ["graph", "pan ms", "pan p95 ms", "zoom p95 ms", "select, longest ms"]
    return table([*header, "find, longest ms"], rows)
