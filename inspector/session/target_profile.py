"""A hardware profile as the program sees it: what a target takes, each entry with its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.quant.spec import LayerSpecs, Role

PRODUCT = "product"
"""What profiles call a layer that multiplies two activations and has no weight."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form that weights or activations may have; a spec fits if one form takes all of it.

    Attributes:
        dtypes: the types, as in a spec ("int8"). One that is not listed is not taken, even if it
            would be stored in one that is.
        granularities: the kinds it takes: "tensor", "channel", "block".
        block_sizes: the sizes of blocks; empty for any.
        output_channels: a scale per channel is one per output channel; no other axis will do.
        symmetric: real zero must lie in the middle of the grid (zero point 0; 128 for uint8).
        power_of_two: scales must be powers of two.
        run_time: the range is found when the model runs, so nothing can be asked of the grid.
        operators: the layers that have this form; empty for all.
        opset: the first opset of the standard operators that has the types; 0 where not said.
        com_microsoft: onnxruntime's own domain has them before that opset.
        note: what else is good to know.
        source: where this is known from.
    """

    dtypes: tuple[str, ...]
    granularities: tuple[str, ...]
    block_sizes: tuple[int, ...] = ()
    output_channels: bool = False
    symmetric: bool = False
    power_of_two: bool = False
    run_time: bool = False
    operators: tuple[str, ...] = ()
    opset: int = 0
    com_microsoft: bool = False
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Operator:
    """Layers that can be quantized.

    Attributes:
        names: operators as ONNX names them, and `PRODUCT`.
        ranks: dimensions that the weight may have; empty for any.
        note: what else is good to know.
        source: where this is known from.
    """

    names: tuple[str, ...]
    ranks: tuple[int, ...] = ()
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Types of weights and activations that go together; "float" is one of them.

    Attributes:
        weights: types of the weights.
        activations: types of the activations that each of them may meet.
        operators: the layers that have this; empty for all.
        note: what else is good to know.
        source: where this is known from.
    """

    weights: tuple[str, ...]
    activations: tuple[str, ...]
    operators: tuple[str, ...] = ()
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Bias:
    """How biases are stored.

    Attributes:
        dtypes: the types.
        scale: how the scale follows from others, in words.
        note: what else is good to know.
        source: where this is known from.
    """

    dtypes: tuple[str, ...]
    scale: str = ""
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Accumulator:
    """What sums of products are kept in.

    Attributes:
        bits: its width.
        operators: the layers that have it; empty for all.
        activations: types of the activations whose products it adds up; empty for all.
        note: what else is good to know.
        source: where this is known from.
    """

    bits: int
    operators: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    note: str = ""
    source: str = ""


ASSUMED = Accumulator(32, note="no source says how wide; 32 bits are assumed")
"""What sums are taken to be kept in where a profile does not say."""


@dataclass(frozen=True, slots=True)
class Default:
    """What layers get where nothing else is said, on this target.

    Attributes:
        specs: as in a recipe.
        source: where this is known from.
    """

    specs: LayerSpecs
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A hardware profile. Equal only to itself.

    Attributes:
        name: as in a recipe.
        title: as shown.
        description: a sentence on what it is.
        weights: forms of weights. Here and below, empty rules nothing out; else what is not there
            is not taken.
        activations: forms of activations.
        operators: what can be quantized at all.
        pairs: what goes together.
        biases: how biases are stored.
        accumulators: what sums are kept in.
        default: its defaults; None for those of every recipe.
        unsigned_kernels: its 8-bit kernels are at their best, or exact at all, with weights stored
            in unsigned codes.
        path: the file; None for one that was made otherwise.
    """

    name: str
    title: str
    description: str
    weights: tuple[Form, ...] = ()
    activations: tuple[Form, ...] = ()
    operators: tuple[Operator, ...] = ()
    pairs: tuple[Pair, ...] = ()
    biases: tuple[Bias, ...] = ()
    accumulators: tuple[Accumulator, ...] = ()
    default: Default | None = None
    unsigned_kernels: bool = False
    path: Path | None = None

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Every type that it takes anywhere, in the order of the file."""
        forms = (*self.weights, *self.activations)
        return tuple(dict.fromkeys(dtype for form in forms for dtype in form.dtypes))

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source, once each, in the order of the file's tables."""
        return tuple(dict.fromkeys(self._sources()))

    def forms(self, role: Role) -> tuple[Form, ...]:
        """The forms of a role."""
        return self.weights if role == "weights" else self.activations

    def accumulator(self, operator: str, activations: str) -> Accumulator:
        """What a layer's sums are kept in; `ASSUMED` where the profile does not say.

        Args:
            operator: as ONNX names it, or `PRODUCT`.
            activations: the type of what it reads, "uint8".
        """
        for entry in self.accumulators:
            of_operator = not entry.operators or operator in entry.operators
            if of_operator and (not entry.activations or activations in entry.activations):
                return entry
        return ASSUMED

    def _sources(self) -> Iterator[str]:
        if self.default is not None:
            yield self.default.source
        tables = (self.operators, self.weights, self.activations, self.pairs, self.biases)
        for entries in (*tables, self.accumulators):
            yield from (entry.source for entry in entries)
