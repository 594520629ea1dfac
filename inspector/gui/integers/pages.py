"""What the tab of integers says of a number and of an output, in rows. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inspector.gui.integers.stages import type_name
from inspector.gui.properties.page import Block, Page, Pair, Prose, Section
from inspector.quant.accumulator import bits_for
from inspector.quant.fixed_point import Coded, coded, row_of
from inspector.quant.kernels import dequantize
from inspector.quant.qparams import QParams
from inspector.report.units import count_text, plural

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.worked import CrossTerms, Requantized, Worked


def whole(value: int) -> str:
    """An integer with thin spaces and a real minus sign."""
    return count_text(value).replace("-", "−")


def real(value: float) -> str:
    """A real value with enough digits to be computed with."""
    return f"{value:.7g}".replace("-", "−")


# One number ---------------------------------------------------------------------------------------


def number_page(value: float, grid: QParams, row: int) -> Page:
    """A number on a grid, in every notation, with its neighbours.

    Args:
        value: the number.
        grid: of the tensor.
        row: which of the grid's scales.

    Raises:
        DataError: NaN, which has no code.
    """
    one_grid = row_of(grid, row)
    one = coded(value, one_grid)
    scale = float(one_grid.scale)
    rows = [
        Pair("Code", whole(one.code), number=True),
        Pair("Hex", one.hexadecimal, number=True),
        Pair("Binary", one.binary, number=True),
        Pair("On the grid", real(one.real), number=True),
        Pair("Error", real(one.error), number=True),
    ]
    if grid.table is None:
        rows.append(Pair("", _steps(one.error / scale), "muted", number=True))
    if one.q_format:
        rows.insert(3, Pair("Fixed point", _fixed_point(one, scale), number=True, doc=_Q_DOC))
    if one.clipped:
        end = "lowest" if one.code == grid.qmin else "highest"
        rows.append(Pair("Clipped", f"to the {end} code", "warning", number=True))
    else:
        rows.append(Pair("Clipped", "no", number=True))
    rows += [_neighbour(one, one_grid, step) for step in (-1, 1)]
    return Page("", "", (Section("", tuple(rows)),), key="number")


def _steps(steps: float) -> str:
    """An error in steps of the grid, which are its least significant bits."""
    shown = f"{steps:+.3f}" if abs(steps) < 1e4 else f"{steps:+.3g}"
    return f"{shown} LSB".replace("-", "−")


_Q_DOC = (
    Block(
        "Qm.n: m bits before the binary point, without the sign, and n behind it. The scale is "
        "2^−n, so the code is the number times 2^n."
    ),
)


def _fixed_point(one: Coded, scale: float) -> str:
    exponent = round(float(np.log2(scale)))
    return f"{one.q_format} = {whole(one.code)} × 2^{exponent}".replace("-", "−")


def _neighbour(one: Coded, grid: QParams, step: int) -> Pair:
    code = one.code + step
    name = "Next below" if step < 0 else "Next above"
    if not grid.qmin <= code <= grid.qmax:
        return Pair(name, "none: the end of the grid", "muted", number=True)
    value = float(dequantize(np.int32(code), grid))
    return Pair(name, f"{whole(code)} = {real(value)}", number=True)


def number_of(text: str, grid: QParams, row: int) -> float:
    """The number that a user has typed: a real value, or a code in hexadecimal or binary.

    Raises:
        ValueError: it is neither.
    """
    plain = text.strip().replace("\u2212", "-").replace("\u2009", "").replace(",", ".")
    digits = plain.replace(" ", "").replace("_", "")
    if digits[:2].lower() not in ("0x", "0b"):
        value = float(plain)
        if np.isnan(value):
            raise ValueError(text)
        return value
    code = int(digits, 0)
    one = row_of(grid, row)
    if grid.table is not None:  # its codes are places among levels, not what is stored
        raise ValueError(text)
    bits = coded(0.0, one).bits
    if code >= 1 << bits:
        raise ValueError(text)
    if grid.qmin < 0 and code >= 1 << (bits - 1):
        code -= 1 << bits
    return float(dequantize(np.int32(code), one))


# One output ---------------------------------------------------------------------------------------


def worked_page(one: Worked, width: int) -> Page:
    """One output element, step by step.

    Args:
        one: what was found.
        width: bits of the target's accumulator.
    """
    sections = [_products(one), _sum(one, width), _cross(one.cross, one)]
    if one.requantized is not None:
        sections.append(_requantize(one, one.requantized))
    sections.append(_result(one))
    note = () if one.is_exact else (_NOT_EXACT,)
    head = Section("", note)
    return Page("", "", (head, *sections), key=f"worked {one.layer}")


_NOT_EXACT = Prose(
    (
        Block(
            "The file computes this layer in float on its quantized operands. These are the "
            "integers of a target that has kernels for them."
        ),
    )
)


def _products(one: Worked) -> Section:
    za, zw = (int(grid.zero_point) for grid in (one.left, one.right))
    rows = [
        Pair(f"{_step(term.left, za)} × {_step(term.right, zw)}", whole(term.product), number=True)
        for term in one.terms
    ]
    left = one.count - len(one.terms)
    if left:
        rows.append(Pair(f"and {plural(left, 'product')} more", "…", "muted", number=True))
    if one.padded:
        rows.append(Pair(f"{one.padded} on the border of zeros", "0", "muted", number=True))
    types = f"{type_name(one.left)} × {type_name(one.right)}"
    return Section("Products", tuple(rows), types)


def _step(code: int, zero: int) -> str:
    if not zero:
        return whole(code) if code >= 0 else f"({whole(code)})"
    sign = "−" if zero > 0 else "+"
    return f"({whole(code)} {sign} {abs(zero)})"


def _sum(one: Worked, width: int) -> Section:
    rows = [Pair(f"Sum of {plural(one.count, 'product')}", whole(one.products), number=True)]
    if one.bias is not None:
        rows.append(Pair("+ bias", whole(one.bias), number=True))
    rows.append(Pair("Accumulator", whole(one.accumulator), number=True))
    used = bits_for(min(one.accumulator, 0), max(one.accumulator, 0))
    bits = Pair("Bits it takes", f"{used} of {width}", number=True)
    rows.append(bits if used <= width else replace(bits, tone="warning"))
    rows.append(Pair("1 stands for", real(one.unit), number=True))
    return Section("Sum", tuple(rows))


def _cross(cross: CrossTerms, one: Worked) -> Section:
    """The same sum from codes as they are, where zero points make a difference."""
    za, zw = (int(grid.zero_point) for grid in (one.left, one.right))
    if not za and not zw:
        return Section("", ())
    rows = [Pair("Products of codes", whole(cross.raw), number=True)]
    if zw:
        rows.append(Pair(f"− {zw} × sum of inputs", whole(cross.left), number=True))
    if za:
        rows.append(Pair(f"− {za} × sum of weights", whole(cross.right), number=True))
    if za and zw:
        rows.append(Pair(f"+ {one.count} × {za} × {zw}", whole(cross.both), number=True))
    rows.append(Pair("The same sum", whole(one.products), number=True))
    return Section("Zero points", tuple(rows), "codes as they are")


def _requantize(one: Worked, found: Requantized) -> Section:
    shift = f"{found.shift}".replace("-", "−")
    rows = [
        Pair("× multiplier", real(found.multiplier), number=True),
        Pair("as an integer m", whole(found.whole), number=True),
        Pair("and a shift", shift, number=True, doc=_SHIFT_DOC),
        Pair("Scaled", real(found.scaled), number=True),
    ]
    if one.activation:
        rows.append(Pair(f"Behind {one.activation}", real(found.folded), number=True))
    rows += [
        Pair(f"Rounded + {found.zero_point}, clamped", whole(found.code), number=True),
        Pair("By m and shift alone", whole(found.integer_code), number=True, doc=_INTEGER_DOC),
    ]
    return Section("Requantize", tuple(rows))


_SHIFT_DOC = (Block("multiplier = m × 2^(shift − 31), with m of 31 bits (Jacob et al. 2018)."),)
_INTEGER_DOC = (
    Block(
        "Saturating rounding doubling high multiply, then a rounding shift, as in TFLite and "
        "CMSIS-NN. It may differ by one code where two roundings meet."
    ),
)


def _result(one: Worked) -> Section:
    error = one.real - one.expected
    rows = [
        Pair("Result", real(one.real), number=True),
        Pair("Float model", real(one.expected), number=True),
        Pair("Error", real(error), number=True),
    ]
    if one.requantized is not None:
        steps = _steps(error / one.requantized.scale)
        rows.append(Pair("", steps, "muted", number=True))
    return Section("Result", tuple(rows))
