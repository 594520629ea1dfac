"""ncnn's calibration table: inverse scales of weights and inputs, by layer.

Source: Tencent/ncnn, tools/quantize/ncnn2int8.cpp (the reader) and ncnn2table.cpp (the writer). A
value is 127 / absmax, so that code = round(value * real). The table speaks of layers as the
.param file names them after ncnnoptimize.
"""

from __future__ import annotations

import math

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.collected import Encodings, LayerCodes
from inspector.onnxio.encodings.sidecar import (
    Sidecar,
    float_layers,
    named,
    per_channel,
    refuse,
    require_bytes,
    require_symmetric,
)

_TARGET = "ncnn"
_MARK = "_param_"
_MOST_BYTES = 255  # of the reader's buffer for a key


def write_ncnn(encodings: Encodings, version: str) -> Sidecar:
    """The table that `ncnn2int8` takes.

    Args:
        encodings: what to tell.
        version: of the format; it has none.

    Raises:
        UnsupportedError: a layer is not symmetric with 8 bits, or its name breaks the table.
    """
    del version
    weights, inputs = [], []
    layers = [one for one in encodings.layers if not one.is_float]
    for one in layers:
        _check(one)
        assert one.weight is not None
        assert one.reads[0] is not None
        scales = _grouped(one, per_channel(one, one.weight, _TARGET))
        weights.append(" ".join([f"{one.name}_param_0", *(f"{1 / s:f}" for s in scales)]))
        inputs.append(f"{one.name} {1 / float(one.reads[0].grid.scale):f}")
    text = "".join(line + "\n" for line in (*weights, *inputs))
    notes = [
        "Lines have the names of the ONNX nodes. ncnn looks layers up by the names in its .param "
        "file, so check that they are the same."
    ]
    wide = [one.name for one in layers if 1 < one.layer.group < _channels(one)]
    if wide:
        notes.append(
            f"ncnn has one scale for each group, here that of its widest channel: {named(wide)}."
        )
    if left := float_layers(encodings):
        notes.append(f"Layers without a line stay float: {named(left)}.")
    return Sidecar(text, len(layers), tuple(notes))


def _check(one: LayerCodes) -> None:
    if one.layer.op_type not in ("Conv", "Gemm", "MatMul") or one.layer.weight_slot != 1:
        raise refuse(f"{one.name}:", f"{one.layer.op_type} has no line in the table", _TARGET)
    reads = one.reads[0]
    if one.weight is None or reads is None:
        raise refuse(f"{one.name}:", "weights and activations go together in the table", _TARGET)
    for tensor in (one.weight, reads):
        require_bytes(one, tensor, _TARGET)
        require_symmetric(one, tensor, _TARGET)
    name = one.name
    if _MARK in name or len(f"{name}_param_0".encode()) > _MOST_BYTES or name.split() != [name]:
        raise UnsupportedError(
            f"The layer {name!r} cannot stand in ncnn's table: its name holds white space or "
            f"{_MARK!r}, or is too long.",
            "Rename the node in the model, or leave it in float.",
        )


def _channels(one: LayerCodes) -> int:
    shape, axis = one.layer.weight_shape, one.layer.channel_axis
    return 1 if shape is None or axis is None else shape[axis]


def _grouped(one: LayerCodes, scales: list[float]) -> list[float]:
    """One scale for each group of a grouped convolution: that of its widest channel."""
    groups = one.layer.group
    if groups == 1 or len(scales) == groups:
        return scales
    size = len(scales) // groups
    return [max(scales[at * size : (at + 1) * size]) for at in range(groups)]


def read_ncnn(text: str) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The scales of a table: of each layer's weights, and of its input.

    An empty line ends the table, as it does for ncnn.

    Raises:
        UnsupportedError: a line is none of a table; it is named.
    """
    weights: dict[str, list[float]] = {}
    inputs: dict[str, float] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip("\r"):
            break
        key, *values = line.strip("\r").split()
        try:
            scales = [1 / float(value) for value in values]
        except (ValueError, ZeroDivisionError):
            scales = []
        if not scales or not all(math.isfinite(one) and one > 0 for one in scales):
            raise UnsupportedError(f"Line {number} of the ncnn table has no positive numbers.")
        if _MARK in key:
            weights[key.partition(_MARK)[0]] = scales
        else:
            inputs[key] = scales[0]
    return weights, inputs
