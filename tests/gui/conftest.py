"""What the tests of the window share: a window of their own, and settings nobody else sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QSettings
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from inspector.gui.guide import GUIDE_KEY
from inspector.gui.main_window import MainWindow
from inspector.gui.settings import write_setting
from inspector.session.slots import STATE_VARIABLE


@pytest.fixture(autouse=True)
def _own_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the user's settings and sessions out of the tests, and the tests out of them."""
    folder = tmp_path_factory.mktemp("user")
    settings = str(folder / "settings")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, settings)
    monkeypatch.setenv(STATE_VARIABLE, str(folder / "state"))
    write_setting(GUIDE_KEY, "yes")  # the first steps are for people


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """An empty window on the (offscreen) screen."""
    made = MainWindow()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close_now()


@pytest.fixture
def idle(qtbot: QtBot, window: MainWindow) -> Callable[[], None]:
    """Wait until nothing runs in the background."""

    def wait() -> None:
        def quiet() -> bool:
            views = (window.presenter, window.graphs, window.graph)
            return not window.tasks.is_busy() and all(view.is_settled() for view in views)

        qtbot.waitUntil(quiet, timeout=30_000)

    return wait


@pytest.fixture
def opened(window: MainWindow, idle: Callable[[], None], sample_models: Path) -> MainWindow:
    """A window with the sample network."""
    window.open_path(sample_models / "digits_cnn.onnx")
    idle()
    assert window.document.is_open
    return window


@pytest.fixture
def calibrated(opened: MainWindow, idle: Callable[[], None], sample_models: Path) -> MainWindow:
    """A window with the sample network and its calibration data."""
    opened.open_path(sample_models / "digits_calibration.npz")
    idle()
    assert opened.document.calibration is not None
    return opened


NOTICED = 20
"""Steps of 255 by which a channel must differ to count."""
BLOCK, MOST = 16, 0.16
"""In no square of so many pixels a larger part may differ: an edge that is smoothed in another way
is one or two lines of it, what is missing or has another colour is more."""


@dataclass(frozen=True)
class StoredImages:
    """Holds what is painted to small images that are kept beside the tests.

    Fonts differ between machines, so what is painted has to have no text in it, or bars in the
    place of texts. To store what is painted now, look at it, and commit it if it is right:

        QUANT_INSPECTOR_UPDATE_IMAGES=1 python -m pytest tests/gui

    Attributes:
        failed: where images that differ are put.
    """

    failed: Path
    most: float = MOST

    @staticmethod
    def pixels(image: QImage) -> NDArray[np.int16]:
        """Red, green and blue of each pixel, shape (height, width, 3)."""
        plain = image.convertToFormat(QImage.Format.Format_RGB888)
        flat = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), -1)
        shape = plain.height(), plain.width(), 3
        return flat[:, : 3 * plain.width()].reshape(shape).astype(np.int16)

    def differing(self, one: QImage, other: QImage) -> float:
        """How much of the worst block differs so that one would see it; 1 where the sizes do."""
        first, second = self.pixels(one), self.pixels(other)
        if first.shape != second.shape:
            return 1.0
        seen = np.abs(first - second).max(axis=2) > NOTICED
        high, wide = (-(-side // BLOCK) * BLOCK for side in seen.shape)
        padded = np.zeros((high, wide))
        padded[: seen.shape[0], : seen.shape[1]] = seen
        blocks = padded.reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK)
        return float(blocks.mean(axis=(1, 3)).max())

    def hold(self, name: str, image: QImage, most: float = MOST) -> None:
        """Fail where an image is not as it is stored, but for `most` of any block."""
        stored = Path(__file__).parent / "images" / f"{name}.png"
        if os.environ.get("QUANT_INSPECTOR_UPDATE_IMAGES"):
            assert image.save(str(stored))
            return
        assert stored.is_file(), f"{stored.name} is not stored; see how to in StoredImages"
        part = self.differing(image, QImage(str(stored)))
        if part > most:
            painted = self.failed / f"{name}.png"
            image.save(str(painted))
            pytest.fail(f"{part:.0%} of a part of {stored.name} differ; painted now: {painted}")


@pytest.fixture
def stored_images(tmp_path: Path) -> StoredImages:
    """The images that are kept beside the tests."""
    return StoredImages(tmp_path)
