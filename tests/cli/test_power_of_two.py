"""Scales that are powers of two, from the command line to the file and the reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from inspector.session.recipe import load_recipe


def test_powers_of_two_from_option_to_file(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """The option is kept in the recipe of the file, its scales are powers, the figures are true."""
    out, report = tmp_path / "small.onnx", tmp_path / "small.html"
    ran = cli(
        *("quantize", model, "-o", out, "--calibration", data, "--samples", 32, "--json"),
        *("--weights", "int8:pow2", "--activations", "uint8:asym:pow2", "--report", report),
    )
    assert (ran.code, ran.err) == (0, "")
    result = ran.json
    assert all(layer["weights"] == "int8:channel:minmax:sym:pow2" for layer in result["layers"])
    assert abs(result["predicted"]["sqnr_db"] - result["measured"]["sqnr_db"]) <= 0.5
    assert "uint8:tensor:mse:asym:pow2" in report.read_text(encoding="utf-8")
    assert str(load_recipe(out).default.weights) == "int8:pow2"
    proto = onnx.load(out)
    values = {item.name: numpy_helper.to_array(item) for item in proto.graph.initializer}
    scales = [values[node.input[1]] for node in proto.graph.node if "eLinear" in node.op_type]
    assert len(scales) > 20
    assert all((np.frexp(scale)[0] == 0.5).all() for scale in scales)
