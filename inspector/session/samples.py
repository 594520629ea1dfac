"""Which samples a headless job runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inspector.errors import DataError
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.pixels import pixel_hint
from inspector.evaluate.random_data import random_data
from inspector.evaluate.statistics import is_statistics
from inspector.graph.model import Graph
from inspector.onnxio.loading import Model


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Real data or random numbers.

    Attributes:
        path: the data; None for random samples.
        images: how pictures become inputs.
        limit: at most so many samples; None for all.
        random_samples: how many random samples, where there is no path.
        seed: of the random samples.
    """

    path: Path | None = None
    images: ImageOptions | None = None
    limit: int | None = None
    random_samples: int | None = None
    seed: int = 0

    def open(self, model: Model, graph: Graph) -> Dataset:
        """The samples, for a model and its graph.

        Raises:
            DataError: there are none, or they do not fit the model.
        """
        if self.path is None:
            if self.random_samples is None:
                raise DataError(
                    "There is no data to run the model on.",
                    "Give data with --calibration PATH, or --random-data N for a try.",
                )
            return random_data(graph, samples=self.random_samples, seed=self.seed)
        if is_statistics(self.path):
            raise DataError(
                f"{self.path} holds statistics, and the samples themselves are needed here.",
                "Give the data that they were gathered from.",
            )
        hint = pixel_hint(model, graph)
        return load_data(self.path, graph, images=self.images, hint=hint, limit=self.limit)
