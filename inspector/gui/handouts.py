"""What is made of the present choices for others: encodings, reports, scripts, pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QWidget

from inspector.gui.actions import Actions
from inspector.gui.tasks import Tasks
from inspector.session.document import Document

if TYPE_CHECKING:
    from inspector.gui.graph_export import GraphExport
    from inspector.gui.report_export import ReportExport
    from inspector.gui.sidecar_export import SidecarExport
    from inspector.gui.training_export import TrainingExport


class Handouts:
    """Brings the commands for them to those who make them, who are imported when first asked.

    Args:
        document: whose choices.
        tasks: of the window.
        window: the parent of dialogs.
        tell: shows (kind, text, hint) and perhaps an Offer in the message bar.
    """

    def __init__(
        self, document: Document, tasks: Tasks, window: QWidget, tell: Callable[..., Any]
    ) -> None:
        self._document, self._tasks, self._window = document, tasks, window
        self._tell = tell

    def connect(self, actions: Actions) -> None:
        """Let actions start them."""
        actions["actionEncodings"].triggered.connect(lambda: self.sidecars.ask())
        actions["actionTraining"].triggered.connect(lambda: self.training.ask())
        actions["actionReport"].triggered.connect(lambda: self.reports.make())

    @cached_property
    def sidecars(self) -> SidecarExport:
        """Who writes encodings."""
        from inspector.gui.sidecar_export import SidecarExport

        made = SidecarExport(self._document, self._tasks, self._window)
        made.message.connect(self._tell)
        return made

    @cached_property
    def training(self) -> TrainingExport:
        """Who writes training scripts."""
        from inspector.gui.training_export import TrainingExport

        made = TrainingExport(self._document, self._tasks, self._window)
        made.message.connect(self._tell)
        return made

    @cached_property
    def reports(self) -> ReportExport:
        """Who makes reports."""
        from inspector.gui.report_export import ReportExport

        made = ReportExport(self._document, self._tasks, self._window)
        made.offered.connect(self._tell)
        return made

    @cached_property
    def graphs(self) -> GraphExport:
        """Who draws the graph into a file."""
        from inspector.gui.graph_export import GraphExport

        made = GraphExport(self._tasks, self._window)
        made.message.connect(self._tell)
        return made
