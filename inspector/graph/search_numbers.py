"""The figures that a search can compare with a number, and how such numbers are written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Unit = Literal["dB", "B", "bit", ""]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure of a node.

    Attributes:
        name: how a query calls it, in lower case.
        label: how a result calls it.
        unit: of its values; "" for counts and plain numbers.
    """

    name: str
    label: str
    unit: Unit = ""


QUANTITIES: Final[Mapping[str, Quantity]] = MappingProxyType(
    {
        quantity.name: quantity
        for quantity in (
            Quantity("sqnr", "SQNR", "dB"),
            Quantity("asqnr", "activation SQNR", "dB"),
            Quantity("osqnr", "output SQNR", "dB"),
            Quantity("error", "error"),
            Quantity("params", "parameters"),
            Quantity("macs", "MACs"),
            Quantity("size", "size", "B"),
            Quantity("bits", "bits", "bit"),
            Quantity("inputs", "inputs"),
            Quantity("outputs", "outputs"),
        )
    }
)
"""What every model can be asked for; figures given to a search may add others."""

_THOUSANDS: Final = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_BINARY: Final = {f"{prefix}i": 1024.0**power for power, prefix in enumerate("kmgt", 1)}
_SPELLED: Final[Mapping[Unit, tuple[str, ...]]] = {"dB": ("db",), "bit": ("bit", "bits")}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,4})?)([a-z]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it was written.

    Attributes:
        value: in the quantity's unit.
        tolerance: half a unit of the last decimal that was written; 0 without decimals.
    """

    value: float
    tolerance: float = 0.0


def quantity(name: str) -> Quantity:
    """What is known of a quantity; its bare name where nothing is."""
    return QUANTITIES.get(name) or Quantity(name, name)


def parse_amount(text: str, kind: Quantity) -> Amount | None:
    """Read a number with its unit: 20, 20dB, 1e6, 1M, 2.5MB, 4KiB; None where it is none.

    Prefixes are powers of 1000 (k M G T, in either case) or, for sizes, of 1024 (Ki Mi Gi Ti).
    """
    if text.lower() in ("inf", "-inf"):
        return Amount(float(text))
    found = _NUMBER.fullmatch(text.replace("\N{MINUS SIGN}", "-"))
    if found is None:
        return None
    digits, suffix = found[1], found[2].lower()
    factor = _factor(suffix, kind.unit)
    value = float(digits) * factor if factor is not None else math.nan
    if factor is None or not math.isfinite(value):
        return None
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    step = factor * 10.0 ** (min(int(exponent or 0), 300) - decimals)
    return Amount(value, step / 2 if decimals else 0.0)


def _factor(suffix: str, unit: Unit) -> float | None:
    if unit == "B" and suffix.endswith("b"):
        suffix = suffix[:-1]
    elif suffix in _SPELLED.get(unit, ()):
        suffix = ""
    if unit == "B" and suffix in _BINARY:
        return _BINARY[suffix]
    return _THOUSANDS.get(suffix)


def example(kind: Quantity) -> str:
    """A comparison as one might write it."""
    return f"{kind.name}{ {'dB': '<20', 'B': '>2MB', 'bit': '<=4'}.get(kind.unit, '>1.5k') }"


def amount_text(value: float, kind: Quantity) -> str:
    """A figure with its label and unit: "SQNR 12.3 dB", "size 4.95 MB", "parameters 1.2 M"."""
    if math.isinf(value):
        text = "∞" if value > 0 else "−∞"
        return f"{kind.label} {text} {kind.unit}".rstrip()
    if kind.unit == "dB":
        text = f"{value:.1f} dB"
    elif kind.unit == "B":
        text = _scaled(value, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)), " ", " B")
    elif kind.unit == "bit" or kind.name not in QUANTITIES or not float(value).is_integer():
        text = f"{value:.4g}"
    else:
        text = _scaled(value, (("G", 1e9), ("M", 1e6), ("k", 1e4)), " ", "")
    return f"{kind.label} {text.replace('-', '−')}"


def _scaled(value: float, units: tuple[tuple[str, float], ...], gap: str, rest: str) -> str:
    for unit, least in units:
        if abs(value) >= least:
            factor = 1e3 if unit.lower().startswith("k") else least
            return f"{value / factor:.3g}{gap}{unit}"
    return f"{value:.0f}{rest}"
