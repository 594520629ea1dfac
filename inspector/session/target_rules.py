"""What a target takes, and why not what it does not: one rule after another, each with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from inspector.graph.model import Layer
from inspector.graph.recurrent import RECURRENT_LAYERS, WHY_FLOAT
from inspector.quant.spec import DTYPES, FLOAT, Granularity, LayerSpecs, QuantSpec, Role
from inspector.session.target_profile import PRODUCT, Form, Operator, Pair, Target

Part = Literal["weights", "activations", "layer"]
ROLES: tuple[Role, ...] = ("weights", "activations")


@dataclass(frozen=True, slots=True)
class Violation:
    """Something in the specs of a layer that a target does not take.

    Attributes:
        role: weights or activations; "layer" for what concerns both.
        what: the part of the spec ("int4", "channel", "asym").
        why: the reason, a sentence.
        source: where that is known from.
    """

    role: Part
    what: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """All of a layer that a target looks at.

    Attributes:
        operator: as ONNX names it, or `PRODUCT` for two activations.
        rank: dimensions of the weight; None without one.
        channel_axis: the weight's axis of output channels; None without one, or where not known.
    """

    operator: str
    rank: int | None = None
    channel_axis: int | None = None

    @classmethod
    def of(cls, layer: Layer) -> Place:
        """The place of a layer."""
        if layer.weight is None:
            return cls(PRODUCT)
        rank = None if layer.weight_shape is None else len(layer.weight_shape)
        return cls(layer.op_type, rank, layer.channel_axis)

    @property
    def has_weight(self) -> bool:
        """Whether there is a weight to choose a spec for."""
        return self.operator != PRODUCT

    def is_float(self, specs: LayerSpecs) -> bool:
        """Whether a layer with these specs is left alone."""
        return specs.activations.is_float and (not self.has_weight or specs.weights.is_float)


# What a whole layer may have ------------------------------------------------------------------


@lru_cache(maxsize=8192)
def violations_at(target: Target, place: Place, specs: LayerSpecs) -> tuple[Violation, ...]:
    """What a target does not take of specs at a place; see `fitting.violations`."""
    if reads_floats(target, place.operator) or (
        specs.weights.is_float and place.operator in RECURRENT_LAYERS
    ):
        specs = LayerSpecs(specs.weights, FLOAT)
    if place.is_float(specs):
        return ()
    if (refused := operator_violation(target, place)) is not None:
        return (refused,)
    found: list[Violation] = []
    for role in ROLES:
        spec: QuantSpec = getattr(specs, role)
        if not spec.is_float and (role == "activations" or place.has_weight):
            found += spec_violations(target, role, place, spec)
    if not any(violation.what in DTYPES for violation in found):
        found += pair_violations(target, place, specs)
    return tuple(found)


def reads_floats(target: Target, operator: str) -> bool:
    """Whether layers of an operator have no choice but to read floats: recurrent ones do.

    What is chosen for their activations has no meaning then, unless their grids are found when the
    model runs.
    """
    if operator not in RECURRENT_LAYERS:
        return False
    return not any(form.run_time for form in forms_at(target, "activations", operator))


def operator_violation(target: Target, place: Place) -> Violation | None:
    """Why no layer of this kind can be quantized; None if some can."""
    if not target.operators:
        return None
    named = [entry for entry in target.operators if place.operator in entry.names]
    source = _sources(named or target.operators)
    if not named:
        names = dict.fromkeys(name for entry in target.operators for name in entry.names)
        known = listed([_operator_text(name) for name in names])
        why = f"{target.title} quantizes {known}, not {_operator_text(place.operator)}."
        return Violation("layer", _operator_text(place.operator), why, source)
    if place.rank is None or any(_has_rank(entry, place.rank) for entry in named):
        return None
    ranks = sorted({rank for entry in named for rank in entry.ranks})
    why = (
        f"{target.title} quantizes {place.operator} with weights of "
        f"{listed([str(rank) for rank in ranks], 'or')} dimensions, not {place.rank}."
    )
    return Violation("layer", f"{place.rank} dimensions", why, source)


def spec_violations(
    target: Target, role: Role, place: Place, spec: QuantSpec
) -> tuple[Violation, ...]:
    """What a target does not take of one spec; each part is judged with those before it."""
    forms: Sequence[Form] = forms_at(target, role, place.operator)
    if not target.forms(role):
        return ()
    if not forms:
        why = f"{target.title} takes no quantized {role} of {_operator_text(place.operator)}."
        return (Violation(role, spec.dtype, why, _sources(target.forms(role))),)
    full = spec.filled(role)
    found: list[Violation] = []
    # A type that is cast has no scale, so that nothing else of it can be refused.
    for rule in _RULES[:1] if full.is_cast else _RULES:
        taken = [form for form in forms if rule.takes(form, full, place)]
        if taken:
            forms = taken
            continue
        why = f"{target.title} {rule.why(forms, full, role, place)}."
        found.append(Violation(role, rule.what(full), why, _sources(forms)))
        if rule is _RULES[0]:
            break  # of a type that it has not, nothing more can be said
    return tuple(found)


def pair_violations(target: Target, place: Place, specs: LayerSpecs) -> tuple[Violation, ...]:
    """Whether the types of weights and activations go together; none or one."""
    if not place.has_weight or goes_together(
        target, place.operator, specs.weights.dtype, specs.activations.dtype
    ):
        return ()
    pairs = pairs_at(target, place.operator)
    asked = f"{specs.weights.dtype} weights with {specs.activations.dtype} activations"
    why = f"{target.title} has no {asked} in {_operator_text(place.operator)}"
    if pairs:
        why += f", only {'; '.join(_pair_text(pair) for pair in pairs[:8])}"
    return (Violation("layer", asked, f"{why}.", _sources(pairs or target.pairs)),)


def goes_together(target: Target, operator: str, weights: str, activations: str) -> bool:
    """Whether a layer may have these types of weights and activations."""
    if weights == activations == "float":
        return True
    if not target.pairs:
        return True
    pairs = pairs_at(target, operator)
    return any(weights in p.weights and activations in p.activations for p in pairs)


def forms_at(target: Target, role: Role, operator: str) -> list[Form]:
    """The forms that are for an operator."""
    return [form for form in target.forms(role) if not form.operators or operator in form.operators]


def pairs_at(target: Target, operator: str) -> list[Pair]:
    """What goes together in an operator."""
    return [pair for pair in target.pairs if not pair.operators or operator in pair.operators]


# What each part of a spec may be, for choosing it ----------------------------------------------


def allowed_dtypes(
    target: Target,
    role: Role,
    op_type: str,
    *,
    other: str | None = None,
    dtypes: Iterable[str] = DTYPES,
) -> dict[str, str]:
    """The reason why each type cannot be chosen; empty text if it can.

    Args:
        target: the profile.
        role: weights or activations.
        op_type: the operator, or `PRODUCT`.
        other: the type of the other role, to rule out what does not go with it; None for any.
        dtypes: the types to look at.
    """
    place = Place(op_type)
    refused = operator_violation(target, place)

    def reason(dtype: str) -> str:
        if dtype != "float":
            if role == "activations" and reads_floats(target, op_type):
                return WHY_FLOAT
            if refused is not None:
                return refused.why
            found = spec_violations(target, role, place, QuantSpec(dtype))
            if found and found[0].what == dtype:
                return found[0].why
        if other is None or not place.has_weight:
            return ""
        specs = LayerSpecs(QuantSpec(dtype), QuantSpec(other))
        if role == "activations":
            specs = LayerSpecs(specs.activations, specs.weights)
        clash = pair_violations(target, place, specs)
        return clash[0].why if clash else ""

    return {dtype: reason(dtype) for dtype in dtypes}


def allowed_granularities(
    target: Target, role: Role, op_type: str, dtype: str, choices: Iterable[Granularity]
) -> dict[Granularity, str]:
    """The reason why each granularity cannot be chosen for a type; empty text if it can."""
    return {
        choice: _reason(target, role, op_type, dtype, str(choice), granularity=choice)
        for choice in choices
    }


def allowed_symmetry(target: Target, role: Role, op_type: str, dtype: str) -> dict[bool, str]:
    """The reason why symmetric (True) or asymmetric (False) cannot be; empty text if it can."""
    return {
        symmetric: _reason(
            target, role, op_type, dtype, _symmetry_text(symmetric), symmetric=symmetric
        )
        for symmetric in (True, False)
    }


def allowed_scales(target: Target, role: Role, op_type: str, dtype: str) -> dict[bool, str]:
    """The reason why power-of-two (True) or any (False) scales cannot be; empty if they can."""
    return {
        pow2: _reason(target, role, op_type, dtype, _scale_text(pow2), pow2=pow2)
        for pow2 in (True, False)
    }


def _reason(
    target: Target,
    role: Role,
    op_type: str,
    dtype: str,
    what: str,
    *,
    granularity: Granularity | None = None,
    symmetric: bool | None = None,
    pow2: bool = False,
) -> str:
    if dtype == "float":
        return ""
    spec = QuantSpec(dtype, granularity, None, symmetric, pow2)
    found = spec_violations(target, role, Place(op_type), spec)
    return next((violation.why for violation in found if violation.what == what), "")


# The rules, in the order in which a spec is written --------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    takes: Callable[[Form, QuantSpec, Place], bool]
    what: Callable[[QuantSpec], str]
    why: Callable[[Sequence[Form], QuantSpec, Role, Place], str]


def takes_granularity(form: Form, granularity: Granularity, place: Place) -> bool:
    """Whether a form has a granularity."""
    if granularity.kind not in form.granularities:
        return False
    if granularity.kind == "block":
        return not form.block_sizes or granularity.size in form.block_sizes
    axis, channels = granularity.axis, place.channel_axis
    if axis is None or channels is None or not form.output_channels:
        return True
    return axis == channels or axis + (place.rank or 0) == channels


def _takes_dtype(form: Form, spec: QuantSpec, _: Place) -> bool:
    return spec.dtype in form.dtypes


def _why_dtype(forms: Sequence[Form], spec: QuantSpec, role: Role, place: Place) -> str:
    known = listed(
        list(dict.fromkeys(dtype for form in forms for dtype in form.dtypes)) or ["float"]
    )
    where = f" of {_operator_text(place.operator)}" if any(f.operators for f in forms) else ""
    return f"takes {role}{where} as {known}, not as {spec.dtype}"


def _takes_granularity(form: Form, spec: QuantSpec, place: Place) -> bool:
    return spec.granularity is None or takes_granularity(form, spec.granularity, place)


def _why_granularity(forms: Sequence[Form], spec: QuantSpec, role: Role, _: Place) -> str:
    texts = [text for form in forms for text in _granularity_texts(form)]
    known = listed(list(dict.fromkeys(texts)), "or")
    asked = _granularity_text(spec.granularity) if spec.granularity else ""
    return f"takes {spec.dtype} {role} with a scale per {known}, not per {asked}"


def _takes_symmetry(form: Form, spec: QuantSpec, _: Place) -> bool:
    return not form.run_time if spec.symmetric else not form.symmetric


def _why_symmetry(forms: Sequence[Form], spec: QuantSpec, role: Role, _: Place) -> str:
    if any(form.run_time for form in forms):
        return f"finds the range of {spec.dtype} {role} when the model runs, so asymmetric ones"
    zero = 0 if spec.signed else 1 << (spec.bits - 1)
    return f"takes {spec.dtype} {role} with the zero point {zero} only, not asymmetric ones"


def _takes_scale(form: Form, spec: QuantSpec, _: Place) -> bool:
    return not form.run_time if spec.pow2 else not form.power_of_two


def _why_scale(forms: Sequence[Form], spec: QuantSpec, role: Role, _: Place) -> str:
    if any(form.run_time for form in forms):
        return f"finds the scale of {spec.dtype} {role} when the model runs: no powers of two"
    return f"takes {spec.dtype} {role} with scales that are powers of two only"


def _symmetry_text(symmetric: bool | None) -> str:
    return "sym" if symmetric else "asym"


def _scale_text(pow2: bool) -> str:
    return "pow2" if pow2 else "any scale"


_RULES = (
    _Rule(_takes_dtype, lambda spec: spec.dtype, _why_dtype),
    _Rule(_takes_granularity, lambda spec: str(spec.granularity), _why_granularity),
    _Rule(_takes_symmetry, lambda spec: _symmetry_text(spec.symmetric), _why_symmetry),
    _Rule(_takes_scale, lambda spec: _scale_text(spec.pow2), _why_scale),
)


# Words ----------------------------------------------------------------------------------------


def listed(words: Sequence[str], last: str = "and", most: int = 8) -> str:
    """Words as a person lists them: "a, b and c"; the rest is counted."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _granularity_texts(form: Form) -> list[str]:
    texts = []
    for kind in form.granularities:
        if kind == "channel" and form.output_channels:
            texts.append("output channel")
        elif kind == "block" and form.block_sizes:
            texts.append(f"block of {listed([str(size) for size in form.block_sizes], 'or')}")
        else:
            texts.append(kind)
    return texts


def _granularity_text(granularity: Granularity) -> str:
    text = f"block of {granularity.size}" if granularity.kind == "block" else granularity.kind
    return text if granularity.axis is None else f"{text} along axis {granularity.axis}"


def _operator_text(name: str) -> str:
    return "products of two activations" if name == PRODUCT else name


def _pair_text(pair: Pair) -> str:
    return f"{listed(pair.weights, 'or')} with {listed(pair.activations, 'or')}"


def _has_rank(entry: Operator, rank: int) -> bool:
    return not entry.ranks or rank in entry.ranks


def _sources(entries: Iterable[Form | Operator | Pair]) -> str:
    return "; ".join(dict.fromkeys(entry.source for entry in entries))
