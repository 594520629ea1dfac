"""Finding the big weights in a serialized model without decoding them.

Decoding a 100 MB model copies every weight, and each look at one copies it again. The layout of a
protobuf message is simple enough (https://protobuf.dev/programming-guides/encoding) to find where
the raw bytes of each big initializer lie, to cut them out, and to decode only what is left: a few
hundred kilobytes. The weights are then views into the file's bytes, and to find them only those few
hundred kilobytes have to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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
_PIECE = 1 << 20
_HEAD = 20  # bytes of the longest tag and length


class WireError(ValueError):
    """The bytes are not a protobuf message; `truncated` says that they end too early."""

    def __init__(self, message: str, *, truncated: bool = False) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.truncated = truncated


class Store(Protocol):
    """Bytes that lie somewhere and are read in parts."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self, start: int, end: int) -> bytes:
        """Those from start to end; fewer where they end before."""

    def window(self, start: int) -> tuple[bytes, int]:
        """Some bytes, at least `_HEAD` if there are so many, and the place of their first."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """A store of bytes that are there already."""

    data: bytes

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        """Those from start to end."""
        return self.data[start:end]

    def window(self, start: int) -> tuple[bytes, int]:
        """All."""
        return self.data, 0


class Field(NamedTuple):
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
        pieces: the model's bytes, the big initializers marked as stored elsewhere, in messages that
            make the model when they are merged one after the other. Decoding keeps Python's lock;
            a large graph in one piece would stall other threads.
        places: (offset, length) in the original bytes of the values of each initializer that was
            cut out, by the initializer's position in the graph.
    """

    pieces: tuple[bytes, ...]
    places: dict[int, tuple[int, int]]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError("a varint is too long")


def fields(store: Store, start: int, end: int) -> Iterator[Field]:
    """The fields of the message that lies in a store from start to end.

    Raises:
        WireError: if that is not a message.
    """
    try:
        yield from _fields(store, start, end)
    except IndexError as error:
        raise WireError("the message ends inside a number", truncated=True) from error


def _fields(store: Store, start: int, end: int) -> Iterator[Field]:
    """The same; IndexError where the bytes end. Cost: half a microsecond for each field."""
    at = start
    data, base = store.window(at)
    full = base + len(data) - _HEAD
    while at < end:
        if at > full:
            data, base = store.window(at)
            full = max(base + len(data) - _HEAD, at)
        place = at - base
        tag = data[place]
        place += 1
        if tag > 0x7F:
            tag, place = _varint(data, place - 1)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise WireError("a field has the number 0")
        value = base + place
        if wire == _BYTES:
            length = data[place]
            place += 1
            if length > 0x7F:
                length, place = _varint(data, place - 1)
            value = base + place
            stop = value + length
        elif wire == _VARINT:
            stop = base + _varint(data, place)[1]
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


def _payload(store: Store, tensor: Field) -> Field | None:
    """The one field of a tensor that holds all its values as plain little-endian bytes."""
    found: list[Field] = []
    data_type = 0
    for field in fields(store, tensor.value, tensor.end):
        if field.number == _TENSOR_DATA_TYPE and field.wire == _VARINT:
            data_type, _ = _varint(store.read(field.value, field.end), 0)
        elif field.number == _TENSOR_DATA_LOCATION:
            return None
        elif field.number in {_TENSOR_FLOAT_DATA, _TENSOR_RAW_DATA, _TENSOR_DOUBLE_DATA}:
            found.append(field)
    if len(found) != 1 or found[0].wire != _BYTES:
        return None
    # Packed float_data and double_data have the same bytes as raw_data of their own type.
    own = {_TENSOR_FLOAT_DATA: _FLOAT, _TENSOR_DOUBLE_DATA: _DOUBLE}.get(found[0].number, data_type)
    return found[0] if own == data_type else None


def split_weights(store: Store, threshold: int) -> Split:
    """Cut the values of big initializers out of a serialized ModelProto.

    Args:
        store: the file's bytes; the values that are cut out are not read.
        threshold: initializers whose message has at least this many bytes are cut out.

    Raises:
        WireError: if the bytes are not a protobuf message.
    """
    top = list(fields(store, 0, store.size))
    graphs = [f for f in top if f.number == _MODEL_GRAPH and f.wire == _BYTES]
    if len(graphs) != 1:
        return Split((store.read(0, store.size),), {})
    graph = graphs[0]
    parts: list[bytes] = []
    pieces: list[bytes] = [store.read(0, graph.start)]
    places: dict[int, tuple[int, int]] = {}
    kept = begun = graph.value
    index = 0
    for field in fields(store, graph.value, graph.end):
        if field.start - begun > _PIECE:
            parts.append(store.read(kept, field.start))
            pieces.append(_graph_of(parts))
            parts, kept, begun = [], field.start, field.start
        if field.number != _GRAPH_INITIALIZER or field.wire != _BYTES:
            continue
        if field.end - field.value >= threshold:
            payload = _payload(store, field)
            if payload is not None:
                places[index] = (payload.value, payload.end - payload.value)
                begun += payload.end - payload.value
                body = b"".join(
                    (
                        store.read(field.value, payload.start),
                        store.read(payload.end, field.end),
                        _STORED_ELSEWHERE,
                    )
                )
                tag = _encode(_GRAPH_INITIALIZER << 3 | _BYTES)
                parts += [store.read(kept, field.start), tag, _encode(len(body)), body]
                kept = field.end
        index += 1
    parts.append(store.read(kept, graph.end))
    pieces += [_graph_of(parts), store.read(graph.end, store.size)]
    return Split(tuple(piece for piece in pieces if piece), places)


def _graph_of(parts: list[bytes]) -> bytes:
    """Some fields of a graph as a model that holds nothing else."""
    size = sum(map(len, parts))
    return b"".join((_encode(_MODEL_GRAPH << 3 | _BYTES), _encode(size), *parts))
