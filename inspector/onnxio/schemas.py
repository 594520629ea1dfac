"""What the ONNX standard says of an operator, and what a model says of its own functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import onnx
from onnx import AttributeProto, FunctionProto
from onnx.defs import OpSchema

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.loading import Model

Default: TypeAlias = int | float | str | tuple[Any, ...] | None
Use = Literal["single", "optional", "variadic"]

OWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training"})
"""Domains whose operators the standard documents."""

_NEWEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ParameterDoc:
    """A formal input or output.

    Attributes:
        name: "X", "weight".
        doc: what it is; may be empty.
        use: whether it may be left out, or stands for any number of tensors (the last one only).
    """

    name: str
    doc: str = ""
    use: Use = "single"


@dataclass(frozen=True, slots=True)
class AttributeDoc:
    """An attribute an operator may have.

    Attributes:
        name: "kernel_shape".
        type: "int", "ints", "float", "string", "tensor", "graph" and so on.
        default: what holds where it is not set; None where there is none.
        required: whether it must be set.
        doc: what it means; may be empty.
    """

    name: str
    type: str = ""
    default: Default = None
    required: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class OperatorDoc:
    """What is written of an operator.

    Attributes:
        op_type: its name.
        domain: "" for ONNX's own.
        since: the version of the domain in which it took this form; 0 for functions of a model.
        summary: what it does, in the standard's light markup.
        inputs: formal inputs in order.
        outputs: formal outputs in order.
        attributes: by name, alphabetical.
        deprecated: whether the standard has given it up.
    """

    op_type: str
    domain: str
    since: int
    summary: str
    inputs: tuple[ParameterDoc, ...] = ()
    outputs: tuple[ParameterDoc, ...] = ()
    attributes: tuple[AttributeDoc, ...] = ()
    deprecated: bool = False

    def attribute(self, name: str) -> AttributeDoc | None:
        """What is written of one attribute."""
        return next((known for known in self.attributes if known.name == name), None)

    def input_at(self, position: int) -> ParameterDoc | None:
        """The formal input at a position; a variadic one stands at all positions from its own."""
        return _at(self.inputs, position)

    def output_at(self, position: int) -> ParameterDoc | None:
        """The formal output at a position."""
        return _at(self.outputs, position)


def _at(parameters: tuple[ParameterDoc, ...], position: int) -> ParameterDoc | None:
    if position < len(parameters):
        return parameters[position]
    if parameters and parameters[-1].use == "variadic":
        return parameters[-1]
    return None


@lru_cache(maxsize=512)
def operator_doc(op_type: str, domain: str, opset: int) -> OperatorDoc | None:
    """What the standard says of an operator.

    Args:
        op_type: the operator.
        domain: "" for ONNX's own.
        opset: the version of the domain that the model imports; 0 for the newest that is known.

    Returns:
        None for operators of other domains, and for those the version does not have.
    """
    if domain not in OWN_DOMAINS:
        return None
    domain = "" if is_onnx_domain(domain) else domain
    try:
        schema = onnx.defs.get_schema(op_type, opset if opset > 0 else _NEWEST, domain)
    except (onnx.defs.SchemaError, UnicodeEncodeError):
        return None
    return OperatorDoc(
        schema.name,
        schema.domain,
        schema.since_version,
        schema.doc or "",
        tuple(_parameter(value) for value in schema.inputs),
        tuple(_parameter(value) for value in schema.outputs),
        tuple(_attribute(schema.attributes[name]) for name in sorted(schema.attributes)),
        schema.deprecated,
    )


def function_doc(model: Model, op_type: str, domain: str) -> OperatorDoc | None:
    """What a model says of a function of its own; None where it has no such function.

    The last of several of one name counts, as in onnxruntime.
    """
    function = next(
        (
            known
            for known in reversed(model.proto.functions)
            if known.name == op_type and _same_domain(known.domain, domain)
        ),
        None,
    )
    return None if function is None else _of_function(function)


def _same_domain(one: str, other: str) -> bool:
    return one == other or (is_onnx_domain(one) and is_onnx_domain(other))


def _of_function(function: FunctionProto) -> OperatorDoc:
    attributes = [AttributeDoc(name, required=True) for name in function.attribute]
    attributes += [
        AttributeDoc(proto.name, _type_name(proto.type), _value(proto), doc=proto.doc_string)
        for proto in function.attribute_proto
    ]
    return OperatorDoc(
        function.name,
        function.domain,
        0,
        function.doc_string,
        _plain(function.input),
        _plain(function.output),
        tuple(sorted(attributes, key=lambda attribute: attribute.name)),
    )


def _plain(names: Iterable[str]) -> tuple[ParameterDoc, ...]:
    return tuple(ParameterDoc(name) for name in names)


def _parameter(value: OpSchema.FormalParameter) -> ParameterDoc:
    uses: dict[Any, Use] = {
        OpSchema.FormalParameterOption.Optional: "optional",
        OpSchema.FormalParameterOption.Variadic: "variadic",
    }
    return ParameterDoc(value.name, value.description or "", uses.get(value.option, "single"))


def _attribute(attribute: OpSchema.Attribute) -> AttributeDoc:
    proto = attribute.default_value
    return AttributeDoc(
        attribute.name,
        str(attribute.type).rsplit(".", 1)[-1].lower(),
        _value(proto),
        bool(attribute.required),
        attribute.description or "",
    )


def _type_name(kind: int) -> str:
    try:
        return str(AttributeProto.AttributeType.Name(kind)).lower()
    except ValueError:
        return ""


def _value(proto: AttributeProto) -> Default:
    match proto.type:
        case AttributeProto.INT:
            return proto.i
        case AttributeProto.FLOAT:
            return proto.f
        case AttributeProto.STRING:
            return proto.s.decode("utf-8", "replace")
        case AttributeProto.INTS:
            return tuple(proto.ints)
        case AttributeProto.FLOATS:
            return tuple(proto.floats)
        case AttributeProto.STRINGS:
            return tuple(item.decode("utf-8", "replace") for item in proto.strings)
    return None
