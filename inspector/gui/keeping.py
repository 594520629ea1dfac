"""What keeps the user's work: the question before it is lost, the session kept, recent files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from inspector.gui.ask import Ask
from inspector.gui.autosave import Autosave
from inspector.gui.bridge import Bridge
from inspector.gui.files import Files
from inspector.gui.guide import Guide
from inspector.gui.message_bar import MessageBar
from inspector.gui.recent import RecentFiles, fill_recent_menu
from inspector.gui.restore import Views
from inspector.gui.unsaved import Unsaved
from inspector.gui.welcome import Welcome
from inspector.session.slots import state_folder


class Keeping(QObject):
    """Connects the parts that see to it that no work is lost.

    Args:
        window: what is closed.
        files: opens and saves.
        bridge: tells what changes.
        ask: asks where to save.
        views: what of the window belongs to a session.
        messages: where crashed sessions are offered.
    """

    def __init__(
        self,
        window: QWidget,
        files: Files,
        bridge: Bridge,
        ask: Ask,
        views: Views,
        messages: MessageBar,
    ) -> None:
        super().__init__(window)
        self._bridge, self._files = bridge, files
        self._may_close = self._is_ending = False
        tasks = bridge.tasks
        self.unsaved = Unsaved(window, files, tasks, ask.where_to_save, ask.where_to_save_recipe)
        files.guard = self.unsaved.check
        self.recent = RecentFiles(tasks, self)
        self.autosave = Autosave(bridge, files, tasks, views, messages, state_folder(), self)
        self.autosave.failed.connect(bridge.refused)
        bridge.model_changed.connect(self._model_changed)
        bridge.specs_changed.connect(lambda _: self._goes_on())
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.commitDataRequest.connect(self._session_ends)

    def show_recent(self, menu: QMenu, welcome: Welcome) -> None:
        """Show the files that were opened last in a menu, and on the welcome page."""
        fill_recent_menu(menu, self.recent, self._open_recent)
        welcome.recent_asked.connect(self._open_recent)

        def show() -> None:
            welcome.show_recent([p for p in self.recent.paths() if not self.recent.is_missing(p)])

        self.recent.changed.connect(show)
        show()
        self.recent.look()

    def show_guide(self, guide: Guide) -> None:
        """Show the first steps with the first model."""
        document = self._bridge.document
        self._bridge.model_changed.connect(
            lambda: guide.model_opened(has_layers=bool(document.layers))
        )

    def may_close(self, close: Callable[[], object]) -> bool:
        """Whether the window may close now; if not, the user is asked, and `close` may follow.

        Whoever closes it a second time, while the question stands, means it.
        """
        if self._may_close or self.unsaved.box is not None:
            return True

        if not self._bridge.document.is_dirty:
            return True

        def go() -> None:
            self._may_close = True
            close()

        self.unsaved.check(go, "closing")
        return False

    def let_close(self) -> None:
        """From now on the window may close, whatever is lost."""
        self._may_close = True

    def close(self) -> None:
        """The window is closed, and all work has ended."""
        self.unsaved.give_up()
        self.autosave.close()

    def _open_recent(self, path: Path) -> None:
        self._files.open_paths([path])
        self.recent.look()

    def _model_changed(self) -> None:
        self.unsaved.give_up()
        document = self._bridge.document
        if document.is_open:
            path = document.opened.path
            # In a turn of its own: the file of the settings is on a disk.
            QTimer.singleShot(0, self, lambda: self.recent.add(path))

    def _session_ends(self) -> None:
        """The user logs out: keep all as it is, and do not stand in the way."""
        self.autosave.save_now()
        self._may_close = self._is_ending = True

    def _goes_on(self) -> None:
        """Who changes something more has not logged out after all."""
        if self._is_ending:
            self.autosave.go_on()
            self._may_close = self._is_ending = False
