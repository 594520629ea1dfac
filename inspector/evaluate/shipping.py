"""Work that is done in other processes: what they are sent, and what they do with it.

A *doer* does tasks that do not depend on one another. What it is made of (models, samples, ranges)
is heavy and the same for all its tasks: its *kit*, which is sent once, in two shipments: the
models, which further kits may share, and the rest. A task and its result are light.
"""

from __future__ import annotations

import copyreg
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from inspector import __version__
from inspector.errors import UnsupportedError
from inspector.onnxio.loading import Model
from inspector.onnxio.portable import Portable
from inspector.progress import Cancel

T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C")

_KEPT = 2
"""So many doers stay in a process: a search needs one to measure and one to judge."""
_PACKAGES = ("numpy", "onnx", "onnxruntime")
"""Figures depend on these."""


class Doer(Protocol[T_contra, R_co]):
    """Does tasks; safe to use from several threads at once."""

    def run(
        self, task: T_contra, cancel: Cancel | None = None, told: Callable[[], None] = ...
    ) -> R_co:
        """Do a task; `told` is called now and then, in the thread that does it.

        Raises:
            CancelledError: `cancel` said so.
        """

    def kit(self) -> Kit:
        """What another process needs to do the same tasks with the same results."""


@dataclass(frozen=True, slots=True, eq=False)
class Shipment(Generic[C]):
    """Something heavy.

    Attributes:
        key: names its content: what was sent under a key need not be sent again.
        content: what can be pickled.
    """

    key: str
    content: C


@dataclass(frozen=True, slots=True, eq=False)
class Kit:
    """What a doer is made of.

    Attributes:
        models: its models.
        rest: what makes it of them.
    """

    models: Shipment[Portable]
    rest: Shipment[_Recipe]

    @classmethod
    def of(cls, models: tuple[Model, ...], make: Callable[..., Doer[Any, Any]], *rest: Any) -> Kit:
        """A kit under a key of its own.

        Args:
            models: the first arguments of `make`.
            make: gives the doer; a class or a function that other processes find by its name.
            rest: its further arguments, which can be pickled.

        Raises:
            ModelError: a file of weights has changed since its model was loaded.
        """
        key = "-".join(model.key for model in models)
        return cls(
            Shipment(key, Portable.of(models)), Shipment(uuid.uuid4().hex, _Recipe(make, rest))
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Recipe:
    make: Callable[..., Doer[Any, Any]]
    rest: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A process has not got what a task needs: these keys."""

    keys: tuple[str, ...]


class _State:
    """What this process keeps for others, the least recently used first."""

    lock = threading.Lock()
    shipments: ClassVar[OrderedDict[str, Shipment[Any]]] = OrderedDict()
    doers: ClassVar[OrderedDict[str, Doer[Any, Any]]] = OrderedDict()
    abandoned: ClassVar[set[str]] = set()


def perform(
    models: Shipment[Portable], rest: Shipment[_Recipe], task: Any, asked: Mapping[str, str]
) -> Any:
    """Do a task in this process, with the doer that an earlier task of its kit left.

    Args:
        models: of the kit.
        rest: of the kit.
        task: what to do.
        asked: the `versions` of who asks for it.

    Raises:
        UnsupportedError: other versions are installed here.
        CancelledError: `abandon` was called.
        Exception: what the doer raises.
    """
    keep(models)
    keep(rest)
    return perform_kept(models.key, rest.key, task, asked)


def perform_kept(models: str, rest: str, task: Any, asked: Mapping[str, str]) -> Any:
    """The same with what was kept here before, by its keys; `Missing` where it is not here."""
    refuse_others(asked, versions(), "A worker")
    with _State.lock:
        missing = tuple(key for key in (models, rest) if key not in _State.shipments)
        if missing:
            return Missing(missing)
        doer = _State.doers.get(rest)
        if doer is None:
            recipe = _State.shipments[rest].content
            doer = recipe.make(*_State.shipments[models].content.unpacked(), *recipe.rest)
        for key in (models, rest):
            _State.shipments.move_to_end(key)
        _put(_State.doers, rest, doer, _KEPT)
    return doer.run(task, lambda: rest in _State.abandoned)


def keep(shipment: Shipment[Any]) -> None:
    """Keep what was sent, for tasks to come."""
    with _State.lock:
        _put(_State.shipments, shipment.key, shipment, 2 * _KEPT)


def _put(where: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > most:
        where.popitem(last=False)


def abandon(key: str) -> None:
    """Stop the tasks of a kit in this process, those that run too, and forget what they need.

    Args:
        key: of a shipment; that of the models only forgets them.
    """
    _State.abandoned.add(key)
    with _State.lock:
        _State.doers.pop(key, None)
        _State.shipments.pop(key, None)


@cache
def _code() -> str:
    """A hash of this program's own text: of a checkout the version alone says little.

    Cost: some milliseconds, once.
    """
    digest = blake2b(digest_size=4)
    folder = Path(__file__).resolve().parents[1]
    for room in ("quant", "graph", "onnxio", "evaluate"):
        for file in sorted((folder / room).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What figures depend on, as installed here."""
    found = {"quant-inspector": f"{__version__}+{_code()}"}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # built and put there without pip
            found[name] = "unknown"
    return found


def refuse_others(asked: Mapping[str, str], found: Mapping[str, str], who: str) -> None:
    """Refuse to work together with other versions: figures would not be those of one machine.

    Args:
        asked: the `versions` of who asks for work.
        found: the `versions` of who does it.
        who: begins the message: the latter.

    Raises:
        UnsupportedError: they differ; the message says which.
    """
    wrong = [name for name in asked if asked[name] != found.get(name)]
    if wrong:
        theirs = ", ".join(f"{name} {found.get(name, 'missing')}" for name in wrong)
        ours = ", ".join(f"{name} {asked[name]}" for name in wrong)
        raise UnsupportedError(
            f"{who} has {theirs}, and this program has {ours}: figures would not be the same.",
            "Install the same versions on all machines.",
        )


def _view(entries: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(entries)


def _reduced(view: MappingProxyType[Any, Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return _view, (dict(view),)


# Graphs hold read-only views of dictionaries, which pickle does not know.
copyreg.pickle(MappingProxyType, _reduced)
