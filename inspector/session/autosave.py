"""What a window was at, and its file form: JSON, versioned, checked to the last key."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from inspector.errors import InspectorError
from inspector.evaluate.image_options import ImageOptions
from inspector.session.recipe import DEFAULT_RECIPE, Recipe

VERSION = 1
MAX_BYTES = 8_000_000
MAX_NAMES = 20_000
"""More chosen nodes than this are not kept: the file has to stay small."""
_NAMES_BYTES = 2_000_000
_FORMAT = "quant-inspector session"
_MAX_SCALE = 1e6

Direction = Literal["down", "right"]


class SessionError(InspectorError):
    """A kept session cannot be read."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the graph was looked at.

    Attributes:
        path: the steps into subgraphs and functions: node and attribute ("" for a function).
        direction: of the layout.
        scale: widget pixels for a pixel of the picture.
        centre: what was in the middle, in pixels of the picture; None where nothing was drawn yet.
    """

    path: tuple[tuple[str, str], ...] = ()
    direction: Direction = "down"
    scale: float = 1.0
    centre: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that it takes to go on where a window was.

    Attributes:
        model: the model's file, absolute.
        model_key: `Model.key` of the model as it is in its file.
        recipe: the choices.
        unsaved: whether they were not saved anywhere else.
        data: the calibration data or statistics, absolute; None where there are none in a file.
        images: how pictures are fed, as `ImageOptions` writes it.
        random: the calibration came from random inputs.
        selection: the nodes that were chosen.
        tensor: the tensor that was chosen.
        look: how the graph was looked at.
        saved_at: when this was kept, in seconds since 1970.
        process: the number of the process whose window it was.
    """

    model: Path
    model_key: str
    recipe: Recipe = DEFAULT_RECIPE
    unsaved: bool = False
    data: Path | None = None
    images: str = ""
    random: bool = False
    selection: tuple[str, ...] = ()
    tensor: str | None = None
    look: Look = field(default_factory=Look)
    saved_at: float = 0.0
    process: int = 0


def session_bytes(session: Session) -> bytes:
    """The file form; `parse_session` gives an equal session back, but for too many names."""
    look = session.look
    selection = list(session.selection[:MAX_NAMES])
    if sum(map(len, selection)) > _NAMES_BYTES:
        selection = []
    content = {
        "format": _FORMAT,
        "version": VERSION,
        "process": session.process,
        "saved_at": session.saved_at,
        "model": str(session.model),
        "model_key": session.model_key,
        "recipe": session.recipe.to_toml(),
        "unsaved": session.unsaved,
        "data": None if session.data is None else str(session.data),
        "images": session.images,
        "random": session.random,
        "selection": selection,
        "tensor": session.tensor,
        "look": {
            "path": [list(step) for step in look.path],
            "direction": look.direction,
            "scale": look.scale,
            "centre": None if look.centre is None else list(look.centre),
        },
    }
    return json.dumps(content, indent=1).encode("ascii")


def parse_session(data: bytes) -> Session:
    """Read the file form.

    Raises:
        SessionError: anything in it is not as it is written here.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SessionError(f"It is not JSON: {str(error)[:80]}.") from error
    _check(content, _FIELDS, "The file")
    _check(content["look"], _LOOK_FIELDS, "Its 'look'")
    look = content["look"]
    try:
        recipe = Recipe.parse(content["recipe"], "Its recipe")
    except InspectorError as error:
        raise SessionError(error.message, error.hint) from error
    return Session(
        Path(content["model"]),
        content["model_key"],
        recipe,
        content["unsaved"],
        None if content["data"] is None else Path(content["data"]),
        content["images"],
        content["random"],
        tuple(content["selection"]),
        content["tensor"],
        Look(
            tuple((node, attribute) for node, attribute in look["path"]),
            look["direction"],
            float(look["scale"]),
            None
            if look["centre"] is None
            else (float(look["centre"][0]), float(look["centre"][1])),
        ),
        float(content["saved_at"]),
        content["process"],
    )


def _check(content: object, fields: Mapping[str, Callable[[Any], bool]], where: str) -> None:
    if not isinstance(content, dict):
        raise SessionError(f"{where} is not an object.")
    version = content.get("version", VERSION)
    if fields is _FIELDS and version != VERSION:
        text = json.dumps(version)[:20]
        raise SessionError(f"It is of version {text}, and this program reads {VERSION}.")
    for key in fields.keys() ^ content.keys():
        trouble = "is missing" if key in fields else "is not known"
        raise SessionError(f"{where}: {key[:40]!r} {trouble}.")
    for key, is_right in fields.items():
        if not is_right(content[key]):
            raise SessionError(f"{where}: {key!r} is wrong.")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_images(value: object) -> bool:
    try:
        ImageOptions.parse(value if isinstance(value, str) else "?")
    except InspectorError:
        return False
    return True


def _is_names(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MAX_NAMES and all(map(_is_text, value))


def _is_steps(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 100
        and all(_is_names(step) and len(step) == 2 for step in value)
    )


def _is_centre(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "format": lambda value: value == _FORMAT,
    "version": lambda value: value == VERSION,
    "process": lambda value: isinstance(value, int) and _is_number(value),
    "saved_at": _is_number,
    "model": _is_path,
    "model_key": _is_text,
    "recipe": _is_text,
    "unsaved": _is_flag,
    "data": lambda value: value is None or _is_path(value),
    "images": _is_images,
    "random": _is_flag,
    "selection": _is_names,
    "tensor": lambda value: value is None or _is_text(value),
    "look": lambda value: isinstance(value, dict),
}
_LOOK_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "path": _is_steps,
    "direction": lambda value: isinstance(value, str) and value in ("down", "right"),
    "scale": lambda value: _is_number(value) and 0 < value < _MAX_SCALE,
    "centre": _is_centre,
}
