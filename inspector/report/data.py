"""What a report holds: one frozen value, from which every format is written."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inspector import __version__
from inspector.evaluate.runtime import runtime_version
from inspector.report.snippet import NO_INTERFACE, Interface, interface_of
from inspector.report.speed_text import fused_text, speed_reasons, speed_text
from inspector.report.units import bytes_text, decibel_text, percent_text, plural
from inspector.session.effects import TOO_LOW_DB
from inspector.session.result import QuantizeResult


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report says.

    Attributes:
        result: what the quantization did.
        command: the command line that does the same again.
        versions: of the programs that took part, by name.
        machine: the machine that it was measured on.
        model_hash: SHA-256 of the float model's file; "" where that is gone.
        interface: inputs and outputs of the written file.
        graph: the graph's picture as an svg element; "" where none was drawn.
    """

    result: QuantizeResult
    command: str
    versions: Mapping[str, str]
    machine: str
    model_hash: str = ""
    interface: Interface = NO_INTERFACE
    graph: str = ""

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
        if result.effects:
            bad = sum(one.sqnr_too_low for one in result.effects)
            parts.append(
                f"{plural(bad, 'layer')} alone would already leave them with less than "
                f"{decibel_text(TOO_LOW_DB)}."
                if bad
                else f"No layer alone leaves them with less than {decibel_text(TOO_LOW_DB)}: "
                "nothing here calls for training."
            )
        return " ".join(parts)

    @property
    def latency_note(self) -> str:
        """How the times are to be read; "" where none were taken."""
        found = self.result.latency
        if found is None:
            return ""
        lines = (
            f"The quantized model is {speed_text(found)[:-1]}, {self.machine}.",
            fused_text(found.second),
            *speed_reasons(found),
        )
        return " ".join(line for line in lines if line)

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
        return (*found, *result.format_notes)


def report_data(
    result: QuantizeResult, command: str, graph: str = "", written: Path | None = None
) -> ReportData:
    """Gathers a report.

    Args:
        result: what the quantization did.
        command: the command line that does the same again.
        graph: the graph's picture as an svg element; "" for none.
        written: where the quantized model is now, if not where `result` says.

    Cost: reads the float model's file once, for its hash.
    """
    versions = {
        "Quant Inspector": __version__,
        "onnxruntime": runtime_version(),
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    interface, written = NO_INTERFACE, written or result.output
    if written.is_file():
        interface = interface_of(written)
    return ReportData(result, command, versions, machine, _hash(result.model), interface, graph)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # the report does not need the model
        return ""


def to_json(data: ReportData) -> dict[str, Any]:
    """Plain data: the result's own form, and where it comes from."""
    result = data.result
    return {
        **result.to_json(),
        "model_sha256": data.model_hash,
        "sensitivity": {one.layer: one.to_json() for one in result.effects},
        "studies": {one.name: one.to_json() for one in result.studies},
        "latency": None if result.latency is None else result.latency.to_json(),
        "interface": data.interface.to_json(),
        "verdict": data.verdict,
        "warnings": list(data.warnings),
        "command": data.command,
        "versions": dict(data.versions),
        "machine": data.machine,
        "recipe": data.result.recipe.to_toml(),
    }
