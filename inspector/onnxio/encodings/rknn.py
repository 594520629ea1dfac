"""Settings of Rockchip's RKNN-Toolkit2 that correspond to a recipe, as JSON.

Source: public scripts and summaries of the RKNN SDK User Guide (`rknn.config`). The toolkit chooses
ranges itself and refuses files that change them; its hybrid quantization names the tensors of a
graph that only it knows. So there is nothing else to hand over: for exact ranges, give the toolkit
the QDQ model.
"""

from __future__ import annotations

import json

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.collected import Encodings
from inspector.onnxio.encodings.sidecar import Sidecar, named

_ALGORITHMS = {"minmax": "normal", "mse": "mmse", "kl": "kl_divergence"}
_TARGET = "rknn"


def write_rknn(encodings: Encodings, version: str) -> Sidecar:
    """The arguments of `rknn.config`.

    Args:
        encodings: what to tell.
        version: of the format; it has none.

    Raises:
        UnsupportedError: no layer has 8-bit weights and activations.
    """
    del version
    layers = [one for one in encodings.layers if not one.is_float]
    plain = [
        one
        for one in layers
        if all(t is not None and t.bits == 8 for t in (one.weight, *one.reads))
    ]
    if not plain:
        raise UnsupportedError(
            "No layer has weights and activations of 8 bits, which w8a8 stands for.",
            f"Choose the target {_TARGET} and make it fit (--target {_TARGET} --fit).",
        )
    per_channel = any(one.weight is not None and one.weight.grid.axis is not None for one in plain)
    settings = {
        "quantized_dtype": "w8a8",
        "quantized_algorithm": _algorithm(encodings),
        "quantized_method": "channel" if per_channel else "layer",
    }
    notes = ["The toolkit chooses the ranges itself; give it the QDQ model to keep those of here."]
    others = [one.name for one in encodings.layers if one not in plain]
    if others:
        notes.append(f"Layers that are not 8 bits wide need its hybrid flow: {named(others)}.")
    return Sidecar(json.dumps(settings, indent=2) + "\n", len(plain), tuple(notes))


def _algorithm(encodings: Encodings) -> str:
    """The nearest of the toolkit's ways to what most activations follow."""
    kinds = [one.spec.range.kind for one in encodings.activations if one.spec.range is not None]
    most = max(sorted(set(kinds)), key=kinds.count, default="minmax")
    return _ALGORITHMS.get(most, "normal")
