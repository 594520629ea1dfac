"""AIMET encodings, and the quantization overrides of Qualcomm's converters, which look alike.

Sources: quic/aimet, quantization_encoding_specification.rst and aimet_onnx (`_encoding.py`,
`qc_quantize_op.py`, `quantsim.py`) for versions 0.6.1, 1.0.0 and 2.0.0. Versions below 2 count
codes from zero and store `offset` = minus the zero point on that grid; version 2 speaks as ONNX's
QuantizeLinear does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inspector.onnxio.encodings.collected import Encodings, LayerCodes, TensorCodes
from inspector.onnxio.encodings.sidecar import (
    Sidecar,
    float_layers,
    named,
    note_shared,
    refuse,
)

AIMET_VERSIONS = ("1.0.0", "0.6.1", "2.0.0")
QNN_VERSIONS = ("1.0.0", "2.0.0", "legacy")
_TARGET = "qnn"

Entry = dict[str, Any]


def write_aimet(encodings: Encodings, version: str) -> Sidecar:
    """The encodings file that aimet_onnx's `load_encodings` reads.

    Args:
        encodings: what to tell.
        version: one of `AIMET_VERSIONS`.

    Raises:
        UnsupportedError: a layer has what the version cannot express.
    """
    content = _WRITERS[version](encodings)
    if version == "0.6.1":
        content["quantizer_args"] = _arguments(encodings)
    return _sidecar(content, encodings)


def write_qnn(encodings: Encodings, version: str) -> Sidecar:
    """The file for `--quantization_overrides` of the QNN and SNPE converters.

    Args:
        encodings: what to tell.
        version: one of `QNN_VERSIONS`; "legacy" has no version in the file.

    Raises:
        UnsupportedError: a layer has what the version cannot express.
    """
    content = _WRITERS[version](encodings)
    notes = ["The converter keeps biases at 32 bits with --bias_bitwidth 32."]
    if left := float_layers(encodings):
        notes.append(f"Layers left in float need --float_fallback: {named(left)}.")
    return _sidecar(content, encodings, notes)


def _sidecar(content: Entry, encodings: Encodings, notes: Sequence[str] = ()) -> Sidecar:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return Sidecar(text, len(encodings.tensors), (*note_shared(encodings), *notes))


def _split(
    encodings: Encodings, entry: Callable[[TensorCodes, LayerCodes | None], Any]
) -> tuple[list[Any], list[Any]]:
    """(activations, weights) with what an entry function makes of each."""
    layers = {one.weight.name: one for one in encodings.layers if one.weight is not None}
    weights = [entry(one, layers[one.name]) for one in encodings.weights]
    return [entry(one, None) for one in encodings.activations], weights


def _version_0(encodings: Encodings) -> Entry:
    def entry(tensor: TensorCodes, layer: LayerCodes | None) -> tuple[str, list[Entry]]:
        _check_axis(tensor, layer, blocks=False)
        return tensor.name, [
            {"bitwidth": tensor.bits, "dtype": "int", **_old(tensor, at)}
            for at in range(tensor.grid.rows)
        ]

    activations, weights = _split(encodings, entry)
    return {
        "version": "0.6.1",
        "activation_encodings": dict(activations),
        "param_encodings": dict(weights),
    }


def _legacy(encodings: Encodings) -> Entry:
    """As QNN and SNPE read it: no version, no data type."""
    found = _version_0(encodings)
    del found["version"]
    for section in found.values():
        for entries in section.values():
            for entry in entries:
                del entry["dtype"]
    return found


def _old(tensor: TensorCodes, at: int) -> Entry:
    scale = float(tensor.grid.scale.reshape(-1)[at])
    offset = -int(tensor.unsigned_zero_point.reshape(-1)[at])
    return {
        "is_symmetric": str(tensor.is_symmetric),
        "min": scale * offset,
        "max": scale * (offset + (1 << tensor.bits) - 1),
        "scale": scale,
        "offset": offset,
    }


def _arguments(encodings: Encodings) -> Entry:
    """What version 0.6.1 says of the whole; informative."""
    activations = [one.bits for one in encodings.activations]
    weights = encodings.weights
    return {
        "activation_bitwidth": max(activations, default=8),
        "param_bitwidth": max((one.bits for one in weights), default=8),
        "dtype": "int",
        "is_symmetric": str(all(one.is_symmetric for one in weights)),
        "per_channel_quantization": str(any(one.grid.axis is not None for one in weights)),
        "quant_scheme": "post_training_tf",
    }


def _version_1(encodings: Encodings) -> Entry:
    def entry(tensor: TensorCodes, layer: LayerCodes | None) -> Entry:
        _check_axis(tensor, layer, blocks=True)
        grid = tensor.grid
        kind = "PER_TENSOR" if grid.axis is None else "PER_CHANNEL"
        scale, zero = grid.scale, tensor.unsigned_zero_point
        found: Entry = {"name": tensor.name, "dtype": "INT", "enc_type": kind}
        found |= {"bw": tensor.bits, "is_sym": tensor.is_symmetric}
        if grid.block:
            found |= {"enc_type": "PER_BLOCK", "block_size": grid.block}
            if grid.axis == 0:  # stored as (in, out): AIMET lists blocks of (out, in)
                scale, zero = scale.T, zero.T
        return found | {
            "scale": [float(one) for one in scale.reshape(-1)],
            "offset": [0.0 - float(one) for one in zero.reshape(-1)],  # never -0.0
        }

    activations, weights = _split(encodings, entry)
    return {
        "version": "1.0.0",
        "activation_encodings": activations,
        "param_encodings": weights,
        "quantizer_args": {},
        "excluded_layers": [],
    }


def _version_2(encodings: Encodings) -> Entry:
    def entry(tensor: TensorCodes) -> Entry:
        grid = tensor.grid
        found: Entry = {"name": tensor.name}
        # A signed type cannot say where an unsigned one has its middle, and the other way round.
        found["output_dtype"] = f"{'' if tensor.spec.signed else 'u'}int{tensor.bits}"
        found["y_scale"] = grid.scale.astype(np.float64).tolist()
        if grid.zero_point.any():
            found["y_zero_point"] = grid.zero_point.tolist()
        if grid.axis is not None:
            found["axis"] = grid.axis
        if grid.block:
            found["block_size"] = grid.block
        return found

    return {"version": "2.0.0", "encodings": [entry(one) for one in encodings.tensors]}


def _check_axis(tensor: TensorCodes, layer: LayerCodes | None, *, blocks: bool) -> None:
    """Raises UnsupportedError where the axis, which files do not tell, is not the usual one."""
    grid = tensor.grid
    if layer is None or grid.axis is None:
        return
    rank = len(layer.layer.weight_shape or ())
    channel = layer.layer.channel_axis
    if grid.block:
        if not blocks:
            raise refuse(f"{layer.name}:", "there are no blocks before version 1.0.0", _TARGET)
        usual = rank == 2 and channel is not None and grid.axis == 1 - channel
    else:
        usual = grid.axis % rank == channel
    if not usual:
        raise refuse(
            f"{layer.name}:", f"scales along axis {grid.axis} cannot be told before 2.0.0", _TARGET
        )


_WRITERS: dict[str, Callable[[Encodings], Entry]] = {
    "0.6.1": _version_0,
    "1.0.0": _version_1,
    "2.0.0": _version_2,
    "legacy": _legacy,
}
