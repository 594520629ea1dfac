"""What the panel offers beside the fields: presets, copies, the same spec for other layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtGui import QGuiApplication

from inspector.errors import InspectorError
from inspector.graph.model import Layer
from inspector.gui.actions import Actions
from inspector.gui.bridge import Bridge
from inspector.gui.graph_menu import one_line
from inspector.gui.selection import Selection
from inspector.gui.spec_allowed import (
    ANYTHING,
    Case,
    cases_of,
    operators_of,
    refusal,
    refusals,
)
from inspector.gui.spec_bar import Entry
from inspector.gui.spec_below import BelowPopup
from inspector.gui.spec_clipboard import from_text, to_text
from inspector.gui.spec_edits import (
    Chosen,
    common_choice,
    default_edit,
    operator_edit,
    preset_edit,
    specs_edit,
)
from inspector.gui.spec_panel import SpecPanel
from inspector.gui.spec_presets import PRESETS, Preset
from inspector.gui.stage import Stage
from inspector.gui.tasks import FRAME_MS
from inspector.quant.spec import QuantSpec, Role
from inspector.report.units import plural
from inspector.session.edits import Edit
from inspector.session.fitting import violations
from inspector.session.profiles import profile_of
from inspector.session.target_profile import Target

_ROLES: tuple[Role, ...] = ("weights", "activations")
_MOST_GROUPS = 3
_MIXED = "The selected layers have different specs: select one whose spec is to be given."
_ACTIONS = ("actionCopySpec", "actionPasteSpec")
_Words = Mapping[Role, tuple[str, ...]]
_Offer = tuple[Target | None, _Words, _Words]
"""A target, and by role the operators and the types that are chosen."""


class SpecPresenter(QObject):
    """Does what the buttons of the panel ask for, and shows what the target cannot run.

    Args:
        bridge: the document.
        stage: knows the groups of the graph.
        selection: what is chosen; others have told the bridge of it before.
        panel: the panel.
        actions: of the window, among them copy and paste.
    """

    def __init__(
        self,
        bridge: Bridge,
        stage: Stage,
        selection: Selection,
        panel: SpecPanel,
        actions: Actions,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._panel = bridge, stage, panel
        self._actions = [actions[name] for name in _ACTIONS]
        self._popup: BelowPopup | None = None
        panel.bar.set_actions(self._actions)
        panel.let_go.connect(bridge.document.seal)
        panel.bar.preset_asked.connect(self._use_preset)
        panel.bar.applying.connect(self._offer_layers)
        actions["actionCopySpec"].triggered.connect(self.copy)
        actions["actionPasteSpec"].triggered.connect(self.paste)
        bridge.model_changed.connect(lambda: bridge.turns.ask(self.refresh))
        self._offered: _Offer | None = None
        self._all_cases: tuple[object, tuple[Case, ...]] = (None, ())
        self._wanted: _Offer = (None, {}, {})
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(FRAME_MS)
        self._later.timeout.connect(self._offer)
        bridge.specs_changed.connect(lambda _: self.refresh())
        selection.changed.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show what the target cannot run of what is selected now."""
        able = bool(self._bridge.document.layers)
        for action in self._actions:
            action.setEnabled(able)
        layers, target = self._selected(), self._target()
        cases = self._cases_of(layers) if target is not None else ()
        kinds = {role: operators_of(cases, role) for role in _ROLES}
        dtypes = {role: self._dtypes(role, cases if layers else ()) for role in _ROLES}
        self._wanted = target, kinds, dtypes
        if self._offered is None or self._offered[:2] != self._wanted[:2]:
            self._offer()
        elif not self._later.isActive():  # what is chosen hardly ever makes a difference
            self._later.start()
        self._panel.show_misfit(_misfit(target, cases) if target is not None and layers else "")

    def _cases_of(self, layers: Sequence[Layer]) -> tuple[Case, ...]:
        """Those of some layers; without any those of all, found once for each recipe."""
        document = self._bridge.document
        if layers:
            return cases_of(layers, document.specs)
        if self._all_cases[0] is not document.specs:
            self._all_cases = document.specs, cases_of(document.layers, document.specs)
        return self._all_cases[1]

    def _offer(self) -> None:
        """Let be chosen what the target can run."""
        self._later.stop()
        if self._wanted == self._offered:
            return
        self._offered = target, kinds, dtypes = self._wanted
        for role in _ROLES:
            refused = ANYTHING
            if target is not None:
                refused = refusals(target, role, kinds[role], dtypes[role])
            self._panel.show_refusals(role, refused)
        reasons = [""] * len(PRESETS)
        if target is not None:
            reasons = [_why_not(target, kinds, preset) for preset in PRESETS]
        self._panel.bar.show_presets(reasons)

    # Copy and paste

    def copy(self) -> None:
        """Put the specs of the selection on the clipboard, as text."""
        chosen = self._common()
        if chosen is None:
            self._refuse(InspectorError("Nothing was copied: the selected layers differ.", _MIXED))
        else:
            QGuiApplication.clipboard().setText(to_text(chosen))

    def paste(self) -> None:
        """Give the selection the specs on the clipboard, or say what is wrong with them."""
        try:
            chosen = from_text(QGuiApplication.clipboard().text())
        except InspectorError as error:
            self._refuse(error)
            return
        what = " and ".join(
            f"{role} {spec}" for role, spec in zip(_ROLES, chosen, strict=True) if spec is not None
        )
        self._apply(specs_edit(chosen, self._selected(), f"paste {what}"))

    # Presets, and other layers

    def _use_preset(self, preset: Preset) -> None:
        self._apply(preset_edit(preset, self._selected()))

    def _offer_layers(self) -> None:
        """Fill the menu: by operator, by group, by SQNR, all."""
        document, layers = self._bridge.document, self._selected()
        chosen = self._common()
        if not layers or chosen is None:
            why = _MIXED if layers else "Select a layer: its spec is what others are given."
            self._panel.bar.offer([Entry(why, lambda: None, able=False, name="applyNothing")])
            return
        source = layers[0].name
        entries = [
            *self._operator_entries(layers[0], chosen),
            *self._group_entries(source, chosen),
            None,
            Entry(
                "All with SQNR below…",
                lambda: self._ask_below(source, chosen),
                "Layers whose weights lose most: asks for a number",
                name="applyBelow",
            ),
            Entry(
                f"All layers ({len(document.layers)})",
                lambda: self._apply(default_edit(chosen, source)),
                "Becomes the default; rules and choices for single layers are dropped",
                name="applyAll",
            ),
        ]
        self._panel.bar.offer(entries)

    def _operator_entries(self, source: Layer, chosen: Chosen) -> list[Entry | None]:
        """The operator of the layer first, then the others there are."""
        by_operator: dict[str, list[Layer]] = {source.op_type: []}
        for layer in self._bridge.document.layers:
            by_operator.setdefault(layer.op_type, []).append(layer)

        def entry(op_type: str, layers: Sequence[Layer]) -> Entry:
            edit = operator_edit(chosen, op_type, layers, source.name)
            return Entry(
                f"All {one_line(op_type)} ({len(layers)})",
                lambda: self._apply(edit),
                f"Becomes the rule op:{op_type}; choices for single layers of it are dropped",
                name=f"apply{op_type}",
            )

        return [entry(op_type, layers) for op_type, layers in by_operator.items()]

    def _group_entries(self, source: str, chosen: Chosen) -> list[Entry | None]:
        """The groups around the layer, the innermost first."""
        groups = self._stage.groups() if self._stage.is_main() else None
        known = {layer.name: layer for layer in self._bridge.document.layers}
        entries: list[Entry | None] = []
        around = groups.groups_of(source) if groups else ()
        insides = ([known[name] for name in group.nodes if name in known] for group in around)
        shared = (
            (group, layers) for group, layers in zip(around, insides, strict=True) if layers[1:]
        )
        for group, layers in islice(shared, _MOST_GROUPS):
            title = f"All in {one_line(group.path)}"
            edit = specs_edit(chosen, layers, f"same as {source}")
            run = self._does(edit)
            entries.append(Entry(f"{title} ({len(layers)})", run, group.path, name="applyGroup"))
        return [None, *entries] if entries else []

    def _ask_below(self, source: str, chosen: Chosen) -> None:
        """Ask for a number of decibels beside the button."""
        button = self._panel.bar.apply_button
        popup = BelowPopup(self._below, self._panel.window())

        def choose(limit: float) -> None:
            layers = [self._bridge.document.layer(name) for name in self._below(limit)]
            what = f"same as {source}, with SQNR below {limit:g} dB"
            self._apply(specs_edit(chosen, layers, what))

        popup.chosen.connect(choose)
        popup.open_at(button.mapToGlobal(QPoint(0, button.height())))

    def _below(self, limit: float) -> list[str]:
        """The layers known to have a weight SQNR below so many dB."""
        return [name for name, value in self._bridge.all_sqnr().items() if value < limit]

    # What is known

    def _target(self) -> Target | None:
        try:
            return profile_of(self._bridge.document.recipe)
        except InspectorError:
            return None  # whoever opened the recipe was told

    def _selected(self) -> list[Layer]:
        return [self._bridge.document.layer(name) for name in self._bridge.selected]

    def _common(self) -> Chosen | None:
        return common_choice(self._bridge.document.recipe, self._selected())

    def _dtypes(self, role: Role, cases: Sequence[Case]) -> tuple[str, ...]:
        """The types that the selected layers have now, or the default where none is selected."""
        default: QuantSpec = getattr(self._bridge.document.recipe.default, role)
        found = {getattr(case.specs, role).dtype for case in cases}
        return tuple(sorted(found)) or (default.dtype,)

    def _does(self, edit: Edit) -> Callable[[], None]:
        return lambda: self._apply(edit)

    def _apply(self, edit: Edit) -> None:
        if self._bridge.document.layers:
            self._bridge.apply(edit)

    def _refuse(self, error: InspectorError) -> None:
        self._bridge.refused.emit(error)


def _misfit(target: Target, cases: Sequence[Case]) -> str:
    """What the target does not take of a layer, or of how many of the selected ones."""
    found = [(case.count, violations(target, case.layer, case.specs)) for case in cases]
    if len(found) == 1 and found[0][0] == 1:
        return "\n".join(violation.why for violation in found[0][1])
    wrong = sum(count for count, reasons in found if reasons)
    do = "does" if wrong == 1 else "do"
    return f"{plural(wrong, 'layer')} of these {do} not fit {target.title}." if wrong else ""


def _why_not(target: Target, kinds: Mapping[Role, tuple[str, ...]], preset: Preset) -> str:
    """Why a target cannot run a preset on any of the layers; empty if it can."""
    for role in _ROLES:
        spec: QuantSpec | None = getattr(preset, role)
        reason = refusal(target, role, kinds[role], spec) if spec is not None else ""
        if reason:
            return reason
    return ""
