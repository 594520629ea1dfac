"""Where long work is done: on this machine, or on a Dask cluster that the user names."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.errors import InspectorError
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.tasks import Context, Tasks
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S
from inspector.report.units import plural

SETTING = "work/scheduler"
_CHECK = "cluster check"
_HERE = "Empty: this machine does the work."
_TRUST = (
    "Workers run what they are sent, for anyone who reaches the scheduler: keep it in a network "
    "that you trust, or use TLS."
)


def scheduler() -> str | None:
    """The address of the scheduler that the user wants work to go to; None for this machine."""
    return read_setting(SETTING, "").strip() or None


def titled(title: str, address: str | None) -> str:
    """What work is called, with where it is done."""
    return title if address is None else f"{title} on {address}"


@contextmanager
def hired(address: str | None, threads: int) -> Iterator[Executor]:
    """What runs long work for as long as the block lasts.

    Args:
        address: of `scheduler`.
        threads: so many on this machine, where it does the work.

    Raises:
        InspectorError: the cluster cannot be used.
    """
    if address is None:
        with ThreadPoolExecutor(threads) as pool:
            yield pool
        return
    from inspector.evaluate.cluster import executor_at

    with executor_at(address) as cluster:
        assert cluster is not None
        yield cluster


def slots_at(address: str) -> int:
    """How many tasks the cluster at an address runs at a time; for workers.

    Raises:
        InspectorError: it cannot be used.
    """
    from inspector.evaluate.parallel import slots_of

    with hired(address, 1) as cluster:
        return slots_of(cluster)


class ClusterDialog(QDialog):
    """Asks for the scheduler; it does not block the window.

    Args:
        tasks: of the window.
        parent: the window.

    Signals:
        checked: the cluster was looked for, and it is said what was found.
    """

    checked = Signal()

    def __init__(self, tasks: Tasks, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("clusterDialog")
        self.setWindowTitle("Compute on a cluster")
        self._tasks = tasks
        self.address = QLineEdit(self)
        self.address.setObjectName("schedulerAddress")
        self.address.setAccessibleName("Address of the Dask scheduler")
        self.address.setPlaceholderText("tcp://host:8786")
        self.address.setClearButtonEnabled(True)
        self.check = QPushButton("Check", self)
        self.check.setObjectName("checkCluster")
        self.check.setAutoDefault(False)
        self.words = _label(self)
        self.words.setMinimumWidth(440)
        self.words.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.words.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self._build()
        self.address.textChanged.connect(self._edited)
        self.check.clicked.connect(self._ask)
        self.address.setText(scheduler() or "")
        self._edited()

    def _build(self) -> None:
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.use = buttons.addButton("Use", QDialogButtonBox.ButtonRole.AcceptRole)
        self.use.setObjectName("useCluster")
        self.use.setProperty("primary", "true")
        self.use.setDefault(True)
        buttons.accepted.connect(self._use)
        buttons.rejected.connect(self.reject)
        line = QHBoxLayout()
        line.setSpacing(SPACE_S)
        line.addWidget(self.address, 1)
        line.addWidget(self.check)
        form = QFormLayout()
        form.setHorizontalSpacing(SPACE_L)
        name = QLabel("&Scheduler", self)
        name.setBuddy(self.address)
        form.addRow(name, line)
        about = _label(self)
        about.setText(
            "Calibration, sensitivities and the search for mixed precision can be done by the "
            f"workers of a Dask cluster. The figures are the same. {_TRUST}"
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_M)
        for part in (about, form, self.words, buttons):
            column.addLayout(part) if isinstance(part, QFormLayout) else column.addWidget(part)

    # What the user does

    def _edited(self) -> None:
        self._tasks.cancel(_CHECK)
        text = self.address.text().strip()
        error = _wrong_with(text)
        self.check.setEnabled(bool(text) and error is None)
        self.use.setEnabled(error is None)
        if error is not None:
            self._say(str(error), "danger")
        else:
            self._say("Not checked yet." if text else _HERE, "muted")

    def _ask(self) -> None:
        address = self.address.text().strip()

        def look(_: Context) -> int | InspectorError:
            try:
                return slots_at(address)
            except InspectorError as error:  # it is told here, not in the window
                return error

        self.check.setEnabled(False)
        self._say(f"Looking for {address}…", "muted")
        self._tasks.submit(_CHECK, look, self._found)

    def _found(self, found: int | InspectorError) -> None:
        if isinstance(found, InspectorError):
            self._say(str(found), "danger")
        else:
            self._say(f"It is there, and does {plural(found, 'task')} at a time.", "muted")
        self.check.setEnabled(True)
        self.checked.emit()

    def _use(self) -> None:
        write_setting(SETTING, self.address.text().strip())
        self.accept()

    def _say(self, text: str, role: str) -> None:
        self.words.setText(text)
        self.words.setProperty("role", role)
        self.words.style().polish(self.words)
        self.adjustSize()

    def done(self, result: int) -> None:
        """Close; what is still looked for is not wanted any more."""
        self._tasks.cancel(_CHECK)
        super().done(result)


def _wrong_with(text: str) -> InspectorError | None:
    from inspector.evaluate.cluster import check_address

    if not text:
        return None
    try:
        check_address(text)
    except InspectorError as error:
        return error
    return None


def _label(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setProperty("role", "muted")
    return label
