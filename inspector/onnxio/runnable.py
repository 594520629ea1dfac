"""A model as the runtime takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto

from inspector.errors import ModelError, UnsupportedError
from inspector.onnxio.draft import MAX_PROTO, Draft, fill
from inspector.onnxio.loading import Model
from inspector.onnxio.tensors import stored_bytes

EMBED_BYTES: Final = 1 << 24
"""Models with fewer bytes of big weights than this are handed over as one piece."""

_SHARED_TYPES: Final = frozenset(
    {
        TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT8,
        TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16, TensorProto.INT32,
        TensorProto.UINT32, TensorProto.INT64, TensorProto.UINT64, TensorProto.BOOL,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Runnable:
    """A serialized model, and weights to hand over beside it.

    Attributes:
        data: the serialized ModelProto.
        arrays: values of initializers that `data` marks as external, to be given to the session
            with ``SessionOptions.add_external_initializers``; the session reads them in place, so
            they must stay alive as long as it does. Empty for small models. They are read-only and
            little-endian; mapped files are read when the session first touches them.
    """

    data: bytes
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))


def runnable(
    model: Model, *, outputs: Sequence[str] | None = None, embed_below: int = EMBED_BYTES
) -> Runnable:
    """Make a model ready for a session.

    Args:
        model: any model; not changed.
        outputs: tensors of the main graph to be the outputs, in this order, instead of the model's
            own. What they do not need is removed. Constants and graph inputs cannot be outputs.
        embed_below: total bytes of big weights from which on they are handed over as arrays.

    Raises:
        ModelError: if an output is not a tensor that the graph computes.
        UnsupportedError: if more than 2 GB are of types that cannot be handed over as arrays.
    """
    draft = Draft(model)
    if outputs is not None:
        _expose(draft, outputs)
    proto = draft.proto
    total = sum(stored_bytes(s.elem_type, s.shape) for s in model.sources.values())
    arrays: dict[str, NDArray[Any]] = {}
    embedded = proto.ByteSize()
    for tensor in proto.graph.initializer:
        source = model.sources.get(tensor.name)
        if source is None:
            continue
        if total >= embed_below and source.elem_type in _SHARED_TYPES:
            arrays[tensor.name] = np.asarray(source.load())
            continue
        embedded += stored_bytes(source.elem_type, source.shape)
        if embedded > MAX_PROTO:
            raise UnsupportedError("The model holds more than 2 GB of weights of unusual types.")
        fill(tensor, source)
    return Runnable(proto.SerializeToString(), MappingProxyType(arrays))


def _expose(draft: Draft, outputs: Sequence[str]) -> None:
    graph = draft.graph
    computed = {name for node in graph.node for name in node.output if name}
    for name in outputs:
        if name not in computed:
            raise ModelError(f"'{name}' is not a tensor that the model computes.")
    known = {value.name: value for value in (*graph.value_info, *graph.output)}
    values = [_value_info(name, known) for name in dict.fromkeys(outputs)]
    del graph.output[:]
    graph.output.extend(values)
    draft.sweep()


def _value_info(name: str, known: Mapping[str, ValueInfoProto]) -> ValueInfoProto:
    # Without a type where none is known: the runtime infers it.
    return deepcopy(known[name]) if name in known else ValueInfoProto(name=name)
