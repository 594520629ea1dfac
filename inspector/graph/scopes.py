"""Scopes in the names of nodes: "/layer1/layer1.0/conv1/Conv" is in three."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inspector.graph.model import Node

MAX_DEPTH = 24
"""Scopes further inside than that are not told apart."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+", re.ASCII)
_CLEARLY = 0.6


def scopes_of(nodes: Sequence[Node]) -> list[tuple[str, ...]]:
    """The paths of the scopes of each node, the outermost first: ("/layer1/", "/layer1/0/").

    Slashes separate scopes, and where no name has any, dots do, if most names are words with dots
    between. Of a name that a tool has put together from several ("a/b;a/c") the first counts; one
    that was made up from an output's name tells by that.

    Cost: O(length of all names).
    """
    names = [_telling_name(node) for node in nodes]
    if any("/" in name[1:] for name in names):
        return [_paths(name, "/") for name in names]
    dotted = sum(1 for name in names if _DOTTED.fullmatch(name))
    if dotted >= max(_CLEARLY * len(names), 2):
        return [_paths(name, ".") for name in names]
    return [()] * len(names)


def _telling_name(node: Node) -> str:
    output = next((name for name in node.outputs if name), "")
    made_up = output and node.name.startswith(f"{node.op_type}_{output}")
    return (output if made_up else node.name).split(";", 1)[0]


def _paths(name: str, separator: str) -> tuple[str, ...]:
    """Each beginning of a name that ends before a separator, with "/" behind it."""
    found: list[str] = []
    end = name.find(separator, 1)
    while end != -1 and len(found) < MAX_DEPTH:
        if name[end - 1] != separator:
            found.append(name[:end] + "/")
        end = name.find(separator, end + 1)
    return tuple(found)
