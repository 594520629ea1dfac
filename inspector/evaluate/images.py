"""Pictures as input: decoded, turned upright, resized and normalised as a model wants them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.evaluate.image_options import Channels, ImagePlan
from inspector.evaluate.inputs import InputSpec

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
)

_LETTERBOX_GRAY = 114
_GRAY_AXES = 2


def read_image(path: Path, spec: InputSpec, plan: ImagePlan) -> NDArray[Any]:
    """Decode one picture.

    Args:
        path: an image file that Pillow reads; turned upright as its EXIF data says.
        spec: the model's input.
        plan: what to do with it, made for `spec`.

    Returns:
        (C, H, W) or (H, W, C), of the input's element type.

    Raises:
        DataError: the file cannot be read or is no picture.
    """
    from PIL import Image, UnidentifiedImageError  # here and below: most models see no picture

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # about odd metadata, which is not used
            with Image.open(path) as image:
                picture = _fit(_upright(image, plan.channels), plan)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path} is not a picture, or is damaged.", "Take it out of the folder."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path} has too many pixels to be a sample.", "Shrink it, or take it out."
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path} cannot be read: {reason}.", "Take it out, or mend it.") from error
    return _normalise(np.asarray(picture), spec, plan)


def _upright(image: Image.Image, channels: Channels) -> Image.Image:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion clips them
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8))
    return image.convert({"GRAY": "L", "BGR": "RGB"}.get(channels, channels))


def _fit(image: Image.Image, plan: ImagePlan) -> Image.Image:
    from PIL import Image

    height, width = plan.size
    how = Image.Resampling.BILINEAR
    if plan.fit == "stretch":
        return image.resize((width, height), how)
    ratios = width / image.width, height / image.height
    if plan.fit == "letterbox":
        ratio = min(ratios)
        inner = image.resize(_scaled(image, ratio, at_most=(width, height)), how)
        gray = (_LETTERBOX_GRAY,) * len(image.getbands())
        framed = Image.new(image.mode, (width, height), gray if len(gray) > 1 else gray[0])
        framed.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
        return framed
    # The picture has to cover the crop, whatever its aspect ratio is.
    ratio = max(plan.short_side / min(image.size), *ratios)
    image = image.resize(_scaled(image, ratio, at_least=(width, height)), how)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _scaled(
    image: Image.Image,
    ratio: float,
    *,
    at_least: tuple[int, int] = (1, 1),
    at_most: tuple[int, int] = (1 << 16, 1 << 16),
) -> tuple[int, int]:
    width, height = (
        min(max(round(side * ratio), low), high)
        for side, low, high in zip(image.size, at_least, at_most, strict=True)
    )
    return width, height


def _normalise(pixels: NDArray[np.uint8], spec: InputSpec, plan: ImagePlan) -> NDArray[Any]:
    if pixels.ndim == _GRAY_AXES:
        pixels = pixels[..., np.newaxis]
    if plan.channels == "BGR":
        pixels = pixels[..., ::-1]
    values = pixels * np.float32(plan.scale)
    values -= np.asarray(plan.mean, np.float32)
    values /= np.asarray(plan.std, np.float32)
    if plan.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    wanted = spec.numpy_dtype
    if wanted.kind in "iu":
        limits = np.iinfo(wanted)
        values = np.rint(values).clip(max(limits.min, -(1 << 30)), min(limits.max, 1 << 30))
    return np.ascontiguousarray(values, wanted)
