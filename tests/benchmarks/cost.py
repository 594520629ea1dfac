"""What the whole job costs, side by side with onnxruntime's own quantizer.

Each run is a process of its own, and the ways take turns, so that whatever else the machine does
hits all of them alike. Seconds are from a loaded library to a written file: the start of Python and
its imports are left out on both sides. Memory is the peak of the whole process.

    python tests/benchmarks/cost.py run WAY MODEL DATA OUTPUT     # one run; prints JSON
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tables import number, table

OURS = "ours"
ORT_WAYS = ("MinMax", "Entropy", "Percentile")

TARGETS = {"MinMax": 1.0, "Entropy": 1 / 3, "Percentile": 1 / 3}
"""The most of the wall time of each way that ours may take."""
MEMORY_TARGETS = {"Entropy": 1 / 4}

_INFO_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the runs of one way."""

    seconds: float
    megabytes: float
    runs: int
    stages: dict[str, float]


def run_ours(model: Path, data: Path, output: Path) -> dict[str, float]:
    """The job of the command line, without running the saved file; seconds by stage."""
    from inspector.session.job import QuantizeRequest, quantize_model

    request = QuantizeRequest(model, output, calibration=data, verify=False, force=True)
    return dict(quantize_model(request).seconds)


def run_ort(way: str, model: Path, data: Path, output: Path) -> dict[str, float]:
    """onnxruntime.quantization.quantize_static on the file as it is: no pre-processing either."""
    import ort_quantizer

    ort_quantizer.quantize(model, output, ort_quantizer.samples_of(data), way)
    return {}


def run_once(way: str, model: Path, data: Path, output: Path) -> dict[str, object]:
    """One job in this process, measured."""
    if way == OURS:
        import inspector.session.job

        del inspector
    else:
        import onnxruntime.quantization

        del onnxruntime
    start = time.perf_counter()
    stages = run_ours(model, data, output) if way == OURS else run_ort(way, model, data, output)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": _peak_bytes() / 1e6, "stages": stages}


def _peak_bytes() -> int:
    """The most memory that this process has held.

    On Linux getrusage also counts what the parent held before this program replaced its copy of
    it, so the kernel's high-water mark of this program alone is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def compare(
    model: Path,
    data: Path,
    *,
    rounds: int,
    ways: Sequence[str] = (OURS, *ORT_WAYS),
    told: Callable[[str], None] = lambda line: None,
) -> dict[str, Cost]:
    """All ways in turn, `rounds` times."""
    found: dict[str, list[dict[str, object]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
                one = _child(way, model, data, Path(folder) / f"{way}.onnx")
                told(f"{model.stem} {way}: {one['seconds']:.2f} s, {one['megabytes']:.0f} MB")
                found[way].append(one)
    return {way: _median(runs) for way, runs in found.items()}


def _child(way: str, model: Path, data: Path, output: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "run", way, str(model), str(data), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed on {model}:\n{done.stderr}")
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def _median(runs: Iterable[dict[str, object]]) -> Cost:
    runs = list(runs)
    stages = [run["stages"] for run in runs]
    return Cost(
        median(run["seconds"] for run in runs),
        median(run["megabytes"] for run in runs),
        len(runs),
        {name: median(one[name] for one in stages) for name in stages[0]},
    )


def cost_table(name: str, costs: dict[str, Cost]) -> str:
    """The costs of one model, with ours as a part of each."""
    ours = costs[OURS]
    rows = [[OURS, number(ours.seconds), "", number(ours.megabytes, 0), ""]]
    for way, cost in costs.items():
        if way == OURS:
            continue
        time_ratio = ours.seconds / cost.seconds
        memory_ratio = ours.megabytes / cost.megabytes
        rows.append(
            [
                f"onnxruntime {way}",
                number(cost.seconds),
                _against(time_ratio, TARGETS.get(way)),
                number(cost.megabytes, 0),
                _against(memory_ratio, MEMORY_TARGETS.get(way)),
            ]
        )
    stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in ours.stages.items())
    header = [name, "wall s", "ours / its time (target)", "peak MB", "ours / its memory (target)"]
    return f"{table(header, rows)}\n\nOurs by stage: {stages}. Medians of {ours.runs} runs.\n"


def _against(ratio: float, target: float | None) -> str:
    if target is None:
        return number(ratio)
    return f"{ratio:.2f} ({'ok' if ratio <= target else 'MISSED'}: <= {target:.2f})"


def command_times(model: Path) -> str:
    """Wall seconds of the commands that are to answer at once, as a table."""
    commands = {
        "quant-inspector --version": ["--version"],
        f"quant-inspector info ({model.stat().st_size / 1e6:.0f} MB)": ["info", str(model)],
        f"quant-inspector info --json ({model.stat().st_size / 1e6:.0f} MB)": [
            *("info", str(model), "--json")
        ],
    }
    rows = []
    for name, arguments in commands.items():
        seconds = []
        for _ in range(_INFO_ROUNDS):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "inspector", *arguments], check=True, capture_output=True
            )
            seconds.append(time.perf_counter() - start)
        rows.append([name, number(median(seconds)), number(min(seconds))])
    return table(["command", "median wall s", "least"], rows)


if __name__ == "__main__":
    kind, asked, *paths = sys.argv[1:]
    assert kind == "run"
    print(json.dumps(run_once(asked, *map(Path, paths))))
