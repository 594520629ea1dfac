"""A whole model in one file, with no more than one of its big weights in memory.

A serialized message is the sequence of its fields, each a key, for bytes a length, and the value
(Protocol Buffers, "Encoding"). So what is around the weights is serialized as usual, and they are
written between.
"""

from __future__ import annotations

from typing import BinaryIO

from onnx import GraphProto, ModelProto, TensorProto

from inspector.onnxio.loading import Model
from inspector.onnxio.tensors import Source, stored_bytes

_GRAPH = ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_INITIALIZER = GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
_RAW_DATA = TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number


def write_model(model: Model, file: BinaryIO) -> None:
    """Writes what `draft.whole_proto` would give, serialized.

    Args:
        model: below 2 GB, which is for the caller to know.
        file: where to.

    Raises:
        OSError: it cannot be written.
    """
    shell, graph = ModelProto(), GraphProto()
    shell.CopyFrom(model.proto)
    shell.ClearField("graph")
    graph.CopyFrom(model.proto.graph)
    tensors = [_Tensor(tensor, model.sources.get(tensor.name)) for tensor in graph.initializer]
    graph.ClearField("initializer")
    head = graph.SerializeToString()
    size = len(head) + sum(len(tensor.key) + tensor.size for tensor in tensors)
    file.write(shell.SerializeToString())
    file.write(_key(_GRAPH, size))
    file.write(head)
    for tensor in tensors:
        tensor.write(file)


class _Tensor:
    """One initializer: what is said of it, and where its values are."""

    def __init__(self, tensor: TensorProto, source: Source | None) -> None:
        self._source = source
        self._raw_key = b""
        self.size = 0
        if source is not None:
            tensor.ClearField("data_location")
            del tensor.external_data[:]
            count = stored_bytes(source.elem_type, source.shape)
            self._raw_key = _key(_RAW_DATA, count)
            self.size = len(self._raw_key) + count
        self._head = tensor.SerializeToString()
        self.size += len(self._head)
        self.key = _key(_INITIALIZER, self.size)

    def write(self, file: BinaryIO) -> None:
        file.write(self.key)
        file.write(self._head)
        if self._source is not None:
            file.write(self._raw_key)
            file.write(self._source.raw().data)


def _key(field: int, length: int) -> bytes:
    """The key and the length that stand before bytes: wire type 2, both as varints."""
    return _varint(field << 3 | 2) + _varint(length)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
