"""What can be chosen for each part of a spec, and what to know before choosing. No widgets here."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.quant.spec import MAX_BITS, MIN_BITS, Granularity, Role

TYPE = (
    "How each number is stored: so many bits, signed (int) or not (uint).\n"
    "One bit less leaves half as many levels, and costs about 6 dB."
)
SCALE_PER = (
    "Which numbers share a scale. The fewer share one, the better it fits them,\n"
    "and the more scales there are to store and to multiply with."
)
RANGE = (
    "Which real range the grid covers. What lies beyond is clipped to its ends;\n"
    "a wider range clips less, but its steps are coarser."
)
SYMMETRY = "Where real zero lies on the grid: in its middle, or wherever the range puts it."
POWER_OF_TWO = (
    "Power of two: the scale is rounded up to 2ⁿ, so that scaling is a shift of bits.\n"
    "For hardware that has nothing else, such as many DSPs and microcontrollers.\n"
    "Nothing more is clipped, but steps are up to twice as coarse (up to 6 dB).\n"
    "Percentile and KL take the power below where that loses less; mse tries them all."
)
PERCENTILE = (
    "Percentile: the share of the values that the range keeps; the outermost are clipped.\n"
    "The slider stops at the usual ones. The number beside it takes any above 50 %."
)
LOW = "The real value of the lower end, set by hand. It is widened to hold zero."
HIGH = "The real value of the upper end, set by hand. It is widened to hold zero."
PINNED = (
    "Pinned: the very scale and zero point that were read from the file.\n"
    "With another type or symmetry, the real range that they cover."
)
DEFAULT = "What suits the tensor, unless you choose otherwise"

_MINMAX = (
    "Min/max: from the smallest to the largest value. Nothing is clipped,\n"
    "so a single outlier makes every step coarser.\n"
    "Right for weights at 8 bits, and wherever there are no outliers."
)
_MOVAVG = (
    "Moving average of the smallest and largest value of each batch.\n"
    "A batch that is unlike the others counts less than with min/max."
)
_MEAN = (
    "Mean of the smallest and of the largest value of each sample.\n"
    "Clips what only a few samples reach. In a recipe, meanminmax8 takes batches of 8 samples."
)
_OF_ORT = {
    "ort-minmax": "As onnxruntime's MinMax calibrator: min/max.",
    "ort-entropy": "As onnxruntime's Entropy calibrator. It has as many bins as levels,\n"
    "so it clips nothing: min/max.",
    "ort-percentile": "As onnxruntime's Percentile calibrator at 99.999 %:\n"
    "the left edge of a bin of 2048.",
}
_PERCENTILE = (
    "Percentile: keeps this share of the values and clips the outermost.\n"
    "For activations with a few large outliers; begin with 99.99 %.\n"
    "It looks at how many are clipped, not at how much is lost by it."
)
_KL = (
    "KL calibration, or entropy: of many ranges, the one whose quantized values are\n"
    "distributed most like the original ones (least Kullback-Leibler divergence).\n"
    "Made for 8-bit activations of image networks, where it clips long tails boldly.\n"
    "With few bits, or where outliers matter, mse is safer."
)
_MSE = (
    "MSE: of many ranges, the one with the least mean squared error,\n"
    "so that what is lost by clipping and by rounding is least in sum.\n"
    "A good choice for activations, and for anything of 4 bits or fewer."
)
_BY_HAND = "By hand: you set both ends, here or by dragging the lines in the histogram."
_TENSOR = (
    "Per-tensor: one scale for all. Every runtime has it.\n"
    "The largest channel decides how coarse the steps are for all the others."
)
_CHANNEL = (
    "Per-channel: one scale for each output channel, which fits its own values.\n"
    "Nearly free, and much better where channels differ in size. Usual for weights."
)
_BLOCK = (
    "Per-block: one scale for every {size} values in a row of those that are summed.\n"
    "For weights of 4 bits and fewer; at float32, scales add {cost:g} bits to each value."
)
_SYM = (
    "Symmetric: real zero is in the middle of the grid, so the zero point is fixed\n"
    "(0 for signed types). Fastest to compute with. Usual for weights."
)
_ASYM = (
    "Asymmetric: the zero point moves, so that the grid covers just the range.\n"
    "Best for values mostly of one sign, such as those behind a ReLU."
)


_FLOAT8 = {
    "fp8e4m3": "8-bit float, 4 bits of exponent and 3 of mantissa: up to 448\n"
    "Steps grow with the value, so that outliers cost little. Needs opset 19.",
    "fp8e5m2": "8-bit float, 5 bits of exponent and 2 of mantissa: up to 57344\n"
    "A wider range than fp8e4m3 with coarser steps. Needs opset 19.",
}
_SHORT = {
    "float16": "16-bit float, 5 bits of exponent and 10 of mantissa: up to 65504\n"
    "Weights take half the space and are cast back to float when the model is loaded.",
    "bfloat16": "16-bit float, 8 bits of exponent and 7 of mantissa: reaches as far as float\n"
    "Weights take half the space and are cast back to float when the model is loaded.",
}
_FEW_LEVELS = {
    "binary": "1 bit: the sign times the mean magnitude of the channel\n"
    "32 times smaller than float. Few models keep their accuracy without training.",
    "ternary": "2 bits: minus one, zero and one, times a scale\n"
    "The scale and the threshold of the least squared error.",
}

EVEN_LEVELS_ONLY = "KL calibration supposes evenly spaced levels, which this type has not."


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a combo box: its text, what it means, and the field's value."""

    text: str
    tip: str
    value: object


def dtype_choices() -> tuple[Choice, ...]:
    """Types that can be computed today."""
    choices = [Choice("float", "Left alone: no quantization", "float")]
    choices += [Choice(dtype, tip, dtype) for dtype, tip in _SHORT.items()]
    for sign, what in (("int", "signed"), ("uint", "unsigned")):
        for bits in range(MIN_BITS, MAX_BITS + 1):
            name = f"{sign}{bits}"
            choices.append(Choice(name, f"{bits} bits, {what}: {1 << bits} levels", name))
    choices += [Choice(dtype, tip, dtype) for dtype, tip in _FLOAT8.items()]
    choices += [
        Choice(
            name := f"log{bits}",
            f"{bits} bits, logarithmic: zero and {(1 << (bits - 1)) - 1} powers of two a sign\n"
            "Multiplying is a shift of bits. Codes are stored packed and decoded by a table.",
            name,
        )
        for bits in range(2, 9)
    ]
    choices += [Choice(dtype, tip, dtype) for dtype, tip in _FEW_LEVELS.items()]
    return tuple(choices)


def granularity_choices(role: Role) -> tuple[Choice, ...]:
    """Which values share a scale."""
    tensor = Choice("tensor", _TENSOR, Granularity("tensor"))
    if role == "activations":
        return (tensor,)
    blocks = [
        Choice(f"block{size}", _BLOCK.format(size=size, cost=32 / size), Granularity("block", size))
        for size in (16, 32, 64, 128)
    ]
    return (tensor, Choice("channel", _CHANNEL, Granularity("channel")), *blocks)


def range_choices(role: Role) -> tuple[Choice, ...]:
    """How the real range that the grid covers is chosen."""
    choices = [
        Choice("minmax", _MINMAX, "minmax"),
        Choice("percentile", _PERCENTILE, "percentile"),
        Choice("kl", _KL, "kl"),
        Choice("mse", _MSE, "mse"),
        Choice("range", _BY_HAND, "range"),
    ]
    if role == "activations":
        choices[1:1] = [
            Choice("movavg", _MOVAVG, "movavg"),
            Choice("meanminmax", _MEAN, "meanminmax"),
        ]
        choices += [Choice(name, tip, name) for name, tip in _OF_ORT.items()]
    return tuple(choices)


FLAG_CHOICES: tuple[Choice, ...] = (Choice("sym", _SYM, True), Choice("asym", _ASYM, False))
