"""The record file of Huawei's AMCT: protobuf text with scale and offset of each layer.

Source: hiascend.com, CANN documentation, AMCT, Record Files (ONNX: atlasamct_16_0165). Activations
lie on the signed grid, code = round(real / scale_d) + offset_d from -128 to 127, so that a uint8
zero point is stored less 128. Weights are symmetric; only convolutions have a scale per channel.
"""

from __future__ import annotations

from google.protobuf.text_encoding import CEscape

from inspector.onnxio.encodings.collected import Encodings, LayerCodes
from inspector.onnxio.encodings.sidecar import (
    Sidecar,
    float_layers,
    named,
    number,
    per_channel,
    refuse,
    require_bytes,
    require_symmetric,
)

_TARGET = "amct"


def write_amct(encodings: Encodings, version: str) -> Sidecar:
    """The record file that AMCT's `convert_model` takes.

    Args:
        encodings: what to tell.
        version: of the format; it has none.

    Raises:
        UnsupportedError: a layer is not of 8 bits with symmetric weights, or reads floats.
    """
    del version
    layers = [one for one in encodings.layers if not one.is_float]
    told = [one for one in layers if one.weight is not None]
    notes = []
    if left := float_layers(encodings):
        notes.append(f"Layers without a record stay float: {named(left)}.")
    if products := [one.name for one in layers if one.weight is None]:
        notes.append(f"Products of two activations have no record: {named(products)}.")
    return Sidecar("".join(map(_record, told)), len(told), tuple(notes))


def _record(one: LayerCodes) -> str:
    reads, weight = one.reads[0], one.weight
    if reads is None or weight is None:
        raise refuse(f"{one.name}:", "weights and activations go together in a record", _TARGET)
    for tensor in (weight, reads):
        require_bytes(one, tensor, _TARGET)
    require_symmetric(one, weight, _TARGET)
    if weight.grid.axis is None:
        scales = [float(weight.grid.scale)]
    else:
        scales = per_channel(one, weight, _TARGET)
        if one.layer.op_type not in ("Conv", "ConvTranspose"):
            raise refuse(f"{one.name}:", "only convolutions have scales per channel", _TARGET)
    lines = [
        f"scale_d: {number(float(reads.grid.scale))}",
        f"offset_d: {int(reads.signed_zero_point)}",
        *(f"scale_w: {number(scale)}" for scale in scales),
        *("offset_w: 0" for _ in scales),
    ]
    body = "".join(f"    {line}\n" for line in lines)
    key = CEscape(one.name, as_utf8=True)
    return f'record {{\n  key: "{key}"\n  value {{\n{body}  }}\n}}\n'
