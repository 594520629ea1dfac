"""A recipe takes its place once the model is prepared as it wants: other passes may be left out."""

from __future__ import annotations

from collections.abc import Callable

from inspector.gui.plans import WholePlan, plan_all
from inspector.gui.tasks import Context, Tasks
from inspector.session.document import Document
from inspector.session.opening import OpenModel, prepared_otherwise
from inspector.session.recipe import Recipe

PREPARE = "prepare"


class Preparing:
    """Prepares the open model otherwise, in the background.

    Args:
        document: whose model.
        tasks: what runs the work.
        expect: takes over what was found of the model that comes.
    """

    def __init__(
        self, document: Document, tasks: Tasks, expect: Callable[[WholePlan], None]
    ) -> None:
        self._document, self._tasks, self._expect = document, tasks, expect

    def when_prepared(self, recipe: Recipe, act: Callable[[], None]) -> None:
        """Do what puts a recipe in place, once the model is prepared as it wants.

        That is at once, unless other passes are left out: then a worker prepares the model first.
        """
        document = self._document
        if document.is_prepared_for(recipe.skip):
            self._tasks.cancel(PREPARE)
            act()
            return
        opened = document.opened

        def work(_: Context) -> tuple[OpenModel, WholePlan]:
            other = prepared_otherwise(opened, recipe.skip)
            specs = recipe.resolve_all(other.graph.layers)
            return other, plan_all(other.placement, specs)

        def arrived(found: tuple[OpenModel, WholePlan]) -> None:
            if document.is_open and document.opened is opened:
                document.provide(found[0])
                self._expect(found[1])
                act()

        self._tasks.submit(PREPARE, work, arrived, "Preparing the model anew")
