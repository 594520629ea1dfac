"""Units become operators of ONNX where the opset has them, and stay whole where it has not."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.onnxio.draft import whole_proto
from inspector.onnxio.passes import prepare
from tests.graph.test_units import CASES, WIDTH, WRITTEN, model
from tests.onnxio.passes_support import op_types, to_half

OPERATORS = {
    "Gelu": ("Gelu", 20), "GeluTanh": ("Gelu", 20), "HardSwish": ("HardSwish", 14),
    "LayerNorm": ("LayerNormalization", 17),
}  # fmt: skip
PASSES = {
    "Gelu": "fuse_gelu", "GeluTanh": "fuse_gelu", "HardSwish": "fuse_hard_swish",
    "LayerNorm": "fuse_layer_norm", "RMSNorm": "fuse_layer_norm", "SiLU": "fuse_silu",
    "QuickGelu": "fuse_silu", "Mish": "fuse_silu",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), CASES)
@pytest.mark.parametrize("opset", [13, 17, 20])
def test_outputs_stay_and_operators_follow_the_opset(run, kind, text, opset) -> None:
    """Run without optimizations before and after."""
    if opset >= 18 and "axes" in text:
        text = text.replace("axes:-1", "last").replace("axes:1", "last")
    made = _with_axes(model(text, opset=opset), opset)
    prepared, reports = prepare(made)
    found = {report.name: report for report in reports}[PASSES[kind]]
    assert found.changed == 1
    operator, since = OPERATORS.get(kind, ("", 99))
    after = whole_proto(prepared)
    if opset >= since:
        assert op_types(after) == [operator]
        assert found.made == (f"n{len(text.splitlines()) - 1}",)
        assert set(found.gone.values()) == set(found.made)
        assert found.units == ()
    else:
        assert prepared is made or op_types(after) == op_types(made.proto)
        (unit,) = found.units
        assert unit.kind == kind
    x = np.random.default_rng(0).normal(0, 3, (3, WIDTH)).astype(np.float32)
    (want,) = run(whole_proto(made).SerializeToString(), {"x": x})
    (got,) = run(after.SerializeToString(), {"x": x})
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def _with_axes(made, opset):
    """Axes as an input, as ReduceMean wants them from opset 18 on."""
    if opset < 18:
        return made
    from onnx import numpy_helper

    from inspector.onnxio.loading import model_of

    proto = whole_proto(made)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "last"))
    return model_of(proto)


@pytest.mark.parametrize("kind", ["Gelu", "LayerNorm", "HardSwish"])
def test_in_float16(run, kind) -> None:
    """The kernels of float16 round elsewhere, so within its precision."""
    from inspector.onnxio.loading import model_of

    proto = to_half(whole_proto(model(WRITTEN[kind][0], opset=17)))
    prepared, reports = prepare(model_of(proto))
    assert {report.name: report for report in reports}[PASSES[kind]].changed == 1
    x = np.random.default_rng(0).normal(0, 2, (3, WIDTH)).astype(np.float16)
    (want,) = run(proto.SerializeToString(), {"x": x})
    (got,) = run(whole_proto(prepared).SerializeToString(), {"x": x})
    assert got.dtype == np.float16
    np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", sorted(set(PASSES.values())))
def test_each_can_be_switched_off(name) -> None:
    """Then nothing is recognized."""
    kind = next(kind for kind, owner in PASSES.items() if owner == name)
    made = model(WRITTEN[kind][0], opset=17)
    prepared, reports = prepare(made, skip={name})
    report = {one.name: one for one in reports}[name]
    assert report.skipped
    assert (report.changed, report.units) == (0, ())
    assert op_types(prepared.proto) == op_types(made.proto)
