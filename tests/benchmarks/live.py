"""How live the window is: from a choice to what is seen of it, beside the bounds to be kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from generators import generate
from graphs import transformer
from live_models import SIZES, large
from tables import number, table

HERE = Path(__file__).resolve().parent
_SAMPLES = 64
"""So many calibration pictures leave eight for the end-to-end figures."""
FRAME_MS = 1000 / 60
_EDITS = (
    *("tensor width", "channel width", "tensor range", "channel range"),
    *("tensor percentile", "tensor mse", "channel mse"),
)

Figures = Mapping[str, float]


def measure(
    folder: Path, *, told: Callable[[str], None], rounds: int = 40, nodes: int = 20_000
) -> dict[str, dict[str, float]]:
    """Every figure, by what was measured."""
    found: dict[str, dict[str, float]] = {}
    for size in SIZES:
        made = large(size, folder)
        found[size.title] = _run("live_edits.py", made.model, made.data, "--rounds", str(rounds))
        told(f"{size.title}: {found[size.title]}")
    made = generate("resnet", folder, samples=_SAMPLES)
    found["ResNet-50-like"] = _run("live_probe.py", made.model, made.data)
    told(f"ResNet-50-like: {found['ResNet-50-like']}")
    title = f"{nodes:,} nodes"
    found[title] = _run("live_probe.py", transformer(nodes, folder))
    told(f"{title}: {found[title]}")
    return found


def _run(script: str, *arguments: str | Path) -> dict[str, float]:
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def edits_table(found: Mapping[str, Figures]) -> str:
    """From a change of one large layer to the last plot painted."""
    rows = []
    for size, bound in zip(SIZES, (FRAME_MS, 2 * FRAME_MS), strict=True):
        figures = found[size.title]
        for edit in _EDITS:
            keys = ("wall p50", "wall p95", "cpu p50", "cpu p95", "figures p95")
            cells = [number(figures.get(f"{edit} {key}"), 1) for key in keys]
            rows.append([f"{size.title}, {edit}", *cells, number(bound, 1)])
        for granularity in ("tensor", "channel"):
            wall, cpu = (figures.get(f"{granularity} drag {key} p95") for key in ("wall", "cpu"))
            cells = ["—", number(wall, 1), "—", number(cpu, 1), "—"]
            rows.append([f"{size.title}, {granularity} drag step", *cells, number(FRAME_MS, 1)])
        exact = 1e3 * figures["exact_seconds"]
        rows.append(
            [f"{size.title}, exact figures", "—", number(exact, 1), "—", "—", "—", "1000.0"]
        )
    header = ["change", "p50 ms", "p95 ms", "main thread p50 ms", "main thread p95 ms"]
    return table([*header, "exact figures p95 ms", "bound p95 ms"], rows)


def whole_table(figures: Figures) -> str:
    """From a change to the new end-to-end figures, beside plain onnxruntime."""
    rows = []
    for kind in ("first", "any", "last", "many"):
        title = "40 layers" if kind == "many" else f"{kind} layer"
        keys = ("float s", "figures s", "ratio", "worst ratio", "painted ms")
        cells = [number(figures[f"{kind} {key}"], 0 if "ms" in key else 2) for key in keys]
        bounds = ["1.60", "100" if kind == "many" else "—"]
        rows.append([title, *cells, *bounds])
    header = ["changed", "float passes s", "figures s", "ratio", "worst ratio", "plots p95 ms"]
    return table([*header, "bound of ratio", "bound of plots ms"], rows)


def stalls_table(found: Mapping[str, Figures]) -> str:
    """The longest times in which the window did not answer."""
    rows = []
    for title, figures in found.items():
        if "storm longest gap ms" in figures:
            keys = ("stall one ms", "stall many ms", "stall all ms", "storm longest gap ms")
            counts = ("storm gaps over 50 ms", "storm replaced", "storm sessions built")
            cells = [number(figures[key], 0) for key in (*keys, *counts)]
            rows.append([title, *cells, "50"])
    header = ["model", "one layer ms", "40 layers ms", "all layers ms", "storm of 200 ms"]
    header += ["gaps over 50 ms", "evaluations replaced", "sessions built"]
    return table([*header, "bound ms"], rows)
