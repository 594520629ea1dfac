"""Hardware profiles: what a target can run, read from `resources/targets/*.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError, RecipeError


@dataclass(frozen=True, slots=True)
class TargetType:
    """A type that a target can run.

    Attributes:
        dtypes: the storage types, as in a spec ("int8").
        opset: the first opset of the standard operators that has them.
        since_com_microsoft: onnxruntime's own domain has them before that opset.
        granularities: the kinds it takes: "tensor", "channel", "block".
        source: where this is known from.
    """

    dtypes: tuple[str, ...]
    opset: int
    since_com_microsoft: bool
    granularities: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Target:
    """A hardware profile.

    Attributes:
        name: as in a recipe.
        title: as shown.
        description: a sentence on what it is.
        types: what it can run.
        unsigned_kernels: its 8-bit kernels are at their best, or exact at all, with weights stored
            in unsigned codes.
    """

    name: str
    title: str
    description: str
    types: tuple[TargetType, ...]
    unsigned_kernels: bool = False

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Every storage type that it can run."""
        return tuple(dtype for kind in self.types for dtype in kind.dtypes)


def targets_folder() -> Path:
    """Where the profiles are: inside an installed package, or beside it in a checkout.

    Raises:
        InspectorError: they are in neither place, so the installation is broken.
    """
    package = Path(__file__).resolve().parent.parent
    for resources in (package / "resources", package.parent / "resources"):
        if (resources / "targets").is_dir():
            return resources / "targets"
    raise InspectorError(
        "The target profiles are missing from this installation.", "Install Quant Inspector again."
    )


@lru_cache(maxsize=1)
def target_names() -> tuple[str, ...]:
    """The names that a recipe may have as its target, sorted."""
    return tuple(sorted(path.stem for path in targets_folder().glob("*.toml")))


@lru_cache(maxsize=64)
def load_target(name: str) -> Target:
    """Read a profile.

    Raises:
        RecipeError: there is none of that name, or its file is wrong.
    """
    if name not in target_names():
        raise RecipeError(
            f"There is no target {name!r}.", f"The targets are: {', '.join(target_names())}."
        )
    path = targets_folder() / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        return _target(name, data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(f"The target profile {path} is wrong: {error!r}.") from error


def _target(name: str, data: Mapping[str, Any]) -> Target:
    types = tuple(
        TargetType(
            dtypes=tuple(entry["dtypes"]),
            opset=int(entry.get("opset", 0)),
            since_com_microsoft=bool(entry.get("com_microsoft", False)),
            granularities=tuple(entry["granularities"]),
            source=str(entry["source"]),
        )
        for entry in data["type"]
    )
    unsigned = bool(data.get("unsigned_kernels", False))
    return Target(name, str(data["title"]), str(data["description"]), types, unsigned)
