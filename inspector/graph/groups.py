"""Parts of a graph that belong together: name scopes, or blocks that repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from inspector.graph.blocks import Wiring, find_blocks
from inspector.graph.model import Graph, Node
from inspector.graph.quantizers import is_quantizer
from inspector.graph.scopes import scopes_of
from inspector.progress import paced, pause

_WELL_NAMED = 0.3
"""From which part of the operators on their names are taken for scopes."""
_WRAPPER = 0.9
"""From which part of the operators on a scope with others in it tells nothing."""


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that belong together.

    Attributes:
        path: unique, ends with "/": "/layer1/layer1.0/", or "block 1/" for a block that was found
            by its structure.
        title: the last part of the path, short where the group around says the rest.
        parent: path of the group around it; "" for none.
        nodes: names of all nodes in it, also of the groups inside, in graph order.
        like: how many groups, this one included, have the same operators, attributes and wiring.
    """

    path: str
    title: str
    parent: str
    nodes: tuple[str, ...]
    like: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Groups(Mapping[str, Group]):
    """The groups of a graph by their paths, each after the one around it. Equal only to itself."""

    _groups: Mapping[str, Group]
    _innermost: Mapping[str, str]

    def __getitem__(self, path: str) -> Group:
        """The group of that path; KeyError where there is none."""
        return self._groups[path]

    def __iter__(self) -> Iterator[str]:
        """The paths."""
        return iter(self._groups)

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def groups_of(self, node: str) -> tuple[Group, ...]:
        """The groups that a node is in, the innermost first; none for a name that is unknown."""
        found: list[Group] = []
        path = self._innermost.get(node, "")
        while path:
            found.append(self._groups[path])
            path = found[-1].parent
        return tuple(found)

    def outermost(self, closed: Set[str]) -> dict[str, Group]:
        """The outermost closed group of each node that is in any. O(groups + nodes)."""
        chosen: dict[str, Group] = {}
        for path, group in self._groups.items():
            if group.parent in chosen:
                chosen[path] = chosen[group.parent]
            elif path in closed:
                chosen[path] = group
        return {name: chosen[path] for name, path in self._innermost.items() if path in chosen}


def find_groups(graph: Graph) -> Groups:
    """The groups of a graph, each of two operators or more.

    Names with scopes ("/layer1/layer1.0/conv1/Conv", "a/b/c" and "layer1.0.conv1") are taken at
    their word; where the names have none, blocks that repeat one after the other are found by their
    structure. A group with the same operators as the only group in it is one with that, and a scope
    around nearly all of the graph is none. Constants and quantizers do not count as operators.

    Args:
        graph: the graph.

    Cost: O(nodes * depth of the scopes), or near-linear for blocks.
    """
    operators = [node for node in paced(graph.nodes) if not _is_aside(node)]
    scopes = scopes_of(graph.nodes)
    pause()
    counted = {node.name for node in operators}
    named = sum(
        1
        for node, paths in paced(zip(graph.nodes, scopes, strict=True))
        if paths and node.name in counted
    )
    wiring = Wiring(graph, operators)
    if named < max(_WELL_NAMED * len(operators), 2):
        return _blocks(wiring)
    return _named(graph.nodes, scopes, wiring)


def _is_aside(node: Node) -> bool:
    return node.op_type == "Constant" or is_quantizer(node)


def _blocks(wiring: Wiring) -> Groups:
    """One group for each block."""
    blocks = find_blocks(wiring)
    like = Counter(block.signature for block in blocks)
    groups: dict[str, Group] = {}
    for number, block in enumerate(blocks, start=1):
        nodes = tuple(node.name for node in wiring.operators[block.start : block.end])
        path = f"block {number}/"
        groups[path] = Group(path, path[:-1], "", nodes, like[block.signature])
    return _groups(groups)


def _named(nodes: Sequence[Node], scopes: Sequence[tuple[str, ...]], wiring: Wiring) -> Groups:
    """One group for each scope that is worth one."""
    numbers = {node.name: number for number, node in enumerate(wiring.operators)}
    members: dict[str, list[str]] = {}
    operators: dict[str, list[int]] = {}
    for node, paths in paced(zip(nodes, scopes, strict=True)):
        number = numbers.get(node.name)
        for path in paths:
            members.setdefault(path, []).append(node.name)
            if number is not None:
                operators.setdefault(path, []).append(number)
    parents = _parents(list(dict.fromkeys(scopes)), operators, len(wiring.operators))
    signatures = {path: wiring.signature(operators[path]) for path in paced(parents)}
    pause()
    like = Counter(signatures.values())
    return _groups(
        {
            path: Group(
                path, _title(path, parent), parent, tuple(members[path]), like[signatures[path]]
            )
            for path, parent in parents.items()
        }
    )


def _parents(
    scopes: Sequence[tuple[str, ...]], operators: Mapping[str, Sequence[int]], total: int
) -> dict[str, str]:
    """The paths worth a group with the path around each, outer ones first."""
    skipped = {  # scopes with the same operators as one inside, or with all there is
        outer
        for paths in scopes
        for outer, path in pairwise(paths)
        if len(operators.get(outer, ())) == len(operators.get(path, ()))
        or (len(operators.get(outer, ())) >= _WRAPPER * total and len(operators.get(path, ())) > 1)
    }
    found: dict[str, str] = {}
    for paths in scopes:
        parent = ""
        for path in paths:
            count = len(operators.get(path, ()))
            if 2 <= count < total and path not in skipped:
                found.setdefault(path, parent)
                parent = path
    return found


def _title(path: str, parent: str) -> str:
    """What a path has beyond that of the group around; its last part where that is a number."""
    last = path[:-1].rsplit("/", 1)[-1] or path
    if not parent or not path.startswith(parent[:-1]):
        return last
    beyond = path[len(parent) - 1 : -1].strip("/.").rsplit("/", 1)[-1]
    return last if beyond.isdecimal() else beyond or last


def _groups(groups: dict[str, Group]) -> Groups:
    """Indexed by node; outer groups come first, so that inner ones have the last word."""
    innermost: dict[str, str] = {}
    for path, group in groups.items():
        innermost.update(dict.fromkeys(group.nodes, path))
    return Groups(groups, innermost)
