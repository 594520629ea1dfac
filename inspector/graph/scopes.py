"""Scopes in the names of nodes: "/layer1/layer1.0/conv1/Conv" is in three."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from inspector.graph.model import Node
from inspector.progress import paced

MAX_DEPTH = 24
"""Scopes further inside than that are not told apart."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+", re.ASCII)
_CLEARLY = 0.6
_TORN = 3


def scopes_of(nodes: Sequence[Node]) -> list[tuple[str, ...]]:
    """The paths of the scopes of each node, the outermost first: ("/layer1/", "/layer1/0/").

    Slashes separate scopes, and dots inside of a part do, unless the part repeats the one before as
    PyTorch writes it ("layer1/layer1.0"). Where no name has a slash dots count if most names are
    words with dots between, and what they name lies together in the graph: exporters number nodes
    by operator ("p2o.Conv.3"), too. Of a name that a tool has put together from several ("a/b;a/c")
    the first counts; one that was made up from an output's name tells by that.

    Cost: O(length of all names).
    """
    names = [_telling_name(node) for node in paced(nodes)]
    if any("/" in name[1:] for name in names):
        around = [name[: name.rfind("/") + 1] for name in names]
        known = {scope: _slashed(scope) for scope in paced(dict.fromkeys(around))}
        return [known[scope] for scope in around]
    dotted = sum(1 for name in paced(names) if _DOTTED.fullmatch(name))
    if dotted < max(_CLEARLY * len(names), 2):
        return [()] * len(names)
    paths = [_dotted(name, 0, len(name)) for name in paced(names)]
    deepest = [path[-1] for path in paths if path]
    pieces = sum(1 for _ in groupby(deepest))
    return paths if pieces < _TORN * len(set(deepest)) else [()] * len(names)


def _telling_name(node: Node) -> str:
    output = next((name for name in node.outputs if name), "")
    made_up = output and node.name.startswith(f"{node.op_type}_{output}")
    return (output if made_up else node.name).split(";", 1)[0]


def _slashed(name: str) -> tuple[str, ...]:
    """The scopes of a name up to its last slash."""
    found: list[str] = []
    start, before = 0, ""
    end = name.find("/", 1)
    while end != -1 and len(found) < MAX_DEPTH:
        part = name[start:end].strip("/")
        if part:
            if "." in part and not part.startswith(f"{before}."):
                found += _dotted(name, end - len(part), end)
            found.append(f"{name[:end]}/")
            before = part
        start, end = end, name.find("/", end + 1)
    return tuple(found)


def _dotted(name: str, start: int, end: int) -> tuple[str, ...]:
    """The scopes in name[start:end], where the last word is no scope."""
    if not _DOTTED.fullmatch(name, start, end):
        return ()
    dots = [index for index in range(start, end) if name[index] == "."]
    return tuple(f"{name[:dot]}/" for dot in dots[:MAX_DEPTH])
