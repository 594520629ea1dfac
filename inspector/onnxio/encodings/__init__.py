"""Sidecar files: the numbers of a quantization, in the form that other toolchains read.

One module for each format. Each takes `Encodings`, what was chosen for every tensor and layer, and
gives the text of a file; what a format cannot express is refused, and what it leaves out is told.
"""

from __future__ import annotations

from inspector.onnxio.encodings.collected import Encodings, LayerCodes, TensorCodes, collect
from inspector.onnxio.encodings.formats import FORMATS, Format, Sidecar, format_of

__all__ = [
    "FORMATS",
    "Encodings",
    "Format",
    "LayerCodes",
    "Sidecar",
    "TensorCodes",
    "collect",
    "format_of",
]
