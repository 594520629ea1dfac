r"""The patterns that name layers in a rule.

`*` stands for any run of characters (slashes too), `?` for exactly one. Nothing else is a wildcard:
a `[` stands for itself, because node names hold brackets far more often than people mean a
character set. A backslash takes the meaning from a following `*`, `?` or `\`, and from a leading
`op:`; before anything else it stands for itself. Matching is case-sensitive, on the whole name. A
pattern that starts with `op:` matches the operator instead of the name (`op:Gemm`, `op:Conv*`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from inspector.graph.model import Layer

OPERATOR_PREFIX = "op:"
_TOKEN = re.compile(r"\\([*?\\])|([*?])|([^*?\\]+|\\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern.

    Attributes:
        text: as it was written.
        by_operator: it matches the operator, not the name.
        literal: the one string that it matches, or None where it has wildcards.
        regex: what it matches as a whole, where it has wildcards.
    """

    text: str
    by_operator: bool
    literal: str | None
    regex: re.Pattern[str] | None

    @property
    def exact_name(self) -> str | None:
        """The one layer name that this matches, or None where it can match several layers."""
        return None if self.by_operator else self.literal

    def matches(self, layer: Layer) -> bool:
        """Whether the layer's name (or operator) is what the pattern asks for."""
        subject = layer.op_type if self.by_operator else layer.name
        if self.regex is None:
            return subject == self.literal
        return self.regex.fullmatch(subject) is not None


@lru_cache(maxsize=65536)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern; every text is one."""
    by_operator = text.startswith(OPERATOR_PREFIX)
    body = text[len(OPERATOR_PREFIX) :] if by_operator else text
    if body.startswith("\\" + OPERATOR_PREFIX) and not by_operator:
        body = body[1:]
    tokens = _TOKEN.findall(body)
    if not any(wildcard for _, wildcard, _ in tokens):
        literal = "".join(escaped or plain for escaped, _, plain in tokens)
        return Pattern(text, by_operator, literal, regex=None)
    segments = [""]
    for escaped, wildcard, plain in tokens:
        if wildcard == "*":
            segments.append("")
        else:
            segments[-1] += "." if wildcard else re.escape(escaped or plain)
    return Pattern(text, by_operator, literal=None, regex=re.compile(_join(segments), re.DOTALL))


def escape(name: str) -> str:
    """The pattern that matches this name and nothing else."""
    escaped = re.sub(r"([*?\\])", r"\\\1", name)
    return "\\" + escaped if escaped.startswith(OPERATOR_PREFIX) else escaped


def nearest_layers(pattern: str, layers: Sequence[Layer], count: int = 3) -> tuple[str, ...]:
    """Patterns that the writer of one that matches nothing may have meant, the likeliest first.

    Args:
        pattern: the text of the pattern.
        layers: the layers of the model.
        count: how many to give at most.
    """
    compiled = compile_pattern(pattern)
    if compiled.by_operator:
        operators = _unique(layer.op_type for layer in layers)
        wanted = pattern[len(OPERATOR_PREFIX) :]
        near = _closest(wanted, operators, count) or operators[:count]
        return tuple(OPERATOR_PREFIX + operator for operator in near)
    names = _unique(layer.name for layer in layers)
    core = pattern.strip("*?")
    inside = [name for name in names if core and core.lower() in name.lower()]
    near = (inside or _closest(core, names, count) or names)[:count]
    return tuple(escape(name) for name in near)


def _closest(wanted: str, names: Sequence[str], count: int) -> list[str]:
    by_lower = {name.lower(): name for name in reversed(names)}
    found = difflib.get_close_matches(wanted.lower(), list(by_lower)[:2000], n=count, cutoff=0.4)
    return [by_lower[name] for name in found]


def _join(segments: Sequence[str]) -> str:
    """The expression for segments with a star between each two.

    Each inner segment is taken where it first occurs and never tried again (an atomic group): that
    is enough for a glob, and keeps a row of stars from exploding.
    """
    if len(segments) == 1:
        return segments[0]
    inner = "".join(f"(?>.*?{segment})" for segment in segments[1:-1])
    return f"{segments[0]}{inner}.*{segments[-1]}"


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
