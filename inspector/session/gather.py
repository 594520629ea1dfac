"""The headless calibration: run a model over data and save what its activations are like."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.statistics import Calibration, save_calibration
from inspector.files import check_not_read, check_target
from inspector.graph.preparations import NO_SKIP
from inspector.progress import Cancel, StageProgress, of_stage
from inspector.session.opening import OpenModel, open_model
from inspector.session.samples import SampleRequest


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """What a calibration gathered.

    Attributes:
        model: the model's file.
        output: the file written.
        calibration: the statistics in it.
        seconds: that the runs took.
    """

    model: Path
    output: Path
    calibration: Calibration
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        found = self.calibration
        return {
            "model": str(self.model),
            "output": str(self.output),
            "model_key": found.model_key,
            "tensors": len(found.tensors),
            "calibration": {
                "source": found.source,
                "samples": found.samples,
                "random": found.random,
            },
            "seconds": {"calibrate": self.seconds},
        }


def all_tensors(opened: OpenModel) -> tuple[str, ...]:
    """Every tensor that some recipe may quantize: what statistics for any recipe must know."""
    return tuple(dict.fromkeys(site.tensor for site in opened.placement.sites))


def calibrate_model(
    model: Path,
    output: Path,
    data: SampleRequest,
    *,
    executor: Executor | None = None,
    skip: frozenset[str] = NO_SKIP,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> CalibrateResult:
    """Gather the statistics of all activations and save them.

    Args:
        model: the model's file.
        output: the file to write (.npz).
        data: what to run the model on.
        executor: what runs the work; by default threads, one for each core.
        skip: passes before quantization that are left out, as they will be in the recipe.
        progress: told of ("calibrate", samples done, all samples).
        cancel: asked now and then.

    Raises:
        InspectorError: something is wrong with the model, the data or the output; nothing is left.
        CancelledError: `cancel` said so; nothing is left.
    """
    check_target(output)
    check_not_read(output, (model, data.path))
    opened = open_model(model, skip=skip)
    check_not_read(output, opened.source.external_files)
    opened.require_quantizable()
    samples = data.open(opened.prepared, opened.graph)
    start = time.perf_counter()
    found = calibrate(
        opened.prepared,
        all_tensors(opened),
        samples,
        executor=executor,
        source=opened.source,
        progress=of_stage(progress, "calibrate"),
        cancel=cancel,
    )
    seconds = time.perf_counter() - start
    save_calibration(found, output)
    return CalibrateResult(model, output, found, seconds)
