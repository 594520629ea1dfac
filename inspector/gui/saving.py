"""What is saved of an open model: a frozen request that a worker runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inspector.errors import DataError, SaveError
from inspector.evaluate.data import Dataset
from inspector.evaluate.random_data import random_data
from inspector.evaluate.statistics import Calibration
from inspector.gui.tasks import Context
from inspector.session.chosen import resolve
from inspector.session.document import Document
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.result import QuantizeResult


@dataclass(frozen=True, slots=True, eq=False)
class SaveRequest:
    """What is to be written.

    Attributes:
        opened: the model.
        recipe: the choices.
        calibration: what is known of its activations.
        data: samples to prove the file on; random ones if there are none.
        study: look at each layer more closely, for a report.
        sensitivity: quantize each layer alone as well.
    """

    opened: OpenModel
    recipe: Recipe
    calibration: Calibration | None
    data: Dataset | None
    study: bool = False
    sensitivity: bool = False

    @classmethod
    def of(
        cls, document: Document, *, study: bool = False, sensitivity: bool = False
    ) -> SaveRequest:
        """The present state of a document."""
        calibration, data = document.calibration, document.dataset
        return cls(document.opened, document.recipe, calibration, data, study, sensitivity)

    def run(self, path: Path, context: Context) -> QuantizeResult:
        """Write the quantized model and prove what it does.

        Raises:
            InspectorError: something is wrong; the file is as it was before.
            CancelledError: the task was cancelled.
        """
        from inspector.session.job import save_quantized  # for workers: the window starts sooner
        from inspector.session.recovery import recover

        opened, recipe, calibration = self.opened, self.recipe, self.calibration
        opened.require_quantizable()
        if path.exists() and opened.path.exists() and path.samefile(opened.path):
            raise SaveError(f"{path} is the open model itself.", "Choose another name.")
        check_known(opened, recipe, calibration)
        learned, samples = (
            self.data.split_for_verification()
            if self.data is not None
            else (None, random_data(opened.graph, samples=4))
        )

        def progress(_stage: str, done: int, total: int) -> None:
            context.progress(done, total)

        recovery = None
        if recipe.recovers:
            recovery = recover(
                opened,
                recipe,
                calibration,
                learned,
                samples,
                progress=progress,
                cancel=context.cancelled,
            )
        return save_quantized(
            opened,
            recipe,
            calibration,
            samples,
            path,
            recovery=recovery,
            study=self.study,
            alone=self.sensitivity,
            learned=learned,
            force=True,
            progress=progress,
            cancel=context.cancelled,
        )


def check_known(opened: OpenModel, recipe: Recipe, calibration: Calibration | None) -> None:
    """Makes sure that enough is known of the activations for a recipe.

    Raises:
        DataError: it is not.
    """
    if calibration is None and opened.placement.plan(resolve(opened, recipe)).open_points:
        raise DataError(
            "Activations are to be quantized, and nothing is known of them.",
            "Drop calibration data on the window, use random inputs for a try, or set the "
            "activations to float.",
        )
