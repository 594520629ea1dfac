"""The attributes of nodes, decoded when somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from onnx import AttributeProto, TensorProto

from inspector.errors import ModelError
from inspector.graph.model import AttributeValue
from inspector.onnxio.constants import decode
from inspector.onnxio.tensors import dtype_name, stored_bytes

NO_ATTRIBUTES: Mapping[str, AttributeValue] = MappingProxyType({})

_SHOWN_BYTES = 1 << 16


class LateAttributes(Mapping[str, AttributeValue]):
    """Attributes by name, all of them decoded when one is asked for.

    Of a graph of 20,000 nodes most are never looked at. Made for attributes that hold no graphs.

    Args:
        protos: of a proto that is not changed any more.
    """

    __slots__ = ("_known", "_protos")

    def __init__(self, protos: Iterable[AttributeProto]) -> None:
        self._protos: Iterable[AttributeProto] | None = protos
        self._known: Mapping[str, AttributeValue] = NO_ATTRIBUTES

    def _values(self) -> Mapping[str, AttributeValue]:
        protos = self._protos
        if protos is not None:
            self._known = {attribute.name: attribute_value(attribute) for attribute in protos}
            self._protos = None  # last: another thread may be here as well
        return self._known

    def __getitem__(self, name: str) -> AttributeValue:
        """The attribute of that name; KeyError where there is none."""
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        """The names, as the file has them."""
        return iter(self._values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values())

    def __repr__(self) -> str:
        """As a dict is written."""
        return repr(dict(self._values()))

    def __reduce__(self) -> tuple[type[dict[str, AttributeValue]], tuple[Any, ...]]:
        """In another process it is a dict."""
        return dict, (dict(self._values()),)


def attribute_value(attribute: AttributeProto) -> AttributeValue:
    """What an attribute holds, if that is no graph.

    In the body of a function an attribute may refer to one of the function's: it is "@" and the
    name of that.
    """
    if attribute.ref_attr_name:
        return f"@{attribute.ref_attr_name}"
    match attribute.type:
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.STRING:
            return _text(attribute.s)
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.STRINGS:
            return tuple(_text(item) for item in attribute.strings)
        case AttributeProto.TENSOR:
            return _tensor(attribute.t)
        case AttributeProto.TENSORS:
            return tuple(_tensor(tensor) for tensor in attribute.tensors)
        case AttributeProto.SPARSE_TENSOR:
            sparse = attribute.sparse_tensor
            return f"sparse {_summary(sparse.values.data_type, tuple(sparse.dims))}"
    return str(AttributeProto.AttributeType.Name(attribute.type)).lower()


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _tensor(tensor: TensorProto) -> AttributeValue:
    """A tensor's values if it is small and sound, else its type and shape as text."""
    shape = tuple(tensor.dims)
    if stored_bytes(tensor.data_type, shape) <= _SHOWN_BYTES:
        try:
            return decode(tensor)
        except ModelError:
            return _summary(tensor.data_type, shape)
    return _summary(tensor.data_type, shape)


def _summary(elem_type: int, shape: tuple[int, ...]) -> str:
    return f"{dtype_name(elem_type)}{list(shape)}"
