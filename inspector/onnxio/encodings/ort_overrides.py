"""`TensorQuantOverrides` of onnxruntime's quantizer, as JSON.

Source: onnxruntime, quantization/tensor_quant_overrides.py. There it is a Python dictionary whose
types are members of `QuantType` and whose numbers are numpy arrays without dimensions; here types
stand by their names and numbers as they are, so a reader maps them back.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from inspector.onnxio.encodings.collected import Encodings, TensorCodes
from inspector.onnxio.encodings.sidecar import Sidecar, note_shared, refuse

_TYPES = {
    f"{sign}int{bits}": f"Q{'U' if sign else ''}Int{bits}"
    for sign in ("", "u")
    for bits in (4, 8, 16)
}


def write_ort_overrides(encodings: Encodings, version: str) -> Sidecar:
    """What `extra_options["TensorQuantOverrides"]` takes, with types by name.

    Args:
        encodings: what to tell.
        version: of the format; it has none.

    Raises:
        UnsupportedError: a tensor has another width, or scales for blocks.
    """
    del version
    content = {one.name: _entries(one) for one in encodings.tensors}
    notes = (
        "Before use, turn each quant_type into QuantType[quant_type], each scale into a float32 "
        "numpy array and each zero_point into one of that type.",
    )
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return Sidecar(text, len(content), (*note_shared(encodings), *notes))


def _entries(tensor: TensorCodes) -> list[dict[str, Any]]:
    grid, kind = tensor.grid, _TYPES.get(tensor.spec.dtype)
    if kind is None or grid.block:
        reason = f"onnxruntime's overrides take no {tensor.spec}"
        raise refuse(f"{tensor.name}:", reason, "ort-cpu")
    pairs = zip(np.atleast_1d(grid.scale), np.atleast_1d(grid.zero_point), strict=True)
    found: list[dict[str, Any]] = [
        {"quant_type": kind, "scale": float(scale), "zero_point": int(zero)}
        for scale, zero in pairs
    ]
    if grid.axis is not None:
        found = [{"axis": grid.axis, **one} for one in found[:1]] + found[1:]
    return found
