"""What each operator means for quantization and for the eye.

The sets speak of ONNX's own domain and the few of ``com.microsoft`` that exporters write. "Pass
through" means that every output element is one of the elements of the data input (or a constant
zero that the grid holds exactly), so that one scale and zero point serve on both sides.
"""

from __future__ import annotations

from typing import Final, Literal

Category = Literal[
    "layer", "matmul", "attention", "activation", "normalization", "pool", "shape", "tensor",
    "elementwise", "reduction", "recurrent", "quantization", "control", "constant", "other",
]  # fmt: skip

LAYERS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that multiply by weights with integer kernels; each such node can be a Layer."""

PASS_THROUGH: Final = frozenset(
    {
        "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements",
        "GatherND", "Identity", "MaxPool", "Pad", "Reshape", "ReverseSequence", "Slice",
        "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that move elements without computing: output values are input values.

Pad only in its modes reflect, edge, wrap, and constant with the value 0; see
:func:`passes_through`.
"""

PASS_THROUGH_INPUTS: Final = {"Concat": None}
"""Operators with several data inputs; all others of PASS_THROUGH take data at input 0 only."""

ELEMENTWISE: Final = frozenset(
    {
        "Abs", "Add", "BitShift", "Ceil", "Cos", "Div", "Exp", "Floor", "Log", "Max", "Mean", "Min",
        "Mod", "Mul", "Neg", "Pow", "Reciprocal", "Round", "Sign", "Sin", "Sqrt", "Sub", "Sum",
        "Where", "And", "Or", "Not", "Xor", "Equal", "Greater", "GreaterOrEqual", "Less",
        "LessOrEqual", "IsNaN", "IsInf", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh",
        "Sinh", "Tan", "BitwiseAnd", "BitwiseOr", "BitwiseNot", "BitwiseXor", "Clip", "Cast",
        "CastLike",
    }
)  # fmt: skip
"""Operators that compute element by element (with broadcasting) and are no activation function."""

ACTIVATIONS: Final = frozenset(
    {
        "Celu", "Clip", "Elu", "Erf", "FastGelu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
        "LogSoftmax", "Mish", "PRelu", "QuickGelu", "Relu", "Selu", "Shrink", "Sigmoid", "Softmax",
        "Softplus", "Softsign", "Swish", "Tanh", "ThresholdedRelu", "Hardmax",
    }
)  # fmt: skip
"""Activation functions."""

RANGE_FOLDED: Final = frozenset({"Relu", "Clip"})
"""Activations that a quantizer's own clipping does: between layer and quantizer they are free."""

POOLS: Final = frozenset(
    {
        "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool",
        "MaxRoiPool", "MaxUnpool", "RoiAlign",
    }
)  # fmt: skip

NORMALIZATIONS: Final = frozenset(
    {
        "BatchNormalization", "GroupNorm", "GroupNormalization", "InstanceNormalization",
        "LayerNormalization", "LpNormalization", "LRN", "MeanVarianceNormalization",
        "RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization",
    }
)  # fmt: skip

SHAPES: Final = frozenset(
    {
        "AffineGrid", "CenterCropPad", "Col2Im", "ConstantOfShape", "Crop", "DepthToSpace",
        "EyeLike", "Flatten", "GridSample", "Range", "Reshape", "Resize", "Shape", "Size",
        "SpaceToDepth", "Squeeze", "Unsqueeze", "Upsample",
    }
)  # fmt: skip
"""Operators that give, ask for or compute a shape, or resample to another."""

TENSORS: Final = frozenset(
    {
        "Compress", "Concat", "ConcatFromSequence", "Expand", "Gather", "GatherBlockQuantized",
        "GatherElements", "GatherND", "NonMaxSuppression", "NonZero", "OneHot", "Pad",
        "ReverseSequence", "Scatter", "ScatterElements", "ScatterND", "Slice", "Split",
        "SplitToSequence", "TensorScatter", "Tile", "TopK", "Transpose", "Trilu", "Unique",
    }
)  # fmt: skip
"""Operators that pick, join, repeat or rearrange elements."""

REDUCTIONS: Final = frozenset(
    {
        "ArgMax", "ArgMin", "CumSum", "CumProd", "Det", "Einsum", "ReduceL1", "ReduceL2",
        "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
        "ReduceSum", "ReduceSumSquare",
    }
)  # fmt: skip

RECURRENT: Final = frozenset({"GRU", "LSTM", "RNN", "DynamicQuantizeLSTM"})

QUANTIZATION: Final = frozenset(
    {
        "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul",
        "MatMulInteger", "MatMulIntegerToFloat", "MatMulNBits", "QAttention", "QGemm", "QLinearAdd",
        "QLinearAveragePool", "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool",
        "QLinearLeakyRelu", "QLinearMatMul", "QLinearMul", "QLinearReduceMean", "QLinearSigmoid",
        "QLinearSoftmax", "QLinearWhere", "QuantizeLinear", "Quant", "BipolarQuant", "RequantShift",
        "FakeQuantize", "TRT_FP8QuantizeLinear", "TRT_FP8DequantizeLinear",
        "TRT_INT4DequantizeLinear",
    }
)  # fmt: skip
"""Operators of a model that is quantized already."""

CONTROL: Final = frozenset({"If", "Loop", "Scan", "SequenceMap"})

CONSTANTS: Final = frozenset({"Constant"})

MATMULS: Final = frozenset({"FusedMatMul", "MatMul", "TransposeMatMul"})
"""Products without a bias; of weights or of two activations."""

OTHER_LAYERS: Final = frozenset({"DeformConv", "FusedConv", "FusedGemm"})

ATTENTION: Final = frozenset(
    {
        "Attention", "DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention",
        "GatedRelativePositionBias", "GroupQueryAttention", "LongformerAttention",
        "MultiHeadAttention", "PackedAttention", "PackedMultiHeadAttention", "PagedAttention",
        "RelativePositionBias", "RotaryEmbedding", "SparseAttention",
    }
)  # fmt: skip
"""Attention in one node, and what is made for it only."""

_CATEGORIES: Final[tuple[tuple[frozenset[str], Category], ...]] = (
    (MATMULS, "matmul"),
    (LAYERS | OTHER_LAYERS, "layer"),
    (ATTENTION, "attention"),
    (QUANTIZATION, "quantization"),
    (ACTIVATIONS | {"SiLU", "Gelu (tanh)"}, "activation"),
    (NORMALIZATIONS | {"LayerNorm", "RMSNorm"}, "normalization"),
    (POOLS, "pool"),
    (REDUCTIONS, "reduction"),
    (RECURRENT, "recurrent"),
    (CONTROL, "control"),
    (CONSTANTS, "constant"),
    (SHAPES, "shape"),
    (TENSORS, "tensor"),
    (ELEMENTWISE, "elementwise"),
)
_BY_OP: Final[dict[str, Category]] = {
    op: category for ops, category in reversed(_CATEGORIES) for op in ops
}


def category(op_type: str) -> Category:
    """The kind of an operator, by which the graph is coloured."""
    return _BY_OP.get(op_type, "other")


def is_onnx_domain(domain: str) -> bool:
    """Whether a domain is ONNX's own, under either of its spellings."""
    return domain in {"", "ai.onnx"}


def passes_through(op_type: str, attributes: object = None, *, domain: str = "") -> bool:
    """Whether a node's outputs hold only elements of its data inputs.

    Args:
        op_type: the operator.
        attributes: the node's attributes; decides for Pad in opsets where the value is one.
        domain: the node's domain.

    Returns:
        True for the operators of PASS_THROUGH of ONNX's own domain. Pad counts where its attributes
        do not ask for a constant other than 0; a value given as an input (opset 11 on) must be
        looked at by the caller.
    """
    if not is_onnx_domain(domain) or op_type not in PASS_THROUGH:
        return False
    if op_type == "Pad":
        get = getattr(attributes, "get", lambda _key, default: default)
        return get("mode", "constant") != "constant" or not get("value", 0.0)
    return True


def data_inputs(op_type: str, count: int) -> range:
    """Input positions of a pass-through operator that carry data (not indices or shapes).

    Args:
        op_type: an operator of PASS_THROUGH.
        count: how many inputs the node has.
    """
    return range(count) if op_type in PASS_THROUGH_INPUTS else range(min(count, 1))
