"""Between the recipe's text and the document: it follows, is checked as one types, and is applied.

Reading a text of thousands of rules takes time, so it happens beside the window; the newest text
wins. What is applied is one undo step.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QTabWidget

from inspector.errors import InspectorError
from inspector.graph.model import Layer
from inspector.gui.bridge import Bridge
from inspector.gui.collector import resting
from inspector.gui.recipe_tab import RecipeTab
from inspector.gui.selection import Selection
from inspector.gui.tasks import Tasks
from inspector.session.recipe import Recipe, load_recipe
from inspector.session.recipe_check import check_text
from inspector.session.recipe_diff import Difference, recipe_diff
from inspector.session.recipe_toml import RecipeTextError

TEXT, CHECK, COMPARE = "recipe text", "recipe check", "recipe comparison"
LABEL = "Edit recipe"
_FOLLOW_MS = 60
_TYPING_MS = 150
_LARGE = 50_000
_NO_MODEL = "Open a model to see the recipe of its quantization"
_WAITING = "Not applied yet: Ctrl+Enter, or leave the text"


@dataclass(frozen=True, slots=True, eq=False)
class _Checked:
    """A text, and the recipe that it is or what is wrong with it."""

    text: str
    recipe: Recipe | None
    error: InspectorError | None = None


class RecipePresenter(QObject):
    """Keeps the tab and the document in step."""

    def __init__(
        self,
        bridge: Bridge,
        tasks: Tasks,
        selection: Selection,
        tabs: QTabWidget,
        tab: RecipeTab,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._tasks, self._selection = bridge, tasks, selection
        self._tabs, self._tab = tabs, tab
        self._shown: Recipe | None = None
        self._is_typed = self._is_showing = self._wants_to_apply = False
        self._checked: _Checked | None = None
        self._other: tuple[str, Recipe] | None = None
        self._follow = _timer(self, _FOLLOW_MS, self._follow_recipe)
        self._typing = _timer(self, _TYPING_MS, self._check)
        self._connect()
        self._follow_recipe()

    @property
    def is_typed(self) -> bool:
        """Whether the text was changed by hand and not applied yet."""
        return self._is_typed

    def is_settled(self) -> bool:
        """Whether nothing is on its way into the text or out of it."""
        return not self._follow.isActive() and not self._typing.isActive()

    def come_forward(self) -> None:
        """Show the tab with the cursor in the text, and keep it there as a click on it would."""
        self._tabs.setCurrentWidget(self._tab)
        self._tabs.tabBarClicked.emit(self._tabs.indexOf(self._tab))
        self._tab.text.setFocus()

    def apply(self) -> None:
        """Apply what was typed, as soon as it is known to be right."""
        if not self._is_typed:
            return
        self._wants_to_apply = True
        if self._checked is None or self._checked.text != self._tab.text.toPlainText():
            self._check()
        else:
            self._take(self._checked)

    def discard(self) -> None:
        """Forget what was typed."""
        self._is_typed = self._wants_to_apply = False
        self._typing.stop()
        self._tasks.cancel(CHECK)
        self._checked, self._shown = None, None
        self._follow_recipe()

    def compare_with(self, path: Path) -> None:
        """Compare with the recipe in a file, or of a model that was saved with one."""
        self._tasks.submit(
            COMPARE,
            lambda _: load_recipe(path),
            lambda recipe: self._compare((path.name, recipe)),
            f"Opening {path.name}",
        )

    def choose_layer(self, name: str) -> None:
        """Select a layer, which is in the model's own graph whatever is shown now."""
        self._selection.go_to((), (name,))
        self._selection.choose((name,))

    # Wiring

    def _connect(self) -> None:
        tab, bridge = self._tab, self._bridge
        tab.text.textChanged.connect(self._typed)
        tab.text.left.connect(self.apply)
        tab.text.apply_asked.connect(self.apply)
        tab.text.discard_asked.connect(self.discard)
        tab.discard_asked.connect(self.discard)
        tab.copy_asked.connect(self._copy)
        tab.layer_asked.connect(self.choose_layer)
        tab.closed.connect(lambda: self._compare(None))
        bridge.model_changed.connect(self._model_changed)
        bridge.specs_changed.connect(lambda _: self._recipe_changed())
        self._tabs.currentChanged.connect(lambda _: self._recipe_changed())

    def _model_changed(self) -> None:
        self._compare(None)
        self.discard()

    # The text follows the recipe

    def _recipe_changed(self) -> None:
        if self._is_in_sight() and not self._follow.isActive():
            self._follow.start()

    def _is_in_sight(self) -> bool:
        return self._tabs.currentWidget() is self._tab

    def _follow_recipe(self) -> None:
        """Show the recipe in use, unless the text is being edited or is not seen."""
        document = self._bridge.document
        has_layers = bool(document.layers)
        self._tab.text.setReadOnly(not has_layers)
        for button in self._tab.buttons.values():
            button.setEnabled(has_layers)
        if not self._is_in_sight():
            self._show_state()
            return
        if self._other is not None:
            self._compare(self._other)
        recipe = document.recipe
        if self._is_typed or recipe == self._shown:
            self._show_state()
        elif has_layers:
            self._tasks.submit(TEXT, lambda _: (recipe, recipe.to_toml()), self._arrived)
        else:
            self._show_text("", None)

    def _arrived(self, made: tuple[Recipe, str]) -> None:
        recipe, text = made
        if recipe == self._bridge.document.recipe and not self._is_typed:
            self._show_text(text, recipe)

    def _show_text(self, text: str, recipe: Recipe | None) -> None:
        self._is_showing = True  # what is shown is not typed
        self._tab.text.show_text(text)
        self._is_showing = False
        self._shown, self._checked = recipe, None
        self._show_state()

    # The recipe follows the text

    def _typed(self) -> None:
        if not self._is_showing:
            self._is_typed = True
            self._wants_to_apply = False
            self._typing.start()
            if self._checked is None:
                self._show_state()

    def _check(self) -> None:
        self._typing.stop()
        text, layers = self._tab.text.toPlainText(), self._bridge.document.layers
        self._tasks.submit(CHECK, lambda _: _checked(text, layers), self._take)

    def _take(self, checked: _Checked) -> None:
        if checked.text != self._tab.text.toPlainText():
            return  # typed on since; its own check follows
        self._checked = checked
        if checked.recipe is None or not self._wants_to_apply:
            self._show_state()
            return
        self._wants_to_apply = self._is_typed = False
        # The text stays as it was typed, with its comments, until the recipe becomes another.
        recipe = self._shown = checked.recipe
        self._bridge.preparing.when_prepared(recipe, lambda: self._apply(recipe))
        self._show_state()

    def _apply(self, recipe: Recipe) -> None:
        try:
            self._bridge.document.set_recipe(recipe, LABEL)
        except InspectorError as error:
            self._is_typed = True
            self._bridge.refused.emit(error)
        self._show_state()

    def _show_state(self) -> None:
        line: int | None = None
        error = self._checked.error if self._checked is not None and self._is_typed else None
        if error is not None:
            line = error.line if isinstance(error, RecipeTextError) else None
            self._tab.error.show_state(str(error), line, wrong=True)
        elif self._is_typed:
            self._tab.error.show_state(_WAITING)
        else:
            self._tab.error.show_state("" if self._bridge.document.layers else _NO_MODEL)
        self._tab.error.discard.setVisible(self._is_typed)
        self._tab.text.mark_line(line)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._tab.text.toPlainText())

    # Another recipe

    def _compare(self, other: tuple[str, Recipe] | None) -> None:
        """Show how another recipe differs from the one in use; None for no comparison."""
        self._other = other
        document = self._bridge.document
        if other is None:
            self._tasks.cancel(COMPARE)
            self._tab.show_differences(None, "")
            return
        recipe, layers = document.recipe, document.layers
        name, theirs = other

        def show(found: tuple[Difference, ...]) -> None:
            self._tab.show_differences(found, name)

        self._tasks.submit(COMPARE, lambda _: recipe_diff(recipe, theirs, layers), show)


def _checked(text: str, layers: tuple[Layer, ...]) -> _Checked:
    """Read a text. Runs on a worker."""
    # So many small objects would set the collector off, which stops the window.
    with resting() if len(text) > _LARGE else nullcontext():
        try:
            return _Checked(text, check_text(text, layers))
        except InspectorError as error:
            return _Checked(text, None, error)


def _timer(parent: QObject, milliseconds: int, act: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(act)
    return timer
