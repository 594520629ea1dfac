"""Choices that differ little from one another: only what lies behind the difference is run.

One choice, the *base*, is run whole once for each sample, and what flows through a few cuts of the
model is kept. Any other choice is compared with it number by number; the last cut before the first
node that reads another number is where its run begins. That is exact: what is computed before that
cut depends on nothing that differs. Behind a cut all numbers that none of the choices expected
there will change are constants, so that the runtime runs that part as fast as a model of its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.evaluate.arrays import same_array
from inspector.evaluate.preview import Numbers, Preview
from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.grids import Grids
from inspector.onnxio.suffix import Cuttable, Kind, can_be_fed
from inspector.progress import Cancel

CUTS = 10
"""Runs begin half a piece too early on average: 5 % of a whole run with so many."""

BUDGET = 384 << 20
"""Bytes of what flows through cuts that are kept, for all samples together."""

_OPEN_SESSIONS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A choice as it differs from the base.

    Attributes:
        piece: the piece to begin with; -1 is the whole model, None where nothing differs.
        numbers: what differs.
        is_expected: only such numbers differ as were expected to.
    """

    piece: int | None
    numbers: Numbers
    is_expected: bool


@dataclass(slots=True)
class _Piece:
    """What lies between two cuts.

    Attributes:
        position: of the cut before it, in the order of the simulation's nodes.
        boundary: the tensors that flow through that cut.
        varying: the numbers that choices expected here change.
    """

    position: int
    boundary: tuple[str, ...]
    varying: set[str]


class Downstream:
    """Runs choices near one base on some samples.

    Safe to use from several threads at once. A session is built for each piece when it is first
    needed; it is kept until pieces behind it are run.

    Cost: memory of the weights behind a piece for some pieces, and BUDGET at most for what flows
    through cuts; each run costs what lies behind the change and half a piece more on average.
    """

    def __init__(
        self,
        preview: Preview,
        base: Grids,
        samples: Sequence[Feeds],
        expected: Sequence[Grids] = (),
        *,
        threads: int = 1,
        cuts: int = CUTS,
        budget: int = BUDGET,
    ) -> None:
        """Finds the cuts.

        Args:
            preview: whose simulation is run; it gives the numbers of choices.
            base: the choice that others are near to.
            samples: what to run on.
            expected: choices like those that will be run; cuts are made before what they change.
            threads: within an operator; 0 means one for every core.
            cuts: at most so many.
            budget: bytes to keep.

        Raises:
            RunError: onnxruntime refuses the model.
        """
        self._preview = preview
        self._threads = threads
        self._samples = samples
        self._budget = budget
        self._model = Cuttable(preview.simulation)
        self._base = preview.numbers(base)
        self._pieces = self._find_pieces([self._differences(one) for one in expected], cuts)
        tensors = [name for piece in self._pieces for name in piece.boundary]
        whole = self._model.exposed(tensors)
        self._whole = open_session(whole, threads=threads, memory_pattern=False, spinning=False)
        self._kinds: dict[str, Kind] = {v.name: (v.dtype, v.shape) for v in self._whole.outputs}
        self._drop_unusable()
        self._outputs: dict[int, Mapping[str, NDArray[Any]]] = {}
        self._boundaries: dict[tuple[int, int], Mapping[str, NDArray[Any]]] = {}
        self._sessions: OrderedDict[tuple[int, bool], tuple[Session, frozenset[str]]] = (
            OrderedDict()
        )
        self._numbers_lock, self._sessions_lock = threading.Lock(), threading.Lock()
        self._sample_locks = [threading.Lock() for _ in samples]

    @property
    def pieces(self) -> int:
        """Into how many pieces the model is cut."""
        return len(self._pieces)

    def change(self, grids: Grids) -> Change:
        """What a choice has other than the base, and where it begins."""
        with self._numbers_lock:
            numbers = self._differences(grids)
        if not numbers:
            return Change(None, numbers, True)
        piece = self._piece_of(numbers)
        expected = piece >= 0 and numbers.keys() <= self._pieces[piece].varying
        return Change(piece, numbers, expected)

    def run(
        self, change: Change, sample: int, cancel: Cancel | None = None
    ) -> dict[str, NDArray[Any]]:
        """The model's outputs for a sample under a change of the base.

        Args:
            change: of `change`.
            sample: number of the sample.
            cancel: asked while the model runs.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.
        """
        outputs = self._base_outputs(sample, cancel)
        if change.piece is None:
            return dict(outputs)
        session, wanted = self._session(change.piece, is_expected=change.is_expected)
        given = {**self._samples[sample], **self._base, **change.numbers}
        if change.piece >= 0:
            given |= self._boundary(sample, change.piece, cancel)
        found = session.run({name: given[name] for name in wanted}, cancel=cancel)
        return {name: found.get(name, value) for name, value in outputs.items()}

    # The base ---------------------------------------------------------------------------------

    def _base_outputs(self, sample: int, cancel: Cancel | None) -> Mapping[str, NDArray[Any]]:
        with self._sample_locks[sample]:
            if sample not in self._outputs:
                self._run_base(sample, self._kept_pieces(), cancel)
            return self._outputs[sample]

    def _boundary(
        self, sample: int, piece: int, cancel: Cancel | None
    ) -> Mapping[str, NDArray[Any]]:
        with self._sample_locks[sample]:
            if (sample, piece) not in self._boundaries:
                for other in range(self.pieces):  # too large to be kept beside others
                    self._boundaries.pop((sample, other), None)
                self._run_base(sample, [piece], cancel)
            return self._boundaries[sample, piece]

    def _kept_pieces(self) -> list[int]:
        """Those whose boundaries are kept: all, once it is known that there is room for them."""
        known = [number for number, _ in self._boundaries]
        if not known:
            return list(range(self.pieces))
        of_one = [found for (number, _), found in self._boundaries.items() if number == known[0]]
        used = sum(array.nbytes for found in of_one for array in found.values())
        return list(range(self.pieces)) if used * len(self._samples) <= self._budget else []

    def _run_base(self, sample: int, pieces: Sequence[int], cancel: Cancel | None) -> None:
        inner = [name for piece in pieces for name in self._pieces[piece].boundary]
        wanted = list(dict.fromkeys([*self._model.outputs, *inner]))
        found = self._whole.run({**self._samples[sample], **self._base}, wanted, cancel)
        self._outputs[sample] = {name: found[name] for name in self._model.outputs}
        for piece in pieces:
            names = self._pieces[piece].boundary
            self._boundaries[sample, piece] = {name: found[name] for name in names}

    # Pieces -----------------------------------------------------------------------------------

    def _differences(self, grids: Grids) -> Numbers:
        numbers = self._preview.numbers(grids)
        return {n: value for n, value in numbers.items() if not same_array(self._base[n], value)}

    def _first(self, names: Sequence[str]) -> int:
        return min(self._model.first_reader(name) for name in names)

    def _piece_of(self, numbers: Numbers) -> int:
        first = self._first(list(numbers))
        return sum(piece.position <= first for piece in self._pieces) - 1

    def _find_pieces(self, changes: Sequence[Numbers], most: int) -> list[_Piece]:
        """Pieces with as many expected changes each, in the order of the graph."""
        known = [change for change in changes if change]
        begins = sorted(self._first(list(change)) for change in known)
        positions = {begins[len(begins) * number // most] for number in range(most) if begins}
        pieces = [_Piece(p, self._model.boundary(p), set()) for p in sorted(positions)]
        for change in known:
            first = self._first(list(change))
            piece = [one for one in pieces if one.position <= first][-1]
            piece.varying.update(change)
        return pieces

    def _drop_unusable(self) -> None:
        """Joins pieces to those before them where something flows that is no tensor."""
        kept: list[_Piece] = []
        for piece in self._pieces:
            if all(can_be_fed(self._kinds[name]) for name in piece.boundary):
                kept.append(piece)
            elif kept:
                kept[-1].varying |= piece.varying
        self._pieces = kept

    def _session(self, piece: int, *, is_expected: bool) -> tuple[Session, frozenset[str]]:
        key = (piece, is_expected)
        with self._sessions_lock:
            if key in self._sessions:
                self._sessions.move_to_end(key)
                return self._sessions[key]
            fixed: Numbers = {}
            if is_expected:
                varying = self._pieces[piece].varying
                fixed = {name: v for name, v in self._base.items() if name not in varying}
            position = self._pieces[piece].position if piece >= 0 else 0
            runnable, inputs = self._model.suffix(position, self._kinds, fixed)
            session = open_session(runnable, threads=self._threads, spinning=False)
            self._sessions[key] = session, inputs
            while len(self._sessions) > _OPEN_SESSIONS:
                self._sessions.popitem(last=False)
            return session, inputs
