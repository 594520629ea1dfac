"""ONNX operators in PyTorch. A training script gets those that its model has; see `train.py`.

Each takes its node and the tensors that the node reads (None for what is left out).
"""

import math

import torch
from torch.nn import functional

OPERATORS = {}


def operator(*names):
    """Make a function known as what some ONNX operators do."""

    def known(function):
        OPERATORS.update(dict.fromkeys(names, function))
        return function

    return known


# Layers -------------------------------------------------------------------------------------------


def pads_of(node, sizes, kernel, strides, dilations):
    """What is added before and behind each spatial axis: begins, ends."""
    rank = len(kernel)
    mode = node.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        pads = node.get("pads", [0] * (2 * rank)) if mode == "NOTSET" else [0] * (2 * rank)
        return pads[:rank], pads[rank:]
    begins, ends = [], []
    for size, window, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (window - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if mode == "SAME_UPPER" else large)
        ends.append(large if mode == "SAME_UPPER" else small)
    return begins, ends


def padded(x, begins, ends, value=0.0):
    """A tensor with values added around its last axes."""
    pairs = [n for pair in zip(reversed(begins), reversed(ends), strict=True) for n in pair]
    return functional.pad(x, pairs, value=value) if any(pairs) else x


@operator("Conv")
def conv(node, x, weight, bias=None):
    """A convolution of one, two or three spatial axes."""
    rank = x.dim() - 2
    strides, dilations = node.get("strides", [1] * rank), node.get("dilations", [1] * rank)
    begins, ends = pads_of(node, x.shape[2:], weight.shape[2:], strides, dilations)
    if begins != ends:
        x, begins = padded(x, begins, ends), [0] * rank
    run = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    return run(x, weight, bias, strides, begins, dilations, node.get("group", 1))


@operator("ConvTranspose")
def conv_transpose(node, x, weight, bias=None):
    """A transposed convolution."""
    rank = x.dim() - 2
    strides, dilations = node.get("strides", [1] * rank), node.get("dilations", [1] * rank)
    pads = node.get("pads", [0] * (2 * rank))
    extra = node.get("output_padding", [0] * rank)
    run = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
    group = node.get("group", 1)
    if pads[:rank] == pads[rank:]:
        return run[rank - 1](x, weight, bias, strides, pads[:rank], extra, group, dilations)
    y = run[rank - 1](x, weight, bias, strides, 0, extra, group, dilations)
    return padded(y, [-n for n in pads[:rank]], [-n for n in pads[rank:]])


@operator("Gemm")
def gemm(node, a, b, c=None):
    """A matrix product with a bias."""
    a = a.transpose(0, 1) if node.get("transA", 0) else a
    b = b.transpose(0, 1) if node.get("transB", 0) else b
    y = node.get("alpha", 1.0) * (a @ b)
    return y if c is None else y + node.get("beta", 1.0) * c


@operator("MatMul")
def matmul(node, a, b):
    """A product of (stacks of) matrices."""
    return torch.matmul(a, b)


# Normalization and activation functions -----------------------------------------------------------


@operator("BatchNormalization")
def batch_normalization(node, x, scale, bias, mean, variance):
    """With the statistics of the file: they are not learned again."""
    return functional.batch_norm(x, mean, variance, scale, bias, eps=node.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def instance_normalization(node, x, scale, bias):
    """Over the spatial axes of each sample and channel."""
    return functional.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


@operator("LayerNormalization")
def layer_normalization(node, x, scale, bias=None):
    """Over the last axes, from `axis` on."""
    shape = x.shape[node.get("axis", -1) % x.dim() :]
    y = functional.layer_norm(x, shape, eps=node.get("epsilon", 1e-5)) * scale
    return y if bias is None else y + bias


@operator("Relu")
def relu(node, x):
    """Nothing below zero."""
    return torch.relu(x)


@operator("LeakyRelu")
def leaky_relu(node, x):
    """A slope below zero."""
    return functional.leaky_relu(x, node.get("alpha", 0.01))


@operator("PRelu")
def prelu(node, x, slope):
    """A learned slope below zero."""
    return torch.where(x < 0, x * slope, x)


@operator("Elu")
def elu(node, x):
    """Exponential below zero."""
    return functional.elu(x, node.get("alpha", 1.0))


@operator("Clip")
def clip(node, x, low=None, high=None):
    """Between two ends, which were attributes up to opset 10."""
    low = node.get("min") if low is None else low
    high = node.get("max") if high is None else high
    x = x if low is None else torch.maximum(x, torch.as_tensor(low, dtype=x.dtype))
    return x if high is None else torch.minimum(x, torch.as_tensor(high, dtype=x.dtype))


@operator("Sigmoid")
def sigmoid(node, x):
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


@operator("HardSigmoid")
def hard_sigmoid(node, x):
    """A line between 0 and 1."""
    return (x * node.get("alpha", 0.2) + node.get("beta", 0.5)).clamp(0, 1)


@operator("HardSwish")
def hard_swish(node, x):
    """The value times a line between 0 and 1."""
    return functional.hardswish(x)


@operator("Gelu")
def gelu(node, x):
    """The value times the normal distribution's."""
    return functional.gelu(x, approximate=node.get("approximate", "none"))


@operator("Softplus")
def softplus(node, x):
    """log(1 + exp(x))."""
    return functional.softplus(x)


@operator("Softmax", "LogSoftmax")
def softmax(node, x):
    """Over one axis; up to opset 12 over all from `axis` on."""
    run = torch.log_softmax if node.op_type == "LogSoftmax" else torch.softmax
    if node.opset >= 13:
        return run(x, node.get("axis", -1))
    axis = node.get("axis", 1) % max(x.dim(), 1)
    return run(x.flatten(axis), -1).reshape(x.shape)


@operator("Exp", "Log", "Sqrt", "Erf", "Tanh", "Neg", "Abs", "Reciprocal", "Floor", "Ceil", "Sin",
          "Cos", "Not", "Sign")  # fmt: skip
def elementwise(node, x):
    """A function of one value."""
    run = {"Not": torch.logical_not}.get(node.op_type) or getattr(torch, node.op_type.lower())
    return run(x)


# Arithmetic ---------------------------------------------------------------------------------------


@operator("Add", "Sub", "Mul", "Pow", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual",
          "And", "Or")  # fmt: skip
def binary(node, a, b):
    """A function of two values, broadcast."""
    names = {"LessOrEqual": "less_equal", "GreaterOrEqual": "greater_equal"}
    names |= {"Equal": "eq", "And": "logical_and", "Or": "logical_or"}
    return getattr(torch, names.get(node.op_type, node.op_type.lower()))(a, b)


@operator("Div")
def div(node, a, b):
    """A quotient; of whole numbers, cut towards zero."""
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


@operator("Max", "Min", "Sum", "Mean")
def together(node, *values):
    """A function of any number of values."""
    if node.op_type in ("Max", "Min"):
        run = torch.maximum if node.op_type == "Max" else torch.minimum
        found = values[0]
        for value in values[1:]:
            found = run(found, value)
        return found
    total = sum(values[1:], values[0])
    return total / len(values) if node.op_type == "Mean" else total


@operator("Where")
def where(node, condition, a, b):
    """One of two values."""
    return torch.where(condition, a, b)


@operator("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2")
def reduce(node, x, axes=None):
    """One value of many; the axes were an attribute in older opsets."""
    axes = node.get("axes") if axes is None else axes.tolist()
    keep = bool(node.get("keepdims", 1))
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(x.dim()))
    if node.op_type == "ReduceProd":
        for axis in sorted((a % x.dim() for a in axes), reverse=True):
            x = x.prod(axis, keepdim=keep)
        return x
    if node.op_type == "ReduceL2":
        return x.square().sum(axes, keepdim=keep).sqrt()
    names = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "amax", "ReduceMin": "amin"}
    return getattr(torch, names[node.op_type])(x, axes, keepdim=keep)


@operator("ArgMax")
def arg_max(node, x):
    """Where the largest value is."""
    return x.argmax(node.get("axis", 0), keepdim=bool(node.get("keepdims", 1)))


# Pooling ------------------------------------------------------------------------------------------


@operator("MaxPool", "AveragePool")
def pool(node, x):
    """The largest value, or the mean, of a window."""
    kernel = node.get("kernel_shape")
    rank = len(kernel)
    strides, dilations = node.get("strides", [1] * rank), node.get("dilations", [1] * rank)
    begins, ends = pads_of(node, x.shape[2:], kernel, strides, dilations)
    if node.get("ceil_mode", 0):  # values of nothing behind the end, as far as a window reaches
        for n, size in enumerate(x.shape[2:]):
            span = size + begins[n] + ends[n] - (kernel[n] - 1) * dilations[n] - 1
            ends = [*ends[:n], ends[n] + -span % strides[n], *ends[n + 1 :]]
    names = ("max_pool" if node.op_type == "MaxPool" else "avg_pool") + f"{rank}d"
    run = getattr(functional, names)
    if node.op_type == "MaxPool":
        return run(padded(x, begins, ends, -math.inf), kernel, strides, 0, dilations)
    total = run(padded(x, begins, ends), kernel, strides)
    if node.get("count_include_pad", 0) or not any((*begins, *ends)):
        return total
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    return total / run(padded(ones, begins, ends), kernel, strides)


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node, x):
    """One value of each channel."""
    axes = list(range(2, x.dim()))
    run = torch.mean if node.op_type == "GlobalAveragePool" else torch.amax
    return run(x, axes, keepdim=True)


# Shapes -------------------------------------------------------------------------------------------


@operator("Constant")
def constant(node):
    """A value of the graph itself."""
    names = {"value_float": torch.float32, "value_floats": torch.float32}
    names |= {"value_int": torch.int64, "value_ints": torch.int64}
    found = [
        torch.tensor(node.get(n), dtype=t) for n, t in names.items() if node.get(n) is not None
    ]
    return node.get("value") if not found else found[0]


@operator("Identity", "Dropout")
def identity(node, x, *others):
    """The value itself."""
    return x


@operator("Cast")
def cast(node, x):
    """Another type."""
    types = {1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32}
    types |= {7: torch.int64, 9: torch.bool, 11: torch.float64}
    return x.to(types[node.get("to")])


@operator("Shape")
def shape(node, x):
    """The sizes of a tensor."""
    sizes = list(x.shape)[node.get("start", 0) : node.get("end", x.dim())]
    return torch.tensor(sizes, dtype=torch.int64)


@operator("Reshape")
def reshape(node, x, sizes):
    """Other sizes; 0 keeps one."""
    wanted = sizes.tolist()
    if not node.get("allowzero", 0):
        wanted = [x.shape[n] if size == 0 else size for n, size in enumerate(wanted)]
    return x.reshape(wanted)


@operator("Flatten")
def flatten(node, x):
    """Two axes."""
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


@operator("Transpose")
def transpose(node, x):
    """Other order of axes."""
    return x.permute(node.get("perm", list(reversed(range(x.dim())))))


@operator("Squeeze")
def squeeze(node, x, axes=None):
    """Without axes of size 1."""
    axes = node.get("axes") if axes is None else axes.tolist()
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("Unsqueeze")
def unsqueeze(node, x, axes=None):
    """With new axes of size 1."""
    axes = node.get("axes") if axes is None else axes.tolist()
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Concat")
def concat(node, *values):
    """One behind the other."""
    return torch.cat(values, node.get("axis"))


@operator("Split")
def split(node, x, sizes=None):
    """Parts along an axis."""
    axis = node.get("axis", 0)
    sizes = node.get("split") if sizes is None else sizes.tolist()
    if sizes is None:
        part = -(-x.shape[axis] // len(node.writes))
        return x.split(part, axis)
    return x.split(sizes, axis)


@operator("Slice")
def slice_(node, x, starts=None, ends=None, axes=None, steps=None):
    """A part of some axes; a negative step goes backwards."""
    starts = node.get("starts") if starts is None else starts.tolist()
    ends = node.get("ends") if ends is None else ends.tolist()
    axes = node.get("axes") if axes is None else axes.tolist()
    steps = [1] * len(starts) if steps is None else steps.tolist()
    axes = list(range(len(starts))) if axes is None else axes
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        wanted = range(x.shape[axis])[start:end:step]
        x = x.index_select(axis, torch.tensor(list(wanted), dtype=torch.int64, device=x.device))
    return x


@operator("Gather")
def gather(node, x, indices):
    """Slices of an axis by their numbers."""
    axis = node.get("axis", 0) % x.dim()
    found = x.index_select(axis, (indices.reshape(-1) % x.shape[axis]).to(x.device))
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


@operator("Expand")
def expand(node, x, sizes):
    """As large as another shape."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(sizes.tolist())))


@operator("Tile")
def tile(node, x, repeats):
    """Again and again."""
    return x.repeat(repeats.tolist())


@operator("ConstantOfShape")
def constant_of_shape(node, sizes):
    """One value everywhere."""
    value = node.get("value")
    if value is None:
        return torch.zeros(sizes.tolist())
    return torch.full(sizes.tolist(), value.reshape(-1)[0].item(), dtype=value.dtype)


@operator("Range")
def range_(node, start, limit, delta):
    """Numbers one after the other."""
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@operator("Pad")
def pad(node, x, pads=None, value=None, axes=None):
    """Values around a tensor."""
    pads = node.get("pads") if pads is None else pads.tolist()
    fill = node.get("value", 0.0) if value is None else value.item()
    half = len(pads) // 2
    begins, ends = [0] * x.dim(), [0] * x.dim()
    for n, axis in enumerate(range(half) if axes is None else axes.tolist()):
        begins[axis], ends[axis] = pads[n], pads[half + n]
    mode = node.get("mode", "constant")
    if mode == "constant":
        return padded(x, begins, ends, fill)
    for axis, size in enumerate(x.shape):
        if begins[axis] or ends[axis]:
            wanted = torch.arange(-begins[axis], size + ends[axis], device=x.device)
            inner = wanted.clamp(0, size - 1)
            x = x.index_select(axis, inner if mode == "edge" else 2 * inner - wanted)
    return x


@operator("DepthToSpace")
def depth_to_space(node, x):
    """Channels become pixels."""
    size, (n, c, h, w) = node.get("blocksize"), x.shape
    if node.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, size)
    parts = x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // size**2, h * size, w * size)


@operator("Resize", "Upsample")
def resize(node, x, *others):
    """More or fewer pixels, by the nearest or along lines."""
    if node.op_type == "Upsample":
        scales = node.get("scales") if not others else others[0].tolist()
        sizes = [int(size * scale) for size, scale in zip(x.shape, scales, strict=True)]
    elif len(others) > 2 and others[2] is not None:
        sizes = others[2].tolist()
    else:
        scales = others[1 if len(others) > 1 else 0].tolist()
        sizes = [int(size * scale) for size, scale in zip(x.shape, scales, strict=True)]
    mode = node.get("mode", "nearest")
    if mode == "nearest":
        half = node.get("coordinate_transformation_mode", "half_pixel") != "asymmetric"
        half = half and node.op_type == "Resize" and node.opset >= 11
        return functional.interpolate(x, sizes[2:], mode="nearest-exact" if half else "nearest")
    aligned = node.get("coordinate_transformation_mode", "half_pixel") == "align_corners"
    names = {3: "linear", 4: "bilinear", 5: "trilinear"}
    return functional.interpolate(x, sizes[2:], mode=names[x.dim()], align_corners=aligned)
