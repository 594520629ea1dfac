"""ONNX's own operator tests, thousands of odd little models; asked for, as they take a minute."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from inspector.errors import InspectorError
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.runnable import runnable

# Sloppy types that onnxruntime checks only once the sizes are constant, as they are here.
_REFUSED_BY_THE_RUNTIME = "affine_grid"


@pytest.mark.skipif(
    not os.environ.get("QUANT_INSPECTOR_STRESS"), reason="QUANT_INSPECTOR_STRESS is not set"
)
@pytest.mark.parametrize("constant", [False, True])
def test_every_operator_test_of_onnx(run, constant) -> None:
    """Each is shown and prepared, and gives the same; once with all its inputs as constants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    compared = 0
    for case in cases:
        before = ModelProto()
        before.CopyFrom(case.model)
        inputs = case.data_sets[0][0] if case.data_sets else []
        feeds = dict(zip((value.name for value in before.graph.input), inputs, strict=False))
        if constant:
            for name, value in feeds.items():
                if isinstance(value, np.ndarray):
                    before.graph.initializer.append(numpy_helper.from_array(value, name))
        try:
            model = model_of(before)
            prepared, reports = prepare(model)
            extract_graph(prepared)
        except InspectorError:
            continue
        changed = any(report.changed for report in reports if report.name != "name_nodes")
        if not changed or _REFUSED_BY_THE_RUNTIME in case.name:
            continue
        compared += _is_alike(run, before, runnable(prepared).data, feeds)
    assert compared > 200


def _is_alike(run, before: ModelProto, after: bytes, feeds: dict[str, np.ndarray]) -> bool:
    """Compare two models; False where onnxruntime has no kernel for the first."""
    try:
        expected = run(before.SerializeToString(), feeds, optimize=True)
    except Exception:
        return False
    for want, got in zip(expected, run(after, feeds, optimize=True), strict=True):
        if isinstance(want, np.ndarray) and want.dtype.kind in "fiub":
            loose = 2e-3 if want.dtype == np.float16 else 1e-4
            np.testing.assert_allclose(got, want, rtol=loose, atol=loose)
    return True
