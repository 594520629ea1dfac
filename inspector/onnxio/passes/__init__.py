"""Rewrites of a model that keep its float outputs.

Each pass is a function from a Model to a new Model and a report. None changes the model it is
given, and all share the weights that they do not rewrite.
"""

from __future__ import annotations

from collections.abc import Callable

from inspector.onnxio.inference import keep_types
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.constants_to_initializers import constants_to_initializers
from inspector.onnxio.passes.drop_identity import drop_identity
from inspector.onnxio.passes.fold_batch_norm import fold_batch_norm
from inspector.onnxio.passes.fold_bias import fold_bias
from inspector.onnxio.passes.fold_constants import fold_constants
from inspector.onnxio.passes.fuse_gemm import fuse_gemm
from inspector.onnxio.passes.name_nodes import name_nodes
from inspector.onnxio.passes.normalize_gemm import normalize_gemm
from inspector.onnxio.passes.recurrent_weights import recurrent_weights
from inspector.onnxio.passes.report import PassReport
from inspector.progress import pause

Pass = Callable[[Model], tuple[Model, PassReport]]

PASSES: tuple[Pass, ...] = (
    name_nodes,
    constants_to_initializers,
    drop_identity,
    fold_constants,
    normalize_gemm,
    fold_bias,
    fold_batch_norm,
    fuse_gemm,
    recurrent_weights,
)
"""The passes before quantization, in order."""

_TELLING: frozenset[Pass] = frozenset({fold_constants, drop_identity})
"""Those after which inference may find out more; the others leave every tensor's type as it was."""

__all__ = ["PASSES", "Pass", "PassReport", "prepare"]


def prepare(model: Model) -> tuple[Model, tuple[PassReport, ...]]:
    """Make a model ready for quantization; its float outputs stay as they are within rounding.

    Args:
        model: as loaded; not changed.

    Returns:
        The model that all later steps work on, and what each pass did and left.

    Raises:
        ModelError: if the graph is no graph: a cycle, a tensor with two producers or with none.
    """
    reports: list[PassReport] = []
    for run in PASSES:
        before = model
        model, report = run(before)
        reports.append(report)
        if model is not before and run not in _TELLING:
            keep_types(before, model)
        pause()
    return model, tuple(reports)
