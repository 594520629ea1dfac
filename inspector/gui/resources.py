"""Files that ship beside the code: icons, and the sample models where there are any."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

import inspector

_PACKAGE = Path(inspector.__file__).resolve().parent
_ICON_PIXELS = (16, 20, 24, 32, 40, 48, 64)


@cache
def resources() -> Path:
    """The folder of resources: inside the package once installed, beside it in a checkout."""
    installed = _PACKAGE / "resources"
    return installed if installed.is_dir() else _PACKAGE.parent / "resources"


def sample_models() -> tuple[Path, ...]:
    """The sample models found inside or beside the package, by name."""
    for folder in (_PACKAGE / "sample_models", _PACKAGE.parent / "sample_models"):
        found = tuple(sorted(folder.glob("*.onnx")))
        if found:
            return found
    return ()


def icon(name: str, colour: str, faded: str) -> QIcon:
    """An icon of our own, drawn in the colours of the theme.

    Args:
        name: file name without ending in resources/icons; its strokes are ``currentColor``.
        colour: for the normal state.
        faded: for the disabled state.
    """
    source = (resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    result = QIcon()
    for mode, tint in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, faded)):
        picture = source.replace("currentColor", QColor(tint).name())
        renderer = QSvgRenderer(QByteArray(picture.encode()))
        for pixels in _ICON_PIXELS:
            result.addPixmap(_render(renderer, pixels), mode)
    return result


def app_icon() -> QIcon:
    """The program's icon."""
    renderer = QSvgRenderer(str(resources() / "quant-inspector.svg"))
    result = QIcon()
    for pixels in (*_ICON_PIXELS, 128, 256):
        result.addPixmap(_render(renderer, pixels))
    return result


def picture(name: str, pixels: int, ratio: float) -> QPixmap:
    """A picture from resources as a pixmap of so many pixels, sharp at a device pixel ratio."""
    renderer = QSvgRenderer(str(resources() / f"{name}.svg"))
    result = _render(renderer, round(pixels * ratio))
    result.setDevicePixelRatio(ratio)
    return result


def _render(renderer: QSvgRenderer, pixels: int) -> QPixmap:
    result = QPixmap(pixels, pixels)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    renderer.render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    return result
