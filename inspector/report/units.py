"""Numbers as text, with their units: the same in the window, on the command line, in reports."""

from __future__ import annotations

import math

_UNKNOWN = "–"


def bytes_text(count: float) -> str:
    """A size: 812 B, 78.8 kB, 4.95 MB (powers of 1000)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{_significant(count / size)} {unit}"
    return f"{count:.0f} B"


def decibel_text(value: float | None) -> str:
    """A ratio in dB with one decimal; ∞ where nothing is lost."""
    if value is None or math.isnan(value):
        return _UNKNOWN
    if math.isinf(value):
        return "∞ dB" if value > 0 else "−∞ dB"
    return f"{value:.1f} dB".replace("-", "−")


def cosine_text(value: float | None) -> str:
    """A similarity with four decimals, never rounded up to 1."""
    if value is None or math.isnan(value):
        return _UNKNOWN
    return ">0.9999" if 0.99995 <= value < 1.0 else f"{value:.4f}".replace("-", "−")


def percent_text(fraction: float | None) -> str:
    """A share in %, never rounded to 0 or 100 where it is neither."""
    if fraction is None or math.isnan(fraction):
        return _UNKNOWN
    percent = 100 * fraction
    if percent == 0:
        return "0 %"
    if 0 < percent < 0.01:
        return "<0.01 %"
    if 99.99 < percent < 100:
        return ">99.99 %"
    return f"{_significant(percent)} %"


def count_text(count: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u2009")


def count_tick(count: float) -> str:
    """A count as an axis has room for: 0, 40, 1.5k, 20k, 3M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"


def value_text(value: float) -> str:
    """A real value with four significant digits."""
    return f"{value:.4g}".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """1 layer, 3 layers."""
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def _significant(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
