"""What was chosen for one tensor, and its text form ``DTYPE[:GRANULARITY][:RANGE][:FLAG...]``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from inspector.errors import SpecError, UnsupportedError
from inspector.quant.pin import Pin, Pins, middle
from inspector.quant.spec_parts import (
    PLAIN_RANGES,
    RANGE_STARTS,
    Granularity,
    GranularityKind,
    RangeKind,
    RangeMethod,
    RangeSyntaxError,
)
from inspector.quant.tables import LevelTable, table_of

__all__ = [
    "CASTS",
    "DTYPES",
    "FLOAT",
    "Granularity",
    "LayerSpecs",
    "QuantSpec",
    "RangeKind",
    "RangeMethod",
    "Role",
]

Role = Literal["weights", "activations"]

_INTEGER = re.compile(r"(u?)int([0-9]+)", re.ASCII)
_LOG = re.compile(r"log([0-9]+)", re.ASCII)
_CHANNEL = re.compile(r"channel(?:@(.*))?", re.ASCII | re.DOTALL)
_BLOCK = re.compile(r"block([^@]*)(?:@(.*))?", re.ASCII | re.DOTALL)
_WHOLE = re.compile(r"[-+]?[0-9]{1,9}", re.ASCII)

MIN_BITS, MAX_BITS = 2, 16
CASTS: tuple[str, ...] = ("float16", "bfloat16")
"""Types that weights are stored in without a scale, to be cast back to float when a model runs."""

DTYPES: tuple[str, ...] = (
    "float",
    *CASTS,
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in range(MIN_BITS, MAX_BITS + 1)),
    "fp8e4m3",
    "fp8e5m2",
    *(f"log{bits}" for bits in range(2, 9)),
    "binary",
    "ternary",
)
_FLAGS = ("sym", "asym", "pow2")
_PARTS = ("tensor", "channel", "block32", *PLAIN_RANGES, "percentile99.99", "range[-1,1]", *_FLAGS)
_FORM = "DTYPE[:GRANULARITY][:RANGE][:FLAG...], such as int8:channel:minmax:sym"


@dataclass(frozen=True, slots=True)
class QuantSpec:
    """What was chosen for one tensor; fields left None are filled in by what the tensor is.

    Args:
        dtype: one of `DTYPES`; ``float`` leaves the tensor alone and takes no other field, and
            those of `CASTS` have the other fields that go with a scale of 1, whatever is given.
        granularity: which values share a scale.
        range: how the real range is chosen.
        symmetric: True keeps real zero in the middle of the grid; False lets the zero point move.
        pow2: the scale is a power of two, the one at or above what the range asks for; or the one
            below it, where a method that clips anyway (percentile, KL) loses less with that.

    Raises:
        SpecError: the dtype is unknown, or ``float`` was given other fields.
    """

    dtype: str
    granularity: Granularity | None = None
    range: RangeMethod | None = None
    symmetric: bool | None = None
    pow2: bool = False

    def __post_init__(self) -> None:
        """Refuse an unknown data type, and anything beside float."""
        if self.dtype not in DTYPES:
            raise SpecError(f"{self.dtype!r} is not a data type.", _suggest_dtype(self.dtype))
        if self.dtype == "float" and (
            self.granularity or self.range or self.symmetric is not None or self.pow2
        ):
            raise SpecError(
                "float leaves the tensor as it is and takes nothing more.",
                "Write float alone, or choose an integer type such as int8.",
            )
        if self.is_cast:  # frozen for everyone else
            parts = ("granularity", Granularity("tensor")), ("range", RangeMethod("minmax"))
            for field, value in (*parts, ("symmetric", True), ("pow2", False)):
                object.__setattr__(self, field, value)

    @classmethod
    def parse(cls, text: str) -> QuantSpec:
        """Read the text form; the inverse of ``str``.

        The parts after DTYPE may come in any order, as no two kinds of part look alike; they are
        always printed in the documented one.

        Raises:
            SpecError: says which part is wrong, where it stands, and what would be right.
        """
        return _Parser(text).parse()

    def __str__(self) -> str:
        """The text form, with only what is set; the inverse of `parse`."""
        if self.is_cast:
            return self.dtype
        parts = [self.dtype]
        parts += [str(part) for part in (self.granularity, self.range) if part is not None]
        if self.symmetric is not None:
            parts.append("sym" if self.symmetric else "asym")
        if self.pow2:
            parts.append("pow2")
        return ":".join(parts)

    @property
    def is_float(self) -> bool:
        """Whether the tensor is left alone."""
        return self.dtype == "float"

    @property
    def is_cast(self) -> bool:
        """Whether the values are stored in a shorter float type, without a scale."""
        return self.dtype in CASTS

    @property
    def bits(self) -> int:
        """Bits per stored value; 32 for ``float``, 1 for ``binary``, 2 for ``ternary``."""
        if match := _INTEGER.fullmatch(self.dtype):
            return int(match[2])
        if match := _LOG.fullmatch(self.dtype):
            return int(match[1])
        known = {"float": 32, "float16": 16, "bfloat16": 16, "binary": 1, "ternary": 2}
        return known.get(self.dtype, 8)

    @property
    def signed(self) -> bool:
        """Whether the type itself holds negative numbers."""
        return not self.dtype.startswith("uint")

    @property
    def is_affine(self) -> bool:
        """Whether the type is an integer grid: real = scale * (q - zero point)."""
        return _INTEGER.fullmatch(self.dtype) is not None

    @property
    def table(self) -> LevelTable | None:
        """The levels of a type that has a table of them; None for integers and ``float``."""
        return None if self.is_affine else table_of(self.dtype)

    def filled(self, role: Role) -> QuantSpec:
        """This spec with every field set, by what the tensor is; ``float`` stays bare.

        Weights: per channel, minmax, symmetric if the type is signed. Activations: per tensor, MSE,
        asymmetric. Types that are not affine have no zero point and are symmetric in both; those of
        few levels far apart (logarithmic, binary, ternary) take MSE for weights as well.
        """
        if self.is_float:
            return self
        weights = role == "weights"
        granularity = Granularity("channel" if weights else "tensor")
        symmetric = (self.signed and weights) or not self.is_affine
        follows_ends = weights and (self.is_affine or self.dtype.startswith("fp8"))
        return replace(
            self,
            granularity=self.granularity or granularity,
            range=self.range or RangeMethod("minmax" if follows_ends else "mse"),
            symmetric=symmetric if self.symmetric is None else self.symmetric,
        )

    def require_computable(self, role: Role | None = None) -> None:
        """Refuse what can be written down but means nothing, or nothing for a role.

        Args:
            role: what the spec is of, if that is known.

        Raises:
            UnsupportedError: for ``float``; for a type with a table of levels where it is asked for
                a zero point, or for a method that supposes evenly spaced levels; for types that no
                operator rounds to, for activations or in blocks.
        """
        if self.is_float:
            raise UnsupportedError(
                "The spec 'float' has no grid.", "Choose a type such as int8 or fp8e4m3."
            )
        if self.is_affine:
            return
        if self.symmetric is False:
            raise UnsupportedError(
                f"The spec '{self}' asks for a zero point, which {self.dtype} does not have.",
                f"Write '{replace(self, symmetric=None)}'.",
            )
        if self.range is not None and self.range.kind == "kl":
            raise UnsupportedError(
                f"The spec '{self}' asks for KL calibration, which merges equal bins into evenly "
                f"spaced levels; those of {self.dtype} are not.",
                f"Write '{replace(self, range=RangeMethod('mse'))}'.",
            )
        if self.dtype.startswith("fp8"):
            return
        if role == "activations" and self.is_cast:
            raise UnsupportedError(
                f"Activations cannot be {self.dtype}: it is a type that weights are stored in, and "
                "onnxruntime computes in float on the CPU.",
                f"Use {self.dtype} for weights, and float for activations.",
            )
        if role == "activations":
            raise UnsupportedError(
                f"Activations cannot be {self.dtype}: its codes are decoded from a table, and no "
                "operator rounds to them when a model runs.",
                f"Use {self.dtype} for weights, and int{max(self.bits, MIN_BITS)} or fp8e4m3 for "
                "activations.",
            )
        if self.granularity is not None and self.granularity.kind == "block":
            raise UnsupportedError(
                f"The spec '{self}' asks for blocks, but {self.dtype} codes are decoded with a "
                "scale per tensor or per channel.",
                f"Write '{replace(self, granularity=Granularity('channel'))}'.",
            )

    @property
    def is_pinned(self) -> bool:
        """Whether the range is the one that a recipe gives for the tensor."""
        return self.range is not None and self.range.kind == "pinned"

    def pinned_to(self, pin: Pin | None) -> QuantSpec:
        """The same spec with the grid that is given for its tensor, or without one."""
        return self if not self.is_pinned else replace(self, range=RangeMethod("pinned", pin=pin))

    @property
    def exact_pin(self) -> Pin | None:
        """The grid that is given, if the spec asks for just that; None for another type or form."""
        pin = None if self.range is None else self.range.pin
        if pin is None or self.pow2 or self.dtype != pin.dtype:
            return None
        own, given = spec_of_pin(pin), self.granularity
        if self.symmetric not in {None, own.symmetric} or own.granularity is None:
            return None
        if given is None or given == own.granularity:
            return pin
        same = (given.kind, given.size) == (own.granularity.kind, own.granularity.size)
        return pin if same and given.axis == pin.axis else None

    def require_affine(self) -> None:
        """Refuse what has no integer grid.

        Raises:
            UnsupportedError: for ``float``, and for types with a table of levels.
        """
        if not self.is_affine:
            raise UnsupportedError(
                f"The spec '{self}' has no integer grid.",
                "Use one of int2 to int16 or uint2 to uint16.",
            )

    def code_range(self) -> tuple[int, int]:
        """(qmin, qmax) of any type but ``float``; see `integer_range` and `LevelTable`."""
        table = self.table
        return self.integer_range() if table is None else (table.lowest, table.highest)

    def integer_range(self) -> tuple[int, int]:
        """(qmin, qmax) of an integer type.

        A symmetric signed grid leaves the lowest code out, so that it has as many steps below zero
        as above: [-(2^(b-1)-1), 2^(b-1)-1]. Every other grid has all 2^b codes.

        Raises:
            UnsupportedError: the type is not an integer type.
        """
        if not self.is_affine:
            self.require_affine()
        half = 1 << (self.bits - 1)
        if not self.signed:
            return 0, 2 * half - 1
        return (-half + 1 if self.symmetric else -half), half - 1


FLOAT = QuantSpec("float")


@lru_cache(maxsize=65536)
def spec_of_pin(pin: Pin) -> QuantSpec:
    """The spec, every field set, that asks for a grid as it is given."""
    kind: GranularityKind = "tensor" if pin.axis is None else "block" if pin.block else "channel"
    spec = QuantSpec(pin.dtype, Granularity(kind, pin.block, None), RangeMethod("pinned", pin=pin))
    symmetric = not spec.is_affine or bool((pin.zero_point == middle(pin.dtype)).all())
    return replace(spec, symmetric=symmetric)


RUN_TIME = QuantSpec("uint8", Granularity("tensor"), RangeMethod("minmax"), symmetric=False)
"""What DynamicQuantizeLinear does, with the values of each run (ONNX operator specification)."""


@dataclass(frozen=True, slots=True)
class LayerSpecs:
    """What was chosen for one layer: its weights, and the activations that enter it.

    Attributes:
        weights: of its weight.
        activations: of what it reads.
        dynamic: the activations are put on their grid when the model runs, by the ends of their
            values then.
        pins: the grids that the recipe gives for the whole model, if it gives any: they say where
            quantizers stand, too.
    """

    weights: QuantSpec
    activations: QuantSpec
    dynamic: bool = False
    pins: Pins | None = None

    @property
    def is_float(self) -> bool:
        """Whether the layer is left alone."""
        return self.weights.is_float and self.activations.is_float


def _suggest_dtype(word: str) -> str:
    """A hint for a data type that does not exist."""
    close = difflib.get_close_matches(word.lower(), DTYPES, n=3, cutoff=0.6)
    known = (
        "float, float16, bfloat16, int2 to int16, uint2 to uint16, fp8e4m3, fp8e5m2, log2 to log8, "
        "binary, ternary"
    )
    return (f"Did you mean {' or '.join(close)}? " if close else "") + f"Known types: {known}."


class _Parser:
    """Reads one text form; remembers where it is, so that an error can say so."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._part = ""
        self._column = 1

    def parse(self) -> QuantSpec:
        first, *rest = self._text.split(":")
        self._part = first
        dtype = first.strip().lower()
        if dtype not in DTYPES:
            raise self._error("is not a data type", _suggest_dtype(dtype))
        spec = QuantSpec(dtype)
        for part in rest:
            self._column += len(self._part) + 1
            self._part = part
            if spec.is_float or spec.is_cast:
                what = "leaves the tensor as it is" if spec.is_float else "has no scale"
                raise self._error(
                    f"cannot follow {spec.dtype}, which {what}",
                    f"Write {spec.dtype} alone, or choose an integer type such as int8.",
                )
            spec = self._add(spec, part.strip().lower())
        return spec

    def _error(self, what: str, hint: str) -> SpecError:
        shown = self._part.strip()
        column = self._column + len(self._part) - len(self._part.lstrip())
        return SpecError(
            f"In the spec '{self._text}', '{shown}' at character {column} {what}.", hint
        )

    def _add(self, spec: QuantSpec, part: str) -> QuantSpec:
        """``spec`` with one more part; a part that was set before is an error."""
        try:
            if part in _FLAGS:
                return self._add_flag(spec, part)
            if part.startswith(("channel", "block")) or part == "tensor":
                self._once(spec.granularity is None, "granularity")
                return replace(spec, granularity=self._granularity(part))
            if part in PLAIN_RANGES or part.startswith(RANGE_STARTS):
                self._once(spec.range is None, "range method")
                return replace(spec, range=self._range(part))
        except SpecError as error:
            if error.message.startswith("In the spec"):
                raise
            raise self._error(f"is wrong: {error.message.rstrip('.')}", error.hint) from None
        raise self._error("is not a granularity, a range method or a flag", _suggest_part(part))

    def _once(self, free: bool, what: str) -> None:
        if not free:
            raise self._error(f"sets the {what} a second time", "Keep one of the two.")

    def _add_flag(self, spec: QuantSpec, flag: str) -> QuantSpec:
        if flag == "pow2":
            self._once(not spec.pow2, "flag pow2")
            return replace(spec, pow2=True)
        symmetric = flag == "sym"
        if spec.symmetric is not None and spec.symmetric != symmetric:
            raise self._error("contradicts the flag before it", "Keep sym or asym, not both.")
        self._once(spec.symmetric is None, f"flag {flag}")
        return replace(spec, symmetric=symmetric)

    def _granularity(self, part: str) -> Granularity:
        if part == "tensor":
            return Granularity("tensor")
        if match := _CHANNEL.fullmatch(part):
            return Granularity("channel", axis=self._axis(match[1], "channel@0"))
        match = _BLOCK.fullmatch(part)
        if match is None:
            raise self._error("is not a granularity", _suggest_part(part))
        if not _WHOLE.fullmatch(match[1]) or int(match[1]) < 1:
            raise self._error(
                "lacks a block size", "Write the number of values per block, as in block32."
            )
        size = int(match[1])
        return Granularity("block", size, self._axis(match[2], f"block{size}@0"))

    def _axis(self, text: str | None, example: str) -> int | None:
        if text is None:
            return None
        if not _WHOLE.fullmatch(text):
            raise self._error(
                f"has '{text}' where a whole number for the axis belongs", f"Write {example}."
            )
        return int(text)

    def _range(self, part: str) -> RangeMethod:
        try:
            return RangeMethod.parse(part)
        except RangeSyntaxError as error:
            raise self._error(error.message, error.hint) from None


def _suggest_part(word: str) -> str:
    """A hint for a part that is none of the known ones."""
    if not word:
        return f"Remove the extra colon. The form is {_FORM}."
    if word in DTYPES:
        return f"A data type comes first, and only once. The form is {_FORM}."
    close = difflib.get_close_matches(word, _PARTS, n=2, cutoff=0.55)
    guess = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{guess}The form is {_FORM}."
