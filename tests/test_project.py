"""The project as people get it: what is imported, and what the wheel holds."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

_HEADLESS = """
import sys
from inspector.cli.main import main
try:
    main({arguments!r})
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
loaded = [name for name in sys.modules if name.split(".")[0] in {forbidden!r}]
assert not loaded, loaded
"""

_WINDOW = """
import sys
from pathlib import Path
import inspector
assert "site-packages" in inspector.__file__, inspector.__file__
from PySide6.QtWidgets import QApplication
app = QApplication([])
from inspector.gui.main_window import MainWindow
window = MainWindow()
window.show()
window.open_path(Path(sys.argv[1]))
table = window.findChild(object, "layerTable")
for _ in range(600):
    app.processEvents()
    if table.model().rowCount():
        break
    import time
    time.sleep(0.05)
assert table.model().rowCount() > 0
assert not window.windowIcon().isNull()
window.close()
"""


def _run(arguments: list[str], forbidden: set[str]) -> str:
    code = _HEADLESS.format(arguments=arguments, forbidden=forbidden)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_headless_commands_never_import_qt(sample_models: Path, tmp_path: Path) -> None:
    """`info` and the whole of `quantize` run without PySide6 and pyqtgraph."""
    qt = {"PySide6", "pyqtgraph", "shiboken6"}
    model = str(sample_models / "digits_cnn.onnx")
    _run(["info", model], qt)
    data = str(sample_models / "digits_calibration.npz")
    output = str(tmp_path / "small.onnx")
    _run(["quantize", model, "-o", output, "--calibration", data, "--samples", "16"], qt)


def test_the_version_is_told_without_heavy_imports() -> None:
    """`--version` loads neither numpy nor any model library."""
    assert _run(["--version"], {"numpy", "onnx", "onnxruntime", "PySide6", "PIL"}).strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment into which the built wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, ROOT], check=True)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", wheel], check=True)
    return python


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "DISPLAY"}}
    return kept | {"QT_QPA_PLATFORM": "offscreen"}


@pytest.mark.timeout(900)
def test_the_wheel_opens_the_window(installed: Path, sample_models: Path, tmp_path: Path) -> None:
    """From an empty environment, with icons and target profiles, on a sample model."""
    done = subprocess.run(
        [installed, "-c", _WINDOW, sample_models / "digits_cnn.onnx"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=_environment(),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(900)
def test_the_wheel_has_the_command(installed: Path, sample_models: Path, tmp_path: Path) -> None:
    """`quant-inspector` and `python -m inspector` do the job where they are installed."""
    model = sample_models / "digits_cnn.onnx"
    for command in (
        [installed.with_name("quant-inspector")],
        [installed, "-m", "inspector"],
    ):
        done = subprocess.run(
            [*command, "quantize", model, "-o", tmp_path / "small.onnx", "--random-data", "4"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=_environment(),
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "small.onnx").is_file()
