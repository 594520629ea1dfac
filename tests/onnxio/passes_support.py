"""What the tests of the passes share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from hypothesis import settings
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector.onnxio.draft import whole_proto
from inspector.onnxio.loading import model_of
from inspector.onnxio.passes import PassReport, prepare

node = helper.make_node
examples = settings(deadline=None, max_examples=25)


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Uniform random float32 values between -2 and 2."""
    return rng.uniform(-2, 2, shape).astype(np.float32)


def op_types(proto: ModelProto) -> list[str]:
    """The operators of a model, in order."""
    return [item.op_type for item in proto.graph.node]


def prepared(
    run: Any,
    before: ModelProto,
    feeds: dict[str, np.ndarray],
    *,
    skip: Collection[str] = (),
) -> tuple[ModelProto, dict[str, PassReport]]:
    """Prepare a model, compare its outputs in onnxruntime, and return it with the reports."""
    data = before.SerializeToString(deterministic=True)
    model, reports = prepare(model_of(before), skip=frozenset(skip))
    assert before.SerializeToString(deterministic=True) == data
    after = whole_proto(model)
    expected, found = run(data, feeds), run(after.SerializeToString(), feeds)
    names = [value.name for value in before.graph.output]
    assert [value.name for value in after.graph.output] == names
    for want, got in zip(expected, found, strict=True):
        assert (want.dtype, want.shape) == (got.dtype, got.shape)
        scale = max(float(np.abs(want).max(initial=0)), 1e-3)
        half = 20 if want.dtype == np.float16 else 1
        np.testing.assert_allclose(got, want, rtol=1e-4 * half, atol=1e-4 * half * scale)
    return after, {report.name: report for report in reports}


def to_half(proto: ModelProto) -> ModelProto:
    """The same model in float16."""
    for index, tensor in enumerate(proto.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            half = numpy_helper.from_array(values.astype(np.float16), tensor.name)
            proto.graph.initializer[index].CopyFrom(half)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return proto


def listed_as_inputs(proto: ModelProto) -> ModelProto:
    """The same model as IR version 3 wants it: every initializer is an input too."""
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        proto.graph.input.append(info)
    return proto


def in_a_branch(nodes: Sequence[NodeProto], output: str) -> list[NodeProto]:
    """Nodes that run a subgraph on what it reads from outside."""
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    branch = helper.make_graph(list(nodes), "branch", [], [value])
    return [
        node("ReduceSum", ["y"], ["sum"], "sum", keepdims=0),
        node("Greater", ["sum", "sum"], ["test"], "test"),
        node("If", ["test"], [output], "if", then_branch=branch, else_branch=branch),
    ]
