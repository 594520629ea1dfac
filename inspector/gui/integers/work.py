"""What the tab of integers asks of the background: frozen requests, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.errors import CancelledError, InspectorError
from inspector.evaluate.data import Dataset
from inspector.graph.conversions import Conversions, conversions
from inspector.graph.grids import Grids
from inspector.graph.pipeline import Pipeline, pipeline_of
from inspector.graph.placement import Site
from inspector.gui.evaluation import answered
from inspector.gui.integers.stages import Stage, stages
from inspector.gui.tasks import Context
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.target_profile import PRODUCT, Accumulator
from inspector.session.targets import load_target

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.worked import Worked
    from inspector.gui.estimate import Estimator


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Today's choices, and what can be run under them.

    Attributes:
        opened: the model.
        grids: the numbers of the choice.
        recipe: the choice.
        estimator: runs the model.
        data: samples; None where there are none.
    """

    opened: OpenModel
    grids: Grids
    recipe: Recipe
    estimator: Estimator
    data: Dataset | None


@dataclass(frozen=True, slots=True)
class Place:
    """One output element of one sample.

    Attributes:
        layer: whose output.
        sample: its number among those that figures are found on.
        index: of the element; None for one in the middle.
    """

    layer: str
    sample: int
    index: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class PipelineAnswer:
    """The arithmetic of a layer.

    Attributes:
        layer: its name.
        pipeline: what it is.
        accumulator: what the target keeps sums in.
        stages: the same as the boxes of the diagram.
    """

    layer: str
    pipeline: Pipeline
    accumulator: Accumulator
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WorkedAnswer:
    """One output worked through.

    Attributes:
        place: which.
        worked: how it comes about.
        accumulator: what the target keeps sums in.
        stages: the boxes of the diagram with what was seen.
        samples: how many there are to choose from.
    """

    place: Place
    worked: Worked
    accumulator: Accumulator
    stages: tuple[Stage, ...]
    samples: int


def find_model(choice: Choice) -> Conversions:
    """Where the model changes between floats and grids."""
    return conversions(choice.opened.placement, choice.grids)


def find_layer(
    choice: Choice, place: Place, context: Context
) -> WorkedAnswer | InspectorError | None:
    """The arithmetic of a layer, told early, and one of its outputs worked through.

    Returns:
        None where there are no samples, or where there is no arithmetic, which was told.
    """
    early = answered(lambda: _pipeline(choice, place.layer))
    context.tell(early)
    if isinstance(early, InspectorError) or choice.data is None:
        return None
    return answered(lambda: _work(choice, place, early, context))


def _pipeline(choice: Choice, name: str) -> PipelineAnswer:
    opened = choice.opened
    found = pipeline_of(opened.placement, choice.grids, name, opened.prepared.constant)
    layer = opened.graph.layer(name)
    operator = PRODUCT if layer.weight is None else layer.op_type
    plan = choice.grids.plan
    read = plan.points[plan.sites[Site(layer.activations[0], name)]].spec
    accumulator = load_target(choice.recipe.target).accumulator(operator, read.dtype)
    return PipelineAnswer(name, found, accumulator, stages(found, accumulator))


def _work(choice: Choice, place: Place, early: PipelineAnswer, context: Context) -> WorkedAnswer:
    from inspector.evaluate.worked import Bench, work_through

    assert choice.data is not None
    if context.cancelled():
        raise CancelledError
    job = choice.estimator.layer_job(choice.recipe, choice.data, context)
    sample = min(place.sample, len(job.samples) - 1)
    bench = Bench(
        choice.opened.prepared, choice.opened.placement, job.grids, job.request, job.errors
    )
    found = work_through(bench, place.layer, job.samples[sample], place.index, context.cancelled)
    known = stages(early.pipeline, early.accumulator, found.seen)
    at = Place(place.layer, sample, found.index)
    return WorkedAnswer(at, found, early.accumulator, known, len(job.samples))
