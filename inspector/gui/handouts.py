"""What is made of the present choices for others: encodings and reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QWidget

from inspector.gui.actions import Actions
from inspector.gui.report_export import ReportExport
from inspector.gui.sidecar_export import SidecarExport
from inspector.gui.tasks import Tasks
from inspector.session.document import Document


class Handouts:
    """Brings the commands for them to those who make them.

    Args:
        document: whose choices.
        tasks: of the window.
        window: the parent of dialogs.
    """

    def __init__(self, document: Document, tasks: Tasks, window: QWidget) -> None:
        self.sidecars = SidecarExport(document, tasks, window)
        self.reports = ReportExport(document, tasks, window)

    def connect(self, actions: Actions, tell: Callable[..., Any]) -> None:
        """Let actions start them, and the message bar tell what came of it."""
        actions["actionEncodings"].triggered.connect(self.sidecars.ask)
        self.sidecars.message.connect(tell)
        actions["actionReport"].triggered.connect(self.reports.make)
        self.reports.offered.connect(tell)
