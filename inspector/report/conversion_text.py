"""What a model's conversions between floats and integers are, in words: the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.report.units import plural

Figures = Mapping[str, int]
"""As `inspector.graph.conversions.Counts.to_json` gives them."""

_NAMES = {
    "quantize": "Quantized behind islands",
    "dequantize": "Dequantized before them",
    "dequantize_in_kernels": "… by kernels themselves",
    "islands_in_tables": "Islands done by tables",
    "quantize_inputs": "Model inputs quantized",
    "dequantize_outputs": "Outputs dequantized",
    "quantize_others": "Other floats quantized",
    "requantize": "Requantized to be joined",
}
_OPERATORS = {
    "integer_operators": "Compute on codes",
    "moving_operators": "Move codes",
    "folded_operators": "Folded into clamping",
    "float_operators": "In float",
}


def headline(figures: Figures) -> str:
    """12 float islands cost 24 conversions."""
    islands = figures["float_islands"]
    if not islands:
        if not figures["integer_operators"]:
            return "Everything is computed in float"
        return "No float island: integers all the way"
    verb = "costs" if islands == 1 else "cost"
    cost = plural(figures["conversions"], "conversion")
    return f"{plural(islands, 'float island')} {verb} {cost}"


def conversion_rows(figures: Figures) -> list[tuple[str, int]]:
    """Where values are converted, with how often; what does not occur is left out."""
    return [(name, figures[key]) for key, name in _NAMES.items() if figures[key]]


def operator_rows(figures: Figures) -> list[tuple[str, int]]:
    """What operators do, with how many do so."""
    return [(name, figures[key]) for key, name in _OPERATORS.items() if figures[key]]


def conversions_line(figures: Figures) -> str:
    """The headline, and the most important figures behind it."""
    parts = [f"{figures['quantize']} quantize", f"{figures['dequantize']} dequantize"]
    if figures["dequantize_in_kernels"]:
        parts.append(f"{figures['dequantize_in_kernels']} of them in kernels")
    if figures["requantize"]:
        parts.append(f"{figures['requantize']} requantize")
    shown = f" ({', '.join(parts)})" if figures["conversions"] or figures["requantize"] else ""
    return headline(figures) + shown
