"""Runs the benchmarks and writes what they found.

make bench                                   all of it, into tests/benchmarks/RESULTS.md
make bench-smoke                             the same harness on one tiny model
python tests/benchmarks/run.py --only cost   one part, to the screen
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import cost
from generators import Generated, generate
from tables import number, table

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "output" / "bench"
RESULTS = HERE / "RESULTS.md"
PARTS = ("cost", "quality", "graph", "live", "mixed")


def main() -> None:
    """Entry point."""
    options = _options()
    if options.smoke:
        smoke(options.work)
        return
    sections = {
        "cost": lambda: cost_section(options),
        "quality": lambda: quality_section(options),
        "graph": lambda: graph_section(options),
        "live": lambda: live_section(options),
        "mixed": lambda: mixed_section(options),
    }
    chosen = [options.only] if options.only else PARTS
    found = {part: sections[part]() for part in chosen}
    for text in found.values():
        print(text, end="\n\n")
    if options.write:
        _write(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="show that the harness works")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (default 3)")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for generated models")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    options = parser.parse_args()
    options.write = options.write or not (options.only or options.smoke)
    return options


def cost_section(options: argparse.Namespace) -> str:
    """The cost of the job on both networks, and of the quick commands."""
    import ort_quantizer

    blocks = []
    for name, title in (("resnet", "ResNet-50-like"), ("mobilenet", "MobileNetV2-like")):
        made = generate(name, options.work)
        folded = made.model.with_name(f"{name}_folded.onnx")
        if not folded.exists():
            ort_quantizer.preprocess(made.model, folded)
        for model, state in ((made.model, "as trained"), (folded, "folded by ORT before")):
            costs = cost.compare(model, made.data, rounds=options.rounds, told=_tell)
            blocks.append(cost.cost_table(f"{title}, {state}", costs))
    blocks.append(cost.command_times(generate("resnet", options.work).model))
    return "\n".join(blocks)


def graph_section(options: argparse.Namespace) -> str:
    """The graph view on graphs of every size, in a window without a screen."""
    import graph_view

    found = graph_view.measure(options.work, rounds=options.rounds, told=_tell)
    return "\n\n".join(
        [
            "From a file to its picture in a window of 1280 x 800 that is open already (painted), "
            "in a program that is started for it (cold start), and until every figure of every "
            "layer is there; the longest time in which the window did not answer; memory of the "
            "process. The figures of Netron 9.3.3 in Chromium are those of this project's design.",
            graph_view.opening_table(found),
            "Frames while panning (the p95 is that of the worst of eleven zooms) and zooming; from "
            "a click to the selection shown everywhere; from a key to the results of a search:",
            graph_view.moving_table(found),
        ]
    )


def live_section(options: argparse.Namespace) -> str:
    """From a choice to what is seen of it, in a window without a screen."""
    import live

    found = live.measure(options.work, told=_tell)
    return "\n\n".join(
        [
            "From a change of one layer of 512 channels to the last plot painted (panel, table, "
            "badge, histogram, error plots), of which the main thread worked so long; and until "
            "the figures are exact where a range method takes longer. No two changes are alike.",
            live.edits_table(found),
            "From a change to the end-to-end figures of eight samples, beside eight forward passes "
            "of the float model in plain onnxruntime:",
            live.whole_table(found["ResNet-50-like"]),
            "The longest time in which the window did not answer:",
            live.stalls_table(found),
        ]
    )


def mixed_section(options: argparse.Namespace) -> str:
    """What sensitivities cost, and the fronts of mixed precision."""
    import cases
    import mixed

    made = generate("resnet", options.work, samples=mixed.SAMPLES)
    costs = {}
    for ways in (("both",), ("both", "weights", "activations", "rest")):
        name = f"ResNet-50-like, {', '.join(ways)}"
        costs[name] = mixed.measure(made.model, made.data, ways)
        _tell(mixed.cost_table({name: costs[name]}).splitlines()[-1])
    found = {case.name: mixed.fronts(case, _tell) for case in cases.all_cases()}
    return "\n\n".join(
        [
            "Each layer alone (and other ways) at 4 and 8 bits on 8 samples, beside as many "
            "forward passes of the float model in plain onnxruntime in the same process:",
            mixed.cost_table(costs),
            "Mixed precision of 4 and 8 bits beside plain greedy flipping, at every budget that "
            "greedy flipping passes through, both really run on 8 samples:",
            mixed.fronts_table(found),
        ]
    )


def quality_section(options: argparse.Namespace) -> str:
    """The quality of every model there is data for."""
    import cases
    import formats
    import quality

    found = []
    forms: list[list[str]] = []
    for case in cases.all_cases():
        found.append(quality.measure(case))
        forms += formats.rows_of(case)
        _tell(quality.quality_table(found[-1:]).splitlines()[-1])
    failures = quality.failures(found)
    if options.write:
        formats.write(forms)
    return "\n\n".join(
        [
            "SQNR of the outputs in dB and agreement of the top class with the float model in %, "
            "on data that calibration did not see. ** marks where ours is below the better of the "
            "two ways to run onnxruntime's best.",
            quality.quality_table(found),
            "Predicted and measured SQNR, and how far they are apart, in dB:",
            quality.promise_table(found),
            "Forms without calibration data, beside onnxruntime's quantizers for them, in dB. The "
            "4-bit weights are asymmetric here, in blocks as large as theirs:",
            formats.formats_table(forms),
            *(["What onnxruntime's quantizer could not do:", failures] if failures else []),
        ]
    )


def smoke(work: Path) -> None:
    """Everything once on small models, with checks that figures come out; none of their size."""
    import cases
    import graph_view
    import graphs
    import quality

    made: Generated = generate("tiny", work, samples=4)
    costs = cost.compare(made.model, made.data, rounds=1, ways=(cost.OURS, "MinMax"), told=_tell)
    assert all(one.seconds > 0 and one.megabytes > 1 for one in costs.values())
    assert set(costs[cost.OURS].stages) >= {"load", "calibrate", "quantize", "save"}
    first = cases.all_cases()[0]
    found = quality.measure(first, methods=("MinMax",))
    assert set(found.ours) == set(quality.RECIPES), found.error
    assert found.best("usual") is not None, quality.failures([found])
    assert found.best("precise") is not None
    case = graph_view.Case("100 nodes", lambda folder: graphs.transformer(100, folder))
    drawn = graph_view.measure(work, rounds=1, told=_tell, cases=(case,))
    assert drawn[case.title]["nodes"] >= 100
    print(graph_view.opening_table(drawn), graph_view.moving_table(drawn), sep="\n\n", end="\n\n")
    tables = [
        cost.cost_table("tiny", costs),
        cost.command_times(made.model),
        quality.quality_table([found]),
        quality.promise_table([found]),
    ]
    for text in tables:
        assert re.search(r"\| \d+\.\d+ \|", text), text
        assert "—" not in text, text
        print(text, end="\n\n")


def _write(found: dict[str, str]) -> None:
    """RESULTS.md, where parts that were not run now keep what they said."""
    old = _sections(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    titles = {
        "cost": "Cost of the whole job",
        "quality": "Quality",
        "graph": "Graph view",
        "live": "Live",
        "mixed": "Mixed precision",
    }
    lines = ["# Benchmarks", "", "Written by `make bench`; see the files beside this one.", ""]
    for part, title in titles.items():
        text = f"{_circumstances()}\n\n{found[part]}" if part in found else old.get(title)
        if text:
            lines += [f"## {title}", "", text.strip(), ""]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    _tell(f"wrote {RESULTS}")


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _circumstances() -> str:
    """When, on what kind of machine, with which versions."""
    packages = ("numpy", "onnx", "onnxruntime")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = number(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else "—"
    row = [date.today().isoformat(), _machine(), platform.python_version(), versions, load]
    return table(["date", "machine", "Python", "packages", "load at the end"], [row])


def _machine() -> str:
    """Kind of processor: what decides which kernels onnxruntime takes."""
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return cores
    flags = set(info.read_text().split())
    vector = next((name for name in ("avx512f", "avx2") if name in flags), "")
    vnni = "with VNNI" if flags & {"avx512_vnni", "avx_vnni"} else "without VNNI"
    return f"{cores} {vector.upper()} {vnni}" if vector else cores


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
