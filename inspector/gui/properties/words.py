"""Values, types and names as the sidebar writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inspector.graph.model import Dim, Graph, Tensor
from inspector.gui.properties.prose import one_line
from inspector.onnxio.values import bytes_of
from inspector.report.units import bytes_text, count_text, plural

UNKNOWN = "–"
_TIMES = "\u2009×\u2009"
SHORT, LONG = 200, 4000
"""Characters of a value on one line, and of an opened one."""


def shape_text(shape: Sequence[Dim] | None) -> str:
    """1 × 64 × N × ?, with thin spaces; "scalar" where there is no dimension."""
    if shape is None:
        return "shape unknown"
    if not shape:
        return "scalar"
    shown = ["?" if dim is None else one_line(str(dim), 40) for dim in shape[:16]]
    return _TIMES.join(shown) + (f"{_TIMES}…" if len(shape) > 16 else "")


def type_text(tensor: Tensor | None) -> str:
    """float32[1 × 64 × 56 × 56]; float32 scalar."""
    if tensor is None or (not tensor.dtype and tensor.shape is None):
        return "type unknown"
    return _typed(tensor.dtype or "type unknown", tensor.shape)


def _typed(dtype: str, shape: Sequence[Dim] | None) -> str:
    text = shape_text(shape)
    return (
        f"{dtype}[{text}]" if shape else f"{dtype}, {text}" if shape is None else f"{dtype} {text}"
    )


def tensor_bytes(tensor: Tensor | None) -> int | None:
    """Bytes of a tensor's values; None where that is not known."""
    size = None if tensor is None else tensor.size
    if tensor is None or size is None:
        return None
    return bytes_of(tensor.dtype, size) or (None if size else 0)


def size_text(tensor: Tensor) -> str:
    """37.6 kB, 9 408 values."""
    size, count = tensor_bytes(tensor), tensor.size
    if count is None:
        return UNKNOWN
    values = plural(count, "value")
    return values if size is None else f"{bytes_text(size)}, {values}"


def number_text(value: Any) -> str:
    """A number with six significant digits; integers in full; whatever else it may be as text."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(value).replace("-", "\u2212")
    if isinstance(value, (complex, np.complexfloating)):
        real, imaginary = number_text(float(value.real)), number_text(abs(float(value.imag)))
        sign = "\u2212" if math.copysign(1.0, value.imag) < 0 else "+"
        return f"{real} {sign} {imaginary}i"
    if isinstance(value, (str, bytes)):
        return string_text(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return one_line(str(value), SHORT)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞" if number > 0 else "\u2212∞"
    return f"{number:.6g}".replace("-", "\u2212")


def string_text(value: str | bytes, most: int = SHORT) -> str:
    """A string in quotation marks, with what cannot be read escaped."""
    shown = repr(value[:most]) if isinstance(value, bytes) else f'"{one_line(value, most)}"'
    return shown + (f" ({count_text(len(value))} characters)" if len(value) > most else "")


def value_text(value: Any, most: int = SHORT) -> str:
    """An attribute's value in at most about so many characters, however long it is.

    Cost O(characters written).
    """
    if isinstance(value, Graph):
        return plural(len(value.nodes), "node")
    if isinstance(value, (str, bytes)):
        return string_text(value, most)
    if isinstance(value, np.ndarray):
        head = _typed(value.dtype.name.replace("object", "string"), value.shape)
        if value.ndim == 0:
            return number_text(value[()])
        return f"{_list(value.reshape(-1), most)}  {head}" if value.size <= 64 else head
    if isinstance(value, (tuple, list)):
        return _list(value, most)
    return number_text(value)


def _list(values: Sequence[Any] | np.ndarray[Any, Any], most: int) -> str:
    parts: list[str] = []
    length = 0
    for place, value in enumerate(values):
        part = value_text(value, 80)
        length += len(part) + 2
        if length > most:
            return f"[{', '.join(parts)}, … {count_text(len(values) - place)} more]"
        parts.append(part)
    return f"[{', '.join(parts)}]"


def domain_text(domain: str) -> str:
    """ONNX's own domain by its full name."""
    return one_line(domain, 80) or "ai.onnx"


def operator_text(op_type: str, domain: str) -> str:
    """Conv; com.microsoft.FusedConv."""
    name = one_line(op_type, 80) or "(no operator)"
    return f"{one_line(domain, 60)}.{name}" if domain else name


def opset_text(opsets: Mapping[str, int]) -> list[tuple[str, str]]:
    """Domain and version of each import, ONNX's own first."""
    return [(domain_text(name), str(opsets[name])) for name in sorted(opsets)]
