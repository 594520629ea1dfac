"""Everything the user can ask for, as actions with names, keys and icons."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QToolBar, QToolButton, QWidget

from inspector.gui.passes_menu import PassesMenu
from inspector.gui.resources import icon
from inspector.gui.theme import MODES, Theme

_Keys = QKeySequence.StandardKey


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    text: str
    tip: str
    keys: tuple[QKeySequence.StandardKey | str, ...] = ()
    icon: str = ""
    checkable: bool = False


_ENTRIES = (
    _Entry(
        "actionOpen", "Open…", "Open a model, calibration data or a recipe", (_Keys.Open,), "open"
    ),
    _Entry(
        "actionCalibrate",
        "Calibrate…",
        "Run the model on data and gather the statistics of its activations",
        ("Ctrl+R",),
        "calibrate",
    ),
    _Entry("actionRandom", "Calibrate with random inputs", "For a first look without data"),
    _Entry(
        "actionImages",
        "Pictures as input…",
        "How pictures become the numbers that the model reads",
        ("Ctrl+Shift+I",),
    ),
    _Entry(
        "actionSave",
        "Save quantized…",
        "Write the quantized model and check it",
        (_Keys.Save,),
        "save",
    ),
    _Entry(
        "actionSaveRecipe",
        "Save recipe…",
        "Write what was chosen as a TOML file",
        ("Ctrl+Shift+S",),
    ),
    _Entry(
        "actionOpenRecipe",
        "Open recipe…",
        "Open a recipe, or take it from a model that was saved here",
        ("Ctrl+Shift+O",),
    ),
    _Entry(
        "actionRecipe", "Recipe", "Show the recipe behind all choices as text", ("Ctrl+Shift+R",)
    ),
    _Entry("actionQuit", "Quit", "Close the window", ("Ctrl+Q",)),
    _Entry("actionUndo", "Undo", "Take the last change back", (_Keys.Undo,), "undo"),
    _Entry("actionRedo", "Redo", "Do the change again", ("Ctrl+Shift+Z", "Ctrl+Y"), "redo"),
    _Entry(
        "actionCopySpec",
        "Copy spec",
        "Copy what is chosen for the selected layers, as text",
        ("Ctrl+Shift+C",),
    ),
    _Entry(
        "actionPasteSpec",
        "Paste spec",
        "Give the selected layers the spec that was copied",
        ("Ctrl+Shift+V",),
    ),
    _Entry(
        "actionMakeFit",
        "Make it fit the target",
        "Change the selected layers, or all, to the nearest choice that the target takes",
        ("Ctrl+Shift+T",),
    ),
    _Entry(
        "actionSensitivity",
        "Sensitivity of layers",
        "Quantize one layer after another and see what each does to the outputs",
        ("Ctrl+Shift+M",),
    ),
    _Entry(
        "actionSearch",
        "Search mixed precision",
        "Find out which width each layer should have",
        ("Ctrl+M",),
    ),
    _Entry(
        "actionCluster",
        "Compute on a cluster…",
        "Let a Dask cluster calibrate, find sensitivities and search",
    ),
    _Entry(
        "actionPin", "Pin as A", "Keep today's choices as A, to compare with", ("Ctrl+P",), "pin"
    ),
    _Entry(
        "actionSwap", "Swap with A", "Make A today's choices, and today's choices A", ("Ctrl+B",)
    ),
    _Entry("actionUnpin", "Unpin A", "Compare with nothing any more", ("Ctrl+Shift+P",)),
    _Entry("actionHistory", "History", "Show all changes, and go back to any", ("Ctrl+H",)),
    _Entry("actionPalette", "Command palette", "Find a command or a layer", ("Ctrl+K",)),
    _Entry("actionFind", "Find…", "Find nodes and tensors in the graph", (_Keys.Find,), "find"),
    _Entry("actionFindNext", "Find next", "Go to the next find", ("F3",)),
    _Entry("actionFindPrevious", "Find previous", "Go to the find before", ("Shift+F3",)),
    _Entry("actionFilter", "Filter layers", "Go to the filter of the layers", ("Ctrl+Shift+F",)),
    _Entry(
        "actionUpstream", "Select upstream", "Select all that the selection depends on", ("Alt+Up",)
    ),
    _Entry(
        "actionDownstream",
        "Select downstream",
        "Select all that depends on the selection",
        ("Alt+Down",),
    ),
    _Entry("actionBack", "Back", "Choose what was chosen before", ("Alt+Left",)),
    _Entry("actionForward", "Forward", "Choose what was chosen after", ("Alt+Right",)),
    _Entry("actionFit", "Fit graph", "Show all of the graph", ("Ctrl+0",), "fit"),
    _Entry("actionFullSize", "Actual size", "Show the graph at 100 %", ("Ctrl+1",)),
    _Entry("actionFitSelection", "Zoom to selection", "Show all that is selected", ("Ctrl+2",)),
    _Entry(
        "actionRightwards",
        "Left to right",
        "Lay the graph out from left to right",
        ("Ctrl+L",),
        checkable=True,
    ),
    _Entry(
        "actionPrepared",
        "Graph as it is quantized",
        "Show the graph after all that is done before quantization, instead of the file's own",
        checkable=True,
    ),
    _Entry(
        "actionRaw",
        "Quantizing operators as nodes",
        "Show QuantizeLinear, DequantizeLinear and the like as nodes of their own",
        checkable=True,
    ),
    _Entry(
        "actionAttributes", "Attributes on cards", "Show attributes on the cards", checkable=True
    ),
    _Entry("actionNames", "Names on cards", "Show names on all cards", checkable=True),
    _Entry(
        "actionTensorNames",
        "Tensor names on edges",
        "Show names instead of shapes on the edges",
        checkable=True,
    ),
    _Entry("actionFoldAll", "Fold all groups", "Show each group as one card"),
    _Entry("actionOpenAll", "Open all groups", "Show all that is folded"),
    _Entry("actionProperties", "Properties", "Show the properties of what is chosen", ("Ctrl+I",)),
    _Entry(
        "actionIntegers",
        "Integers",
        "Show what the selected layer does in integers",
        ("Ctrl+Shift+N",),
    ),
    _Entry(
        "actionCompare",
        "Compare with…",
        "Show another model beside this one: both graphs, and how far they are apart",
        ("Ctrl+D",),
    ),
    _Entry(
        "actionCompareChoices",
        "Compare with today's choices",
        "Show beside this model what would be saved now",
        ("Ctrl+Alt+D",),
    ),
    _Entry("actionExport", "Export graph…", "Save the graph as SVG, PNG or PDF", ("Ctrl+E",)),
    _Entry(
        "actionReport",
        "Report…",
        "Say in a document what quantizing does to the model",
        ("Ctrl+Alt+R",),
    ),
    _Entry(
        "actionEncodings",
        "Export encodings…",
        "Write scales and zero points for another toolchain: AIMET, QNN, TensorRT, ncnn …",
        ("Ctrl+Shift+E",),
    ),
    _Entry(
        "actionTraining",
        "Export for training…",
        "Write a PyTorch script that trains the model with what is chosen (QAT)",
        ("Ctrl+Shift+Q",),
    ),
    _Entry("actionShortcuts", "Keyboard shortcuts", "Show every key", (_Keys.HelpContents,)),
    _Entry(
        "actionDiagnostics",
        "Diagnostics",
        "Show memory, caches, the last evaluation and versions",
        ("Ctrl+Shift+D",),
    ),
    _Entry("actionAbout", "About Quant Inspector", "Show the version and the licences"),
)
_PASSES = "passes"
"""Where the menu of the passes stands."""
_MENUS = (
    (
        "&File",
        (
            *("actionOpen", "actionOpenRecipe", "", "actionCalibrate", "actionRandom"),
            *("actionImages", "", "actionCompare", "actionCompareChoices", ""),
            *(
                "actionSave",
                "actionSaveRecipe",
                "",
                "actionReport",
                "actionEncodings",
                "actionTraining",
                "actionExport",
            ),
        ),
    ),
    (
        "&Edit",
        (
            *("actionUndo", "actionRedo", "actionHistory", ""),
            *("actionCopySpec", "actionPasteSpec", "actionMakeFit", ""),
            *("actionSensitivity", "actionSearch", "actionCluster", ""),
            *("actionPin", "actionSwap", "actionUnpin", ""),
            *(
                "actionPalette",
                "actionFind",
                "actionFindNext",
                "actionFindPrevious",
                "actionFilter",
                "",
            ),
            *("actionUpstream", "actionDownstream", "actionBack", "actionForward"),
        ),
    ),
    (
        "&View",
        (
            *("actionFit", "actionFullSize", "actionFitSelection", ""),
            *("actionProperties", "actionIntegers", "actionRecipe", ""),
            *(
                "actionPrepared",
                _PASSES,
                "actionRightwards",
                "actionRaw",
                "actionAttributes",
                "actionNames",
            ),
            *("actionTensorNames", "", "actionFoldAll", "actionOpenAll"),
        ),
    ),
    ("&Help", ("actionShortcuts", "actionDiagnostics", "", "actionAbout")),
)
_BAR = (
    *("actionOpen", "actionCalibrate", "actionSave", ""),
    *("actionUndo", "actionRedo", "actionPin", "", "actionFit", "actionFind"),
)
_WITH_TEXT = ("actionOpen", "actionCalibrate", "actionSave")


class Actions:
    """The actions of a window, in its menus and tool bar."""

    def __init__(self, window: QMainWindow) -> None:
        self._all = {entry.name: self._make(entry, window) for entry in _ENTRIES}
        self.themes = self._themes(window)
        self.recent = QMenu("Open &recent", window)
        self.recent.setObjectName("recentMenu")
        self.passes = PassesMenu(window)
        self._fill_menus(window)
        self.bar = self._fill_bar(window)

    def __getitem__(self, name: str) -> QAction:
        """The action of an object name."""
        return self._all[name]

    def all(self) -> list[QAction]:
        """Every action but those of the appearance."""
        return list(self._all.values())

    def keys(self) -> list[tuple[str, str]]:
        """What each action with keys does, and its keys as this system writes them."""
        native = QKeySequence.SequenceFormat.NativeText
        found = ((entry, self._all[entry.name].shortcuts()) for entry in _ENTRIES)
        return [
            (entry.tip, ", ".join(key.toString(native) for key in keys))
            for entry, keys in found
            if keys
        ]

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icons in a theme's colours."""
        for entry in _ENTRIES:
            if entry.icon:
                self._all[entry.name].setIcon(icon(entry.icon, theme.text, theme.muted))

    @staticmethod
    def _make(entry: _Entry, window: QWidget) -> QAction:
        action = QAction(entry.text, window)
        action.setObjectName(entry.name)
        action.setCheckable(entry.checkable)
        action.setShortcuts([QKeySequence(key) for key in entry.keys])
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{entry.tip} ({keys})" if keys else entry.tip)
        action.setStatusTip("")
        return action

    @staticmethod
    def _themes(window: QMainWindow) -> QActionGroup:
        group = QActionGroup(window)
        for mode in MODES:
            action = QAction({"system": "Follow system"}.get(mode, mode.capitalize()), group)
            action.setObjectName(f"actionTheme{mode.capitalize()}")
            action.setCheckable(True)
            action.setData(mode)
        return group

    def _fill_menus(self, window: QMainWindow) -> None:
        for title, names in _MENUS:
            menu = window.menuBar().addMenu(title)
            for name in names:
                if name == _PASSES:
                    menu.addMenu(self.passes)
                elif name:
                    menu.addAction(self._all[name])
                else:
                    menu.addSeparator()
                if name == "actionOpen":
                    menu.addMenu(self.recent)
            if title == "&File":
                menu.addSeparator()
                menu.addAction(self._all["actionQuit"])
            if title == "&View":
                appearance = QMenu("&Appearance", menu)
                appearance.addActions(self.themes.actions())
                menu.addSeparator()
                menu.addMenu(appearance)

    def _fill_bar(self, window: QMainWindow) -> QToolBar:
        bar = QToolBar("Tools", window)
        bar.setObjectName("toolBar")
        bar.setMovable(False)
        bar.setIconSize(QSize(18, 18))
        bar.toggleViewAction().setEnabled(False)
        for name in _BAR:
            if not name:
                bar.addSeparator()
                continue
            bar.addAction(self._all[name])
            if name in _WITH_TEXT:
                _with_text(bar.widgetForAction(self._all[name]))
        window.addToolBar(bar)
        return bar


def _with_text(button: QWidget) -> None:
    if isinstance(button, QToolButton):
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
