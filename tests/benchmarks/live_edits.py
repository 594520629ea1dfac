"""One process that changes one large layer in a window and says what that took, as JSON.

python tests/benchmarks/live_edits.py MODEL DATA [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from live_models import LARGE
from live_window import Live, Painted

WIDTHS = (8, 7, 6, 5, 4, 3)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    live = Live(options.model, options.data)
    found = {"exact_seconds": _first_touch(live)}
    for title, spec in _kinds().items():
        if options.only in title:
            found |= _measure(live, title, spec, options)
    for granularity in ("tensor", "channel"):
        found |= _drag(live, granularity, options.rounds)
    print(json.dumps(found))
    live.close()


def _kinds() -> dict[str, Callable[[int], str]]:
    """By title: the spec of each round. No two are the same, so that none is known already."""

    def width(number: int) -> int:
        return WIDTHS[number % len(WIDTHS)]

    return {
        "tensor range": lambda n: f"int{width(n)}:tensor:range[{-0.1 - n / 999},{0.1 + n / 999}]",
        "channel range": lambda n: f"int{width(n)}:channel:range[{-0.1 - n / 999},{0.1 + n / 999}]",
        "tensor width": lambda n: f"{'u' * (n % 2)}int{2 + n // 2 % 11}:tensor:minmax:asym",
        "channel width": lambda n: f"{'u' * (n % 2)}int{2 + n // 2 % 11}:channel:minmax:asym",
        "tensor percentile": lambda n: f"int{width(n)}:tensor:percentile{99.9 + n / 1000}",
        "channel percentile": lambda n: f"int{width(n)}:channel:percentile{99.9 + n / 1000}",
        "tensor mse": lambda n: f"int{2 + n % 11}:tensor:mse",
        "channel mse": lambda n: f"int{2 + n % 11}:channel:mse",
        "tensor kl": lambda n: f"int{2 + n % 11}:tensor:kl",
    }


def _measure(
    live: Live, title: str, spec: Callable[[int], str], options: argparse.Namespace
) -> dict[str, float]:
    from inspector.quant.spec import QuantSpec

    live.window.presenter.select((LARGE,))
    granularity = title.split()[0]
    live.window.bridge.set_specs([LARGE], QuantSpec.parse(f"int9:{granularity}:minmax"), None)
    live.settle()
    rounds = options.rounds if "range" in title or "percentile" in title else 11
    found: list[Painted] = []
    late: list[float] = []
    for number in range(rounds):
        wanted = QuantSpec.parse(spec(number))
        started = time.perf_counter()
        found.append(
            live.painted(lambda wanted=wanted: live.window.bridge.set_specs([LARGE], wanted, None))
        )
        live.wait(lambda: not live.window.bridge.is_stale(LARGE))
        late.append(1e3 * (time.perf_counter() - started))
        live.idle(0.03)
    walls, cpus = [one.wall_ms for one in found], [one.cpu_ms for one in found]
    return {
        f"{title} wall p50": float(np.median(walls)),
        f"{title} wall p95": float(np.percentile(walls, 95)),
        f"{title} cpu p50": float(np.median(cpus)),
        f"{title} cpu p95": float(np.percentile(cpus, 95)),
        f"{title} figures p95": float(np.percentile(late, 95)),
    }


def _drag(live: Live, granularity: str, rounds: int) -> dict[str, float]:
    """What each step takes while an end of the grid is dragged over the histogram."""
    from inspector.quant.spec import QuantSpec

    live.window.bridge.set_specs([LARGE], QuantSpec.parse(f"int8:{granularity}:minmax"), None)
    live.window.presenter.select((LARGE,))
    live.settle()
    plot, found = live.window.plots.weights, []
    for number in range(2 * rounds):
        reach = 0.05 + number / 2000
        found.append(live.painted(lambda reach=reach: plot.range_moved.emit(-reach, reach)))
    plot.range_rested.emit(-0.1, 0.1)
    live.settle()
    return {
        f"{granularity} drag wall p95": float(np.percentile([one.wall_ms for one in found], 95)),
        f"{granularity} drag cpu p95": float(np.percentile([one.cpu_ms for one in found], 95)),
    }


def _first_touch(live: Live) -> float:
    """Seconds from selecting a layer of which nothing is known to its exact figures."""
    document = live.window.document
    worst = 0.0
    for granularity in ("tensor", "channel"):
        from inspector.quant.spec import QuantSpec

        live.window.presenter.select(())
        live.settle()
        live.window.bridge.set_specs([LARGE], QuantSpec.parse(f"int8:{granularity}"), None)
        live.settle()
        document.caches.clear()
        started = time.perf_counter()
        live.window.bridge.set_specs([LARGE], QuantSpec.parse(f"int7:{granularity}"), None)
        live.window.presenter.select((LARGE,))
        live.wait(lambda: not live.window.bridge.is_stale(LARGE))
        facts = live.window.bridge.weight_facts(LARGE)
        assert facts is not None
        assert facts.exact
        worst = max(worst, time.perf_counter() - started)
    return worst


if __name__ == "__main__":
    main()
