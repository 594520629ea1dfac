"""One process that changes one large layer in a window and says what that took, as JSON.

python tests/benchmarks/live_edits.py MODEL DATA [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import sys
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
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    live = Live(options.model, options.data)
    found = {"exact_seconds": _first_touch(live)}
    for title, spec in _kinds().items():
        if options.only in title:
            found |= _measure(live, title, spec, options)
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
    profile = None
    if options.profile:
        import cProfile

        profile = cProfile.Profile()
    for number in range(rounds):
        wanted = QuantSpec.parse(spec(number))
        started = time.perf_counter()
        if profile:
            profile.enable()
        found.append(
            live.painted(lambda wanted=wanted: live.window.bridge.set_specs([LARGE], wanted, None))
        )
        if profile:
            profile.disable()
        live.wait(lambda: not live.window.bridge.is_stale(LARGE))
        late.append(1e3 * (time.perf_counter() - started))
        live.idle(0.03)
    if profile:
        import pstats

        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    walls, cpus = [one.wall_ms for one in found], [one.cpu_ms for one in found]
    return {
        f"{title} wall p50": float(np.median(walls)),
        f"{title} wall p95": float(np.percentile(walls, 95)),
        f"{title} cpu p50": float(np.median(cpus)),
        f"{title} cpu p95": float(np.percentile(cpus, 95)),
        f"{title} figures p95": float(np.percentile(late, 95)),
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
