"""Specs as text for the clipboard: that of the weights, and that of the activations below it."""

from __future__ import annotations

from inspector.errors import InspectorError, SpecError
from inspector.gui.spec_edits import Chosen
from inspector.quant.spec import QuantSpec, Role

LONGEST = 200
_ROLES: tuple[Role, ...] = ("weights", "activations")
_FORM = (
    "Copy a layer's spec first (Ctrl+Shift+C), or copy two lines such as int8:channel and uint8."
)


def to_text(chosen: Chosen) -> str:
    """The two text forms, one a line; the first is empty for a layer without weights."""
    return "\n".join("" if spec is None else str(spec) for spec in chosen)


def from_text(text: str) -> Chosen:
    """Read what `to_text` wrote; an empty line leaves its part as it is.

    Raises:
        InspectorError: it is something else, or cannot be computed; says which line is wrong.
    """
    lines = text[: 4 * LONGEST].splitlines()
    while len(lines) > len(_ROLES) and not lines[-1].strip():
        lines.pop()
    if len(lines) != len(_ROLES) or not "".join(lines).strip():
        raise InspectorError("The clipboard holds no spec to paste.", _FORM)
    weights, activations = (_read(line, role) for line, role in zip(lines, _ROLES, strict=True))
    return weights, activations


def _read(line: str, role: Role) -> QuantSpec | None:
    line = line.strip()
    if not line:
        return None
    if len(line) > LONGEST:
        raise InspectorError("The clipboard holds no spec to paste.", _FORM)
    try:
        spec = QuantSpec.parse(line)
        if not spec.is_float:
            spec.require_computable(role)
    except InspectorError as error:
        where = f"Nothing was pasted: the {role} are wrong. {error.message}"
        raise SpecError(where, error.hint) from None
    kind = spec.granularity.kind if spec.granularity is not None else "tensor"
    if role == "activations" and kind != "tensor":
        raise SpecError(
            f"Nothing was pasted: activations cannot be quantized per {kind} ({spec}).",
            "Use the granularity tensor for activations.",
        )
    return spec
