"""A C header for integer kernels as CMSIS-NN and TensorFlow Lite Micro have them.

For each layer: offsets of input and output, ends of the output, and for each output channel the
multiplier and shift of the requantization and the int32 bias.

Sources: TensorFlow Lite, kernels/internal/quantization_util (multiplier and shift: M = s_in * s_w /
s_out = multiplier * 2^(shift - 31), both 0 where shift is below -31); ARM-software/CMSIS-NN,
arm_nn_types.h, cmsis_nn_conv_params and cmsis_nn_per_channel_quant_params (input_offset is minus
the zero point, output_offset is not).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.collected import Encodings, LayerCodes, TensorCodes
from inspector.onnxio.encodings.sidecar import (
    Sidecar,
    named,
    per_channel,
    refuse,
    require_symmetric,
)
from inspector.quant.requantize import quantize_multiplier

_TARGET = "tflite-micro"
_WIDTH = 100


def write_cmsis_nn(encodings: Encodings, version: str) -> Sidecar:
    """The header.

    Args:
        encodings: what to tell.
        version: of the format; it has none.

    Raises:
        UnsupportedError: a quantized layer has no such kernel: other widths, weights that are not
            symmetric, or blocks.
    """
    del version
    layers = [one for one in encodings.layers if not one.is_float]
    for one in layers:
        _check(one)
    told = [one for one in layers if one.writes is not None]
    if not told:
        raise UnsupportedError(
            "No layer writes integers, so there is nothing to requantize.",
            f"Choose the target {_TARGET} and make it fit (--target {_TARGET} --fit).",
        )
    names = _identifiers(one.name for one in told)
    parts = [_layer(one, names[one.name]) for one in told]
    notes = []
    floats = [one.name for one in encodings.layers if one.writes is None or one.is_float]
    if floats:
        notes.append(f"Left out, as they write floats: {named(floats)}.")
    title = encodings.title.replace("*/", "").replace("\n", " ")
    head = f"/* Requantization of {title}: real = scale * (code - zero point). */\n"
    guard = "#pragma once\n\n#include <stdint.h>\n"
    return Sidecar("\n".join([head + guard, *parts]), len(told), tuple(notes))


def _check(one: LayerCodes) -> None:
    weight, reads = one.weight, one.reads[0]
    if weight is None or reads is None:
        raise refuse(f"{one.name}:", "weights and activations go together in a kernel", _TARGET)
    for tensor, widths in ((weight, (4, 8)), (reads, (8, 16))):
        if tensor.bits not in widths:
            raise refuse(f"{one.name}:", f"there is no kernel for {tensor.spec.dtype}", _TARGET)
    require_symmetric(one, weight, _TARGET)
    for wide in (reads, one.writes):
        if wide is not None and wide.bits == 16:
            require_symmetric(one, wide, _TARGET)
    if one.writes is not None and one.writes.bits != reads.bits:
        raise refuse(
            f"{one.name}:", f"it reads {reads.bits} bits and writes {one.writes.bits}", _TARGET
        )


def _layer(one: LayerCodes, name: str) -> str:
    reads, weight, writes = one.reads[0], one.weight, one.writes
    assert reads is not None
    assert weight is not None
    assert writes is not None
    scales = np.asarray(per_channel(one, weight, _TARGET), np.float64)
    if one.layer.op_type == "ConvTranspose" and one.layer.group > 1:
        scales = np.tile(scales, one.layer.group)
    real = float(reads.grid.scale) * scales / float(writes.grid.scale)
    multiplier, shift = quantize_multiplier(real)
    kept = shift >= -31
    multiplier, shift = multiplier * kept, shift * kept
    low, high = _ends(one, writes)
    constants = (
        ("INPUT_OFFSET", -int(reads.signed_zero_point)),
        ("OUTPUT_OFFSET", int(writes.signed_zero_point)),
        ("ACTIVATION_MIN", low),
        ("ACTIVATION_MAX", high),
    )
    arrays = [("multiplier", multiplier), ("shift", shift)]
    if one.bias is not None:
        arrays.append(("bias", one.bias))
    lines = [f"/* {one.layer.op_type}, {_plain(one.name)} */"]
    lines += [f"#define {name.upper()}_{key} ({value})" for key, value in constants]
    lines += [_array(f"{name}_{key}", values.reshape(-1).tolist()) for key, values in arrays]
    return "\n".join(lines) + "\n"


def _ends(one: LayerCodes, writes: TensorCodes) -> tuple[int, int]:
    """The lowest and highest code of an output, on the signed grid."""
    half = 1 << (writes.bits - 1)
    zero, scale = int(writes.signed_zero_point), float(writes.grid.scale)
    codes = [end if math.isinf(end) else float(np.rint(end / scale)) + zero for end in one.ends]
    return int(max(-half, codes[0])), int(min(half - 1, codes[1]))


def _array(name: str, values: Iterable[int]) -> str:
    words = [str(value) for value in values]
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 6 > _WIDTH:
            lines.append(line)
            line = ""
        line += f"{word}, "
    lines.append(line)
    body = "\n".join(f"    {one.rstrip()}" for one in lines)
    return f"static const int32_t {name}[{len(words)}] = {{\n{body}\n}};"


def _identifiers(names: Iterable[str]) -> dict[str, str]:
    """A C identifier for each name, no two alike, also in capitals."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "layer"
        base = base if not base[0].isdigit() else f"layer_{base}"
        one, number = base, 2
        while one.lower() in taken:
            one, number = f"{base}_{number}", number + 1
        taken.add(one.lower())
        found[name] = one
    return found


def _plain(text: str) -> str:
    """Text that cannot end a comment."""
    return "".join(c if c.isprintable() else "?" for c in text).replace("*/", "* /")
