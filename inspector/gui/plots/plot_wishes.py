"""What each plot asks of the background: frozen work, and what its answer depends on."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.gui.plots.plot_work import Wish
from inspector.gui.plots.range_ticks import RangeTick
from inspector.gui.plots.shown import Subject
from inspector.quant.curves import (
    BITS,
    Pause,
    chosen_rows,
    methods_of,
    powers,
    range_of_method,
    some_rows,
    sqnr_by_bits,
    tradeoff,
)
from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.metrics import decibels
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec, RangeMethod
from inspector.quant.spread import Boxes, Heat, channel_boxes, channel_heat, error_histogram

Floats = NDArray[np.float64]
Show = Callable[[Any], None]

_WIDEST = 12
"""Rows whose ranges are found: those of the largest reach, where the ends are."""
_MANY = 512
"""Rows whose clipping and rounding is added up."""
SOME = 24
"""Rows whose SQNR is found at every width."""


def _key(subject: Subject, what: str, *more: Hashable) -> Hashable:
    spec = subject.facts.spec
    return (what, subject.role, subject.layer, spec.granularity, subject.row, *more)


def _grid_key(spec: QuantSpec) -> Hashable:
    """All of a spec but its range."""
    return (spec.dtype, spec.symmetric, spec.pow2)


def can_compare(subject: Subject) -> bool:
    """Whether other choices can be computed for a tensor."""
    spec = subject.facts.spec
    quantized = not spec.pow2 and subject.facts.qparams is not None
    return quantized and subject.values is not None and subject.values.total > 0


def tick_wish(subject: Subject, show: Show) -> Wish:
    """The ranges of all methods."""
    values, spec = subject.seen, subject.facts.spec
    assert values is not None
    methods = methods_of(spec)
    key = _key(subject, "ticks", _grid_key(spec), methods)

    def work(pause: Pause) -> tuple[RangeTick, ...]:
        some = some_rows(values, _WIDEST, widest=True)
        return tuple(RangeTick(m, *range_of_method(some, spec, m, pause)) for m in methods)

    return Wish(key, work, show)


def bits_wishes(subject: Subject, show: Callable[[RangeMethod, Floats], None]) -> list[Wish]:
    """SQNR for each width, one wish for each method; the quick ones first."""
    values, spec = subject.seen, subject.facts.spec
    assert values is not None

    def work(method: RangeMethod, pause: Pause) -> Floats:
        return sqnr_by_bits(some_rows(values, SOME), spec, method, BITS, pause)

    order = sorted(methods_of(spec), key=lambda method: method.kind == "kl")
    signs = (spec.signed, spec.symmetric, spec.pow2)
    return [
        Wish(_key(subject, "bits", signs, m), partial(work, m), partial(show, m)) for m in order
    ]


def sample_of(values: Distribution) -> tuple[NDArray[np.intp], Floats]:
    """The rows that curves are made from, and the power of each."""
    rows = chosen_rows(values, SOME)
    return rows, powers(values)[rows]


def present_of_some(
    subject: Subject, sample: tuple[NDArray[np.intp], Floats]
) -> tuple[float, float]:
    """The SQNR of the present choice in dB: of all rows, and of those that curves are made from.

    Args:
        subject: what is shown.
        sample: `sample_of` its values.
    """
    profile, values = subject.facts.profile, subject.values
    if profile is None or values is None:
        return np.nan, np.nan
    if subject.row is not None:
        one = float(profile.sqnr_db[subject.row])
        return one, one
    rows, power = sample
    if len(profile.mse) != values.rows or values.rows <= SOME:
        return profile.total_sqnr_db, profile.total_sqnr_db
    error = (profile.mse[rows] * values.count[rows]).sum()
    return profile.total_sqnr_db, float(decibels(power.sum(), error))


def tradeoff_wish(subject: Subject, show: Show) -> Wish:
    """Clipping against rounding."""
    values, spec = subject.seen, subject.facts.spec
    assert values is not None
    own = _at_rest(values, spec)
    return Wish(
        _key(subject, "tradeoff", _grid_key(spec)),
        lambda pause: tradeoff(some_rows(values, _MANY), own, pause=pause),
        show,
    )


def _at_rest(values: Distribution, spec: QuantSpec) -> QuantSpec:
    """The spec for a distribution of its own."""
    return spec if values.rows > 1 else replace(spec, range=RangeMethod("minmax"))


def errors_wish(subject: Subject, show: Show) -> Wish:
    """The errors that the present grid makes."""
    values, qp = subject.seen, subject.facts.qparams
    assert values is not None
    assert qp is not None
    grid = qp if subject.row is None or qp.rows == 1 else _of_row(qp, subject.row)
    codes = (grid.qmin, grid.qmax, hash(grid.scale.tobytes()), hash(grid.zero_point.tobytes()))
    return Wish(
        _key(subject, "errors", codes),
        lambda pause: error_histogram(values, grid, pause=pause),
        show,
    )


def _of_row(qp: QParams, row: int) -> QParams:
    scale, zero = qp.scale.reshape(-1)[row], qp.zero_point.reshape(-1)[row]
    return QParams(scale, zero, qp.qmin, qp.qmax, table=qp.table)


def channels_wish(subject: Subject, show: Callable[[tuple[Boxes, Heat]], None]) -> Wish:
    """The ranges and the values of all channels."""
    values = subject.values
    assert isinstance(values, ExactDistribution)
    key = _key(replace(subject, row=None), "channels")
    return Wish(key, lambda pause: (channel_boxes(values), channel_heat(values, pause=pause)), show)
