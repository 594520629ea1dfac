"""What the actions of the menus and keys do with the graph."""

from __future__ import annotations

from inspector.gui.actions import Actions
from inspector.gui.find_presenter import FindPresenter
from inspector.gui.graph_pane import GraphPane
from inspector.gui.graph_presenter import GraphPresenter
from inspector.gui.graph_view.cards import Detail
from inspector.gui.selection import Selection
from inspector.gui.stage import Stage


def connect_graph_actions(
    actions: Actions,
    pane: GraphPane,
    stage: Stage,
    presenter: GraphPresenter,
    selection: Selection,
    finds: FindPresenter,
) -> None:
    """Connect everything under Find and View, and the ways through the selections.

    Args:
        actions: the window's.
        pane: the graph and what floats over it.
        stage: what is shown.
        presenter: knows what shall stay in its place.
        selection: what is chosen.
        finds: brings the find bar up.
    """
    view, find_bar = pane.view, pane.find_bar
    for name, wish in (
        ("Find", finds.open),
        ("FindNext", find_bar.next),
        ("FindPrevious", find_bar.previous),
        ("Upstream", presenter.select_upstream),
        ("Downstream", presenter.select_downstream),
        ("Back", selection.back),
        ("Forward", selection.forward),
        ("Fit", view.fit),
        ("FullSize", view.full_size),
        ("FitSelection", view.fit_selection),
        ("FoldAll", lambda: stage.close_all(presenter.anchor())),
        ("OpenAll", lambda: stage.set_closed(frozenset(), anchor=presenter.anchor())),
    ):
        actions[f"action{name}"].triggered.connect(wish)
    _connect_switches(actions, stage, presenter)

    def follow() -> None:
        raw = actions["actionRaw"]
        raw.blockSignals(True)  # it is the stage that says so here
        raw.setChecked(stage.shown.folding.raw)
        raw.blockSignals(False)

    stage.changed.connect(follow)

    def ways() -> None:
        actions["actionBack"].setEnabled(selection.can_go_back)
        actions["actionForward"].setEnabled(selection.can_go_forward)
        some = bool(selection.chosen.names)
        for name in ("Upstream", "Downstream", "FitSelection"):
            actions[f"action{name}"].setEnabled(some)

    selection.changed.connect(ways)
    ways()


def _connect_switches(actions: Actions, stage: Stage, presenter: GraphPresenter) -> None:
    def detail() -> None:
        attributes = actions["actionAttributes"].isChecked()
        names = actions["actionNames"].isChecked()
        stage.set_detail(Detail(attributes, names), presenter.anchor())

    def turn(rightwards: bool) -> None:
        stage.set_direction("right" if rightwards else "down", presenter.anchor())

    actions["actionRightwards"].toggled.connect(turn)
    actions["actionRaw"].toggled.connect(lambda on: stage.set_raw(on, presenter.anchor()))
    actions["actionPrepared"].toggled.connect(presenter.set_prepared)
    actions["actionAttributes"].toggled.connect(lambda _: detail())
    actions["actionNames"].toggled.connect(lambda _: detail())
    actions["actionTensorNames"].toggled.connect(presenter.set_tensor_names)
