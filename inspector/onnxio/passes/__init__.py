"""Rewrites of a model that keep its float outputs."""

from __future__ import annotations

from collections.abc import Callable

from inspector.onnxio.loading import Model
from inspector.onnxio.passes.name_nodes import name_nodes
from inspector.onnxio.passes.report import PassReport

Pass = Callable[[Model], tuple[Model, PassReport]]

PASSES: tuple[Pass, ...] = (name_nodes,)
"""The passes before quantization, in order."""

__all__ = ["PASSES", "Pass", "PassReport", "prepare"]


def prepare(model: Model) -> tuple[Model, tuple[PassReport, ...]]:
    """Make a model ready for quantization, with float outputs that stay within rounding.

    Args:
        model: as loaded; not changed.

    Returns:
        The model that all later steps work on, and what each pass did and left.
    """
    reports: list[PassReport] = []
    for run in PASSES:
        model, report = run(model)
        reports.append(report)
    return model, tuple(reports)
