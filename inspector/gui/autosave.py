"""Keeps what the window is at every few seconds, and offers it back after a crash.

The file is written beside the window, from a frozen session. When the window closes in good order
it is removed; when the program dies it stays, and its lock is free.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QToolButton

from inspector.errors import InspectorError
from inspector.gui.bridge import Bridge
from inspector.gui.files import Files
from inspector.gui.message_bar import Message, MessageBar, Offer
from inspector.gui.restore import Restore, Views, look_of
from inspector.gui.tasks import MODEL, Task, Tasks
from inspector.onnxio.loading import Model
from inspector.session.autosave import Session
from inspector.session.slots import Broken, Crashed, Slot, find_crashed

SAVE_MS = 3000
WRITE, SCAN = "autosave", "crashed sessions"


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A session to be written, and the model whose key it is to carry."""

    session: Session
    model: Model
    slot: Slot


class Autosave(QObject):
    """Writes the session of a window, and brings those of crashed ones back.

    Args:
        bridge: tells what changes.
        files: opens what is brought back.
        tasks: runs the writing.
        views: what of the window belongs to a session.
        messages: where sessions are offered.
        folder: where they are kept.

    Signals:
        failed: an InspectorError; told once.
    """

    failed = Signal(object)

    def __init__(
        self,
        bridge: Bridge,
        files: Files,
        tasks: Tasks,
        views: Views,
        messages: MessageBar,
        folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._files, self._tasks = bridge, files, tasks
        self._views, self._messages, self._folder = views, messages, folder
        self._slot: Slot | None = None
        self._has_failed = self._is_ending = False
        self._pending: list[Crashed] = []
        self._restore = Restore(bridge, files, tasks, views, self._restored, self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_MS)
        self._timer.timeout.connect(self._write)
        self._connect()
        tasks.submit(SCAN, lambda _: find_crashed(folder), self._found)

    @property
    def path(self) -> Path | None:
        """The window's own file, once there is one."""
        return self._slot.path if self._slot is not None else None

    @property
    def pending(self) -> list[Crashed]:
        """What is offered and was neither restored nor discarded."""
        return list(self._pending)

    def save_now(self) -> None:
        """Write at once, and leave the file when the window closes: the user's session ends."""
        self._is_ending = True
        request = self._request()
        if request is not None:
            self._wrote(_write(request))

    def go_on(self) -> None:
        """The user's session did not end after all: the file goes when the window closes."""
        self._is_ending = False

    def close(self) -> None:
        """End in good order; to be called when no work runs any more."""
        self._timer.stop()
        if self._slot is not None:
            self._slot.release(clear=not self._is_ending)
            self._slot = None
        for crashed in self._pending:
            crashed.slot.release(clear=False)
        self._pending.clear()

    # Writing

    def _connect(self) -> None:
        bridge, views = self._bridge, self._views
        for signal in (bridge.model_changed, bridge.calibration_changed):
            signal.connect(self._touch)
        bridge.specs_changed.connect(lambda _: self._touch())
        bridge.saved_changed.connect(lambda _: self._touch())
        views.selection.changed.connect(lambda _: self._touch())
        views.stage.changed.connect(lambda _: self._touch())
        views.graph.camera.stopped.connect(self._touch)
        bridge.model_changed.connect(self._offer_again)
        self._tasks.ended.connect(self._task_ended)

    def _touch(self) -> None:
        """Something changed: write soon, and no more than once in a while."""
        if not self._timer.isActive() and not self._has_failed:
            self._timer.start()

    def _write(self) -> None:
        if self._tasks.is_busy(WRITE) or self._restore.is_under_way:
            self._timer.start()  # never two at once: the later must win
            return
        request = self._request()
        if request is not None:
            self._tasks.submit(WRITE, lambda _: _write(request), self._wrote)

    def _request(self) -> _Request | None:
        """What the window is at, frozen; None where there is nothing to keep, or no place."""
        document = self._bridge.document
        if not document.is_open:
            if self._slot is not None:
                self._slot.clear()
            return None
        if self._slot is None:
            try:
                self._slot = Slot.make(self._folder)
            except InspectorError as error:
                self._wrote(error)
                return None
        calibration, data = document.calibration, self._files.calibrated_from
        chosen = self._views.selection.chosen
        session = Session(
            model=document.opened.path.absolute(),
            model_key="",
            recipe=document.recipe,
            unsaved=document.is_dirty,
            data=data.absolute() if calibration is not None and data is not None else None,
            images=str(self._files.images),
            random=calibration is not None and calibration.random,
            selection=chosen.names,
            tensor=chosen.tensor,
            look=look_of(self._views),
            saved_at=time.time(),
            process=os.getpid(),
        )
        return _Request(session, document.opened.source, self._slot)

    def _wrote(self, trouble: InspectorError | None) -> None:
        if trouble is not None and not self._has_failed:
            self._has_failed = True
            text = f"The session cannot be kept against a crash: {trouble.message}"
            self.failed.emit(InspectorError(text, trouble.hint))

    # Bringing back

    def _found(self, found: tuple[list[Crashed], list[Broken]]) -> None:
        crashed, broken = found
        self._pending = crashed
        for file in broken:
            self._messages.show_message(
                "warning",
                f"A session that was kept before a crash cannot be read: {file.reason}",
                f"It was put aside as {file.aside}.",
            )
        self._offer_again()

    def _offer_again(self) -> None:
        """Offers last until they are taken or closed, however many models are opened meanwhile."""
        for crashed in reversed(self._pending):
            if not self._restore.is_of(crashed):
                self._offer(crashed)

    def _task_ended(self, task: Task) -> None:
        """A model that does not come leaves the offer as it was."""
        if task.channel == MODEL:
            self._offer_again()

    def _offer(self, crashed: Crashed) -> None:
        session = crashed.session
        name = " ".join(session.model.name.split())[:60]
        what = "with choices that were not saved" if session.unsaved else "with all choices saved"
        text = f"The program ended unexpectedly while {name} was open, {what} ({_when(session)})."
        if any(message.text == text for message in self._messages.messages()):
            return
        hint = "Closing this message discards it."
        offer = Offer(f"Restore {name}", lambda: self._restore.begin(crashed))
        message = self._messages.show_message("info", text, hint, offer)
        _when_closed(message, lambda: self._discard(crashed))

    def _restored(self, crashed: Crashed) -> None:
        """It is back: its file is this window's own from now on, so that it is never without."""
        if crashed not in self._pending:
            return
        self._pending.remove(crashed)
        own, self._slot = self._slot, crashed.slot
        if own is not None:
            own.release()
        self._touch()

    def _discard(self, crashed: Crashed) -> None:
        if crashed in self._pending:
            self._pending.remove(crashed)
            crashed.slot.release()


def _write(request: _Request) -> InspectorError | None:
    """Write a session. Runs on a worker."""
    try:
        request.slot.write(replace(request.session, model_key=request.model.key))
    except InspectorError as error:
        return error
    return None


def _when(session: Session) -> str:
    moment = datetime.fromtimestamp(min(max(session.saved_at, 0.0), 4e9))
    today = moment.date() == datetime.now().date()
    return f"today, {moment:%H:%M}" if today else f"{moment:%Y-%m-%d, %H:%M}"


def _when_closed(message: Message, act: Callable[[], None]) -> None:
    """Do something when the user closes a message by its button, as against taking its offer."""
    for button in message.findChildren(QToolButton):
        button.clicked.connect(act)
