"""The models that were opened last, in the File menu and on the welcome page."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from inspector.gui.settings import read_setting, write_setting
from inspector.gui.tasks import Tasks

MOST = 10
_KEY = "recent/models"
_CHANNEL = "recent files"
_LONGEST = 4096
_SHOWN = 60


class RecentFiles(QObject):
    """The list, newest first, remembered between runs.

    Signals:
        changed: the list, or what is known to be missing.
    """

    changed = Signal()

    def __init__(self, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._missing: frozenset[Path] = frozenset()

    def paths(self) -> list[Path]:
        """The files; read anew each time, because other windows have their share in it."""
        try:
            stored = json.loads(read_setting(_KEY, "[]"))
        except (ValueError, RecursionError):  # edited by hand
            return []
        texts = stored if isinstance(stored, list) else []
        good = (t for t in texts if isinstance(t, str) and 0 < len(t) <= _LONGEST)
        return [Path(text) for text in dict.fromkeys(good) if "\0" not in text][:MOST]

    def add(self, path: Path) -> None:
        """A file was opened."""
        path = path.absolute()
        self._missing -= {path}
        self._store([path, *(other for other in self.paths() if other != path)][:MOST])

    def clear(self) -> None:
        """Forget all."""
        self._store([])

    def is_missing(self, path: Path) -> bool:
        """Whether a file was not there when it was last looked for."""
        return path in self._missing

    def look(self) -> None:
        """Find out which are there; in the background, for a disk may take its time."""
        paths = self.paths()
        self._tasks.submit(_CHANNEL, lambda _: _missing(paths), self._looked)

    def _looked(self, missing: frozenset[Path]) -> None:
        if missing != self._missing:
            self._missing = missing
            self.changed.emit()

    def _store(self, paths: Sequence[Path]) -> None:
        write_setting(_KEY, json.dumps([str(path) for path in paths]))
        self.changed.emit()


def fill_recent_menu(menu: QMenu, files: RecentFiles, ask: Callable[[Path], None]) -> None:
    """Keep a menu filled with the files; what is missing is grey.

    Args:
        menu: the menu.
        files: what it shows.
        ask: opens one.
    """

    def fill() -> None:
        menu.clear()
        paths = files.paths()
        for number, path in enumerate(paths, start=1):
            menu.addAction(_entry(menu, number, path, missing=files.is_missing(path), ask=ask))
        menu.addSeparator()
        clear = menu.addAction("Clear this list")
        clear.setObjectName("actionClearRecent")
        clear.setEnabled(bool(paths))
        clear.triggered.connect(files.clear)

    menu.setToolTipsVisible(True)
    menu.aboutToShow.connect(files.look)
    files.changed.connect(fill)
    fill()


def _entry(
    menu: QMenu, number: int, path: Path, *, missing: bool, ask: Callable[[Path], None]
) -> QAction:
    text = short_path(path).replace("&", "&&")
    action = QAction(f"&{number}  {text}" if number < MOST else f"1&0  {text}", menu)
    action.setData(str(path))
    action.setEnabled(not missing)
    action.setToolTip(f"{path} is not there any more" if missing else str(path))
    action.triggered.connect(lambda: ask(path))
    return action


def short_path(path: Path) -> str:
    """The name of a file, and the folder that it is in, in one short line."""
    name, folder = " ".join(path.name.split()), " ".join(str(path.parent).split())
    if len(name) > _SHOWN:
        name = f"{name[: _SHOWN // 2]}…{name[-_SHOWN // 2 :]}"
    if len(folder) > _SHOWN:
        folder = f"…{folder[-_SHOWN:]}"
    return f"{name}  –  {folder}"


def _missing(paths: Sequence[Path]) -> frozenset[Path]:
    """Those that are not there. Runs on a worker."""
    return frozenset(path for path in paths if not _is_there(path))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
