"""The numbers of a quantity as text, and back: 12.3 dB, 1.20 MB, 4.6 M, 115 M MAC."""

from __future__ import annotations

import math
import re

from inspector.report.units import bytes_text, count_tick, decibel_text
from inspector.session.quantities import Quantity

_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?) ?([kmgt]?)", re.IGNORECASE)
_LONGEST = 40


def quantity_text(quantity: Quantity, value: float | None) -> str:
    """A number with its unit; – where it is not known."""
    if value is None or math.isnan(value):
        return "–"
    if quantity.unit == "dB":
        return decibel_text(value)
    if quantity.unit == "B":
        return bytes_text(value)
    return f"{spaced_count(value)} {quantity.unit}".rstrip()


def spaced_count(value: float) -> str:
    """A count with three digits and a prefix: 812, 4.6 M."""
    text = count_tick(value)
    return f"{text[:-1]} {text[-1]}" if text[-1:].isalpha() else text


def parse_quantity(quantity: Quantity, text: str) -> float | None:
    """What a user means by a number, with or without prefix and unit: 12, 12 dB, 1.2 MB, 4.6M.

    Args:
        quantity: what the number is of.
        text: as typed.

    Returns:
        The number in the quantity's unit; None where the text is not understood, or is no number
        that there can be.
    """
    plain = " ".join(text.replace("−", "-").split())
    if len(plain) > _LONGEST:
        return None
    unit = quantity.unit
    if unit and plain.lower().endswith(unit.lower()):
        plain = plain[: -len(unit)].rstrip()
    if "." not in plain:
        plain = plain.replace(",", ".")
    found = _NUMBER.fullmatch(plain)
    if found is None or (found[2] and unit == "dB"):
        return None
    value = float(found[1]) * _PREFIXES[found[2].lower()]
    return value if math.isfinite(value) else None
