"""The text of a training script: put together from the parts in `resources/qat`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache

from inspector.session.targets import targets_folder

_PARTS = ("operators", "network", "export")
"""In the order in which a script has them."""
_PLACE = "# PARTS\n"


def script_text(words: Mapping[str, str], operators: Iterable[str]) -> str:
    """A script that can do some operators.

    Args:
        words: what takes the place of which @WORD@ of the template.
        operators: names of ONNX operators that are in `known_operators`.
    """
    texts = {name: _source(name) for name in ("train", *_PARTS)}
    bodies = {name: _body(text) for name, text in texts.items()}
    bodies["operators"] = _of_operators(texts["operators"], set(operators))
    imports = {line for text in texts.values() for line in _imports(text)}
    docstring = texts["train"].split('"""')[1]
    for word, value in words.items():
        docstring = docstring.replace(f"@{word}@", _plain(value))
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        bodies["train"] = bodies["train"].replace(f"@{word}@", quoted)
    parts = "\n\n\n".join(bodies[name].strip("\n") for name in _PARTS)
    body = bodies["train"].replace(_PLACE, parts + "\n\n\n", 1).strip("\n")
    body = re.sub(r"\n{4,}", "\n\n\n", body)
    return f'"""{docstring}"""\n\n{_ordered(imports)}\n\n{body}\n'


@cache
def known_operators() -> frozenset[str]:
    """The ONNX operators that scripts can do."""
    tree = ast.parse(_source("operators"))
    return frozenset(name for node in tree.body for name in _names(node))


def _source(name: str) -> str:
    return (targets_folder().parent / "qat" / f"{name}.py").read_text(encoding="utf-8")


def _names(node: ast.stmt) -> tuple[str, ...]:
    """The operators that a function is known as; none of any other statement."""
    if not isinstance(node, ast.FunctionDef):
        return ()
    calls = [one for one in node.decorator_list if isinstance(one, ast.Call)]
    return tuple(ast.literal_eval(argument) for call in calls for argument in call.args)


def _of_operators(text: str, wanted: set[str]) -> str:
    """The functions of some operators, and those that these call."""
    lines = text.splitlines()
    tree = ast.parse(text)
    blocks = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)][1:]
    functions = {node.name: node for node in blocks if isinstance(node, ast.FunctionDef)}
    kept = {name for name, node in functions.items() if wanted & set(_names(node))}
    kept.add("operator")
    while True:
        called = {
            one.id
            for name in kept
            for one in ast.walk(functions[name])
            if isinstance(one, ast.Name) and one.id in functions
        }
        if called <= kept:
            break
        kept |= called
    found: list[str] = []
    for node in blocks:
        if isinstance(node, ast.FunctionDef) and node.name not in kept:
            continue
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(one.lineno for one in decorators)])
        found.append("\n".join(lines[start - 1 : node.end_lineno]))
    return "\n\n\n".join(found)


def _imports(text: str) -> list[str]:
    """What a part imports from elsewhere, as lines."""
    found = [one for one in ast.parse(text).body if isinstance(one, ast.Import | ast.ImportFrom)]
    lines = [ast.unparse(one) for one in found]
    return [line for line in lines if line.split()[1] not in _PARTS]


def _body(text: str) -> str:
    """What stands behind the imports."""
    tree = ast.parse(text).body
    last = max(n.end_lineno or 0 for n in tree if isinstance(n, ast.Import | ast.ImportFrom))
    return "\n".join(text.splitlines()[last:])


def _ordered(imports: Iterable[str]) -> str:
    """The standard library's before others; modules before what is taken from them."""

    def of_library(line: str) -> bool:
        return line.split()[1].partition(".")[0] in sys.stdlib_module_names

    lines = sorted(imports, key=lambda line: (not of_library(line), line.startswith("from"), line))
    first = sum(of_library(line) for line in lines)
    return "\n".join([*lines[:first], "", *lines[first:]])


def _plain(text: str) -> str:
    """Names from a file, so that they end no docstring."""
    return (
        "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
        .replace("\\", "/")
        .replace('"', "'")
    )
