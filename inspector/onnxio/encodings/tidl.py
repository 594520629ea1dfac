"""Options of TI's TIDL compilation: widths, kind of scales, and which layers get 16 bits.

Source: TexasInstruments/edgeai-tidl-tools, docs/model_compilation.md; the lists are separated by
commas, as in TI's own configurations. TIDL's quantization prototxt is left out: it names the layers
as TIDL has fused them, so it can only be made by TIDL.
"""

from __future__ import annotations

import json
from typing import Any

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.collected import Encodings, LayerCodes
from inspector.onnxio.encodings.sidecar import Sidecar, named, refuse

_TARGET = "tidl"
_SYMMETRIC, _POWER_OF_TWO, _ASYMMETRIC = 0, 1, 4
_OUTPUTS = "advanced_options:output_feature_16bit_names_list"
_WEIGHTS = "advanced_options:params_16bit_names_list"


def write_tidl(encodings: Encodings, version: str) -> Sidecar:
    """The provider options of a compilation, as a JSON object.

    Args:
        encodings: what to tell.
        version: of the format; it has none.

    Raises:
        UnsupportedError: widths other than 8 and 16, or a model that is left in float.
    """
    del version
    layers = [one for one in encodings.layers if not one.is_float]
    if not layers:
        raise UnsupportedError("No layer is quantized.", "Choose 8 or 16 bits for some.")
    for one in layers:
        _check(one)
    all_wide = all(_is_wide(one) for one in layers)
    options: dict[str, Any] = {
        "tensor_bits": 16 if all_wide else 8,
        "accuracy_level": 1,
        "advanced_options:quantization_scale_type": _scale_type(encodings),
    }
    if not all_wide:
        wide = [one for one in layers if _is_wide(one)]
        weights = [one for one in layers if _has_wide_weight(one) and not _is_wide(one)]
        for key, chosen in ((_OUTPUTS, wide), (_WEIGHTS, weights)):
            if chosen:
                options[key] = ", ".join(one.layer.output for one in chosen)
    notes = ["TIDL calibrates ranges itself: these options carry widths and the kind of scales."]
    left = [one.name for one in encodings.layers if one.is_float]
    if left:
        notes.append(f"Layers left in float have no option: {named(left)}.")
    return Sidecar(
        json.dumps(options, indent=2, ensure_ascii=False) + "\n", len(layers), tuple(notes)
    )


def _check(one: LayerCodes) -> None:
    for tensor in (one.weight, *one.reads):
        if tensor is not None and tensor.bits not in (8, 16):
            raise refuse(f"{one.name}:", f"TIDL has no {tensor.spec.dtype}", _TARGET)
    if "," in one.layer.output:
        raise UnsupportedError(
            f"The tensor {one.layer.output!r} has a comma in its name, which separates names here.",
            "Rename it in the model.",
        )


def _is_wide(one: LayerCodes) -> bool:
    """Whether a layer's activations have 16 bits; TIDL then gives its weights 16 bits as well."""
    return any(tensor is not None and tensor.bits == 16 for tensor in one.reads)


def _has_wide_weight(one: LayerCodes) -> bool:
    return one.weight is not None and one.weight.bits == 16


def _scale_type(encodings: Encodings) -> int:
    if all(one.spec.pow2 for one in encodings.tensors):
        return _POWER_OF_TWO
    return _SYMMETRIC if all(one.is_symmetric for one in encodings.tensors) else _ASYMMETRIC
