"""`import` of quantized models."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from inspector.evaluate.runtime import open_session

Cli = Callable[..., Any]


class _Ones(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self._left = [{name: np.linspace(0, 1, int(np.prod(shape)), dtype="f").reshape(shape)}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


@pytest.fixture(scope="module")
def quantized_cnn(sample_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample that onnxruntime quantized to QDQ."""
    target = tmp_path_factory.mktemp("cnn") / "cnn.qdq.onnx"
    logging.getLogger().setLevel(logging.ERROR)
    source = sample_models / "digits_cnn.onnx"
    given = onnx.load(source).graph.input[0]
    shape = tuple(dim.dim_value or 1 for dim in given.type.tensor_type.shape.dim)
    samples = _Ones(given.name, shape)
    quantize_static(source, target, samples, activation_type=QuantType.QUInt8, per_channel=True)
    return target


def test_a_recipe_and_a_float_model(quantized_cnn: Path, tmp_path: Path, cli: Cli) -> None:
    """The float model with the recipe gives the file's numbers, bit for bit; so does the file."""
    recipe, floats = tmp_path / "recipe.toml", tmp_path / "float.onnx"
    ran = cli("import", quantized_cnn, "-o", recipe, "--float", floats, "--json")
    assert ran.code == 0
    assert ran.json["same_when_saved_again"] is True
    assert ran.json["layers"] == ran.json["layers_of_model"] == 10
    before = open_session(quantized_cnn, threads=1)
    shape = [size if isinstance(size, int) else 1 for size in before.inputs[0].shape]
    feeds = {
        before.inputs[0].name: np.linspace(-1, 1, int(np.prod(shape)), dtype="f").reshape(shape)
    }
    expected = before.run(feeds)
    for source in (floats, quantized_cnn):
        output = tmp_path / f"again_{source.stem}.onnx"
        ran = cli("quantize", source, "--recipe", recipe, "-o", output, "--no-verify")
        assert ran.code == 0, ran.err
        found = open_session(output, threads=1).run(feeds)
        for name, wanted in expected.items():
            assert wanted.tobytes() == found[name].tobytes()


def test_for_the_float_original(
    quantized_cnn: Path, sample_models: Path, tmp_path: Path, cli: Cli
) -> None:
    """The recipe speaks of the original's layers, and needs no data to be carried out."""
    original, recipe = sample_models / "digits_cnn.onnx", tmp_path / "recipe.toml"
    ran = cli("import", original, quantized_cnn, "-o", recipe)
    assert ran.code == 0, ran.err
    assert "10 of 10" in ran.out
    assert "bit for bit" in ran.out
    again = tmp_path / "again.onnx"
    ran = cli("quantize", original, "--recipe", recipe, "-o", again, "--json")
    assert ran.code == 0, ran.err
    assert abs(ran.json["predicted"]["sqnr_db"] - ran.json["measured"]["sqnr_db"]) < 0.5
    ran = cli("compare", original, again, "--random-data", "2", "--json")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["MODEL", "-o", "OUT"], 1, "no layer whose quantizers"),
        (["MODEL", "MODEL", "-o", "OUT"], 1, "no layer whose quantizers"),
        (["QUANTIZED", "QUANTIZED", "-o", "OUT"], 1, "is quantized itself"),
        (["MISSING", "-o", "OUT"], 1, "There is no file"),
        (["QUANTIZED", "MODEL", "-o", "OUT", "--float", "F"], 2, "--float"),
        (["QUANTIZED", "-o", "OUT", "--float", "OUT"], 2, "--float"),
    ],
)
def test_what_cannot_be(
    quantized_cnn: Path,
    sample_models: Path,
    tmp_path: Path,
    cli: Cli,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    """One clear sentence, and nothing is written."""
    names = {
        "MODEL": sample_models / "digits_cnn.onnx",
        "QUANTIZED": quantized_cnn,
        "MISSING": tmp_path / "none.onnx",
        "OUT": tmp_path / "out.toml",
        "F": tmp_path / "f.onnx",
    }
    ran = cli("import", *(names.get(one, one) for one in arguments))
    assert ran.code == code
    assert words in ran.err
    assert not (tmp_path / "out.toml").exists()
