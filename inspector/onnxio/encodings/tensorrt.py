"""TensorRT's calibration cache: one float32 for each activation, absmax / 127, as hexadecimal.

Sources: NVIDIA's sampleINT8 (form of the header), microsoft/onnxruntime, TensorRT provider,
`ReadDynamicRange` (entries). The digits of the header name the version of TensorRT, which uses a
file of its own version and kind of calibrator only, and calibrates anew otherwise.
"""

from __future__ import annotations

import re
import struct

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.collected import Encodings
from inspector.onnxio.encodings.sidecar import Sidecar, named, note_shared, refuse

ALGORITHM = "EntropyCalibration2"
_HEADER = re.compile(r"TRT-\d+-\w+")


def write_tensorrt(encodings: Encodings, version: str) -> Sidecar:
    """The cache that `trtexec --calib` and IInt8Calibrator::readCalibrationCache take.

    Args:
        encodings: what to tell; weights are left to the builder.
        version: digits of TensorRT's version, "8601" for 8.6.1.

    Raises:
        UnsupportedError: an activation is not 8 bits wide, or the version is not made of digits.
    """
    if not re.fullmatch(r"\d{3,6}", version):
        raise UnsupportedError(
            f"{version!r} is no version of TensorRT.", "Give its digits, such as 8601 for 8.6.1."
        )
    for one in encodings.activations:
        if one.bits != 8:
            raise refuse(f"{one.name}:", f"it is {one.spec.dtype}, a cache has 8 bits", "tensorrt")
        if "\n" in one.name or "\r" in one.name:
            raise UnsupportedError(
                f"The tensor {one.name!r} has a line break in its name.", "Rename it in the model."
            )
    lines = [f"TRT-{version}-{ALGORITHM}"]
    lines += [
        f"{one.name}: {struct.pack('>f', float(one.symmetric_scale)).hex()}"
        for one in encodings.activations
    ]
    return Sidecar("\n".join(lines) + "\n", len(encodings.activations), _notes(encodings))


def _notes(encodings: Encodings) -> tuple[str, ...]:
    notes = [*note_shared(encodings)]
    moved = [one.name for one in encodings.activations if not one.is_symmetric]
    if moved:
        notes.append(
            f"TensorRT's grids are symmetric: {len(moved)} of {len(encodings.activations)} "
            f"activations are not in this recipe, and get the symmetric grid that covers them "
            f"({named(moved, 3)}). --target tensorrt chooses symmetric ones."
        )
    if colons := [one.name for one in encodings.activations if ":" in one.name]:
        notes.append(f"onnxruntime's reader cuts names at the first colon: {named(colons, 3)}.")
    notes.append(
        "TensorRT chooses the ranges of weights itself. Use the cache with the float model, not "
        "with one that holds QuantizeLinear."
    )
    return tuple(notes)


def read_tensorrt(text: str) -> dict[str, float]:
    """The largest magnitude of each tensor in a calibration cache.

    Raises:
        UnsupportedError: it is none; the line is named.
    """
    lines = text.splitlines()
    if not lines or not _HEADER.fullmatch(lines[0].strip()):
        raise UnsupportedError(
            "This is no TensorRT calibration cache.",
            "Its first line is like TRT-8601-MinMaxCalibration.",
        )
    found: dict[str, float] = {}
    for number, line in enumerate(lines[1:], 2):
        name, colon, code = line.strip().rpartition(":")
        if not line.strip():
            continue
        if not colon or not re.fullmatch(r"[0-9a-fA-F]{8}", code.strip()):
            raise UnsupportedError(f"Line {number} of the calibration cache is not 'name: 8 hex'.")
        value = struct.unpack(">f", bytes.fromhex(code.strip()))[0]
        if not 0 < value < float("inf"):
            raise UnsupportedError(f"Line {number} of the calibration cache has no positive scale.")
        found[name.strip()] = value * 127
    return found
