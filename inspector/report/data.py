"""What a report holds: one frozen value, from which every format is written."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inspector import __version__
from inspector.evaluate.runtime import runtime_version
from inspector.report.units import bytes_text, decibel_text, percent_text, plural
from inspector.session.result import QuantizeResult


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report says.

    Attributes:
        result: what the quantization did.
        command: the command line that does the same again.
        versions: of the programs that took part, by name.
        machine: the machine that it was measured on.
    """

    result: QuantizeResult
    command: str
    versions: Mapping[str, str]
    machine: str

    @property
    def verdict(self) -> str:
        """The outcome in one paragraph of figures."""
        result = self.result
        share = result.quantized_bytes / max(result.float_bytes, 1)
        quantized = sum(layer.is_quantized for layer in result.layers)
        parts = [
            f"{quantized} of {len(result.layers)} layers are quantized; the file is "
            f"{bytes_text(result.quantized_bytes)} instead of {bytes_text(result.float_bytes)} "
            f"({percent_text(share)})."
        ]
        if result.verification is not None:
            measured = result.verification.measured
            parts.append(
                f"Run in onnxruntime on {plural(measured.samples, 'sample')}, its outputs are "
                f"within {decibel_text(measured.sqnr_db)} SQNR of the float model's."
            )
            if measured.top1_agreement is not None:
                parts.append(
                    f"The highest class is the same for {percent_text(measured.top1_agreement)}."
                )
        return " ".join(parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must not overlook."""
        result, found = self.result, []
        if result.random_data:
            found.append(
                "Calibrated with random inputs: the ranges and every figure say nothing of real "
                "data."
            )
        if result.verification is not None:
            if result.verification.random and not result.random_data:
                found.append("Verified on random inputs: the figures say nothing of real data.")
            if result.verification.cause:
                found.append(f"Prediction and measurement differ: {result.verification.cause}")
        return tuple(found)


def report_data(result: QuantizeResult, command: str) -> ReportData:
    """Gathers a report.

    Args:
        result: what the quantization did.
        command: the command line that does the same again.
    """
    versions = {
        "Quant Inspector": __version__,
        "onnxruntime": runtime_version(),
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }
    return ReportData(result, command, versions, f"{platform.system()} {platform.machine()}")


def to_json(data: ReportData) -> dict[str, Any]:
    """Plain data: the result's own form, and where it comes from."""
    return {
        **data.result.to_json(),
        "verdict": data.verdict,
        "warnings": list(data.warnings),
        "command": data.command,
        "versions": dict(data.versions),
        "machine": data.machine,
        "recipe": data.result.recipe.to_toml(),
    }
