"""Random graphs of the operators that quantizers know, and of some that they do not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

Shape = tuple[int, ...]

# Left out: Pad before MaxPool and a transposed matrix times a vector, whose float results already
# change with onnxruntime's optimizations (1.31).
_OPS = (
    "conv", "conv", "conv", "transposed_conv", "gemm", "gemm", "matmul", "matmul", "left_matmul",
    "product", "relu", "relu", "clip", "function", "silu", "add", "add", "mul", "add_constant",
    "concat", "max_pool", "average_pool", "global_pool", "flatten", "reshape", "transpose",
    "split", "slice", "softmax",
)  # fmt: skip


class RandomGraph:
    """A random graph of the operators that quantizers know, and of some that they do not."""

    def __init__(self, seed: int, size: int, opset: int = 17) -> None:
        """Makes `size` steps, each of one operator or two, that read what is there."""
        self.rng = np.random.default_rng(seed)
        shapes: list[Shape] = [(1, 4, 6, 5), (1, 6, 5, 5), (1, 4, 9), (2, 6), (3, 5, 6)]
        shape = shapes[int(self.rng.integers(len(shapes)))]
        inputs = {"x": shape, "x2": shape} if self.rng.random() < 0.3 else {"x": shape}
        self.shapes: dict[str, Shape] = dict(inputs)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        while len(self.nodes) < size:
            getattr(self, f"_{_OPS[int(self.rng.integers(len(_OPS)))]}")()
        read = {name for node in self.nodes for name in node.input}
        made = [name for node in self.nodes for name in node.output]
        self.outputs = [n for n in made if n not in read or self.rng.random() < 0.15]
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(n, 1, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, 1, self.shapes[n]) for n in self.outputs],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        imports = [helper.make_opsetid("", opset)]
        self.proto = helper.make_model(graph, opset_imports=imports, ir_version=8)

    # What the steps are made of

    def _choice(self, *of: Any) -> Any:
        return of[int(self.rng.integers(len(of)))]

    def _pick(self, *ranks: int, least: int = 1) -> str | None:
        """A tensor, rather one of the last, of one of these ranks and with some room."""
        fit = [
            n for n, s in self.shapes.items() if len(s) in ranks and min(s[2:], default=9) >= least
        ]
        fit = fit[-3:] if self.rng.random() < 0.7 else fit
        return self._choice(*fit) if fit else None

    def _constant(self, values: Any) -> str:
        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        same = [n for n, v in self.constants.items() if v.shape == array.shape and v.ndim > 1]
        if same and array.dtype == np.float32 and self.rng.random() < 0.2:
            return same[0]  # two nodes share it
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def _weight(self, *shape: int, fan_in: int) -> str:
        """Channels of different size, now and then one of zeros."""
        values = self.rng.standard_normal(shape) / math.sqrt(fan_in)
        values *= np.exp(self.rng.standard_normal((shape[0], *[1] * (len(shape) - 1))))
        if self.rng.random() < 0.15:
            values[0] = 0.0
        return self._constant(values)

    def _node(self, op: str, inputs: Sequence[str], *shapes: Sequence[int], **more: Any) -> str:
        first = sum(len(node.output) for node in self.nodes)
        outputs = [f"t{first + i}" for i in range(len(shapes))]
        self.nodes.append(helper.make_node(op, inputs, outputs, f"{op}_{outputs[0]}", **more))
        self.shapes |= {n: tuple(int(d) for d in s) for n, s in zip(outputs, shapes, strict=True)}
        return outputs[0]

    # The steps: each adds nothing where no tensor fits

    def _conv(self) -> None:
        kernel = self._choice(1, 3)
        name = self._pick(3, 4, least=kernel)
        if name is None:
            return
        batch, channels, *space = self.shapes[name]
        groups = self._choice(*[g for g in (1, 2, channels) if channels % g == 0])
        outputs = groups * self._choice(1, 2, 3)
        stride, pad = self._choice(1, 1, 2), kernel // 3 * self._choice(0, 1)
        n, fan = len(space), channels // groups * kernel ** len(space)
        inputs = [name, self._weight(outputs, channels // groups, *[kernel] * n, fan_in=fan)]
        if self.rng.random() < 0.7:
            inputs.append(self._constant(self.rng.standard_normal(outputs)))
        size = [(d + 2 * pad - kernel) // stride + 1 for d in space]
        more = {"strides": [stride] * n, "pads": [pad] * 2 * n, "group": groups}
        self._node("Conv", inputs, (batch, outputs, *size), **more)

    def _transposed_conv(self) -> None:
        name = self._pick(3, 4)
        if name is None or max(self.shapes[name][2:]) > 9:
            return
        batch, channels, *space = self.shapes[name]
        groups = self._choice(1, 2) if channels % 2 == 0 else 1
        stride, each, n = self._choice(1, 2), self._choice(1, 2, 3), len(space)
        inputs = [name, self._weight(channels, each, *[2] * n, fan_in=channels // groups * 2**n)]
        if self.rng.random() < 0.7:
            inputs.append(self._constant(self.rng.standard_normal(each * groups)))
        shape = (batch, each * groups, *[(d - 1) * stride + 2 for d in space])
        self._node("ConvTranspose", inputs, shape, strides=[stride] * n, group=groups)

    def _gemm(self) -> None:
        name = self._pick(2)
        if name is None:
            return
        rows, depth = self.shapes[name]
        if self.rng.random() < 0.1:
            left = self._weight(5, rows, fan_in=rows)
            self._node("Gemm", [left, name], (5, depth))
            return
        turn_a, turn_b, columns = self._choice(0, 0, 0, 1), self._choice(0, 1), self._choice(2, 5)
        rows, depth = (depth, rows) if turn_a else (rows, depth)
        size = (columns, depth) if turn_b else (depth, columns)
        inputs = [name, self._weight(*size, fan_in=depth)]
        biases: list[Shape] = [(), (columns,), (columns,), (1, columns), (rows, 1)]
        if self.rng.random() < 0.8:
            inputs.append(self._constant(self.rng.standard_normal(self._choice(*biases))))
        alpha, beta = self._choice(1.0, 1.0, 0.5), self._choice(1.0, 1.0, 2.0)
        more = {"transA": turn_a, "transB": turn_b, "alpha": alpha, "beta": beta}
        self._node("Gemm", inputs, (rows, columns), **more)

    def _matmul(self) -> None:
        name = self._pick(2, 3, 4)
        if name is None:
            return
        *stack, depth = self.shapes[name]
        size = (stack[0], depth, 4) if len(stack) == 2 and self.rng.random() < 0.3 else (depth, 4)
        product = self._node("MatMul", [name, self._weight(*size, fan_in=depth)], (*stack, 4))
        if self.rng.random() < 0.5:
            self._node("Add", [product, self._constant(self.rng.standard_normal(4))], (*stack, 4))

    def _left_matmul(self) -> None:
        name = self._pick(2, 3, 4)
        if name is not None:
            *stack, depth, columns = self.shapes[name]
            left = self._weight(3, depth, fan_in=depth)
            self._node("MatMul", [left, name], (*stack, 3, columns))

    def _product(self) -> None:
        name, other = self._pick(2, 3, 4), None
        if name is not None:
            other = self._turned(name)
            self._node("MatMul", [name, other], (*self.shapes[name][:-1], self.shapes[name][-2]))

    def _turned(self, name: str) -> str:
        shape = self.shapes[name]
        order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        return self._node("Transpose", [name], [shape[i] for i in order], perm=order)

    def _transpose(self) -> None:
        name = self._pick(2, 3, 4)
        if name is not None:
            self._turned(name)

    def _unary(self, op: str, *more: str, **attributes: Any) -> str:
        name = self._pick(2, 3, 4) or "x"
        return self._node(op, [name, *more], self.shapes[name], **attributes)

    def _relu(self) -> None:
        self._unary("Relu")

    def _clip(self) -> None:
        ends = self._choice(
            (0.0, 6.0), (0.0, 0.5), (-1.0, 1.0), (0.2, 1.0), (None, 0.5), (0.0, None)
        )
        self._unary("Clip", *["" if e is None else self._constant(np.float32(e)) for e in ends])

    def _function(self) -> None:
        self._unary(self._choice("LeakyRelu", "Sigmoid", "HardSwish", "Tanh", "HardSigmoid", "Elu"))

    def _softmax(self) -> None:
        self._unary("Softmax", axis=-1)

    def _silu(self) -> None:
        gate = self._unary("Sigmoid")
        self._node("Mul", [self.nodes[-1].input[0], gate], self.shapes[gate])

    def _binary(self, op: str) -> None:
        name = self._pick(2, 3, 4) or "x"
        other = self._choice(*[n for n, s in self.shapes.items() if s == self.shapes[name]])
        self._node(op, [name, other], self.shapes[name])

    def _add(self) -> None:
        self._binary("Add")

    def _mul(self) -> None:
        self._binary("Mul")

    def _add_constant(self) -> None:
        name = self._pick(2, 3, 4) or "x"
        values = self.rng.standard_normal(self.shapes[name][-1])
        self._node(self._choice("Add", "Mul"), [name, self._constant(values)], self.shapes[name])

    def _concat(self) -> None:
        name = self._pick(2, 3, 4) or "x"
        batch, wide, *rest = self.shapes[name]
        fit = [n for n, s in self.shapes.items() if (s[0], *s[2:]) == (batch, *rest) and len(s) > 1]
        other = self._choice(*fit)
        if wide + self.shapes[other][1] <= 16:
            shape = (batch, wide + self.shapes[other][1], *rest)
            self._node("Concat", [name, other], shape, axis=1)

    def _pool(self, op: str) -> None:
        name = self._pick(3, 4, least=2)
        if name is not None:
            batch, channels, *space = self.shapes[name]
            two = [2] * len(space)
            shape = (batch, channels, *[d // 2 for d in space])
            self._node(op, [name], shape, kernel_shape=two, strides=two)

    def _max_pool(self) -> None:
        self._pool("MaxPool")

    def _average_pool(self) -> None:
        self._pool("AveragePool")

    def _global_pool(self) -> None:
        name = self._pick(3, 4)
        if name is not None:
            shape = self.shapes[name]
            self._node("GlobalAveragePool", [name], (*shape[:2], *[1] * (len(shape) - 2)))

    def _flatten(self) -> None:
        name = self._pick(3, 4)
        if name is not None:
            batch, *rest = self.shapes[name]
            self._node("Flatten", [name], (batch, math.prod(rest)))

    def _reshape(self) -> None:
        name = self._pick(3, 4)
        if name is not None:
            *first, last, end = self.shapes[name]
            shape = (*first, last * end)
            self._node("Reshape", [name, self._constant(np.array(shape, np.int64))], shape)

    def _split(self) -> None:
        name = self._pick(2, 3, 4) or "x"
        batch, wide, *rest = self.shapes[name]
        if wide % 2 == 0:
            half = (batch, wide // 2, *rest)
            sizes = self._constant(np.array([wide // 2] * 2, np.int64))
            self._node("Split", [name, sizes], half, half, axis=1)

    def _slice(self) -> None:
        name = self._pick(2, 3, 4) or "x"
        batch, wide, *rest = self.shapes[name]
        if wide >= 3:
            ends = [self._constant(np.array([end], np.int64)) for end in (1, wide, 1)]
            self._node("Slice", [name, *ends], (batch, wide - 1, *rest))


def sqnr(reference: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """Over all outputs together, in dB."""
    assert {n: v.shape for n, v in reference.items()} == {n: v.shape for n, v in other.items()}
    signal = sum(float(np.square(v, dtype=np.float64).sum()) for v in reference.values())
    error = sum(
        float(np.square(v.astype(np.float64) - other[n]).sum()) for n, v in reference.items()
    )
    return math.inf if error == 0 else 10 * math.log10(signal / error) if signal else -math.inf
