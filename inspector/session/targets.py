"""Finding hardware profiles: those of the program, those of the user, and single files.

A profile is a TOML file; its name in a recipe is the file's name without `.toml`. The program's own
are in `resources/targets`. A user's are in the folder that the environment variable
QUANT_INSPECTOR_TARGETS names, or else in `~/.config/quant-inspector/targets`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from inspector.errors import InspectorError, RecipeError
from inspector.files import read_limited, write_atomically
from inspector.session.recipe_toml import close_matches
from inspector.session.target_profile import Target
from inspector.session.target_reader import MAX_BYTES, read_profile

FOLDER_VARIABLE = "QUANT_INSPECTOR_TARGETS"
MAX_PROFILES = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NAMING = "Name the file with letters, digits, '-', '_' and '.', 64 at most."
_added: dict[str, Path] = {}  # profiles of this run that lie in no folder of profiles


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """A target as a list shows it.

    Attributes:
        name: as in a recipe.
        title: as shown; the name for one that cannot be read.
        description: a sentence on what it is.
        sources: where what it says is known from.
        problem: why it cannot be chosen; empty if it can.
        own: whether it is the user's.
    """

    name: str
    title: str
    description: str = ""
    sources: tuple[str, ...] = ()
    problem: str = ""
    own: bool = False


def targets_folder() -> Path:
    """Where the program's profiles are: inside an installed package, or beside it in a checkout.

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


def user_folder() -> Path | None:
    """Where the user's profiles are; it need not exist. None where there is no home."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        base = Path(config) if config else Path.home() / ".config"
    except RuntimeError:
        return None
    return base / "quant-inspector" / "targets"


def target_names() -> tuple[str, ...]:
    """The names that a recipe may have as its target, sorted."""
    return tuple(sorted({*_shipped(), *_users(), *_added}))


def list_targets() -> tuple[TargetInfo, ...]:
    """Every target for a list: the program's first, then the user's, each by title.

    Cost: reads each file that was not read since it changed.
    """
    infos = [_info(name) for name in target_names()]
    infos += _refused()
    return tuple(sorted(infos, key=lambda info: (info.own, info.title.lower(), info.name)))


def load_target(name: str) -> Target:
    """Read a profile; the same object as before as long as its file stays the same.

    Raises:
        RecipeError: there is none of that name, or its file is wrong.
    """
    path = _path_of(name)
    if path is None:
        names = target_names()
        near = close_matches(name, names, "The targets are")
        everything = f"The targets are: {', '.join(names)}."
        raise RecipeError(
            f"There is no target {name[:80]!r}.",
            everything if near.startswith("The targets") else f"{near} {everything}",
        )
    return _read(path, name)


def is_profile_path(text: str) -> bool:
    """Whether what stands for a target is the path of a file rather than a name."""
    return text.lower().endswith(".toml") or "/" in text or os.sep in text


def add_target(path: Path) -> str:
    """Make the profile in a file known to this run of the program.

    Args:
        path: a TOML file.

    Returns:
        The name of the target.

    Raises:
        RecipeError: the file cannot be read or is wrong, or its name is not one a target may have.
    """
    name = _name_of(path)
    _read(path, name)
    _added[name] = path
    return name


def install_target(path: Path) -> str:
    """Put a copy of a profile among the user's, where later runs find it too.

    Returns:
        The name of the target.

    Raises:
        RecipeError: as `add_target`.
        SaveError: the copy cannot be written.
    """
    name = _name_of(path)
    _read(path, name)
    folder = user_folder()
    if folder is None:
        raise RecipeError("There is no home folder to keep profiles in.", f"Set {FOLDER_VARIABLE}.")
    copy = folder / f"{name}.toml"
    if not (copy.exists() and path.exists() and copy.samefile(path)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(
                f"The folder {folder} cannot be made: {error.strerror}.", f"Set {FOLDER_VARIABLE}."
            ) from error
        write_atomically(copy, read_limited(path, MAX_BYTES))
    _added.pop(name, None)
    return name


def _name_of(path: Path) -> str:
    name = path.name[: -len(".toml")] if path.name.lower().endswith(".toml") else path.name
    if not _NAME.fullmatch(name):
        raise RecipeError(
            f"{str(path)[:200]!r} cannot be a target: its name is not one.",
            f"{_NAMING} An example is my-npu.toml.",
        )
    shipped = _shipped().get(name)
    if shipped is not None and not (path.exists() and path.samefile(shipped)):
        raise RecipeError(
            f"{path} cannot be the target {name!r}: the program has one of that name.",
            "Give the file another name.",
        )
    return name


def _path_of(name: str) -> Path | None:
    return _added.get(name) or _shipped().get(name) or _users().get(name)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in targets_folder().glob("*.toml")}


def _users() -> dict[str, Path]:
    files = {path.stem: path for path in _user_files() if _NAME.fullmatch(path.stem)}
    return {name: path for name, path in files.items() if name not in _shipped()}


def _user_files() -> list[Path]:
    """The files of the user's folder, so many as can be looked at."""
    folder = user_folder()
    if folder is None:
        return []
    try:
        return sorted(islice(folder.glob("*.toml"), MAX_PROFILES))
    except (OSError, ValueError):  # no such folder, no leave to read it, or no path at all
        return []


def _refused() -> list[TargetInfo]:
    """Files among the user's that no recipe can name."""
    taken = _users()
    refused = []
    for path in _user_files():
        if path.stem in taken:
            continue
        why = "The program has a target of this name; give the file another."
        if not _NAME.fullmatch(path.stem):
            why = _NAMING
        shown = "".join(c if c.isprintable() else " " for c in path.name)[:80]
        refused.append(TargetInfo("", shown, problem=why, own=True))
    return refused


def _info(name: str) -> TargetInfo:
    own = name not in _shipped()
    try:
        target = load_target(name)
    except InspectorError as error:
        return TargetInfo(name, name, problem=str(error), own=own)
    return TargetInfo(name, target.title, target.description, target.sources, own=own)


def _read(path: Path, name: str) -> Target:
    try:
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size)
    except (OSError, ValueError):
        stamp = (0, 0)  # reading says what is wrong
    return _read_once(path, name, stamp)


@lru_cache(maxsize=256)
def _read_once(path: Path, name: str, _stamp: tuple[int, int]) -> Target:
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path} is not UTF-8 text (byte {error.start}).", "A target profile is a TOML file."
        ) from error
    except InspectorError as error:
        raise RecipeError(error.message, error.hint or "Name a target profile.") from error
    return read_profile(text, name, path)
