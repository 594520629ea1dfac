"""The files in which windows keep their sessions, so that a crash loses a few seconds at most.

Each window has a file of its own and a lock that ends with its process: a file whose lock is free
was left behind by a crash.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_state_path

from inspector.errors import InspectorError
from inspector.files import atomic_file, read_limited, remove, save_error
from inspector.session.autosave import MAX_BYTES, Session, parse_session, session_bytes
from inspector.session.lock import FileLock

STATE_VARIABLE = "QUANT_INSPECTOR_STATE"
"""The environment variable that names another folder for what is kept."""
_OLD_SECONDS = 30 * 86_400.0
_LEFTOVER_SECONDS = 3600.0


def state_folder() -> Path:
    """Where sessions are kept: the user's state folder, or what `STATE_VARIABLE` names."""
    named = os.environ.get(STATE_VARIABLE)
    base = Path(named) if named else user_state_path("quant-inspector", appauthor=False)
    return base / "sessions"


class Slot:
    """The file of one window, locked for as long as the window lives."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        """Use `Slot.make`, or `find_crashed`."""
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls, folder: Path) -> Slot:
        """A new one.

        Raises:
            SaveError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            while True:
                path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
                lock = FileLock.take(path.with_suffix(".lock"))
                if lock is not None:  # else another window was just tidying up
                    return cls(path, lock)
        except OSError as error:
            raise save_error(folder, error) from error

    def write(self, session: Session) -> None:
        """Keep a session, in the place of the last one.

        Raises:
            SaveError: it cannot be written; what was kept before still is.
        """
        with atomic_file(self.path) as file:
            file.write(session_bytes(session))

    def clear(self) -> None:
        """Keep nothing: there is no model, or all ended well."""
        remove(self.path)

    def release(self, *, clear: bool = True) -> None:
        """End it; again does nothing.

        Args:
            clear: all ended well. Otherwise what is kept is offered at the next start.
        """
        if clear:
            self.clear()
        self._lock.release()


@dataclass(frozen=True, slots=True, eq=False)
class Crashed:
    """A session that was left behind, with its file; nobody else is offered it meanwhile."""

    session: Session
    slot: Slot


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that could not be read, and where it was put aside."""

    path: Path
    aside: Path
    reason: str


def find_crashed(folder: Path, *, most: int = 3) -> tuple[list[Crashed], list[Broken]]:
    """Find what crashed windows left behind, newest first, and take hold of it.

    Sessions of running windows are let alone, very old ones removed, unreadable ones put aside.

    Args:
        folder: where sessions are kept.
        most: how many; older ones wait for another start.
    """
    crashed: list[Crashed] = []
    broken: list[Broken] = []
    _tidy(folder)
    for path in _newest_first(folder):
        slot = _take(path)
        if slot is None:
            continue
        if len(crashed) >= most:
            slot.release(clear=time.time() - _age_mark(path) > _OLD_SECONDS)
            continue
        try:
            session = parse_session(read_limited(path, MAX_BYTES))
        except InspectorError as error:
            broken += _put_aside(path, str(error))
            slot.release(clear=False)
            continue
        if time.time() - session.saved_at > _OLD_SECONDS:
            slot.release()
        else:
            crashed.append(Crashed(session, slot))
    return crashed, broken


def _newest_first(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.json"), key=_age_mark, reverse=True)
    except OSError:
        return []


def _age_mark(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _take(path: Path) -> Slot | None:
    try:
        lock = FileLock.take(path.with_suffix(".lock"))
    except OSError:
        return None
    if lock is None:
        return None
    if not path.exists():  # its window has just ended well
        lock.release()
        return None
    return Slot(path, lock)


def _put_aside(path: Path, reason: str) -> list[Broken]:
    aside = path.with_suffix(".unreadable")
    try:
        path.replace(aside)
    except OSError:
        return []
    return [Broken(path, aside, reason)]


def _tidy(folder: Path) -> None:
    """Remove what a killed process may leave: half-written files, and locks of nothing."""
    with suppress(OSError):
        for path in folder.glob(".*.tmp"):
            if time.time() - _age_mark(path) > _LEFTOVER_SECONDS:
                remove(path)
        for path in folder.glob("*.lock"):
            if not path.with_suffix(".json").exists():
                _remove_free(path)


def _remove_free(path: Path) -> None:
    with suppress(OSError):
        lock = FileLock.take(path)
        if lock is not None:
            lock.release()
