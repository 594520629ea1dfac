"""Between the box of targets and the document: which target, and how many layers do not fit it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PySide6.QtCore import QObject

from inspector.errors import InspectorError
from inspector.gui.bridge import Bridge
from inspector.gui.target_box import TargetBox
from inspector.session.edits import fit_layers, set_target
from inspector.session.fitting import violations
from inspector.session.profiles import profile_of
from inspector.session.target_profile import Target
from inspector.session.targets import install_target, list_targets, load_target


class TargetPresenter(QObject):
    """Shows the target of the recipe, and carries out what the box asks for.

    Args:
        bridge: the document.
        box: the box.
    """

    def __init__(self, bridge: Bridge, box: TargetBox, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._box = bridge, box
        self._kinds: list[int] = []
        box.set_targets(list_targets())
        box.target_chosen.connect(self._choose)
        box.fit_asked.connect(self._fit)
        box.profile_asked.connect(self._add)
        bridge.model_changed.connect(self._model_changed)
        bridge.specs_changed.connect(lambda _: self._show())
        self._model_changed()

    def _model_changed(self) -> None:
        """Layers of one kind are judged alike: by operator, weight, and its axes."""
        numbers: dict[tuple[object, ...], int] = {}
        self._kinds = [
            numbers.setdefault(
                (
                    layer.op_type,
                    None if layer.weight_shape is None else len(layer.weight_shape),
                    layer.channel_axis,
                    layer.weight is None,
                ),
                len(numbers),
            )
            for layer in self._bridge.document.layers
        ]
        self._show()

    def _show(self) -> None:
        target = self._target()
        name = self._bridge.document.recipe.target
        self._box.show_target(name, 0 if target is None else self._misfits(target))

    def _misfits(self, target: Target) -> int:
        """How many layers do not fit. Cost: 5 ms for 20,000 layers, as each kind is judged once."""
        document = self._bridge.document
        specs = document.specs
        # Equal specs are the same object; a recipe has far fewer of them than layers.
        cases = list(zip(self._kinds, map(id, specs.values()), strict=True))
        counts = Counter(cases)
        first = dict(zip(reversed(cases), reversed(document.layers), strict=True))
        return sum(
            count
            for case, count in counts.items()
            if violations(target, first[case], specs[first[case].name])
        )

    def _target(self) -> Target | None:
        try:
            return profile_of(self._bridge.document.recipe)
        except InspectorError:
            return None

    def _choose(self, name: str) -> None:
        if not self._bridge.document.is_open:
            self._show()
            return
        try:
            title = load_target(name).title
        except InspectorError as error:
            self._bridge.refused.emit(error)
            self._show()
            return
        self._bridge.apply(set_target(name, title))

    def _fit(self) -> None:
        target = self._target()
        if target is not None:
            layers = self._bridge.document.layers
            self._bridge.apply(fit_layers(target, layers, whole_model=True))

    def _add(self, path: str) -> None:
        try:
            name = install_target(Path(path))
        except InspectorError as error:
            self._bridge.refused.emit(error)
            return
        self._box.set_targets(list_targets())
        self._choose(name)
