"""onnxruntime's own static quantizer, as its documentation tells users to use it."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

Feeds = Mapping[str, NDArray[Any]]

_QDQ_OPSET = 13


def samples_of(data: Path) -> list[Feeds]:
    """The samples of an .npz of inputs by name, one by one."""
    with np.load(data) as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    count = len(next(iter(inputs.values())))
    return [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(count)]


class Reader(CalibrationDataReader):
    """Gives onnxruntime samples held in memory, one by one."""

    def __init__(self, samples: Iterable[Feeds]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> Feeds | None:
        """The next one; None behind the last."""
        return next(self._samples, None)


def quantize(model: Path, output: Path, samples: Iterable[Feeds], method: str) -> None:
    """quantize_static: QDQ, int8 weights per channel, uint8 activations."""
    logging.disable(logging.WARNING)
    try:
        _quantize(model, output, samples, method, {})
    except ValueError:
        # Version 1.31 stumbles over Gemm nodes with a bias when scales are per channel, in a step
        # that can be left out.
        _quantize(model, output, samples, method, {"QDQDisableWeightAdjustForInt32Bias": True})


def _quantize(
    model: Path, output: Path, samples: Iterable[Feeds], method: str, options: Mapping[str, Any]
) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        quantize_static(
            str(model),
            str(output),
            Reader(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=getattr(CalibrationMethod, method),
            extra_options=dict(options),
        )


def preprocess(model: Path, output: Path) -> None:
    """The steps that onnxruntime's documentation asks for first: opset 13, folding, shapes."""
    proto = onnx.load(model)
    opset = next(o.version for o in proto.opset_import if o.domain in {"", "ai.onnx"})
    if opset < _QDQ_OPSET:
        proto = onnx.version_converter.convert_version(proto, _QDQ_OPSET)
    onnx.save(proto, output)
    try:
        quant_pre_process(str(output), str(output), skip_symbolic_shape=True)
    except Exception:
        # Its shape inference gives up on some models; the quantizer runs without it.
        onnx.save(proto, output)
