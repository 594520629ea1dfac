"""The document: the open model, what was decided for it, and what is known of it.

It is the only thing in the program that changes. It knows no threads and no widgets: whoever runs
work elsewhere asks it for a frozen request, runs that, and hands the frozen response back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

from inspector.cache import CachePool
from inspector.errors import DataError, InspectorError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.graph.model import Graph, Layer
from inspector.onnxio.loading import Model
from inspector.quant.spec import LayerSpecs
from inspector.session.edits import Edit, replace_recipe
from inspector.session.events import (
    CalibrationChanged,
    DatasetChanged,
    Event,
    ModelChanged,
    RecipeChanged,
    SavedChanged,
)
from inspector.session.facts import Facts
from inspector.session.history import History, Step
from inspector.session.opening import OpenModel, prepared_otherwise
from inspector.session.pinning import check_bound
from inspector.session.recipe import DEFAULT_RECIPE, Recipe

Listener = Callable[[Event], None]
_MOST_OTHERS = 3
"""How often the model is kept as it was prepared before, so that undo need not do it again."""


class Document:
    """A model with a recipe, its history, calibration and data; tells its listeners what changed.

    Every method either does all it says and then tells the listeners, or raises and leaves
    everything as it was. Listeners are called in the order in which they subscribed, in the calling
    thread. One that changes the document gets its own event after the present one has reached all.

    Args:
        opened: the model; None for an empty document.
        recipe: what to start with.
        caches: where `facts`, and others, keep what is kept to be quick.
    """

    def __init__(
        self,
        opened: OpenModel | None = None,
        *,
        recipe: Recipe = DEFAULT_RECIPE,
        caches: CachePool | None = None,
    ) -> None:
        """Open with a model, or empty.

        Raises:
            RecipeError: a rule of the recipe matches no layer of the model.
        """
        self._opened: OpenModel | None = None
        self._history = History(DEFAULT_RECIPE, label="Defaults")
        self._specs: Mapping[str, LayerSpecs] = MappingProxyType({})
        self._calibration: Calibration | None = None
        self._dataset: Dataset | None = None
        self._others: dict[frozenset[str], OpenModel] = {}
        self.caches = CachePool() if caches is None else caches
        self._facts = Facts(self.caches)
        self._listeners: list[Listener] = []
        self._events: deque[Event] = deque()
        self._telling = False
        if opened is not None:
            self.set_model(opened, recipe)

    # ---- the model ----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a model."""
        return self._opened is not None

    @property
    def opened(self) -> OpenModel:
        """The open model with its graph and placement.

        Raises:
            InspectorError: no model is open.
        """
        if self._opened is None:
            raise InspectorError("No model is open.", "Open an ONNX model first.")
        return self._opened

    @property
    def model(self) -> Model:
        """The prepared model: all layers and tensors are its own; raises as `opened` does."""
        return self.opened.prepared

    @property
    def graph(self) -> Graph:
        """The graph of `model`; raises as `opened` does."""
        return self.opened.graph

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that can be quantized; none if no model is open."""
        return self._opened.graph.layers if self._opened is not None else ()

    def layer(self, name: str) -> Layer:
        """A layer by its name.

        Raises:
            InspectorError: there is none, or no model is open.
        """
        try:
            return self.graph.layer(name)
        except KeyError as error:
            raise InspectorError(f"The model has no layer '{name}'.") from error

    def set_model(
        self,
        opened: OpenModel,
        recipe: Recipe = DEFAULT_RECIPE,
        specs: Mapping[str, LayerSpecs] | None = None,
    ) -> None:
        """Put a model in the place of the present one, with a history that starts anew.

        Args:
            opened: the model.
            recipe: what is decided for it.
            specs: what the recipe says of each layer, where that is known already.

        Raises:
            RecipeError: a rule of the recipe matches no layer; the present model stays open.
        """
        recipe.check_rules(opened.graph.layers)
        self._replace(opened, recipe, specs)

    def close_model(self) -> None:
        """Let go of the model and all that belongs to it."""
        self._replace(None, DEFAULT_RECIPE)

    def _replace(
        self,
        opened: OpenModel | None,
        recipe: Recipe,
        specs: Mapping[str, LayerSpecs] | None = None,
    ) -> None:
        self._others.clear()
        if opened is not None:
            opened = self._prepared_for(opened, recipe)
        self._opened = opened
        self._history = History(recipe, label="Opened")
        known = recipe.resolve_all(self.layers) if specs is None else specs
        self._specs = MappingProxyType(dict(known))
        self._calibration = None
        self._dataset = None
        self._facts.reset(opened.prepared if opened is not None else None)
        self._tell(ModelChanged())

    # ---- the recipe ---------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """What is decided now."""
        return self._history.value

    @property
    def specs(self) -> Mapping[str, LayerSpecs]:
        """The resolved specs of every layer by its name."""
        return self._specs

    def specs_of(self, layer: str) -> LayerSpecs:
        """The resolved specs of one layer; raises as `layer` does."""
        found = self._specs.get(layer)
        return self.recipe.resolve(self.layer(layer)) if found is None else found

    def apply(self, edit: Edit) -> frozenset[str]:
        """Carry out an edit as an undo step.

        Args:
            edit: the change; edits with the same merge key in a row are one step.

        Returns:
            The names of the layers whose specs changed.

        Raises:
            InspectorError: the edit failed or its recipe does not fit the model; nothing changed.
        """
        recipe = edit.change(self.recipe)
        opened = None
        if self._opened is not None:
            opened = self._prepared_for(self._opened, recipe)
            known = self.recipe.rules if opened is self._opened else ()
            recipe.check_rules(opened.graph.layers, known=known)
        return self._move(
            lambda: self._history.record(recipe, edit.label, edit.merge_key), recipe, opened
        )

    def set_recipe(self, recipe: Recipe, label: str = "Open recipe") -> frozenset[str]:
        """Put another recipe in place, as an undo step; see `apply`."""
        return self.apply(replace_recipe(recipe, label))

    def undo(self) -> frozenset[str]:
        """Take the last step back, if there is one; gives the layers whose specs changed."""
        return self.go_to(self._history.position - 1) if self.can_undo else frozenset()

    def redo(self) -> frozenset[str]:
        """Do the step again that was taken back last, if there is one; see `undo`."""
        return self.go_to(self._history.position + 1) if self.can_redo else frozenset()

    def go_to(self, position: int) -> frozenset[str]:
        """Jump to a step of `steps`; see `undo`.

        Raises:
            IndexError: there is no such step.
        """
        recipe = self._history.steps[position].value
        opened = None if self._opened is None else self._prepared_for(self._opened, recipe)
        return self._move(lambda: self._history.go_to(position), recipe, opened)

    def seal(self) -> None:
        """End a drag: the next edit is a step of its own whatever its merge key."""
        self._history.seal()

    # ---- other ways to prepare the model ------------------------------------------------

    def is_prepared_for(self, skip: frozenset[str]) -> bool:
        """Whether a recipe that leaves out these passes can be taken over at once."""
        return self._opened is None or skip == self._opened.skip or skip in self._others

    def provide(self, opened: OpenModel) -> None:
        """Keep the open model as it is with other passes left out, for recipes that do so.

        Args:
            opened: made by `prepared_otherwise` of the one that is open; of another model it is
                ignored.
        """
        if self._opened is None or opened.source is not self._opened.source:
            return
        self._others[opened.skip] = opened
        while len(self._others) > _MOST_OTHERS:
            del self._others[next(iter(self._others))]

    def _prepared_for(self, opened: OpenModel, recipe: Recipe) -> OpenModel:
        """The model as a recipe wants it prepared: linear in its nodes where that is not known."""
        if recipe.skip == opened.skip:
            return opened
        known = self._others.get(recipe.skip)
        return prepared_otherwise(opened, recipe.skip) if known is None else known

    def _exchange(self, opened: OpenModel) -> None:
        """Put the same model, prepared otherwise, in place: statistics are of other tensors."""
        before = self._opened
        self._opened = opened
        if before is not None:
            self.provide(before)
        self._calibration = None
        self._facts.reset(opened.prepared)

    def _move(
        self, step: Callable[[], object], recipe: Recipe, opened: OpenModel | None
    ) -> frozenset[str]:
        """Make a step of the history to a recipe that is known to fit, and tell about it."""
        layers = self.layers if opened is None else opened.graph.layers
        specs = recipe.resolve_all(layers)
        if recipe.pins is not None or any(rule.pins_something for rule in recipe.rules):
            for layer in layers:
                check_bound(layer, specs[layer.name])
        before, old, dirty = self._specs, self.recipe, self.is_dirty
        exchanged = opened is not None and opened is not self._opened
        if exchanged and opened is not None:
            self._exchange(opened)
        changed = frozenset(
            name
            for name, spec in specs.items()
            if spec is not before.get(name) and spec != before.get(name)
        )
        position = self._history.position
        step()
        self._specs = MappingProxyType(specs)
        events: list[Event] = [ModelChanged()] if exchanged else []
        if self.recipe != old or self._history.position != position:
            events.append(RecipeChanged(changed))
        if self.is_dirty != dirty:
            events.append(SavedChanged(self.is_dirty))
        self._tell(*events)
        return changed

    # ---- the history --------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._history.can_redo

    @property
    def undo_label(self) -> str:
        """What undo would take back; empty if nothing."""
        return self._history.undo_label

    @property
    def redo_label(self) -> str:
        """What redo would do again; empty if nothing."""
        return self._history.redo_label

    @property
    def steps(self) -> tuple[Step[Recipe], ...]:
        """The whole history, the start first."""
        return self._history.steps

    @property
    def position(self) -> int:
        """Where in `steps` the document is."""
        return self._history.position

    @property
    def is_dirty(self) -> bool:
        """Whether the recipe differs from the one saved (or opened) last."""
        return self._history.is_dirty

    def mark_saved(self) -> None:
        """The present recipe has been saved."""
        dirty = self.is_dirty
        self._history.mark_saved()
        if dirty:
            self._tell(SavedChanged(False))

    # ---- calibration and data -----------------------------------------------------------

    @property
    def calibration(self) -> Calibration | None:
        """The statistics of the activations, once known."""
        return self._calibration

    @property
    def dataset(self) -> Dataset | None:
        """The data to calibrate and evaluate with, once given."""
        return self._dataset

    def set_calibration(self, calibration: Calibration | None) -> None:
        """Use these statistics of the activations.

        Raises:
            DataError: they were made with another model; nothing changed.
        """
        if calibration is not None and calibration.model_key != self.model.key:
            raise DataError(
                f"The statistics from {calibration.source} were made with another model.",
                "Calibrate this model.",
            )
        self._calibration = calibration
        self._facts.set_calibration(calibration)
        self._tell(CalibrationChanged())

    def set_dataset(self, dataset: Dataset | None) -> None:
        """Use this data from now on."""
        self._dataset = dataset
        self._tell(DatasetChanged())

    # ---- facts and listeners ------------------------------------------------------------

    @property
    def facts(self) -> Facts:
        """What is known of each layer under a spec, kept within bounds."""
        return self._facts

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a function with every event from now on.

        Returns:
            A function that ends it; calling it again does nothing.
        """
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def _tell(self, *events: Event) -> None:
        """Tell all listeners, one event after the other even when listeners cause new ones."""
        self._events.extend(events)
        if self._telling:
            return
        self._telling = True
        errors: list[Exception] = []
        try:
            while self._events:
                event = self._events.popleft()
                for listener in tuple(self._listeners):
                    try:
                        listener(event)
                    except Exception as error:  # the others must hear of it all the same
                        errors.append(error)
        finally:
            self._telling = False
        if errors:
            raise errors[0]
