"""The pictures of a report, as SVG: crisp at any size, and the same on a page and in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from inspector.report.units import decibel_text, value_text
from inspector.session.study import TensorStudy

SVG = "http://www.w3.org/2000/svg"
"""The name space that a picture needs when it stands alone; on a page it is understood."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as SVG takes them."""

    text: str
    soft: str
    line: str
    bar: str
    mark: str


PAGE = Palette("var(--text)", "var(--soft)", "var(--line)", "var(--bar)", "var(--mark)")
"""Follows the page, light or dark."""
PAPER = Palette("#1c2430", "#5a6675", "#d9dfe6", "#5b8fb9", "#c2571a")


def histogram(study: TensorStudy, title: str, palette: Palette, width: int = 320) -> str:
    """The values of a tensor, and the range that its grid covers.

    Args:
        study: the tensor.
        title: what stands over it.
        palette: the colours.
        width: in pixels; the height is fixed.

    Returns:
        One svg element. The count axis is logarithmic, so that tails are seen.
    """
    height, top, bottom = 150, 26, 22
    left, right = 8, width - 8
    low = min(study.lo, study.grid_lo)
    high = max(study.hi, study.grid_hi)
    span = high - low or 1.0

    def across(value: float) -> float:
        return left + (right - left) * (value - low) / span

    most = math.log1p(float(study.counts.max(initial=0.0))) or 1.0
    floor = height - bottom
    bars = []
    for start, end, count in zip(study.edges, study.edges[1:], study.counts, strict=False):
        if count > 0:
            tall = (floor - top) * math.log1p(float(count)) / most
            x, wide = across(float(start)), max(across(float(end)) - across(float(start)), 0.4)
            bars.append(f"M{x:.1f} {floor}v{-tall:.1f}h{wide:.1f}V{floor}z")
    ends = "".join(
        f'<path d="M{across(end):.1f} {top - 4}V{floor}" stroke="{palette.mark}" '
        'stroke-dasharray="4 3" stroke-width="1.4"/>'
        for end in (study.grid_lo, study.grid_hi)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="11">'
        f"<title>{escape(title)}: {value_text(study.lo)} to {value_text(study.hi)}</title>"
        f'<text x="{left}" y="13" fill="{palette.text}">{escape(title)}</text>'
        f'<path d="{"".join(bars)}" fill="{palette.bar}"/>{ends}'
        f'<path d="M{left} {floor}H{right}" stroke="{palette.line}"/>'
        f"{_tick(left, height, 'start', value_text(low), palette)}"
        f"{_tick(right, height, 'end', value_text(high), palette)}</svg>"
    )


def _tick(x: float, height: int, anchor: str, text: str, palette: Palette) -> str:
    return (
        f'<text x="{x:.1f}" y="{height - 8}" fill="{palette.soft}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def layer_bars(values: Sequence[float | None], palette: Palette, width: int = 960) -> str:
    """The SQNR of each layer's weights in graph order, in dB, as one bar each.

    Args:
        values: of the layers; None where there is none.
        palette: the colours.
        width: in pixels; the height is fixed.
    """
    height, top, bottom, left = 130, 12, 20, 46
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    most = max(10.0, 10 * math.ceil(max(known) / 10))
    floor = height - bottom
    room = (width - left) / len(values)
    bars = []
    for index, value in enumerate(values):
        if value is None or math.isnan(value):
            continue
        tall = (floor - top) * min(max(value, 0.0), most) / most
        x = left + index * room
        bars.append(f"M{x:.2f} {floor}v{-tall:.1f}h{max(room * 0.8, 0.5):.2f}V{floor}z")
    lines = "".join(
        f'<path d="M{left} {y:.1f}H{width}" stroke="{palette.line}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{palette.soft}">'
        f"{tick:g} dB</text>"
        for tick in np.linspace(0, most, 3)
        for y in [floor - (floor - top) * tick / most]
    )
    lowest = decibel_text(min(known))
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'style="max-width:100%;height:auto" role="img" font-family="sans-serif" font-size="11">'
        f"<title>Weight SQNR of {len(values)} layers, lowest {lowest}</title>"
        f'{lines}<path d="{"".join(bars)}" fill="{palette.bar}"/></svg>'
    )
