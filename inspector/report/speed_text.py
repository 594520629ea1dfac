"""Why a quantized model takes the time that it takes, in words that follow from what was measured.

The reasons are those of onnxruntime's CPU provider: which kernels it has for integers, and what it
does where it has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from inspector.evaluate.latency import Latencies, Latency
from inspector.report.units import plural

_NAMED = 3
_TINY_MS = 0.5
_BETWEEN = frozenset({
    "Add", "AveragePool", "BatchNormalization", "Clip", "Gelu", "GlobalAveragePool", "HardSigmoid",
    "HardSwish", "LeakyRelu", "MaxPool", "Mul", "PRelu", "Relu", "Sigmoid", "Softmax", "Tanh",
})  # fmt: skip
_CONVERTERS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")


def speed_text(found: Latencies) -> str:
    """How much faster or slower the second model is, and how that was found."""
    times = max(found.ratio, 1 / found.ratio)
    word = "faster" if found.ratio < 1 else "slower"
    return (
        f"{times:.2f} times {word} than the other here: {plural(found.runs, 'run')} of each in "
        f"turn, {plural(found.threads, 'thread')}."
    )


def fused_text(found: Latency) -> str:
    """How many layers run on integers and which do not; "" for a model without layers."""
    kernels = found.kernels
    layers = kernels.layers
    if not layers:
        return ""
    integer = kernels.in_integers()
    text = f"{len(integer)} of {plural(len(layers), 'layer')} run on integers"
    loose = kernels.not_fused()
    if loose:
        text += f"; stored on integers and computed in float: {_names(loose)}"
    return f"{text}."


def speed_reasons(found: Latencies) -> tuple[str, ...]:
    """What makes the second model slower, or keeps it from being faster; none where nothing does.

    Cost: linear in the number of layers.
    """
    return tuple(_reasons(found.first, found.second, slower=found.ratio > 1))


def _reasons(first: Latency, second: Latency, *, slower: bool) -> Iterator[str]:
    now, before = second.operators, first.operators
    dynamic = now.get("ConvInteger", 0)
    if dynamic:
        yield (
            f"{plural(dynamic, 'convolution')} run as ConvInteger: onnxruntime has no fast kernel "
            "for it, where float Conv has blocked ones, and each range is found anew in every run. "
            "Calibrated activations become QLinearConv."
        )
    loose = second.kernels.not_fused()
    if loose:
        yield (
            f"{_names(loose)} {'computes' if len(loose) == 1 else 'compute'} in float although the "
            "file stores integers: there is no integer kernel for these types, or no quantizer on "
            "every side. What they read is dequantized first, in every run."
        )
    more = {op: now.get(op, 0) - before.get(op, 0) for op in _CONVERTERS}
    count = sum(number for number in more.values() if number > 0)
    if count:
        shown = ", ".join(f"{number} {op}" for op, number in more.items() if number > 0)
        times = "time" if count == 1 else "times"
        yield f"Values change between floats and integers {count} {times} in a run: {shown}."
    packed = now.get("MatMulNBits", 0)
    if packed:
        yield (
            f"{plural(packed, 'product')} unpack their weights as they go (MatMulNBits): that "
            "saves memory, and time only where memory is what a run waits for."
        )
    blocked = before.get("ReorderOutput", 0) and not now.get("ReorderOutput", 0)
    turned = now.get("Transpose", 0) - before.get("Transpose", 0)
    if slower and turned > 0:
        yield (
            f"{turned} more of Transpose: integer convolutions want channels last"
            f"{', float ones here run in blocks of channels' if blocked else ''}."
        )
    alone = _on_their_own(before, now)
    if slower and alone:
        shown = ", ".join(f"{count} {op}" for op, count in alone)
        yield (
            f"Operators that float layers take along run on their own: {shown}. Each reads and "
            "writes all of its tensor once more."
        )
    if slower and first.median_ms < _TINY_MS:
        yield (
            "A run of the first model takes so little time that what each operator costs beside "
            "its arithmetic decides."
        )


def _on_their_own(before: Mapping[str, int], now: Mapping[str, int]) -> list[tuple[str, int]]:
    """Operators between layers of which more run than before, the most frequent first."""
    then: Counter[str] = Counter()
    for op, count in before.items():
        then[_float_name(op)] += count
    more = {
        op: count - then[_float_name(op)]
        for op, count in now.items()
        if _float_name(op) in _BETWEEN and count > then[_float_name(op)]
    }
    return sorted(more.items(), key=lambda pair: (-pair[1], pair[0]))[:_NAMED]


def _float_name(op: str) -> str:
    return op.removeprefix("QLinear").removeprefix("Nhwc")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
