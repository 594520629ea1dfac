"""The document: edits, history, events, and what is known of each layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector.cache import CachePool
from inspector.errors import DataError, InspectorError, RecipeError, UnsupportedError
from inspector.evaluate.statistics import Calibration
from inspector.quant.distribution import Histogram
from inspector.quant.kernels import fake_quantize, quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.spec import FLOAT, QuantSpec
from inspector.session.document import Document
from inspector.session.edits import (
    Edit,
    change_layers,
    replace_recipe,
    reset_layers,
    set_default,
    set_layers,
)
from inspector.session.events import (
    CalibrationChanged,
    DatasetChanged,
    Event,
    ModelChanged,
    RecipeChanged,
    SavedChanged,
)
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, Rule

INT4 = QuantSpec.parse("int4")
HEAD = "/head/Gemm"
STEM = "/stem/conv/Conv"


@pytest.fixture(scope="module")
def opened(sample_models: Path) -> OpenModel:
    """A small real model."""
    return open_model(sample_models / "digits_cnn.onnx")


@pytest.fixture
def document(opened: OpenModel) -> Document:
    """That model under the default recipe."""
    return Document(opened)


@pytest.fixture
def events(document: Document) -> Iterator[list[Event]]:
    """What the document tells from now on."""
    told: list[Event] = []
    unsubscribe = document.subscribe(told.append)
    yield told
    unsubscribe()


def _calibration(opened: OpenModel, seed: int = 0) -> Calibration:
    values = np.random.default_rng(seed).standard_normal(4000).astype(np.float32)
    names = {name for layer in opened.graph.layers for name in layer.activations}
    tensors = {name: Histogram.of(values, name=name) for name in names}
    return Calibration(
        opened.prepared.key, "somewhere", 4, random=False, seed=None, tensors=tensors
    )


def test_an_edit_changes_what_it_says_and_tells_which_layers(
    document: Document, events: list[Event]
) -> None:
    """And that there are unsaved changes now."""
    changed = document.apply(set_layers([HEAD], weights=INT4))
    assert changed == {HEAD}
    assert document.specs_of(HEAD).weights == INT4.filled("weights")
    assert document.specs_of(STEM) == DEFAULT_RECIPE.resolve(document.layer(STEM))
    assert events == [RecipeChanged(frozenset({HEAD})), SavedChanged(True)]
    assert document.undo_label == "/head/Gemm: weights to int4"


def test_only_layers_that_resolve_differently_are_told(
    document: Document, events: list[Event]
) -> None:
    """A default behind an override changes nothing there; a rule that says the same, nothing."""
    document.apply(set_layers([HEAD], weights=INT4))
    assert HEAD not in document.apply(set_default(weights=QuantSpec.parse("int6")))
    events.clear()
    same = Rule("op:Conv", weights=QuantSpec.parse("int6:channel:minmax:sym"))
    assert document.apply(Edit("rule", lambda recipe: recipe.with_rule(same))) == frozenset()
    assert events == [RecipeChanged(frozenset())]


def test_undo_redo_and_jumps_tell_what_changed(document: Document, events: list[Event]) -> None:
    """Undoing everything is clean again."""
    document.apply(set_layers([HEAD], weights=INT4))
    document.apply(set_layers([STEM], activations=FLOAT))
    events.clear()
    assert document.undo() == {STEM}
    assert document.undo() == {HEAD}
    assert document.undo() == frozenset()
    assert (document.can_undo, document.redo_label) == (False, "/head/Gemm: weights to int4")
    assert events[-2:] == [RecipeChanged(frozenset({HEAD})), SavedChanged(False)]
    assert document.redo() == {HEAD}
    assert document.go_to(2) == {STEM}
    assert document.go_to(0) == {HEAD, STEM}
    with pytest.raises(IndexError):
        document.go_to(3)
    assert document.steps[0].label == "Opened"
    assert document.position == 0


def test_a_drag_is_one_step(document: Document) -> None:
    """Until the mouse is let go."""
    for percent in (99.0, 99.5, 99.9):
        spec = QuantSpec.parse(f"uint8:percentile{percent}")
        document.apply(set_layers([HEAD], activations=spec, drag="clip"))
    assert len(document.steps) == 2
    document.seal()
    document.apply(set_layers([HEAD], activations=FLOAT, drag="clip"))
    assert len(document.steps) == 3
    document.undo()
    assert str(document.recipe.rules[0].activations) == "uint8:percentile99.9"


def test_an_edit_that_fails_leaves_everything(document: Document, events: list[Event]) -> None:
    """Whether it raises itself or asks for a layer that is not there."""
    document.apply(set_layers([HEAD], weights=INT4))
    events.clear()
    before = (document.recipe, document.specs, document.steps, document.is_dirty)

    def fail(_: Recipe) -> Recipe:
        raise UnsupportedError("No.")

    for edit, kind in (
        (Edit("fails", fail), UnsupportedError),
        (set_layers(["/nowhere"], weights=INT4), RecipeError),
        (replace_recipe(Recipe(rules=(Rule("*x*y*", INT4),)), "dropped"), RecipeError),
    ):
        with pytest.raises(kind):
            document.apply(edit)
        assert (document.recipe, document.specs, document.steps, document.is_dirty) == before
    assert events == []


def test_reset_and_change_of_a_mixed_selection(document: Document) -> None:
    """Each layer keeps the fields that are not changed."""
    document.apply(set_layers([HEAD], weights=QuantSpec.parse("int8:tensor")))
    chosen = [document.layer(HEAD), document.layer(STEM)]
    edit = change_layers(chosen, "weights", lambda spec: replace(spec, dtype="int4"), "to int4")
    assert edit.label == "2 layers: to int4"
    assert document.apply(edit) == {HEAD, STEM}
    assert str(document.recipe.chosen(document.layer(HEAD)).weights) == "int4:tensor"
    assert str(document.recipe.chosen(document.layer(STEM)).weights) == "int4"
    assert document.apply(reset_layers([HEAD, STEM])) == {HEAD, STEM}
    assert document.recipe == DEFAULT_RECIPE


def test_saving_is_remembered(document: Document, events: list[Event]) -> None:
    """A recipe is clean where it was saved, not where it began."""
    document.apply(set_default(weights=INT4))
    events.clear()
    document.mark_saved()
    document.mark_saved()
    assert events == [SavedChanged(False)]
    document.undo()
    assert document.is_dirty


def test_an_empty_document_says_so() -> None:
    """Opening a model is the next step."""
    document = Document()
    assert not document.is_open
    assert document.layers == ()
    with pytest.raises(InspectorError, match="No model is open"):
        document.layer(HEAD)
    document.apply(set_default(weights=INT4))
    assert document.recipe.default.weights == INT4


def test_another_model_starts_anew(
    document: Document, opened: OpenModel, events: list[Event]
) -> None:
    """With its own history, without the old calibration."""
    document.apply(set_layers([HEAD], weights=INT4))
    document.set_calibration(_calibration(opened))
    events.clear()
    document.set_model(opened, Recipe(rules=(Rule("op:Gemm", INT4),)))
    assert events == [ModelChanged()]
    assert not document.can_undo
    assert not document.is_dirty
    assert document.calibration is None
    with pytest.raises(RecipeError):
        document.set_model(opened, Recipe(rules=(Rule("gone", INT4),)))
    assert document.recipe.rules[0].layers == "op:Gemm"
    document.close_model()
    assert not document.is_open
    assert document.specs == {}


def test_statistics_of_another_model_are_refused(
    document: Document, opened: OpenModel, events: list[Event]
) -> None:
    """And those there were stay."""
    calibration = _calibration(opened)
    document.set_calibration(calibration)
    with pytest.raises(DataError, match="another model"):
        document.set_calibration(replace(calibration, model_key="other"))
    assert document.calibration is calibration
    document.set_dataset(None)
    assert events == [CalibrationChanged(), DatasetChanged()]


def test_an_unknown_layer_is_named(document: Document) -> None:
    """Not a KeyError."""
    with pytest.raises(InspectorError, match="no layer 'x'"):
        document.specs_of("x")


def test_listeners_that_fail_or_edit_do_not_disturb_others(document: Document) -> None:
    """Each event reaches all before the next one does."""
    told: list[tuple[int, Event]] = []

    def edits(event: Event) -> None:
        told.append((1, event))
        if event == RecipeChanged(frozenset({HEAD})):
            document.apply(set_layers([STEM], weights=INT4))

    def fails(_: Event) -> None:
        raise ValueError("a listener's own fault")

    end = document.subscribe(edits)
    end_fails = document.subscribe(fails)
    document.subscribe(lambda event: told.append((2, event)))
    with pytest.raises(ValueError, match="own fault"):
        document.apply(set_layers([HEAD], weights=INT4))
    first, second = RecipeChanged(frozenset({HEAD})), RecipeChanged(frozenset({STEM}))
    saved = SavedChanged(True)
    assert told == [(n, e) for e in (first, saved, second) for n in (1, 2)]
    end()
    end()
    end_fails()
    told.clear()
    document.undo()
    assert told == [(2, second)]


@pytest.mark.parametrize("text", ["int8", "int4:tensor:mse", "uint8:channel@1", "int4:block32"])
def test_weight_facts_are_what_the_kernels_do(document: Document, text: str) -> None:
    """From the sorted weight alone."""
    layer, spec = document.layer(HEAD), QuantSpec.parse(text).filled("weights")
    facts = document.facts.weight(layer, spec)
    assert facts is not None
    assert facts.qparams is not None
    assert facts.profile is not None
    assert facts.levels is not None
    values = np.asarray(document.model.constant(layer.weight or ""))
    assert facts.profile.total_sqnr_db == pytest.approx(
        float(sqnr_db(values, fake_quantize(values, facts.qparams))), rel=1e-5
    )
    codes = quantize(values, facts.qparams).astype(int) - facts.qparams.qmin
    expected = np.bincount(codes.ravel(), minlength=facts.levels.size)
    assert np.abs(facts.levels - expected).sum() <= 2
    assert facts.counts.sum() == values.size
    assert (facts.lo, facts.hi) == (values.min(), values.max())
    assert facts.exact


def test_float_and_wide_grids_have_no_levels(document: Document) -> None:
    """What cannot be shown is not counted."""
    layer = document.layer(STEM)
    bare = document.facts.weight(layer, FLOAT)
    assert bare is not None
    assert (bare.qparams, bare.profile, bare.levels) == (None, None, None)
    wide = document.facts.weight(layer, QuantSpec.parse("int16").filled("weights"))
    assert wide is not None
    assert wide.levels is None
    assert wide.profile is not None


def test_workers_find_facts_from_frozen_requests(document: Document, opened: OpenModel) -> None:
    """A response is kept unless another model or calibration has come since."""
    facts, layer = document.facts, document.layer(HEAD)
    specs = document.specs_of(HEAD)
    request = facts.weight_request(layer, specs.weights)
    assert request is not None
    assert not facts.is_sorted(layer, specs.weights)
    response = request.run()
    assert facts.known_weight(layer, specs.weights) is None
    assert facts.accept(response)
    assert facts.known_weight(layer, specs.weights) is response.facts
    assert facts.weight(layer, specs.weights) is response.facts
    again = facts.weight_request(layer, QuantSpec.parse("int3").filled("weights"))
    assert again is not None
    assert again.distribution is response.distribution

    tensor = layer.activations[0]
    assert facts.activation_request(tensor, specs.activations) is None
    assert facts.activation(tensor, specs.activations) is None
    document.set_calibration(_calibration(opened))
    activation = facts.activation_request(tensor, specs.activations)
    assert activation is not None
    answer = activation.run()
    assert not answer.facts.exact
    assert answer.facts.levels is not None
    assert answer.facts.levels.sum() == 4000
    assert facts.accept(answer)
    assert facts.activation(tensor, specs.activations) is answer.facts
    document.set_calibration(_calibration(opened, seed=1))
    assert not facts.accept(answer)
    assert facts.known_activation(tensor, specs.activations) is None
    assert facts.known_weight(layer, specs.weights) is response.facts
    document.close_model()
    assert not facts.accept(response)
    assert document.caches.used == 0


def test_activations_have_one_scale(document: Document, opened: OpenModel) -> None:
    """Anything finer is refused, by name."""
    document.set_calibration(_calibration(opened))
    tensor = document.layer(HEAD).activations[0]
    spec = QuantSpec.parse("uint8:channel@1").filled("activations")
    with pytest.raises(UnsupportedError, match=f"'{tensor}'.*channel@1"):
        document.facts.activation(tensor, spec)
    assert document.facts.activation(tensor, FLOAT) is not None


def test_facts_stay_within_their_bound(opened: OpenModel) -> None:
    """The least recently used go first, and all are found again."""
    document = Document(opened, caches=CachePool(300_000))
    for text in ("int8", "int4", "int8:tensor", "int4:block16"):
        for layer in document.layers:
            spec = QuantSpec.parse(text).filled("weights")
            found = document.facts.weight(layer, spec)
            assert found is not None
            assert found.profile is not None
            assert document.caches.used <= document.caches.limit
    assert document.caches.used > 0
    assert document.caches.dropped > 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["layer", "default", "reset", "undo", "redo", "seal", "save"]),
        st.integers(0, 9),
        st.sampled_from(["int8", "int4", "float", "int4:block16:mse"]),
        st.sampled_from([None, "drag"]),
    ),
    max_size=25,
)


@given(STEPS)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_listeners_hear_adds_up(
    opened: OpenModel, steps: list[tuple[str, int, str, str | None]]
) -> None:
    """A view that only redraws the layers it is told of always shows what a fresh one would."""
    document = Document(opened)
    shown = dict(document.specs)
    dirty = [False]

    def redraw(event: Event) -> None:
        if isinstance(event, RecipeChanged):
            shown.update({name: document.specs[name] for name in event.layers})
        elif isinstance(event, SavedChanged):
            dirty[0] = event.dirty

    document.subscribe(redraw)
    names = [layer.name for layer in document.layers]
    for action, number, text, drag in steps:
        name, spec = names[number], QuantSpec.parse(text)
        match action:
            case "layer":
                document.apply(set_layers([name], weights=spec, drag=drag))
            case "default":
                document.apply(set_default(weights=spec, drag=drag))
            case "reset":
                document.apply(reset_layers([name]))
            case "undo":
                document.undo()
            case "redo":
                document.redo()
            case "seal":
                document.seal()
            case _:
                document.mark_saved()
        assert shown == document.specs == document.recipe.resolve_all(document.layers)
        assert dirty[0] == document.is_dirty
