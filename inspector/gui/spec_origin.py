"""Where what is chosen for layers was written: for themselves, in a rule, a file, or nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inspector.graph.model import Layer
from inspector.quant.spec import QuantSpec, Role
from inspector.session.recipe import Recipe

OWN, DEFAULT, FILE = "own choice", "default", "from the file"
_MOST = 3
_MOST_LAYERS = 1000
_ROLES: tuple[Role, ...] = ("weights", "activations")


def origin(recipe: Recipe, layer: Layer) -> dict[Role, str]:
    """The origin of what a layer gets, by role: "own choice", "rule op:Gemm" ..."""
    found: dict[Role, str] = {}
    roles = _ROLES if layer.weight is not None else _ROLES[1:]
    if recipe.rules:
        for position in reversed(recipe.index.matching(layer)):
            rule = recipe.rules[position]
            word = OWN if rule.exact_name is not None else f"rule {_line(rule.layers)}"
            for role in roles:
                spec: QuantSpec | None = getattr(rule, role)
                if role not in found and spec is not None:
                    found[role] = FILE if spec.is_pinned else word
    return {role: found.get(role, DEFAULT) for role in roles}


def origin_text(recipe: Recipe, layers: Sequence[Layer]) -> str:
    """The origin of what layers get, in a line or one for each role; how many where it is mixed.

    Cost: a look-up a layer, and a match for each rule with wildcards. Of very many layers it says
    only how many have a choice of their own.
    """
    if not layers:
        return ""
    if not recipe.rules:
        return DEFAULT
    if len(layers) > _MOST_LAYERS:
        own = sum(map(recipe.is_overridden, layers))
        return f"{own} {OWN}, {len(layers) - own} by rule or default"
    lines = Counter(_both(origin(recipe, layer)) for layer in layers)
    if len(lines) == 1:
        return next(iter(lines))
    most = lines.most_common(_MOST)
    words = [f"{count} {line}".replace("\n", " · ") for line, count in most]
    rest = len(layers) - sum(count for _, count in most)
    return ", ".join([*words, f"{rest} other"] if rest else words)


def _both(found: dict[Role, str]) -> str:
    words = set(found.values())
    if len(words) == 1:
        return words.pop()
    return "\n".join(f"{role} {word}" for role, word in found.items())


def _line(text: str) -> str:
    return " ".join(text.split())
