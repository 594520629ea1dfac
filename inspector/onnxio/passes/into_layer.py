"""Folding what is done to each channel of a layer's output into its weights and bias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.inference import infer_types
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import Constants, attribute, bias_name, remove_attribute

Doubles = NDArray[np.float64]
_OVERFLOW = "the folded weights leave the range of their type."


class CannotFoldError(Exception):
    """Why a node stays."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """What a node does to each channel of what it reads: x * factor + shift.

    Attributes:
        factor: (channels,) or (1,) for all channels alike; None where it is 1.
        shift: the same; None where it is 0.
    """

    factor: Doubles | None = None
    shift: Doubles | None = None

    @property
    def channels(self) -> int:
        """How many channels it tells apart."""
        return max(1 if part is None else part.size for part in (self.factor, self.shift))

    def over(self, channels: int) -> tuple[Doubles, Doubles | None]:
        """Factor and shift, each (channels,)."""
        factor = np.ones(1) if self.factor is None else self.factor
        shift = None if self.shift is None else np.broadcast_to(self.shift, channels)
        return np.broadcast_to(factor, channels), shift


class LayerFolder:
    """The state of one pass that folds nodes into the layers before them.

    Attributes:
        draft: the copy of the model that is changed.
        constants: its constants.
    """

    def __init__(self, model: Model) -> None:
        """Index a copy of the model."""
        self._model = model
        self.draft = Draft(model)
        self.constants = Constants(self.draft)
        self._producers: dict[str, NodeProto] = {
            name: node for node in self.draft.graph.node for name in node.output if name
        }
        self._ranks: dict[str, int] | None = None

    def source(self, tensor: str) -> NodeProto:
        """The node that alone computes a tensor for a single reader.

        Raises:
            CannotFoldError: it is computed by none, read elsewhere too, or of another domain.
        """
        source: NodeProto | None = self._producers.get(tensor)
        if source is None:
            raise CannotFoldError("its input is not computed by a node.")
        if self.constants.uses[tensor] > 1:
            raise CannotFoldError("its input is read elsewhere too.")
        if not is_onnx_domain(source.domain):
            raise CannotFoldError(f"its input comes from {source.domain}.{source.op_type}.")
        return source

    def take_over(self, source: NodeProto, node: NodeProto) -> None:
        """Let a node write what another has written, which is to be removed."""
        del self._producers[source.output[0]]
        source.output[0] = node.output[0]
        self._producers[node.output[0]] = source

    def fold(self, source: NodeProto, affine: Affine, *, rank: int | None = None) -> None:
        """Change a layer's weights and bias so that it does what was done behind it.

        Args:
            source: a Conv, ConvTranspose, Gemm, MatMul (only factors), or the Add of a constant
                behind a MatMul.
            affine: what was done along axis 1 of the output, or along the last axis of a product.
            rank: of the output, where the channel is axis 1 of a product; None where it is the
                last one.

        Raises:
            CannotFoldError: it cannot be folded; nothing was changed.
        """
        match source.op_type:
            case "Conv":
                self._conv(source, affine, groups=None)
            case "ConvTranspose":
                self._conv(source, affine, groups=int(attribute(source, "group", 1)))
            case "Gemm":
                self._gemm(source, affine)
            case "MatMul":
                self._matmul(source, affine, rank)
            case "Add":
                self._matmul_add(source, affine, rank)
            case _:
                raise CannotFoldError(f"its input comes from {source.op_type}.")

    def weight(self, node: NodeProto, slot: int = 1) -> NDArray[Any]:
        """A constant weight; raises CannotFoldError for one that is computed."""
        if not self.constants.has(node, slot):
            raise CannotFoldError(f"the weights of {node.name} are not constant.")
        return self.constants.get(node, slot)

    def rank(self, tensor: str) -> int | None:
        """The rank of a tensor of the model, as far as it can be inferred."""
        if self._ranks is None:
            types = infer_types(self._model).values
            self._ranks = {
                name: len(kind[1]) for name, kind in types.items() if kind[1] is not None
            }
        return self._ranks.get(tensor)

    def _conv(self, conv: NodeProto, affine: Affine, *, groups: int | None) -> None:
        """Scale the filters of a convolution; `groups` of a transposed one, whose axis 1 is out."""
        weight = self.weight(conv)
        channels = weight.shape[0] if groups is None else weight.shape[1] * groups
        factor, shift = self._over(affine, channels)
        scaled: NDArray[Any] | None = weight
        if affine.factor is None:
            pass
        elif groups is None:
            scaled = self.constants.scaled(weight, along(factor, 0, weight.ndim), None)
        else:
            split = weight.reshape(groups, -1, *weight.shape[1:])
            by_group = factor.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
            scaled = self.constants.scaled(split, by_group, None)
            scaled = None if scaled is None else scaled.reshape(weight.shape)
        self._put(conv, weight, scaled, self._shifted(conv, weight, factor, shift))

    def _gemm(self, gemm: NodeProto, affine: Affine) -> None:
        weight = self.weight(gemm)
        axis = 0 if attribute(gemm, "transB", 0) else 1
        factor, shift = self._over(affine, weight.shape[axis])
        scaled: NDArray[Any] | None = weight
        if affine.factor is not None:
            scaled = self.constants.scaled(weight, along(factor, axis, 2), None)
        beta = attribute(gemm, "beta", 1.0)
        self._put(gemm, weight, scaled, self._shifted(gemm, weight, factor * beta, shift))
        if len(gemm.input) > 2:
            remove_attribute(gemm, "beta")

    def _shifted(
        self, node: NodeProto, weight: NDArray[Any], factor: Doubles, shift: Doubles | None
    ) -> NDArray[Any] | None:
        """The new bias of a Conv or Gemm; None where there is, and was, none."""
        bias: NDArray[Any] | None = None
        if len(node.input) > 2 and node.input[2]:
            if not self.constants.has(node, 2):
                raise CannotFoldError(f"the bias of {node.name} is not constant.")
            bias = self.constants.get(node, 2)
        if bias is None and shift is None:
            return None
        if bias is None:
            bias = np.zeros(factor.size, weight.dtype)
        zero = np.zeros(factor.size) if shift is None else shift
        shifted = self.constants.scaled(bias, factor, zero)
        if shifted is None:
            raise CannotFoldError(_OVERFLOW)
        return shifted

    def _put(
        self,
        node: NodeProto,
        old: NDArray[Any],
        weight: NDArray[Any] | None,
        bias: NDArray[Any] | None,
    ) -> None:
        if weight is None:
            raise CannotFoldError(_OVERFLOW)
        wanted = bias_name(node.input[1])
        if weight is not old:
            self.constants.put(node, 1, weight)
        if bias is not None:
            self.constants.put(node, 2, bias, wanted)

    def _matmul(self, matmul: NodeProto, affine: Affine, rank: int | None) -> None:
        if affine.shift is not None:
            raise CannotFoldError("a MatMul has no bias.")
        slot, scaled, _ = self._scaled_product(matmul, affine, rank)
        self.constants.put(matmul, slot, scaled)

    def _scaled_product(
        self, matmul: NodeProto, affine: Affine, rank: int | None
    ) -> tuple[int, NDArray[Any], int]:
        """Weight slot, scaled weight and channels of a MatMul.

        The channel is the last axis of the output: the columns of a weight on the right. Axis 1 of
        a product of rank 3 is the rows of a weight on the left.
        """
        slot = 1 if self.constants.has(matmul, 1) else 0
        weight = self.weight(matmul, slot)
        right = (None, 2) if slot else (3,)
        if weight.ndim != 2 or rank not in right:
            raise CannotFoldError("its channels are not those of the weights before it.")
        factor, _ = self._over(affine, weight.shape[slot])
        scaled = self.constants.scaled(weight, along(factor, slot, 2), None)
        if scaled is None:
            raise CannotFoldError(_OVERFLOW)
        return slot, scaled, weight.shape[slot]

    def _matmul_add(self, add: NodeProto, affine: Affine, rank: int | None) -> None:
        bias_slot = next((slot for slot in (0, 1) if self.constants.has(add, slot)), None)
        if bias_slot is None:
            raise CannotFoldError("its input comes from an Add of two activations.")
        product = add.input[1 - bias_slot]
        matmul = self.source(product)
        if matmul.op_type != "MatMul":
            raise CannotFoldError(f"its input comes from {matmul.op_type} and Add.")
        slot, scaled, channels = self._scaled_product(matmul, affine, rank)
        bias = self.constants.get(add, bias_slot)
        # Axis 1 of rank 3 is the last but one; else the channel is the last axis.
        axes = 2 if rank == 3 else 1
        if rank is not None and bias.ndim > rank:
            raise CannotFoldError("the Add before it changes the rank.")
        factor, shift = (
            None if part is None else along(part, 0, axes) for part in affine.over(channels)
        )
        assert factor is not None
        zero = np.zeros(1) if shift is None else shift
        shifted = self.constants.scaled(bias, factor, zero)
        if shifted is None:
            raise CannotFoldError(_OVERFLOW)
        self.constants.put(matmul, slot, scaled)
        self.constants.put(add, bias_slot, shifted)

    def _over(self, affine: Affine, channels: int) -> tuple[Doubles, Doubles | None]:
        if affine.channels not in {1, channels}:
            raise CannotFoldError(
                f"it has {affine.channels} channels, the weights before it {channels}."
            )
        return affine.over(channels)


def along(values: Doubles, axis: int, rank: int) -> Doubles:
    """A vector shaped to broadcast along one axis of a tensor of that rank."""
    shape = [1] * rank
    shape[axis] = values.size
    return values.reshape(shape)


def constant_slot(folder: LayerFolder, node: NodeProto) -> int | None:
    """The input of a node of two that is constant; None where none is, or both are."""
    if len(node.input) != 2:
        return None
    constant = [folder.constants.has(node, slot) for slot in (0, 1)]
    return constant.index(True) if constant.count(True) == 1 else None


def channels_of(layer: NodeProto, weight: NDArray[Any]) -> tuple[int, int]:
    """Output channels of a Conv, ConvTranspose or Gemm, and which axis of the output they are."""
    if layer.op_type == "Gemm":
        return weight.shape[0 if attribute(layer, "transB", 0) else 1], 1
    if layer.op_type == "ConvTranspose":
        return weight.shape[1] * int(attribute(layer, "group", 1)), 1
    return weight.shape[0], 1


def per_channel(
    values: NDArray[Any], weight: NDArray[Any], channels: int, axis: int
) -> Doubles | None:
    """A constant that is one number for each channel of a layer's output, or one for all.

    Args:
        values: the constant operand of an element-wise operator behind the layer.
        weight: the layer's weight; the output has its rank.
        channels: of the output.
        axis: which of the output's axes they are.

    Returns:
        (channels,) or (1,); None for any other shape, or another type than the weight's.
    """
    if values.dtype != weight.dtype or values.ndim > weight.ndim:
        return None
    full = values.reshape((1,) * (weight.ndim - values.ndim) + values.shape)
    if full.shape[axis] not in {1, channels} or full.size != full.shape[axis]:
        return None
    found = full.reshape(-1).astype(np.float64)
    return found if np.isfinite(found).all() else None


def fold_each(
    model: Model, name: str, fold: Callable[[LayerFolder, NodeProto], bool]
) -> tuple[Model, PassReport]:
    """Run a pass that folds nodes into layers, one by one, and removes those that it folded.

    Args:
        model: not changed.
        name: of the pass.
        fold: folds a node; whether it did.
    """
    folder = LayerFolder(model)
    gone = [node for node in folder.draft.graph.node if fold(folder, node)]
    if not gone:
        return model, PassReport(name)
    folder.draft.remove_nodes(gone)
    folder.draft.sweep()
    return folder.draft.finish(), PassReport(name, len(gone))
