"""What a model itself says of the pixels it takes: many subtract their mean as a first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph, Node

if TYPE_CHECKING:
    from inspector.evaluate.image_options import Channels
    from inspector.onnxio.loading import Model

_UNIT = 1.5
"""A mean or spread of pixels from 0 to 1 is smaller than this, one of 0 to 255 is larger."""
_WIDE = 8.0
"""A divisor from here on is of pixels from 0 to 255: 255, 127.5, a deviation of 58."""
_ORDER_STEP = 4.0
"""So much brighter (of 255) is ImageNet's red than its green, and that than its blue: 123, 117, 104
in Caffe's models, 0.485, 0.456, 0.406 in those of others."""
_MOST_STEPS = 8
_MOVES = frozenset(("Identity", "Cast", "Dropout"))
_IMAGE_RANKS = (3, 4)
_RGB = 3


@dataclass(frozen=True, slots=True)
class PixelHint:
    """How pictures are to be fed, for what the user leaves open.

    Attributes:
        scale: a pixel of 0 to 255 is multiplied by it.
        mean: and this is subtracted.
        channels: their order; None where nothing tells.
        reason: for the user: what the model does that says so of the values.
    """

    scale: float
    mean: float
    channels: Channels | None
    reason: str

    def reason_for(self, channels: Channels) -> str:
        """The reason; it speaks of the order as well where that is as the model says."""
        first = {"BGR": "blue", "RGB": "red"}.get(channels, "")
        return f"{self.reason}, {first} first" if channels == self.channels else self.reason


def pixel_hint(model: Model, graph: Graph) -> PixelHint | None:
    """Look at what a model does to its input first.

    A model that subtracts 104, 117, 123 takes pixels of 0 to 255, blue first; one that subtracts
    0.485 takes 0 to 1; one that adds 1 and multiplies by 127.5 takes -1 to 1.

    Args:
        model: the model, for the values of its constants.
        graph: its graph.

    Returns:
        None where the first operators say nothing: the pixels are normalised outside of it.
    """
    if len(graph.inputs) != 1:
        return None
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.shape is None or len(tensor.shape) not in _IMAGE_RANKS:
        return None
    factor, offset = np.ones(1), np.zeros(1)
    words: list[str] = []
    name = tensor.name
    for _ in range(_MOST_STEPS):
        readers = graph.consumers(name)
        if len(readers) != 1:
            break
        node = readers[0]
        step = None if node.op_type in _MOVES else _step(model, graph, node, name)
        if step is None and node.op_type not in _MOVES:
            break
        if step is not None:
            by, plus, said = step
            factor, offset = factor * by, offset * by + plus
            words.append(said)
        name = node.outputs[0]
    return _hint(factor, offset, " and ".join(words)) if words else None


def _step(
    model: Model, graph: Graph, node: Node, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], str] | None:
    """A node as ``by * x + plus``, and in words; None where it is not of that kind."""
    others = [one for one in node.inputs if one != name]
    if node.op_type not in {"Add", "Sub", "Mul", "Div"} or len(others) != 1:
        return None
    if node.op_type in {"Sub", "Div"} and node.inputs[0] != name:
        return None
    known = graph.tensors.get(others[0])
    if known is None or not known.constant or known.size not in (1, _RGB):
        return None
    values = np.asarray(model.constant(others[0]), np.float64).reshape(-1)
    if not np.isfinite(values).all() or (node.op_type in {"Mul", "Div"} and not values.all()):
        return None
    one, zero = np.ones(1), np.zeros(1)
    match node.op_type:
        case "Add" if (values <= 0).all():
            return one, values, f"subtracts {_listed(-values)}"
        case "Add":
            return one, values, f"adds {_listed(values)}"
        case "Sub":
            return one, -values, f"subtracts {_listed(values)}"
        case "Mul":
            return values, zero, f"multiplies by {_listed(values)}"
        case _:
            return 1 / values, zero, f"divides by {_listed(values)}"


def _hint(factor: NDArray[Any], offset: NDArray[Any], words: str) -> PixelHint | None:
    """What pixels ``factor * x + offset`` is meant for."""
    centre = np.broadcast_to(-offset / factor, (_RGB,))
    spread = float(np.abs(1 / factor).max())
    channels = None
    if (centre > _UNIT).any() or spread > _WIDE:
        scale, mean, takes = 1.0, 0.0, "0 to 255"
        channels = _order(centre)
    elif (centre > 0).all():
        scale, mean, takes = 1 / 255, 0.0, "0 to 1"
        channels = _order(centre * 255)
    elif np.allclose(centre, -1.0):
        scale, mean, takes = 1 / 127.5, 1.0, "-1 to 1"
    elif spread < 1 / _WIDE and not centre.any():
        scale, mean, takes = 1 / 255, 0.0, "0 to 1"
    else:
        return None
    return PixelHint(scale, mean, channels, f"the model itself {words}: it takes {takes}")


def _order(centre: NDArray[np.float64]) -> Channels | None:
    """Whether the means of three channels are ImageNet's, and in which order."""
    steps = np.diff(centre)
    if (steps >= _ORDER_STEP).all():
        return "BGR"
    return "RGB" if (steps <= -_ORDER_STEP).all() else None


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(dict.fromkeys(f"{value:.4g}" for value in values))
