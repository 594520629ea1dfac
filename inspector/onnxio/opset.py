"""Raising a model to the opset that its new operators need."""

from __future__ import annotations

from types import MappingProxyType

import onnx
from onnx import ModelProto, version_converter

from inspector import offload
from inspector.errors import UnsupportedError
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model

QDQ_OPSET = 13
"""The first opset whose Quantize- and DequantizeLinear take an axis."""


def opset_of(model: Model) -> int:
    """The version of ONNX's own operators that a model imports; 0 where it imports none."""
    versions = [o.version for o in model.proto.opset_import if is_onnx_domain(o.domain)]
    return max(versions, default=0)


def raise_opset(model: Model, version: int) -> Model:
    """The same model in opset `version`, or the model itself if it is there already.

    Tensors, the names of nodes and the weights stay what they are.

    Raises:
        UnsupportedError: an operator of the model cannot be converted.
        InspectorError: the converter crashed, in a process of its own.
    """
    if opset_of(model) >= version:
        return model
    if not opset_of(model):
        raise UnsupportedError(
            "The model does not say which opset of ONNX's own operators it uses.",
            f"Export it with opset {version} or later.",
        )
    unknown = _undefined_operators(model.proto)
    if unknown:
        raise UnsupportedError(
            f"The model cannot be converted from opset {opset_of(model)} to {version}, which "
            f"quantizers need: ONNX does not define its operators {', '.join(unknown)}.",
            f"Export it with opset {version} or later, without them.",
        )
    data, size = model.proto.SerializeToString(), len(model.proto.graph.node)
    found = offload.call(convert_bytes, data, version, size=size)
    if isinstance(found, str):
        raise UnsupportedError(
            f"The model cannot be converted from opset {opset_of(model)} to {version}: {found}.",
            f"Export it with opset {version} or later.",
        )
    converted = ModelProto()
    converted.ParseFromString(found)
    return _with_values_of(model, converted, version)


def convert_bytes(data: bytes, version: int) -> bytes | str:
    """A serialized light proto in another opset, or why that cannot be."""
    proto = ModelProto()
    proto.ParseFromString(data)
    try:
        converted: ModelProto = version_converter.convert_version(proto, version)
    except Exception as error:  # the converter's C++ code raises bare RuntimeErrors and more
        return _first_line(error)
    serialized: bytes = converted.SerializeToString()
    return serialized


def _undefined_operators(proto: ModelProto) -> list[str]:
    """Operators that claim to be ONNX's own and are not; the converter stops at them."""
    own = {node.op_type for node in proto.graph.node if is_onnx_domain(node.domain)}
    return sorted(name for name in own if not onnx.defs.has(name))


def _with_values_of(model: Model, converted: ModelProto, version: int) -> Model:
    """The converted graph with the original's weights, functions and metadata.

    The converter knows nothing of weights outside the proto, functions and metadata.
    """
    draft = Draft(model)
    known = {tensor.name: tensor for tensor in draft.graph.initializer}
    for index, tensor in enumerate(converted.graph.initializer):
        if tensor.name in known:
            converted.graph.initializer[index].CopyFrom(known[tensor.name])
    present = {tensor.name for tensor in converted.graph.initializer}
    sources = {name: source for name, source in model.sources.items() if name in present}
    draft.proto.graph.CopyFrom(converted.graph)
    for opset in draft.proto.opset_import:
        if is_onnx_domain(opset.domain):
            opset.version = version
    draft.proto.ir_version = max(
        draft.proto.ir_version, onnx.helper.find_min_ir_version_for(draft.proto.opset_import, True)
    )
    return Model(model.path, draft.proto, model.folder, MappingProxyType(sources))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:200]
