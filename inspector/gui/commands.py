"""What the command palette lists: the window's actions, and why some cannot be done now."""

from __future__ import annotations

from PySide6.QtGui import QAction, QKeySequence

from inspector.gui.actions import Actions
from inspector.gui.palette import Command
from inspector.session.document import Document

_NEEDS_LAYERS = "Needs a model with layers to quantize"
_NEEDS_SELECTION = "Select a node first"
_OBSTACLES = {
    "actionUndo": "Nothing to undo",
    "actionRedo": "Nothing to redo",
    "actionBack": "Nothing was chosen before",
    "actionForward": "There is no way forward",
    "actionUpstream": _NEEDS_SELECTION,
    "actionDownstream": _NEEDS_SELECTION,
    "actionFitSelection": _NEEDS_SELECTION,
    "actionSave": _NEEDS_LAYERS,
    "actionSaveRecipe": _NEEDS_LAYERS,
    "actionEncodings": _NEEDS_LAYERS,
    "actionTraining": _NEEDS_LAYERS,
    "actionReport": _NEEDS_LAYERS,
    "actionCompareChoices": _NEEDS_LAYERS,
    "actionOpenRecipe": _NEEDS_LAYERS,
    "actionCalibrate": _NEEDS_LAYERS,
    "actionRandom": _NEEDS_LAYERS,
    "actionMakeFit": "Everything fits the target",
    "actionImages": "The open model takes no pictures",
    "actionFind": _NEEDS_LAYERS,
}
_BARE = {"actionUndo": "Undo", "actionRedo": "Redo"}
_HIDDEN = frozenset({"actionPalette"})


def commands(actions: Actions, document: Document) -> list[Command]:
    """Every action as a command, in the order of the menus' table."""
    found = [*actions.all(), *actions.themes.actions()]
    return [_command(action, document) for action in found if action.objectName() not in _HIDDEN]


def _command(action: QAction, document: Document) -> Command:
    obstacle = ""
    if not action.isEnabled():
        known = _OBSTACLES.get(action.objectName(), "Not possible now")
        needs_model = not document.is_open and action.objectName() not in _BARE
        obstacle = "Open a model first" if needs_model else known
    native = QKeySequence.SequenceFormat.NativeText
    keys = ", ".join(key.toString(native) for key in action.shortcuts())
    title = action.text().replace("&", "")
    if action.objectName() in _BARE:  # the name of the step is not what one looks for
        title = _BARE[action.objectName()]
    if action.objectName().startswith("actionTheme"):
        title = f"Appearance: {title}"
    if action.isCheckable():
        title = f"{title}  ✓" if action.isChecked() else title
    return Command(title, action.trigger, keys, action.toolTip(), obstacle)
