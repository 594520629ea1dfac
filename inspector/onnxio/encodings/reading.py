"""Sidecar files of other tools, read back: which range and type each tensor or layer was given."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inspector.errors import InspectorError, UnsupportedError
from inspector.onnxio.encodings.ncnn import read_ncnn
from inspector.onnxio.encodings.tensorrt import read_tensorrt

_MOST_BITS = 16


@dataclass(frozen=True, slots=True)
class Given:
    """What a file says of one tensor.

    Attributes:
        bits: width of a code.
        symmetric: real zero lies in the middle of the codes.
        lo: the lowest level of each scale, in real units.
        hi: the highest level of each scale.
    """

    bits: int
    symmetric: bool
    lo: tuple[float, ...]
    hi: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file says, by tensor or by layer.

    Attributes:
        kind: what the file is, for people.
        tensors: activations and weights by their names.
        weights: weights by the name of their layer.
        inputs: activations by the name of the layer that reads them.
    """

    kind: str
    tensors: Mapping[str, Given] = field(default_factory=dict)
    weights: Mapping[str, Given] = field(default_factory=dict)
    inputs: Mapping[str, Given] = field(default_factory=dict)


def read_sidecar(text: str) -> Taken:
    """Read AIMET or QNN encodings, a TensorRT calibration cache or an ncnn table.

    Args:
        text: the whole file; what it is shows in its beginning.

    Raises:
        UnsupportedError: it is none of these, or something in it is wrong; it is named.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("{"):
        return _read_json(start)
    if start.startswith("TRT-"):
        bounds = read_tensorrt(start)
        given = {name: _symmetric(8, [bound / 127]) for name, bound in bounds.items()}
        return Taken("TensorRT calibration cache", tensors=given)
    try:
        weights, inputs = read_ncnn(text)
    except InspectorError:
        weights, inputs = {}, {}
    if not weights and not inputs:
        raise UnsupportedError(
            "It is neither AIMET or QNN encodings, a TensorRT calibration cache nor an ncnn table."
        )
    return Taken(
        "ncnn calibration table",
        weights={name: _symmetric(8, scales) for name, scales in weights.items()},
        inputs={name: _symmetric(8, [scale]) for name, scale in inputs.items()},
    )


def _symmetric(bits: int, scales: Sequence[float]) -> Given:
    most = (1 << (bits - 1)) - 1
    return Given(bits, True, tuple(-s * most for s in scales), tuple(s * most for s in scales))


def _affine(bits: int, scales: Sequence[float], zeros: Sequence[int]) -> Given:
    """From zero points on the grid of codes from 0 to 2^bits - 1."""
    if len(zeros) == 1:
        zeros = [zeros[0]] * len(scales)
    if len(zeros) != len(scales):
        raise UnsupportedError(f"there are {len(scales)} scales and {len(zeros)} offsets")
    if all(zero == 1 << (bits - 1) for zero in zeros):
        return _symmetric(bits, scales)
    top = (1 << bits) - 1
    pairs = list(zip(scales, zeros, strict=True))
    return Given(
        bits, False, tuple(-s * z for s, z in pairs), tuple(s * (top - z) for s, z in pairs)
    )


def _read_json(text: str) -> Taken:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnsupportedError(f"It is no JSON: {error}.") from error
    if "encodings" in content:
        entries = _entries(content["encodings"], _version_2)
    else:
        entries = {}
        for section in ("activation_encodings", "param_encodings"):
            entries |= _entries(content.get(section, {}), _older)
    if not entries:
        raise UnsupportedError("It holds no encodings of integers.")
    return Taken("AIMET or QNN encodings", tensors=entries)


def _entries(section: Any, read: Callable[[Any], Given | None]) -> dict[str, Given]:
    """The entries of a section: a list of entries with names, or a mapping from names."""
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(section, Mapping):
        pairs = section.items()
    elif isinstance(section, list):
        pairs = [(one.get("name") if isinstance(one, Mapping) else None, one) for one in section]
    else:
        raise UnsupportedError("Its encodings are neither a list nor a table.")
    found: dict[str, Given] = {}
    for name, entry in pairs:
        try:
            given = read(entry)
            ends = () if given is None else (*given.lo, *given.hi)
            if not isinstance(name, str) or not all(map(math.isfinite, ends)):
                raise UnsupportedError("a name or a number is missing")
            if given is not None and not ends:
                raise UnsupportedError("it has no scale")
        except UnsupportedError as error:
            what = f"The encoding of {name!r} is wrong: {error.message}."
            raise UnsupportedError(what) from error
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            what = f"The encoding of {name!r} is wrong: {error!r}."
            raise UnsupportedError(what) from error
        if given is not None:
            found[name] = given
    return found


def _older(entry: Any) -> Given | None:
    """Version 1.0.0 (one entry with lists) or 0.6.1 and legacy (a list with one for each scale)."""
    if isinstance(entry, list):
        if any(str(one.get("dtype", "int")).lower() != "int" for one in entry):
            return None
        bits = _bits(entry[0]["bitwidth"])
        if "offset" not in entry[0]:
            ends = [(float(one["min"]), float(one["max"])) for one in entry]
            same = all(math.isclose(-lo, hi, rel_tol=0.02) for lo, hi in ends)
            return Given(bits, same, tuple(lo for lo, _ in ends), tuple(hi for _, hi in ends))
        scales = [_positive(one["scale"]) for one in entry]
        return _affine(bits, scales, [-int(one["offset"]) for one in entry])
    if entry["dtype"] != "INT":
        return None
    if entry.get("enc_type") not in ("PER_TENSOR", "PER_CHANNEL"):
        raise UnsupportedError(f"{entry.get('enc_type')} has no counterpart here")
    scales = [_positive(scale) for scale in entry["scale"]]
    zeros = [-int(offset) for offset in entry["offset"]]
    return _affine(_bits(entry["bw"]), scales, zeros)


def _version_2(entry: Any) -> Given | None:
    """Version 2.0.0: as ONNX's QuantizeLinear."""
    kind = str(entry["output_dtype"])
    if "int" not in kind or "y_scale" not in entry:
        return None
    bits, signed = _bits(kind.rpartition("int")[2]), not kind.startswith("u")
    scales = entry["y_scale"]
    scales = [_positive(one) for one in (scales if isinstance(scales, list) else [scales])]
    zeros = entry.get("y_zero_point", 0)
    shift = 1 << (bits - 1) if signed else 0
    zeros = [int(one) + shift for one in (zeros if isinstance(zeros, list) else [zeros])]
    return _affine(bits, scales, zeros)


def _bits(value: Any) -> int:
    bits = int(value)
    if not 2 <= bits <= _MOST_BITS:
        raise UnsupportedError(f"there are no codes of {bits} bits here")
    return bits


def _positive(value: Any) -> float:
    scale = float(value)
    if not 0 < scale < math.inf:
        raise UnsupportedError(f"{scale} is no scale")
    return scale
