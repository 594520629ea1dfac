"""One choice after another on the same samples: each run begins where it first differs.

What flows through a few cuts of the model is kept from the last run of each sample. The numbers of
the next choice are compared with those of the last; all that is computed before the first node that
reads another number is what it was, so the run begins at the last cut before that node. The figures
are the same to the last bit: the same nodes compute them from the same values. Where the runtime
joins nodes over a cut that would not hold, so each cut is tried before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.cache import ByteCache
from inspector.evaluate.arrays import same_array
from inspector.evaluate.preview import Numbers, Preview
from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.onnxio.suffix import Cuttable, Kind, can_be_fed
from inspector.progress import Cancel

CUTS = 4
"""Runs begin half a piece too early on average: a tenth of a whole run with so many."""

_NEAR = 2
"""So many layers before and behind the best place for a cut are looked at for a better one."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A place at which runs may begin.

    Attributes:
        position: of the first node behind it.
        boundary: the tensors that flow through it.
        session: what lies behind it; its outputs are the model's and the later boundaries.
        inputs: names of all that the session reads.
    """

    position: int
    boundary: tuple[str, ...]
    session: Session
    inputs: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The last run of a sample: its numbers, and what the model gave."""

    numbers: Numbers
    outputs: Arrays


class Resumed:
    """Runs choices on some samples. All sessions are built at once, and none later.

    Different samples may be run from several threads at once, one sample only from one at a time.

    Cost: a session without weights for each cut; what flows through the cuts for each sample, as
    far as `kept` has room for it. Without room a run begins at the beginning.
    """

    def __init__(
        self,
        preview: Preview,
        samples: Sequence[Feeds],
        kept: ByteCache,
        numbers: Numbers,
        *,
        threads: int = 0,
        cuts: int = CUTS,
    ) -> None:
        """Builds the sessions, and tries them on the first sample.

        Args:
            preview: gives the numbers of choices, and the simulation that is run.
            samples: what to run on.
            kept: where the boundaries are kept.
            numbers: of any choice, to try the cuts with.
            threads: threads within an operator; 0 means one for every core.
            cuts: at most so many.

        Raises:
            RunError: onnxruntime refuses the model.
        """
        self._preview, self._samples, self._kept = preview, samples, kept
        self._model = Cuttable(preview.simulation)
        places = _places(self._model, preview, cuts)
        boundaries = {place: self._model.boundary(place) for place in places}
        names = [name for boundary in boundaries.values() for name in boundary]
        whole = open_session(self._model.exposed(names), threads=threads)
        kinds: dict[str, Kind] = {v.name: (v.dtype, v.shape) for v in whole.outputs}
        self._cuts: list[_Cut] = []
        for place, boundary in boundaries.items():
            if all(can_be_fed(kinds[name]) for name in boundary):
                later = [n for p, one in boundaries.items() if p > place for n in one]
                runnable, inputs = self._model.suffix(place, kinds, exposed=later)
                session = open_session(runnable, threads=threads)
                self._cuts.append(_Cut(place, boundary, session, inputs))
        self._cuts = self._proven(whole, numbers) if samples else []
        self._whole = whole if self._cuts else None
        self._runs: list[_Run | None] = [None] * len(samples)

    @property
    def cuts(self) -> int:
        """At how many places a run may begin, besides the beginning."""
        return len(self._cuts)

    def begins_at(self, sample: int, numbers: Numbers) -> int | None:
        """Where a run would begin: the number of a cut, -1 for the beginning, None for nowhere."""
        last = self._runs[sample]
        if last is None:
            return -1
        changed = [n for n, value in numbers.items() if not same_array(last.numbers[n], value)]
        if not changed:
            return None
        first = min(self._model.first_reader(name) for name in changed)
        at = sum(cut.position <= first for cut in self._cuts) - 1
        while at >= 0 and self._kept.get((sample, at)) is None:
            at -= 1
        return at

    def run(self, sample: int, numbers: Numbers, cancel: Cancel | None = None) -> Arrays:
        """The model's outputs for a sample.

        Args:
            sample: its number.
            numbers: of `Preview.numbers`.
            cancel: asked while the model runs; what was known of the sample stays.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.
        """
        at, last = self.begins_at(sample, numbers), self._runs[sample]
        if at is None and last is not None:
            return last.outputs
        given: Arrays = {**self._samples[sample], **numbers}
        known: Arrays = {}
        session = self._whole
        if session is None:
            return self._run_plain(sample, numbers, cancel)
        if at is not None and at >= 0:
            cut = self._cuts[at]
            known = self._kept.get((sample, at)) or {}
            session, given = (
                cut.session,
                {n: known[n] if n in known else given[n] for n in cut.inputs},
            )
        else:
            at = -1
        found = {**known, **session.run(given, cancel=cancel)}
        before: Arrays = {} if last is None else last.outputs
        outputs = {n: found[n] if n in found else before[n] for n in self._model.outputs}
        for number in range(at + 1, len(self._cuts)):
            boundary = {name: found[name] for name in self._cuts[number].boundary}
            self._kept.put((sample, number), boundary)
        self._runs[sample] = _Run(numbers, outputs)
        return outputs

    def _run_plain(self, sample: int, numbers: Numbers, cancel: Cancel | None) -> Arrays:
        """Without cuts."""
        outputs = self._preview.run_with(numbers, self._samples[sample], cancel)
        self._runs[sample] = _Run(numbers, outputs)
        return outputs

    def _proven(self, whole: Session, numbers: Numbers) -> list[_Cut]:
        """The cuts from which all is computed as it is from the beginning, to the last bit."""
        given = {**self._samples[0], **numbers}
        found = whole.run(given)
        if not _agree(self._preview.run_with(numbers, self._samples[0]), found):
            return []
        everything = {**given, **found}
        return [
            cut
            for cut in self._cuts
            if _agree(cut.session.run({name: everything[name] for name in cut.inputs}), found)
        ]


def _agree(some: Arrays, found: Arrays) -> bool:
    return all(_equal(value, found[name]) for name, value in some.items())


def _equal(value: object, other: object) -> bool:
    """Whether two values are the same array; what is no array is taken to differ."""
    if not isinstance(value, np.ndarray) or not isinstance(other, np.ndarray):
        return False
    return np.array_equal(value, other, equal_nan=value.dtype.kind == "f")


def _places(model: Cuttable, preview: Preview, cuts: int) -> tuple[int, ...]:
    """Positions before layers that divide the multiplications evenly, where little flows.

    Cost: linear in the number of nodes.
    """
    simulation, layers = preview.simulation, preview.placement.graph.layers
    read: dict[str, list[str]] = {}
    for site, names in simulation.sites.items():
        read.setdefault(site.consumer, []).append(names.divisor)
    begins: list[tuple[int, float]] = []
    done = 0.0
    for layer in layers:
        weight = simulation.layers[layer.name].weight
        own = [*read.get(layer.name, ()), *([weight] if weight is not None else [])]
        if own:
            begins.append((min(model.first_reader(name) for name in own), done))
        done += float(layer.macs or 1)
    found: set[int] = set()
    for number in range(1, cuts + 1):
        wanted = done * number / (cuts + 1)
        best = min(range(len(begins)), key=lambda at: abs(begins[at][1] - wanted), default=None)
        if best is not None:
            near = begins[max(best - _NEAR, 0) : best + _NEAR + 1]
            found.add(min(near, key=lambda one: len(model.boundary(one[0])))[0])
    return tuple(sorted(position for position in found if position > 0))
