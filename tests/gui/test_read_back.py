"""Quantized models in the window: opened as recipes, looked at, changed and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.evaluate.runtime import open_session
from inspector.gui.main_window import MainWindow
from inspector.gui.spec_combo import SpecCombo
from inspector.quant.spec import QuantSpec
from inspector.session.recipe import save_recipe


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    """Two layers between quantizers; a pair stands before an activation function, too."""
    rng = np.random.default_rng(0)
    constants = {
        "x_s": np.float32(0.02), "x_z": np.uint8(128), "a_s": np.float32(0.05),
        "a_z": np.uint8(100), "s_s": np.float32(1 / 255), "s_z": np.uint8(0),
        "wq": rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "w_s": np.float32([0.01, 0.02, 0.03, 0.04]), "w_z": np.zeros(4, np.int8),
        "vq": rng.integers(-127, 128, (144, 5)).astype(np.int8), "v_s": np.float32(0.01),
    }  # fmt: skip

    def pair(source: str, grid: str, name: str) -> list:
        numbers = [f"{grid}_s", f"{grid}_z"]
        return [
            helper.make_node("QuantizeLinear", [source, *numbers], [f"{name}q"], f"{name}_Q"),
            helper.make_node("DequantizeLinear", [f"{name}q", *numbers], [name], f"{name}_D"),
        ]

    nodes = [
        *pair("x", "x", "xd"),
        helper.make_node("DequantizeLinear", ["wq", "w_s", "w_z"], ["wd"], "wd", axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["a"], "conv"),
        *pair("a", "a", "ad"),
        helper.make_node("Sigmoid", ["ad"], ["s"], "gate"),
        *pair("s", "s", "sd"),
        helper.make_node("Flatten", ["sd"], ["f"], "flat"),
        helper.make_node("DequantizeLinear", ["vq", "v_s"], ["vd"], "vd"),
        helper.make_node("MatMul", ["f", "vd"], ["y"], "fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
    )
    path = tmp_path / "small.qdq.onnx"
    imports = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


@pytest.fixture
def read_back(
    qtbot: QtBot, window: MainWindow, idle: Callable[[], None], quantized: Path
) -> MainWindow:
    """The window after the model was opened and the offer taken."""
    window.open_path(quantized)
    idle()
    button = next(
        one for one in window.findChildren(QPushButton) if one.text() == "Open as a recipe"
    )
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    idle()
    return window


def _outputs(path: Path) -> bytes:
    feeds = {"x": np.linspace(-3, 3, 192, dtype=np.float32).reshape(1, 3, 8, 8)}
    return b"".join(v.tobytes() for v in open_session(path, threads=1).run(feeds).values())


def test_a_quantized_model_is_shown_and_offered(
    window: MainWindow, idle: Callable[[], None], quantized: Path
) -> None:
    """Dropped, it is shown as it is."""
    window.open_path(quantized)
    idle()
    assert window.document.recipe.pins is None
    assert not window.document.layers


def test_its_grids_are_the_choices(read_back: MainWindow) -> None:
    """Each layer has what the file has, and says that it comes from there."""
    document = read_back.document
    assert [layer.name for layer in document.layers] == ["conv", "fc"]
    assert str(document.specs_of("conv").weights) == "int8:channel:pinned:sym"
    assert str(document.specs_of("conv").activations) == "uint8:tensor:pinned:sym"
    assert document.specs_of("fc").activations.is_float
    read_back.selection.choose(("conv",))
    combo = read_back.findChild(SpecCombo, "weightRange")
    assert combo is not None
    assert combo.currentText() == "pinned"


def test_plots_show_the_grid_of_the_file(read_back: MainWindow, idle: Callable[[], None]) -> None:
    """With data the activations are drawn under it."""
    read_back.files.use_random_inputs()
    idle()
    assert read_back.document.calibration is not None
    for name in ("conv", "fc"):
        read_back.selection.choose((name,))
        idle()


def test_saved_without_a_change_it_is_the_same(
    read_back: MainWindow, idle: Callable[[], None], quantized: Path, tmp_path: Path
) -> None:
    """Bit for bit, and without any data."""
    output = tmp_path / "again.onnx"
    read_back.files.save_quantized(output)
    idle()
    assert _outputs(output) == _outputs(quantized)


def test_a_change_of_a_layer_keeps_the_others(
    read_back: MainWindow, idle: Callable[[], None], quantized: Path, tmp_path: Path
) -> None:
    """Weights of one layer to 4 bits over the file's range; undone, all is as it was."""
    document = read_back.document
    four = QuantSpec.parse("int4:channel:pinned:sym")
    changed = document.set_recipe(document.recipe.with_layer("conv", weights=four))
    assert changed == {"conv"}
    output = tmp_path / "changed.onnx"
    read_back.files.save_quantized(output)
    idle()
    assert _outputs(output) != _outputs(quantized)
    document.undo()
    again = tmp_path / "again.onnx"
    read_back.files.save_quantized(again)
    idle()
    assert _outputs(again) == _outputs(quantized)


def test_its_recipe_is_for_it_alone(
    read_back: MainWindow, idle: Callable[[], None], sample_models: Path, tmp_path: Path
) -> None:
    """On another model the recipe is refused by name, and nothing changes."""
    recipe = tmp_path / "recipe.toml"
    save_recipe(read_back.document.recipe, recipe)
    read_back.document.mark_saved()
    read_back.open_path(sample_models / "digits_cnn.onnx")
    idle()
    before = read_back.document.recipe
    read_back.open_path(recipe)
    idle()
    assert read_back.document.recipe == before
