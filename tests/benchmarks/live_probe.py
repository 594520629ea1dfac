"""One process that changes a whole model in a window and says what that took, as JSON.

python tests/benchmarks/live_probe.py MODEL [DATA] [--rounds N] [--storm N]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from live_window import Live, Pulse

MANY = 40


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--storm", type=int, default=200)
    options = parser.parse_args()
    live = Live(*[path for path in (options.model, options.data) if path is not None])
    found: dict[str, float] = {}
    if options.data is not None:
        plain = _Plain(live)
        for kind in ("first", "any", "last", "many"):
            found |= _figures(live, plain, kind, options.rounds)
        found["samples"] = float(len(plain.samples))
    found |= _stalls(live)
    found |= _storm(live, options.storm)
    print(json.dumps(found))
    live.close()


class _Plain:
    """The float model in plain onnxruntime, on the samples that the window's figures are from."""

    def __init__(self, live: Live) -> None:
        import onnxruntime as ort

        from inspector.gui.estimate import preview_samples

        document = live.window.document
        assert document.dataset is not None
        self.samples = list(preview_samples(document.dataset).samples())
        self._session = ort.InferenceSession(
            str(document.opened.path), providers=["CPUExecutionProvider"]
        )
        self.seconds()

    def seconds(self) -> float:
        """Of one forward pass of each sample."""
        started = time.perf_counter()
        for feeds in self.samples:
            self._session.run(None, feeds)
        return time.perf_counter() - started


def _weighted(live: Live) -> list[str]:
    return [layer.name for layer in live.window.document.layers if layer.weight is not None]


def _changes(live: Live, kind: str, rounds: int) -> list[tuple[str, ...]]:
    """Whose weights are changed: the first layer's, the last one's, any one's, or of many."""
    names = _weighted(live)
    if kind == "many":
        return [tuple(names[:MANY])] * rounds
    at = {"first": [0], "last": [len(names) - 1]}.get(
        kind, [len(names) * (2 * i + 1) // (2 * rounds) for i in range(rounds)]
    )
    return [(names[at[i % len(at)]],) for i in range(rounds)]


def _figures(live: Live, plain: _Plain, kind: str, rounds: int) -> dict[str, float]:
    """From each change to the last plot, and to the new end-to-end figures."""
    from inspector.quant.spec import QuantSpec

    bridge = live.window.bridge
    ratios, seconds, painted, passes = [], [], [], []
    for number, names in enumerate(_changes(live, kind, rounds)):
        live.window.presenter.select(names)
        live.settle()
        passes.append((plain.seconds() + plain.seconds()) / 2)
        spec = QuantSpec.parse(f"int{4 + number % 5}:channel:range[{-1 - number / 99},1]")
        started = time.perf_counter()
        found = live.painted(lambda names=names, spec=spec: bridge.set_specs(names, spec, None))
        live.wait(lambda: not bridge.evaluation.is_stale)
        seconds.append(time.perf_counter() - started)
        painted.append(found.wall_ms)
        ratios.append(seconds[-1] / passes[-1])
    return {
        f"{kind} float s": median(passes),
        f"{kind} figures s": median(seconds),
        f"{kind} ratio": median(ratios),
        f"{kind} worst ratio": max(ratios),
        f"{kind} painted ms": float(np.percentile(painted, 95)),
    }


def _stalls(live: Live) -> dict[str, float]:
    """The longest time without an answer while one layer, many and all are changed."""
    from inspector.quant.spec import QuantSpec
    from inspector.session.edits import set_default

    names, bridge = _weighted(live), live.window.bridge
    found: dict[str, float] = {}
    for kind, chosen in (
        ("one", names[len(names) // 2 :][:1]),
        ("many", names[:MANY]),
        ("all", []),
    ):
        live.window.presenter.select(chosen)
        live.settle()
        pulse = Pulse()
        for number in range(4):
            spec = QuantSpec.parse(f"int{3 + number}")
            bridge.set_specs(chosen, spec, None) if chosen else bridge.apply(
                set_default(weights=spec)
            )
            live.settle()
        found[f"stall {kind} ms"] = pulse.gaps_ms()[0]
    return found


def _storm(live: Live, edits: int) -> dict[str, float]:
    """The longest time without an answer under random edits, and until all is fresh after them."""
    from inspector.quant.spec import QuantSpec

    dice, names = random.Random(1), _weighted(live)
    bridge = live.window.bridge
    before = (bridge.evaluation.runs.replaced, bridge.evaluation.sessions_built)
    pulse = Pulse()
    for _ in range(edits):
        some = dice.sample(names, dice.choice((1, 1, 1, 5)))
        live.window.presenter.select(some)
        live.idle(0.001)
        _change(live, dice, some, QuantSpec.parse(f"int{dice.randint(3, 8)}"))
        live.idle(dice.choice((0.0, 0.01, 0.03)))
    started = time.perf_counter()
    live.settle()
    gaps = pulse.gaps_ms()
    return {
        "storm longest gap ms": gaps[0],
        "storm gaps over 50 ms": float(sum(gap > 50 for gap in gaps)),
        "storm settle s": time.perf_counter() - started,
        "storm replaced": float(bridge.evaluation.runs.replaced - before[0]),
        "storm sessions built": float(bridge.evaluation.sessions_built - before[1]),
    }


def _change(live: Live, dice: random.Random, names: Sequence[str], spec: object) -> None:
    from inspector.quant.spec import QuantSpec

    assert isinstance(spec, QuantSpec)
    bridge, kind = live.window.bridge, dice.random()
    if kind < 0.5:
        bridge.set_specs(names, spec, None)
    elif kind < 0.8:
        bridge.set_specs(names, None, QuantSpec.parse(f"uint{dice.randint(4, 8)}"))
    elif kind < 0.9:
        bridge.undo()
    else:
        bridge.reset_layers(names)


if __name__ == "__main__":
    main()
