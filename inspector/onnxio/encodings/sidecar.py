"""A sidecar file before it is written, and what the formats have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inspector.errors import UnsupportedError
from inspector.onnxio.encodings.collected import Encodings, LayerCodes, TensorCodes


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The content of a sidecar file.

    Attributes:
        text: all of it.
        entries: how many tensors or layers it tells of.
        notes: what whoever uses the file has to know: what it leaves to others, and what it tells
            less exactly than the recipe does. Full sentences.
    """

    text: str
    entries: int
    notes: tuple[str, ...] = ()


def number(value: float) -> str:
    """A float32 as text that gives the same float32 again."""
    return f"{value:.9g}"


def named(names: Iterable[str], most: int = 5) -> str:
    """Some names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def note_shared(encodings: Encodings) -> tuple[str, ...]:
    """What to say where readers see one tensor on several grids, of which a file tells one."""
    if not encodings.shared:
        return ()
    several = "1 tensor is" if encodings.shared == 1 else f"{encodings.shared} tensors are"
    return (f"{several} read on several grids; the file has the finest one of each.",)


def float_layers(encodings: Encodings) -> list[str]:
    """The names of the layers that are left alone."""
    return [one.name for one in encodings.layers if one.is_float]


def refuse(what: str, reason: str, target: str) -> UnsupportedError:
    """The error of something that a format cannot express."""
    return UnsupportedError(
        f"{what} {reason}.",
        f"Choose the target {target} and make it fit (--target {target} --fit).",
    )


def require_bytes(layer: LayerCodes, tensor: TensorCodes, target: str) -> None:
    """Raises UnsupportedError unless a layer's tensor has codes of 8 bits."""
    if tensor.bits != 8:
        raise refuse(
            f"{layer.name}:",
            f"{tensor.name} is {tensor.spec.dtype}, the format knows 8 bits",
            target,
        )


def require_symmetric(layer: LayerCodes, tensor: TensorCodes, target: str) -> None:
    """Raises UnsupportedError unless real zero is in the middle of a layer's tensor's codes."""
    if not tensor.is_symmetric:
        raise refuse(f"{layer.name}:", f"{tensor.name} is not symmetric ({tensor.spec})", target)


def require_no_blocks(layer: LayerCodes, tensor: TensorCodes, target: str) -> None:
    """Raises UnsupportedError where a layer's tensor has scales for blocks."""
    if tensor.grid.block:
        raise refuse(f"{layer.name}:", f"{tensor.name} has a scale for each block", target)


def per_channel(layer: LayerCodes, tensor: TensorCodes, target: str) -> list[float]:
    """The scales of a weight, one for each output channel.

    Raises:
        UnsupportedError: its scales do not run along the output channels.
    """
    require_no_blocks(layer, tensor, target)
    shape, axis = layer.layer.weight_shape or (), layer.layer.channel_axis
    channels = 1 if axis is None else shape[axis]
    scales = [float(one) for one in tensor.grid.scale.reshape(-1)]
    if tensor.grid.axis is None:
        return scales * channels
    if axis is None or tensor.grid.axis % len(shape) != axis:
        raise refuse(
            f"{layer.name}:", f"{tensor.name} has scales along axis {tensor.grid.axis}", target
        )
    return scales
