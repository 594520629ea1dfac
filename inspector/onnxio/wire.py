"""Finding the big weights in a serialized model without decoding them.

Decoding a 100 MB model copies every weight, and each look at one copies it again. The layout of a
protobuf message is simple enough (https://protobuf.dev/programming-guides/encoding) to find where
the raw bytes of each big initializer lie, to cut them out, and to decode only what is left: a few
hundred kilobytes. The weights are then views into the file's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Field numbers of onnx.proto (onnx/onnx.proto, fixed for ever by the format).
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_TENSOR_DATA_TYPE = 2
_TENSOR_FLOAT_DATA = 4
_TENSOR_RAW_DATA = 9
_TENSOR_DOUBLE_DATA = 10
_TENSOR_DATA_LOCATION = 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT, _DOUBLE = 1, 11
_STORED_ELSEWHERE = bytes([_TENSOR_DATA_LOCATION << 3, 1])


class WireError(ValueError):
    """The bytes are not a protobuf message; `truncated` says that they end too early."""

    def __init__(self, message: str, *, truncated: bool = False) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: its number, wire type, and where it and its value lie."""

    number: int
    wire: int
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Split:
    """A serialized model without its big weights.

    Attributes:
        light: the model's bytes, the big initializers marked as stored elsewhere.
        places: (offset, length) in the original bytes of the values of each initializer that was
            cut out, by the initializer's position in the graph.
    """

    light: bytes
    places: dict[int, tuple[int, int]]


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError("a varint is too long")
    raise WireError("the message ends inside a number", truncated=True)


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message at data[start:end].

    Raises:
        WireError: if that is not a message.
    """
    at = start
    while at < end:
        tag, value = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise WireError("a field has the number 0")
        if wire == _BYTES:
            length, value = _varint(data, value, end)
            stop = value + length
        elif wire == _VARINT:
            _, stop = _varint(data, value, end)
        elif wire in {_FIXED32, _FIXED64}:
            stop = value + (4 if wire == _FIXED32 else 8)
        else:
            raise WireError(f"a field has the wire type {wire}")
        if stop > end:
            raise WireError("the message ends inside a field", truncated=True)
        yield Field(number, wire, at, value, stop)
        at = stop


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _payload(data: bytes, tensor: Field) -> Field | None:
    """The one field of a tensor that holds all its values as plain little-endian bytes."""
    found: list[Field] = []
    data_type = 0
    for field in fields(data, tensor.value, tensor.end):
        if field.number == _TENSOR_DATA_TYPE and field.wire == _VARINT:
            data_type, _ = _varint(data, field.value, field.end)
        elif field.number == _TENSOR_DATA_LOCATION:
            return None
        elif field.number in {_TENSOR_FLOAT_DATA, _TENSOR_RAW_DATA, _TENSOR_DOUBLE_DATA}:
            found.append(field)
    if len(found) != 1 or found[0].wire != _BYTES:
        return None
    # Packed float_data and double_data have the same bytes as raw_data of their own type.
    own = {_TENSOR_FLOAT_DATA: _FLOAT, _TENSOR_DOUBLE_DATA: _DOUBLE}.get(found[0].number, data_type)
    return found[0] if own == data_type else None


def split_weights(data: bytes, threshold: int) -> Split:
    """Cut the values of big initializers out of a serialized ModelProto.

    Args:
        data: the file's bytes.
        threshold: initializers whose message has at least this many bytes are cut out.

    Raises:
        WireError: if the bytes are not a protobuf message.
    """
    top = list(fields(data, 0, len(data)))
    graphs = [f for f in top if f.number == _MODEL_GRAPH and f.wire == _BYTES]
    if len(graphs) != 1:
        return Split(data, {})
    graph = graphs[0]
    parts: list[bytes] = []
    places: dict[int, tuple[int, int]] = {}
    kept = graph.value
    index = 0
    for field in fields(data, graph.value, graph.end):
        if field.number != _GRAPH_INITIALIZER or field.wire != _BYTES:
            continue
        if field.end - field.value >= threshold:
            payload = _payload(data, field)
            if payload is not None:
                places[index] = (payload.value, payload.end - payload.value)
                body = b"".join(
                    (
                        data[field.value : payload.start],
                        data[payload.end : field.end],
                        _STORED_ELSEWHERE,
                    )
                )
                tag = _encode(_GRAPH_INITIALIZER << 3 | _BYTES)
                parts += [data[kept : field.start], tag, _encode(len(body)), body]
                kept = field.end
        index += 1
    if not places:
        return Split(data, {})
    parts.append(data[kept : graph.end])
    body = b"".join(parts)
    tag = _encode(_MODEL_GRAPH << 3 | _BYTES)
    light = b"".join((data[: graph.start], tag, _encode(len(body)), body, data[graph.end :]))
    return Split(light, places)
