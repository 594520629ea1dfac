"""A file of sensitivities that grows while they are found, so that nothing is run twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from inspector.errors import InspectorError
from inspector.evaluate.data import Dataset
from inspector.evaluate.sensitivity import Case, Found, Way
from inspector.evaluate.statistics import Calibration
from inspector.evaluate.tally import Tally
from inspector.files import check_target, read_limited, write_atomically
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

VERSION = 1
_MAX_BYTES = 1 << 28
_PART = "found"
_SAVE_SECONDS = 5.0


def results_key(
    opened: OpenModel, recipe: Recipe, calibration: Calibration, samples: Dataset
) -> str:
    """A key that equal analyses share: of the same model, ranges, choices and samples.

    Cost: one pass over the samples.
    """
    digest = hashlib.sha256(f"{VERSION}\n{opened.prepared.key}\n{recipe.to_toml()}".encode())
    for name, histogram in sorted(calibration.tensors.items()):
        digest.update(name.encode())
        for array in histogram.to_arrays().values():
            digest.update(array.tobytes())
    for feeds in samples.samples():
        for name, values in sorted(feeds.items()):
            digest.update(f"{name}{values.shape}{values.dtype}".encode())
            digest.update(values.tobytes() if values.dtype != object else repr(values).encode())
    if samples.labels is not None:
        digest.update(samples.labels.tobytes())
    return digest.hexdigest()


class ResultsFile:
    """What was found of one analysis, in a file that is whole at any moment.

    Attributes:
        path: the file.
        known: the sums of each case that is done.
    """

    def __init__(self, path: Path, key: str, classes: str | None) -> None:
        """Reads what the file holds of this analysis; a file of anything else is replaced.

        Raises:
            SaveError: it cannot be written.
        """
        check_target(path)
        self.path, self._key = path, key
        self.known: dict[Case, tuple[Tally, ...]] = _read(path, key, classes)
        self._saved = time.monotonic()

    def add(self, found: Iterable[Found]) -> None:
        """Keeps what is done, and writes it now and then.

        Raises:
            SaveError: the file cannot be written.
        """
        self.known.update((one.case, one.tallies) for one in found)
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self.save()

    def content(self) -> dict[str, Any]:
        """What the file holds, as plain data."""
        cases = [
            [case.layer, case.bits, case.way, [tally.to_json() for tally in tallies]]
            for case, tallies in sorted(self.known.items())
        ]
        return {_PART: {"key": self._key, "cases": cases}}

    def save(self) -> None:
        """Writes all of it.

        Raises:
            SaveError: the file cannot be written.
        """
        write_atomically(self.path, json.dumps(self.content(), allow_nan=False).encode())
        self._saved = time.monotonic()


def _read(path: Path, key: str, classes: str | None) -> dict[Case, tuple[Tally, ...]]:
    """What a file holds under a key; nothing of one that was cut short or is something else."""
    try:
        part = json.loads(read_limited(path, _MAX_BYTES))[_PART]
        if part["key"] != key:
            return {}
        return {
            _case(layer, bits, way): tuple(Tally.from_json(classes, one) for one in tallies)
            for layer, bits, way, tallies in part["cases"]
        }
    except (InspectorError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _case(layer: Any, bits: Any, way: Any) -> Case:
    if way not in get_args(Way):
        raise ValueError(way)
    return Case(str(layer), int(bits), way)
