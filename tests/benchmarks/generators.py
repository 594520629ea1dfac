"""Networks and pictures made here, large enough to measure with and free to pass on.

The networks have the shapes of ResNet-50 (He et al. 2016, arXiv:1512.03385, table 1, version 1.5
with the stride in the 3x3 convolution) and of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381,
table 2), with BatchNormalization as it comes out of training. Weights are random but not bland:
tails heavier than a normal distribution's, channels of different size, and the running statistics
are those that the network really has on pictures. What such a network says of a picture means
nothing; what quantizing it costs, and how its values are distributed, is like the real thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

OPSET = 17
INPUT, OUTPUT = "input", "logits"
EPSILON = 1e-5
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]

_STATISTICS_SAMPLES = 4


def pictures(count: int, side: int = 224, seed: int = 0) -> Floats:
    """(count, 3, side, side) pictures with the 1/f spectrum of natural images, ImageNet-normalized.

    Source of the spectrum: Field 1987, "Relations between the statistics of natural images and the
    response properties of cortical cells". Brightness is shared by the colours, as in photographs.
    """
    rng = np.random.default_rng(seed)
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    frequency = np.hypot(y, x)
    frequency[0, 0] = np.inf
    result = np.empty((count, 3, side, side), np.float32)
    mix = np.array([[1.0, 0.25, 0.1], [1.0, 0.0, -0.2], [1.0, -0.25, 0.1]])
    for number in range(count):
        noise = rng.normal(size=(3, side, side))
        field_ = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(side, side))
        field_ /= field_.std(axis=(1, 2), keepdims=True)
        colours = np.tensordot(mix, field_, 1) * rng.uniform(0.12, 0.25) + rng.uniform(0.3, 0.6)
        result[number] = (np.clip(colours, 0.0, 1.0).astype(np.float32) - MEAN) / STD
    return result


@dataclass
class _Network:
    """A graph that grows node by node."""

    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def _add(self, op: str, inputs: list[str], name: str, **attributes: object) -> str:
        output = f"{name}_output"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def _weight(self, shape: tuple[int, ...], spread: float) -> Floats:
        """He's variance, Student's tails, and channels whose sizes differ by e^spread."""
        fan_in = int(np.prod(shape[1:]))
        values = self.rng.standard_t(6, shape) * np.sqrt(2.0 / fan_in / 1.5)
        size = np.exp(self.rng.normal(0.0, spread, (shape[0], *[1] * (len(shape) - 1))))
        return np.asarray(values * size, np.float32)

    def conv(
        self,
        source: str,
        name: str,
        channels: tuple[int, int],
        *,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        gain: float = 1.0,
    ) -> str:
        """Conv and BatchNormalization; statistics are filled in by `_settle`."""
        inner, outer = channels
        shape = (outer, 1 if depthwise else inner, kernel, kernel)
        self.constants[f"{name}.weight"] = self._weight(shape, 0.6 if depthwise else 0.3)
        convolved = self._add(
            "Conv",
            [source, f"{name}.weight"],
            f"{name}/Conv",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=outer if depthwise else 1,
        )
        rng, spread = self.rng, 0.5 if depthwise else 0.25
        values = {
            "gamma": gain * np.exp(rng.normal(0.0, spread, outer)),
            "beta": rng.normal(-0.1, 0.3, outer) * gain,
            "mean": np.zeros(outer),
            "var": np.ones(outer),
        }
        inputs = [convolved]
        for part, value in values.items():
            self.constants[f"{name}.{part}"] = value.astype(np.float32)
            inputs.append(f"{name}.{part}")
        return self._add("BatchNormalization", inputs, f"{name}/BN", epsilon=EPSILON)

    def relu(self, source: str, name: str) -> str:
        return self._add("Relu", [source], f"{name}/Relu")

    def relu6(self, source: str, name: str) -> str:
        self.constants.setdefault("zero", np.zeros((), np.float32))
        self.constants.setdefault("six", np.full((), 6.0, np.float32))
        return self._add("Clip", [source, "zero", "six"], f"{name}/Clip")

    def add(self, first: str, second: str, name: str) -> str:
        return self._add("Add", [first, second], f"{name}/Add")

    def max_pool(self, source: str) -> str:
        return self._add(
            "MaxPool", [source], "MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
        )

    def head(self, source: str, channels: int, classes: int) -> None:
        pooled = self._add("GlobalAveragePool", [source], "GlobalAveragePool")
        flat = self._add("Flatten", [pooled], "Flatten")
        self.constants["head.weight"] = self._weight((classes, channels), 0.1)
        self.constants["head.bias"] = self.rng.normal(0.0, 0.05, classes).astype(np.float32)
        self._add("Gemm", [flat, "head.weight", "head.bias"], "head/Gemm", transB=1)
        self.nodes[-1].output[0] = OUTPUT

    def model(self, name: str, side: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", 3, side, side])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", 1000])],
            [numpy_helper.from_array(value, key) for key, value in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def resnet(seed: int = 0, side: int = 224, *, scale: float = 1.0) -> onnx.ModelProto:
    """A network like ResNet-50: 25.6 M parameters, 102 MB, at `scale` 1; `scale` is of widths."""
    net = _Network(np.random.default_rng(seed))

    def width(channels: int) -> int:
        return max(8, int(channels * scale))

    tensor = net.relu(net.conv(INPUT, "stem", (3, width(64)), kernel=7, stride=2), "stem")
    tensor, inner = net.max_pool(tensor), width(64)
    for stage, blocks in enumerate((3, 4, 6, 3) if scale == 1.0 else (1, 1)):
        middle, outer = width(64 << stage), width(256 << stage)
        for block in range(blocks):
            name, stride = f"stage{stage}.{block}", 2 if stage and not block else 1
            shortcut = tensor
            if not block:
                shortcut = net.conv(tensor, f"{name}.down", (inner, outer), stride=stride)
            branch = net.relu(net.conv(tensor, f"{name}.a", (inner, middle)), f"{name}.a")
            branch = net.conv(branch, f"{name}.b", (middle, middle), kernel=3, stride=stride)
            branch = net.relu(branch, f"{name}.b")
            branch = net.conv(branch, f"{name}.c", (middle, outer), gain=0.4)
            tensor = net.relu(net.add(branch, shortcut, name), name)
            inner = outer
    net.head(tensor, inner, 1000)
    return _settle(net, "resnet", side, seed)


def mobilenet(seed: int = 0, side: int = 224) -> onnx.ModelProto:
    """A network like MobileNetV2 at width 1: 3.5 M parameters, 14 MB."""
    net = _Network(np.random.default_rng(seed))
    tensor = net.relu6(net.conv(INPUT, "stem", (3, 32), kernel=3, stride=2), "stem")
    inner, number = 32, 0
    for expansion, outer, repeats, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for repeat in range(repeats):
            name, stride, wide = f"block{number}", 1 if repeat else first_stride, inner * expansion
            branch = tensor
            if expansion > 1:
                branch = net.relu6(
                    net.conv(tensor, f"{name}.expand", (inner, wide)), name + ".expand"
                )
            branch = net.conv(
                branch, f"{name}.depth", (wide, wide), kernel=3, stride=stride, depthwise=True
            )
            branch = net.relu6(branch, f"{name}.depth")
            residual = stride == 1 and inner == outer
            gain = 0.5 if residual else 1.0
            branch = net.conv(branch, f"{name}.project", (wide, outer), gain=gain)
            tensor = net.add(branch, tensor, name) if residual else branch
            inner, number = outer, number + 1
    tensor = net.relu6(net.conv(tensor, "last", (inner, 1280)), "last")
    net.head(tensor, 1280, 1000)
    return _settle(net, "mobilenet", side, seed)


def _settle(net: _Network, name: str, side: int, seed: int) -> onnx.ModelProto:
    """Sets running means and variances to those of real activations, as training leaves them.

    In a copy of the graph every BatchNormalization normalizes by the statistics of its batch and
    hands them out; one run gives all of them, each behind the normalized layers before it.
    """
    found: dict[str, str] = {}  # tensor of a statistic -> constant that it becomes
    nodes = [part for node in net.nodes for part in _by_batch(node, found)]
    live = _Network(net.rng, nodes, dict(net.constants)).model(name, side)
    for tensor in found:
        live.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(live.SerializeToString(), options, ["CPUExecutionProvider"])
    feeds = {INPUT: pictures(_STATISTICS_SAMPLES, side, seed + 1)}
    for value, constant in zip(session.run(list(found), feeds), found.values(), strict=True):
        net.constants[constant] = value.reshape(-1)
    model = net.model(name, side)
    onnx.checker.check_model(model)
    return model


def _by_batch(node: onnx.NodeProto, found: dict[str, str]) -> Iterator[onnx.NodeProto]:
    if node.op_type != "BatchNormalization":
        yield node
        return
    source, gamma, beta, mean, var = node.input
    made = node.name
    axes = {"axes": [0, 2, 3], "keepdims": 1}
    yield helper.make_node("ReduceMean", [source], [f"{made}.mean"], **axes)
    yield helper.make_node("Sub", [source, f"{made}.mean"], [f"{made}.centred"])
    yield helper.make_node("Mul", [f"{made}.centred"] * 2, [f"{made}.square"])
    yield helper.make_node("ReduceMean", [f"{made}.square"], [f"{made}.var"], **axes)
    for part, constant in ((f"{made}.mean", mean), (f"{made}.var", var)):
        yield helper.make_node("Squeeze", [part], [f"{part}.flat"])
        found[f"{part}.flat"] = constant
    statistics = [f"{made}.mean.flat", f"{made}.var.flat"]
    yield helper.make_node(
        "BatchNormalization", [source, gamma, beta, *statistics], node.output, epsilon=EPSILON
    )


@dataclass(frozen=True, slots=True)
class Generated:
    """A network and its calibration pictures, on disk."""

    name: str
    model: Path
    data: Path


def generate(name: str, folder: Path, *, samples: int = 32) -> Generated:
    """A network by name (resnet, mobilenet, tiny), made once for a folder."""
    side = 64 if name == "tiny" else 224
    made = Generated(name, folder / f"{name}.onnx", folder / f"pictures_{side}_{samples}.npz")
    folder.mkdir(parents=True, exist_ok=True)
    if not made.model.exists():
        if name == "mobilenet":
            model = mobilenet()
        else:
            model = resnet(side=side, scale=1.0 if name == "resnet" else 0.25)
        onnx.save(model, made.model)
    if not made.data.exists():
        np.savez(made.data, **{INPUT: pictures(samples, side)})
    return made
