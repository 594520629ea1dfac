"""How pictures become a model's input: what can be set, and what follows from the input."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from inspector.errors import DataError
from inspector.evaluate.inputs import InputSpec
from inspector.evaluate.pixels import PixelHint
from inspector.graph.model import Dim

Layout = Literal["NCHW", "NHWC"]
Channels = Literal["RGB", "BGR", "RGBA", "GRAY"]
Fit = Literal["crop", "stretch", "letterbox"]

DEFAULT_SIDE = 224
"""Height and width of a picture where the model leaves them free."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CROP_RATIO = 256 / 224
_CHANNEL_COUNTS: dict[int, Channels] = {1: "GRAY", 3: "RGB", 4: "RGBA"}
_SIZE_PARTS = 2
_IMAGE_RANK = 4


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How pictures become a model's input; None means: by what the input is.

    A pixel value p (0 to 255) becomes ``(p * scale - mean) / std``, channel by channel.

    Attributes:
        size: height and width in pixels; by default the model's, or 224 x 224 where those are free.
        layout: channels before or after the pixels; by default where the input has 1, 3 or 4.
        channels: their order; by default RGB for three, GRAY for one, RGBA for four.
        fit: "crop" resizes the short side to `short_side` and cuts out the middle, "stretch"
            ignores the aspect ratio, "letterbox" keeps it and pads with gray (114).
        short_side: of the resized picture before it is cropped; by default 256/224 of the size.
        scale: by default 1/255 for an input of floats, 1 for one of integers.
        mean: one value a channel or one for all; by default ImageNet's (0.485, 0.456, 0.406) for
            three channels of a float input, else 0.
        std: likewise, by default (0.229, 0.224, 0.225), else 1.
    """

    size: tuple[int, int] | None = None
    layout: Layout | None = None
    channels: Channels | None = None
    fit: Fit = "crop"
    short_side: int | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> ImageOptions:
        """Read options from text such as ``size=640x640 channels=BGR mean=0 std=1 scale=1``.

        Options are separated by blanks or semicolons. `size` is height x width, or one number for
        both; `mean` and `std` are one number or one a channel, with commas between them.

        Raises:
            DataError: an option is unknown, is given twice, or its value is wrong.
        """
        values: dict[str, Any] = {}
        known = [f.name for f in fields(cls)]
        for part in text.replace(";", " ").split():
            key, _, value = part.partition("=")
            if key not in known or not value or key in values:
                what = "is given twice" if key in values else "is not understood"
                raise DataError(
                    f"Image option {part!r} {what}.",
                    f"Write NAME=VALUE, where NAME is one of {', '.join(known)}.",
                )
            values[key] = _parse_value(key, value)
        return cls(**values)

    def __str__(self) -> str:
        """Write the options that are set, in the form that `parse` reads."""
        return " ".join(
            f"{f.name}={_value_text(getattr(self, f.name))}"
            for f in fields(self)
            if getattr(self, f.name) != f.default
        )

    def filled(self, spec: InputSpec, hint: PixelHint | None = None) -> ImagePlan:
        """Decide every option that is not set by what the model's input is.

        Args:
            spec: the input.
            hint: what the model itself says of its pixels; what is set here goes before it, and
                any of `scale`, `mean` and `std` before all that it says of values.

        Raises:
            DataError: the input cannot hold a picture, or not one as the options say.
        """
        if len(spec.shape) not in (_IMAGE_RANK - 1, _IMAGE_RANK):
            raise _no_picture(spec, "it has no height, width and channels")
        layout = self.layout or _layout(spec)
        axes = spec.shape[-3:]
        channel, height, width = axes if layout == "NCHW" else (axes[2], axes[0], axes[1])
        wanted = self.channels or (hint.channels if hint is not None else None)
        channels = self._channels(spec, layout, channel, wanted)
        size = self._size(spec, height, width)
        count = len(channels) if channels != "GRAY" else 1
        real = spec.dtype.startswith("float")
        mean: tuple[float, ...] = (0.0,)
        std: tuple[float, ...] = (1.0,)
        own = self.scale is None and self.mean is None and self.std is None
        scale = self.scale if self.scale is not None else (1 / 255 if real else 1.0)
        if hint is not None and own and real:
            scale, mean = hint.scale, (hint.mean,)
        elif real and count == len(_IMAGENET_MEAN) and self.scale is None:
            order = -1 if channels == "BGR" else 1
            mean, std = _IMAGENET_MEAN[::order], _IMAGENET_STD[::order]
        return ImagePlan(
            size=size,
            layout=layout,
            channels=channels,
            fit=self.fit,
            short_side=self.short_side or round(min(size) * _CROP_RATIO),
            scale=scale,
            mean=_per_channel("mean", self.mean or mean, count),
            std=_per_channel("std", self.std or std, count),
            reason=hint.reason_for(channels) if hint is not None and own and real else "",
        )

    def _channels(
        self, spec: InputSpec, layout: Layout, channel: Dim, wanted: Channels | None
    ) -> Channels:
        count = channel if isinstance(channel, int) else 3
        channels = wanted or _CHANNEL_COUNTS.get(count)
        if channels is None:
            raise _no_picture(spec, f"{count} channels in the {layout} layout")
        given = len(channels) if channels != "GRAY" else 1
        if isinstance(channel, int) and given != channel:
            raise DataError(
                f"Images with {given} channels ({channels}) do not fit the model's input {spec}, "
                f"which has {channel} in the {layout} layout.",
                "Set other channels or another layout for the images.",
            )
        return channels

    def _size(self, spec: InputSpec, height: Dim, width: Dim) -> tuple[int, int]:
        size = self.size or (_side(height), _side(width))
        for have, dim in zip(size, (height, width), strict=True):
            if isinstance(dim, int) and dim != have:
                raise DataError(
                    f"Images of {size[0]} x {size[1]} pixels do not fit the model's input {spec}.",
                    "Leave the size out to take the model's.",
                )
        return size


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """`ImageOptions` with every option decided for one input of a model.

    Attributes:
        reason: what of the model says that its values are so; empty where nothing does.
    """

    size: tuple[int, int]
    layout: Layout
    channels: Channels
    fit: Fit
    short_side: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reason: str = ""

    def __str__(self) -> str:
        """Write it for a user to check: ``RGB 224x224 NCHW, crop, ...``."""
        mean, std = (_short(values) for values in (self.mean, self.std))
        height, width = self.size
        return (
            f"{self.channels} {height}x{width} {self.layout}, {self.fit}, "
            f"scale {self.scale:.6g}, mean {mean}, std {std}"
            + (f" ({self.reason})" if self.reason else "")
        )


def _short(values: tuple[float, ...]) -> str:
    """One number where all are the same."""
    return ",".join(f"{v:.6g}" for v in (values[:1] if len(set(values)) == 1 else values))


def image_layout(spec: InputSpec) -> Layout | None:
    """Find where the channels of an image-like input are: the axis that is 3, 1 or 4 long.

    Returns:
        None when no axis is. Where both ends could be, three channels win, then those in front.
    """
    if len(spec.shape) not in (_IMAGE_RANK - 1, _IMAGE_RANK):
        return None
    first, _, last = spec.shape[-3:]
    if first in _CHANNEL_COUNTS and not (last == len(_IMAGENET_MEAN) != first):
        return "NCHW"
    return "NHWC" if last in _CHANNEL_COUNTS else None


def _layout(spec: InputSpec) -> Layout:
    layout = image_layout(spec)
    if layout is None and isinstance(spec.shape[-3], int):
        raise _no_picture(spec, "no axis holds 1, 3 or 4 channels")
    return layout or "NCHW"


def _no_picture(spec: InputSpec, why: str) -> DataError:
    return DataError(
        f"The model's input {spec} does not take pictures: {why}.",
        "Give arrays instead: an .npz or .npy file.",
    )


def _side(dim: Dim) -> int:
    return dim if isinstance(dim, int) else DEFAULT_SIDE


def _per_channel(what: str, values: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(values) not in (1, count):
        raise DataError(
            f"The images' {what} has {len(values)} values for {count} channels.",
            "Give one value, or one for each channel.",
        )
    return values if len(values) == count else values * count


def _parse_value(key: str, text: str) -> object:
    if key in ("layout", "channels", "fit"):
        allowed = get_args({"layout": Layout, "channels": Channels, "fit": Fit}[key])
        for choice in allowed:
            if text.lower() == choice.lower():
                return choice
        raise DataError(f"Image option {key}={text!r} is wrong.", f"One of {', '.join(allowed)}.")
    try:
        return _parse_number(key, text)
    except ValueError as error:
        raise DataError(
            f"Image option {key}={text!r} is wrong: {_WANTED[key]}.",
            "For example: size=224x224 short_side=256 scale=0.0039 mean=0.5,0.5,0.5 std=0.5",
        ) from error


_WANTED = {
    "size": "a size is HEIGHTxWIDTH, in pixels",
    "short_side": "a side is a whole number of pixels, 1 or more",
    "scale": "the scale is one number, not 0",
    "mean": "a mean is finite numbers with commas between them",
    "std": "a std is finite numbers with commas between them, none of them 0",
}


def _parse_number(key: str, text: str) -> object:
    if key == "size":
        sides = [int(side) for side in text.lower().split("x")]
        if len(sides) > _SIZE_PARTS or min(sides) < 1:
            raise ValueError
        return (sides[0], sides[-1])
    if key == "short_side":
        if int(text) < 1:
            raise ValueError
        return int(text)
    values = tuple(float(value) for value in text.split(","))
    if not np.isfinite(values).all() or (key == "std" and 0.0 in values):
        raise ValueError
    if key != "scale":
        return values
    if len(values) > 1 or values[0] == 0:
        raise ValueError
    return values[0]


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        separator = "x" if all(isinstance(v, int) for v in value) else ","
        return separator.join(f"{v!r}" for v in value)
    return str(value)
