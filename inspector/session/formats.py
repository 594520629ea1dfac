"""The forms that a quantized model can be saved in, and what each of them takes.

What a form takes is said as a target says it, so that whatever shows, refuses or mends a choice
that does not fit a target does so for the form of the file as well; see `session.profiles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from inspector.graph.recurrent import RECURRENT_LAYERS
from inspector.quant.spec import CASTS, DTYPES, FLOAT, LayerSpecs, QuantSpec
from inspector.session.target_profile import PRODUCT, Default, Form, Operator, Pair, Target

_INTEGERS = tuple(dtype for dtype in DTYPES if dtype.startswith(("int", "uint")))
_TABLES = tuple(dtype for dtype in DTYPES if dtype not in {"float", *_INTEGERS})
_BYTES = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 7, 6, 5))
_ONNX = "ONNX operator specification"
_LSTM = "onnxruntime contrib operators, DynamicQuantizeLSTM; run with onnxruntime 1.32 on the CPU"
_PLAIN_CELLS = ("GRU", "RNN")
_PLAIN = "onnxruntime contrib operators: DynamicQuantizeLSTM is the only recurrent one"


@dataclass(frozen=True, slots=True)
class Format:
    """One form of a saved file.

    Attributes:
        title: as shown.
        description: what is in the file, in a sentence.
        profile: what it takes.
        on_request: operators (and `PRODUCT`) that stay float unless a rule speaks of them.
        why_on_request: the reason.
    """

    title: str
    description: str
    profile: Target
    on_request: frozenset[str] = frozenset()
    why_on_request: str = ""

    @property
    def default(self) -> LayerSpecs | None:
        """What layers get where nothing is chosen; None for what every recipe has."""
        return None if self.profile.default is None else self.profile.default.specs


_CAST = Form(CASTS, ("tensor",), symmetric=True, source=f"{_ONNX}, Cast")
_NO_CELLS = (
    "No runtime has recurrent kernels on grids that are fixed before, so only their weights could "
    "be quantized"
)


def _weight_only() -> Target:
    kinds = ("tensor", "channel", "block")
    return Target(
        "weight-only",
        "weight-only format",
        "Weights as integers, activations in float.",
        weights=(
            Form(_INTEGERS, kinds, source=f"{_ONNX}, DequantizeLinear"),
            Form(_TABLES, kinds[:2], symmetric=True, source=f"{_ONNX}, DequantizeLinear, Gather"),
        ),
        activations=(Form((), (), source="the meaning of the format"),),
        default=Default(LayerSpecs(QuantSpec("int8"), FLOAT)),
    )


def _dynamic() -> Target:
    source = f"{_ONNX}, DynamicQuantizeLinear, MatMulInteger and ConvInteger"
    return Target(
        "dynamic",
        "dynamic format",
        "Weights as integers, activations quantized when the model runs.",
        weights=(
            Form(
                _BYTES,
                ("tensor", "channel"),
                output_channels=True,
                operators=("Gemm", "MatMul"),
                source=source,
            ),
            Form(_BYTES, ("tensor",), operators=("Conv",), source=source),
            Form(
                _BYTES,
                ("channel",),
                output_channels=True,
                symmetric=True,
                operators=("Conv",),
                note="onnxruntime 1.31 has one zero point for the weight of a ConvInteger",
                source=source,
            ),
            Form(_BYTES, ("tensor",), operators=("LSTM",), source=_LSTM),
            Form(
                _BYTES,
                ("channel",),
                output_channels=True,
                symmetric=True,
                operators=("LSTM",),
                note="DynamicQuantizeLSTM has one zero point for each weight",
                source=_LSTM,
            ),
            Form(_BYTES, ("tensor", "channel"), operators=_PLAIN_CELLS, source=_PLAIN),
            _CAST,
        ),
        activations=(
            Form(
                ("uint8",),
                ("tensor",),
                run_time=True,
                operators=("Conv", "Gemm", "MatMul", "LSTM"),
                source=f"{source}; {_LSTM}",
            ),
        ),
        operators=(
            Operator(("Conv", "Gemm", "MatMul"), source=source),
            Operator(("LSTM",), source=_LSTM),
            Operator(_PLAIN_CELLS, source=_PLAIN),
            Operator(("ConvTranspose",), note="float16 and bfloat16 weights", source=_CAST.source),
        ),
        pairs=(
            Pair(_BYTES, ("uint8", "float"), source=source),
            Pair(CASTS, ("float",), source=_CAST.source),
        ),
        default=Default(LayerSpecs(QuantSpec("int8"), QuantSpec("uint8"))),
    )


def _qoperator() -> Target:
    source = f"{_ONNX}, QLinearConv and QLinearMatMul; onnxruntime contrib operators, QGemm"
    return Target(
        "qoperator",
        "QOperator format",
        "Operators on integers.",
        weights=(
            Form(_BYTES, ("tensor", "channel"), output_channels=True, source=source),
            _CAST,
        ),
        activations=(Form(("uint8", "int8"), ("tensor",), source=source),),
    )


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "qdq": Format(
            "QDQ",
            "Float operators between QuantizeLinear and DequantizeLinear, which runtimes turn into "
            "integer kernels.",
            Target("qdq", "QDQ format", ""),
            RECURRENT_LAYERS,
            _NO_CELLS,
        ),
        "qoperator": Format(
            "QOperator",
            "Operators on integers: QLinearConv, QLinearMatMul, QGemm and more; what has none "
            "stays float between QuantizeLinear and DequantizeLinear.",
            _qoperator(),
            RECURRENT_LAYERS,
            _NO_CELLS,
        ),
        "dynamic": Format(
            "Dynamic",
            "Weights as integers, activations put on a grid when the model runs; no calibration "
            "data is needed.",
            _dynamic(),
            frozenset({"Conv", "ConvTranspose", PRODUCT, *_PLAIN_CELLS}),
            "onnxruntime's ConvInteger is 3 to 10 times slower than its float Conv, and other "
            "operators have no dynamic kernels",
        ),
        "weight-only": Format(
            "Weight-only",
            "Weights as integers behind DequantizeLinear or in MatMulNBits, activations in float; "
            "no calibration data is needed.",
            _weight_only(),
        ),
        "simulated": Format(
            "Simulated",
            "A float model: weights rounded to their grids, activations through QuantizeLinear and "
            "DequantizeLinear.",
            Target("simulated", "simulated format", ""),
            RECURRENT_LAYERS,
            _NO_CELLS,
        ),
    }
)
"""By the name that a recipe has for it."""


def why_no_integer_io(name: str) -> str:
    """Why files of a format cannot take and give integers; empty if they can."""
    if name not in {"dynamic", "weight-only"}:
        return ""
    return (
        f"The format {name!r} has no grids for inputs and outputs, so its file cannot take and "
        "give integers."
    )
