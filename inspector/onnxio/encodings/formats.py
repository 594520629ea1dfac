"""The sidecar formats by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.aimet import AIMET_VERSIONS, QNN_VERSIONS, write_aimet, write_qnn
from inspector.onnxio.encodings.amct import write_amct
from inspector.onnxio.encodings.cmsis_nn import write_cmsis_nn
from inspector.onnxio.encodings.collected import Encodings
from inspector.onnxio.encodings.ncnn import write_ncnn
from inspector.onnxio.encodings.ort_overrides import write_ort_overrides
from inspector.onnxio.encodings.rknn import write_rknn
from inspector.onnxio.encodings.sidecar import Sidecar
from inspector.onnxio.encodings.tensorrt import write_tensorrt
from inspector.onnxio.encodings.tidl import write_tidl

__all__ = ["FORMATS", "Format", "Sidecar", "format_of"]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of sidecar file.

    Attributes:
        name: what `--to` takes.
        title: what it is, for people.
        suffix: that such files usually have.
        target: the hardware profile whose choices it can express.
        write: makes it, given what to tell and a version.
        versions: that can be asked for, the usual one first; empty where it has none.
        any_version: other versions will do too.
    """

    name: str
    title: str
    suffix: str
    target: str
    write: Callable[[Encodings, str], Sidecar]
    versions: tuple[str, ...] = ()
    any_version: bool = False

    def version(self, asked: str | None) -> str:
        """The version to write.

        Raises:
            UnsupportedError: there is none of that name.
        """
        if asked is None:
            return self.versions[0] if self.versions else ""
        if asked in self.versions or self.any_version:
            return asked
        known = " or ".join(self.versions)
        raise UnsupportedError(
            f"{self.title} has no version {asked!r} here.",
            f"Choose {known}." if known else "Leave the version out.",
        )


FORMATS = {
    one.name: one
    for one in (
        Format("aimet", "AIMET encodings", ".encodings", "qnn", write_aimet, AIMET_VERSIONS),
        Format("qnn", "QNN quantization overrides", ".json", "qnn", write_qnn, QNN_VERSIONS),
        Format(
            "tensorrt",
            "TensorRT calibration cache",
            ".cache",
            "tensorrt",
            write_tensorrt,
            ("8601",),
            any_version=True,
        ),
        Format("ncnn", "ncnn calibration table", ".table", "ncnn", write_ncnn),
        Format("amct", "AMCT record file", ".txt", "amct", write_amct),
        Format("tidl", "TIDL compilation options", ".json", "tidl", write_tidl),
        Format("rknn", "RKNN-Toolkit2 settings", ".json", "rknn", write_rknn),
        Format("cmsis-nn", "CMSIS-NN C header", ".h", "tflite-micro", write_cmsis_nn),
        Format(
            "ort-overrides",
            "onnxruntime tensor overrides",
            ".json",
            "ort-cpu",
            write_ort_overrides,
        ),
    )
}


def format_of(name: str) -> Format:
    """The format of that name.

    Raises:
        UnsupportedError: there is none; the message names the nearest.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UnsupportedError(
        f"{name!r} is no sidecar format.", f"{hint}The formats are {', '.join(FORMATS)}."
    )
