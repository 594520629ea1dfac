"""A graph of ONNX in PyTorch, with quantizers that can be trained; see `train.py`."""

import math

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from operators import OPERATORS
from torch import nn


def straight_through(x):
    """Rounds half to even; its gradient is that of no rounding at all."""
    return x + (x.round() - x).detach()


def scaled_gradient(x, factor):
    """The same value, whose gradient is a factor of what it was."""
    return x * factor + (x * (1 - factor)).detach()


class Scale(nn.Module):
    """A scale, learned as its logarithm: one rate suits large and small ones."""

    def __init__(self, values, learned):
        """Values are real; `learned` says whether training changes them."""
        super().__init__()
        self.start = values
        self.change = nn.Parameter(torch.zeros_like(values), requires_grad=learned)

    def forward(self):
        """The scale as it is now."""
        return self.start * torch.exp(self.change)


class Weight(nn.Module):
    """Trained values, in units of their own size: the steps of Adam are in proportion to it.

    Channels of one layer differ a hundredfold where a batch normalization was folded into them.
    """

    def __init__(self, values, axis):
        """Values are real; along the axis, if there is one, each slice has a unit of its own."""
        super().__init__()
        overall = values.square().mean().sqrt()
        size = overall
        if axis is not None and values.dim() > 1:
            others = [n for n in range(values.dim()) if n != axis]
            size = values.square().mean(others, keepdim=True).sqrt()
        self.unit = size.clamp_min(1e-3 * overall.item() or 1.0)
        self.values = nn.Parameter(values / self.unit)

    def forward(self):
        """The values as they are now."""
        return self.values * self.unit


class Quantizer(nn.Module):
    """A QuantizeLinear with its DequantizeLinear."""

    def __init__(self, scale, zero, ends, axis, block):
        """Takes a Scale, the zero points, the lowest and highest code, axis and size of blocks."""
        super().__init__()
        self.scale, self.zero, self.axis, self.block = scale, zero, axis, block
        self.lowest, self.highest = ends

    def spread(self, values, x):
        """Scales or zero points in a shape that meets that of x."""
        if values.numel() == 1:
            return values.reshape(())
        if self.block:
            values = values.repeat_interleave(self.block, self.axis)
            return values.narrow(self.axis, 0, x.shape[self.axis])
        sizes = [1] * x.dim()
        sizes[self.axis] = -1
        return values.reshape(sizes)

    def codes(self, x, scale):
        """saturate(round(x / scale) + zero), as floats."""
        steps = straight_through(x / self.spread(scale, x)) + self.spread(self.zero, x)
        return torch.clamp(steps, self.lowest, self.highest)

    def forward(self, x):
        """The values on the grid."""
        scale = self.scale()
        # LSQ, section 2.2: a scale must not move faster than the values that share it.
        share = max(x.numel() / scale.numel(), 1) * max(self.highest, 1)
        scale = scaled_gradient(scale, 1 / math.sqrt(share))
        return (self.codes(x, scale) - self.spread(self.zero, x)) * self.spread(scale, x)


class Node:
    """An operator of the graph."""

    def __init__(self, proto, opset):
        """Reads its attributes."""
        self.op_type, self.opset = proto.op_type, opset
        self.reads, self.writes = list(proto.input), list(proto.output)
        self._attributes = {one.name: self._value(one) for one in proto.attribute}

    def get(self, name, default=None):
        """An attribute."""
        return self._attributes.get(name, default)

    @staticmethod
    def _value(proto):
        value = onnx.helper.get_attribute_value(proto)
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, onnx.TensorProto):
            return torch.from_numpy(np.array(numpy_helper.to_array(value)))
        return value if isinstance(value, int | float) else list(value)


CODES = {
    "INT2": (-2, 1), "UINT2": (0, 3), "INT4": (-8, 7), "UINT4": (0, 15),
    "INT8": (-128, 127), "UINT8": (0, 255), "INT16": (-32768, 32767), "UINT16": (0, 65535),
}  # fmt: skip


class Network(nn.Module):
    """The graph of a file, node by node."""

    def __init__(self, proto, notes, device, learned):
        """Takes the graph apart.

        Args:
            proto: the model.
            notes: what the file says of what is trained.
            device: where to compute.
            learned: scales are trained as well.
        """
        super().__init__()
        self.notes, self.device = notes, device
        graph = proto.graph
        opset = next(one.version for one in proto.opset_import if one.domain in ("", "ai.onnx"))
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.nodes = [Node(node, opset) for node in graph.node]
        self.inputs = [value.name for value in graph.input if value.name not in tensors]
        self.outputs = [value.name for value in graph.output]
        self.parts = nn.ModuleList()
        self.scales, self.quantizers, self.weights, self.constants = {}, {}, {}, {}
        numbers = set()
        for node in self.nodes:
            if node.op_type == "QuantizeLinear":
                self.quantizers[node.writes[0]] = self._quantizer(node, tensors, learned)
                numbers.update(node.reads[1:])
        for name in tensors.keys() - numbers:
            values = self._read(tensors[name])
            if name in notes["trained"]:
                self.weights[name] = self._part(Weight(values, notes["trained"][name]))
            else:
                self.constants[name] = values

    def _part(self, part):
        self.parts.append(part)
        return part

    def _read(self, tensor):
        return torch.from_numpy(np.array(numpy_helper.to_array(tensor))).to(self.device)

    def _quantizer(self, node, tensors, learned):
        _, scale, zero = node.reads
        if scale not in self.scales:
            learned = learned and scale not in self.notes["fixed"]
            self.scales[scale] = self._part(Scale(self._read(tensors[scale]), learned))
        kind = onnx.TensorProto.DataType.Name(tensors[zero].data_type)
        zeros = np.array(numpy_helper.to_array(tensors[zero])).astype(np.float32)
        ends = self.notes["codes"].get(node.writes[0], CODES[kind])
        zeros = torch.from_numpy(zeros).to(self.device)
        axis, block = node.get("axis", 1), node.get("block_size", 0)
        return self._part(Quantizer(self.scales[scale], zeros, ends, axis, block))

    def end(self, name):
        """A constant that is an end of a grid, as its scale is now."""
        one = self.notes["ends"][name]
        steps = torch.tensor(one["steps"], dtype=torch.float32, device=self.device)
        values = steps * self.scales[one["scale"]]()
        return values.min() if one["of"] == "min" else values.max()

    def forward(self, feeds, quantized=True):
        """The outputs of a batch by name; without quantizers those of the float model."""
        known = dict(self.constants)
        known.update((name, weight()) for name, weight in self.weights.items())
        known.update((name, one.to(self.device)) for name, one in feeds.items())
        for node in self.nodes:
            found = self._run(node, known, quantized)
            found = found if isinstance(found, tuple | list) else (found,)
            known.update(zip(node.writes, found, strict=False))
        return {name: known[name] for name in self.outputs}

    def _run(self, node, known, quantized):
        first = known.get(node.reads[0]) if node.reads else None
        if node.op_type == "QuantizeLinear":
            return self.quantizers[node.writes[0]](first) if quantized else first
        ends = [name for name in node.reads if name in self.notes["ends"]]
        if node.op_type == "DequantizeLinear" or (ends and not quantized):
            return first
        known.update((name, self.end(name)) for name in ends)
        return OPERATORS[node.op_type](node, *(known[n] if n else None for n in node.reads))
