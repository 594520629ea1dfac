"""Fold BatchNormalization into the weights of what comes before it."""

from __future__ import annotations

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

_NAME = "fold_batch_norm"
_OVERFLOW = "the folded weights leave the range of their type."


class _CannotFoldError(Exception):
    """Why a BatchNormalization stays."""


def fold_batch_norm(model: Model) -> tuple[Model, PassReport]:
    """Fold inference-time BatchNormalization into Conv, ConvTranspose, Gemm and MatMul (+ Add).

    y = gamma * (x - mean) / sqrt(var + epsilon) + beta (Ioffe and Szegedy 2015, algorithm 2; ONNX
    operator BatchNormalization) is y = x * factor + shift per channel: factor scales the output
    channels of the weights, shift joins the bias, which is added where there was none. The node
    before takes over the output's name. A MatMul without Add gets one in the normalization's place.

    It stays where its input is read elsewhere or is a graph output, or where a parameter, weight or
    bias is not constant; the report says why.
    """
    if not any(node.op_type == "BatchNormalization" for node in model.proto.graph.node):
        return model, PassReport(_NAME)
    fold = _Fold(model)
    gone: list[NodeProto] = []
    left: list[str] = []
    changed = 0
    for node in fold.draft.graph.node:
        if node.op_type != "BatchNormalization" or not is_onnx_domain(node.domain):
            continue
        try:
            if fold.fold(node):
                gone.append(node)
            changed += 1
        except _CannotFoldError as reason:
            left.append(f"{node.name}: {reason}")
    if not changed:
        return model, PassReport(_NAME, 0, tuple(left))
    fold.draft.remove_nodes(gone)
    fold.draft.sweep()
    return fold.draft.finish(), PassReport(_NAME, changed, tuple(left))


@dataclass(frozen=True)
class _Affine:
    """What a normalization does to each channel: x * factor + shift, both float64 (channels,)."""

    factor: NDArray[np.float64]
    shift: NDArray[np.float64]


class _Fold:
    """The state of one run over a graph."""

    def __init__(self, model: Model) -> None:
        """Index a copy of the model."""
        self._model = model
        self.draft = Draft(model)
        self._constants = Constants(self.draft)
        nodes = self.draft.graph.node
        self._producers: dict[str, NodeProto] = {
            name: node for node in nodes for name in node.output if name
        }
        self._ranks: dict[str, int] | None = None

    def fold(self, norm: NodeProto) -> bool:
        """Fold one normalization; True if the node is to be removed, False if it was rewritten."""
        affine = self._affine(norm)
        source = self._source(norm.input[0])
        match source.op_type:
            case "Conv":
                self._conv(source, affine, norm, groups=None)
            case "ConvTranspose":
                groups = int(attribute(source, "group", 1))
                self._conv(source, affine, norm, groups=groups)
            case "Gemm":
                self._gemm(source, affine)
            case "MatMul":
                self._matmul_alone(source, affine, norm)
                return False
            case "Add":
                self._matmul_add(source, affine)
            case _:
                raise _CannotFoldError(f"its input comes from {source.op_type}.")
        del self._producers[source.output[0]]
        source.output[0] = norm.output[0]
        self._producers[norm.output[0]] = source
        return True

    def _affine(self, norm: NodeProto) -> _Affine:
        trains = attribute(norm, "training_mode", 0) or any(norm.output[1:])
        if trains:
            raise _CannotFoldError("it is in training mode.")
        if not attribute(norm, "spatial", 1):
            raise _CannotFoldError("it normalizes each element by itself (spatial=0).")
        if not all(self._constants.has(norm, slot) for slot in range(1, 5)):
            raise _CannotFoldError("its parameters are not constant.")
        gamma, beta, mean, var = (
            self._constants.get(norm, slot).astype(np.float64).reshape(-1) for slot in range(1, 5)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = gamma / np.sqrt(var + np.float64(attribute(norm, "epsilon", 1e-5)))
            shift = beta - mean * factor
        if not (np.isfinite(factor).all() and np.isfinite(shift).all()):
            raise _CannotFoldError("its parameters give no finite factors.")
        return _Affine(factor, shift)

    def _source(self, tensor: str) -> NodeProto:
        source: NodeProto | None = self._producers.get(tensor)
        if source is None:
            raise _CannotFoldError("its input is not computed by a node.")
        if self._constants.uses[tensor] > 1:
            raise _CannotFoldError("its input is read elsewhere too.")
        if not is_onnx_domain(source.domain):
            raise _CannotFoldError(f"its input comes from {source.domain}.{source.op_type}.")
        return source

    def _weight(self, node: NodeProto, slot: int = 1) -> NDArray[Any]:
        if not self._constants.has(node, slot):
            raise _CannotFoldError(f"the weights of {node.name} are not constant.")
        return self._constants.get(node, slot)

    def _conv(
        self, conv: NodeProto, affine: _Affine, norm: NodeProto, *, groups: int | None
    ) -> None:
        """Scale the filters of a convolution; `groups` of a transposed one, whose axis 1 is out."""
        weight = self._weight(conv)
        bias = self._bias(conv)
        channels = affine.factor.size
        if groups is None:
            self._same(channels, weight.shape[0])
            scaled = self._constants.scaled(weight, _along(affine.factor, 0, weight.ndim), None)
        else:
            self._same(channels, weight.shape[1] * groups)
            split = weight.reshape(groups, -1, *weight.shape[1:])
            factor = affine.factor.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
            scaled = self._constants.scaled(split, factor, None)
            scaled = None if scaled is None else scaled.reshape(weight.shape)
        if bias is None:
            bias = np.zeros(channels, weight.dtype)
        shifted = self._constants.scaled(bias, affine.factor, affine.shift)
        self._put(conv, 1, scaled, 2, shifted)

    def _gemm(self, gemm: NodeProto, affine: _Affine) -> None:
        weight = self._weight(gemm)
        bias = self._bias(gemm)
        axis = 0 if attribute(gemm, "transB", 0) else 1
        self._same(affine.factor.size, weight.shape[axis])
        scaled = self._constants.scaled(weight, _along(affine.factor, axis, 2), None)
        if bias is None:
            bias = np.zeros(affine.factor.size, weight.dtype)
        beta = attribute(gemm, "beta", 1.0)
        shifted = self._constants.scaled(bias, affine.factor * beta, affine.shift)
        self._put(gemm, 1, scaled, 2, shifted)
        remove_attribute(gemm, "beta")

    def _matmul(self, matmul: NodeProto, tensor: str, affine: _Affine) -> tuple[int, int, Any]:
        """Weight slot, rank of the output `tensor`, and scaled weight of a MatMul.

        The channel is axis 1: the columns of a weight on the right in a product of rank 2, the rows
        of one on the left in a product of rank 3.
        """
        slot = 1 if self._constants.has(matmul, 1) else 0
        weight = self._weight(matmul, slot)
        rank = self._rank(tensor)
        if weight.ndim != 2 or rank != (2 if slot else 3):
            raise _CannotFoldError("its channels are not those of the weights before it.")
        self._same(affine.factor.size, weight.shape[slot])
        return slot, rank, self._constants.scaled(weight, _along(affine.factor, slot, 2), None)

    def _matmul_alone(self, matmul: NodeProto, affine: _Affine, norm: NodeProto) -> None:
        slot, rank, scaled = self._matmul(matmul, matmul.output[0], affine)
        if scaled is None:
            raise _CannotFoldError(_OVERFLOW)
        shift = _along(affine.shift, 0, rank - 1).astype(scaled.dtype)
        self._constants.put(matmul, slot, scaled)
        name = self.draft.unique_name(bias_name(matmul.input[slot]))
        self.draft.set_constant(name, shift)
        self._constants.uses[name] = 1
        inputs = [norm.input[0], name]
        del norm.input[:], norm.attribute[:], norm.output[1:]
        norm.op_type = "Add"
        norm.input.extend(inputs)

    def _matmul_add(self, add: NodeProto, affine: _Affine) -> None:
        bias_slot = next((slot for slot in (0, 1) if self._constants.has(add, slot)), None)
        if bias_slot is None:
            raise _CannotFoldError("its input comes from an Add of two activations.")
        product = add.input[1 - bias_slot]
        matmul = self._source(product)
        if matmul.op_type != "MatMul":
            raise _CannotFoldError(f"its input comes from {matmul.op_type} and Add.")
        slot, rank, scaled = self._matmul(matmul, product, affine)
        bias = self._constants.get(add, bias_slot)
        if bias.ndim > rank:
            raise _CannotFoldError("the Add before it changes the rank.")
        factor, shift = (_along(v, 0, rank - 1) for v in (affine.factor, affine.shift))
        shifted = self._constants.scaled(bias, factor, shift)
        if scaled is None or shifted is None:
            raise _CannotFoldError(_OVERFLOW)
        self._constants.put(matmul, slot, scaled)
        self._constants.put(add, bias_slot, shifted)

    def _bias(self, node: NodeProto) -> NDArray[Any] | None:
        if len(node.input) < 3 or not node.input[2]:
            return None
        if not self._constants.has(node, 2):
            raise _CannotFoldError(f"the bias of {node.name} is not constant.")
        return self._constants.get(node, 2)

    def _put(
        self,
        node: NodeProto,
        weight_slot: int,
        weight: NDArray[Any] | None,
        bias_slot: int,
        bias: NDArray[Any] | None,
    ) -> None:
        if weight is None or bias is None:
            raise _CannotFoldError(_OVERFLOW)
        wanted = bias_name(node.input[weight_slot])
        self._constants.put(node, weight_slot, weight)
        self._constants.put(node, bias_slot, bias, wanted)

    def _same(self, channels: int, weight_channels: int) -> None:
        if channels != weight_channels:
            raise _CannotFoldError(
                f"it has {channels} channels, the weights before it {weight_channels}."
            )

    def _rank(self, tensor: str) -> int | None:
        if self._ranks is None:
            types = infer_types(self._model).values
            self._ranks = {
                name: len(kind[1]) for name, kind in types.items() if kind[1] is not None
            }
        return self._ranks.get(tensor)


def _along(values: NDArray[np.float64], axis: int, rank: int) -> NDArray[np.float64]:
    """A vector shaped to broadcast along one axis of a tensor of that rank."""
    shape = [1] * rank
    shape[axis] = values.size
    return values.reshape(shape)
