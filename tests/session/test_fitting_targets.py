"""What fits the targets of the program, and what may be chosen for them."""

from __future__ import annotations

import pytest

from inspector.graph.model import Layer
from inspector.quant.spec import DTYPES, Granularity, LayerSpecs, QuantSpec
from inspector.session.fitting import (
    allowed_dtypes,
    allowed_granularities,
    allowed_scales,
    allowed_symmetry,
    default_specs,
    fit,
    violations,
)
from inspector.session.target_profile import Form, Target
from inspector.session.targets import load_target, target_names

SHAPES = {"Conv": (8, 4, 3, 3), "ConvTranspose": (4, 8, 2, 2), "Gemm": (8, 4), "MatMul": (4, 8)}
AXES = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": 1}


def _layer(op_type: str, shape: tuple[int, ...] | None = None, name: str = "layer") -> Layer:
    shape = shape or SHAPES[op_type]
    return Layer(name, op_type, "w", None, ("x",), "y", shape, AXES[op_type])


def _product(name: str = "product") -> Layer:
    return Layer(name, "MatMul", None, None, ("x", "z"), "y", None, None, None, (0, 1))


def _specs(weights: str, activations: str) -> LayerSpecs:
    return LayerSpecs(
        QuantSpec.parse(weights).filled("weights"),
        QuantSpec.parse(activations).filled("activations"),
    )


def _texts(specs: LayerSpecs) -> tuple[str, str]:
    return str(specs.weights), str(specs.activations)


AFFINE = [dtype for dtype in DTYPES if dtype.removeprefix("u").startswith("int")]


# The profiles of the program ------------------------------------------------------------------


@pytest.mark.parametrize("target", target_names())
@pytest.mark.parametrize("op_type", SHAPES)
def test_the_defaults_of_a_target_come_close(target: str, op_type: str) -> None:
    """They fit, or they need another granularity or operator-specific type; never fewer bits."""
    profile, layer = load_target(target), _layer(op_type)
    specs = LayerSpecs(
        default_specs(profile).weights.filled("weights"),
        default_specs(profile).activations.filled("activations"),
    )
    fitted = fit(profile, layer, specs)
    assert fitted.is_float or fitted.weights.bits == specs.weights.bits
    if op_type == "Conv":
        assert fitted == specs


@pytest.mark.parametrize("op_type", [*SHAPES, "product"])
@pytest.mark.parametrize("dtype", AFFINE)
def test_onnxruntime_and_nobody_rule_out_nothing_that_can_be_written(
    op_type: str, dtype: str
) -> None:
    """Every integer type, each granularity, weights alone: as the program writes them today."""
    layer = _product() if op_type == "product" else _layer(op_type)
    for name in ("ort-cpu", "generic"):
        for granularity in ("tensor", "channel", "block7"):
            for flag in ("sym", "asym"):
                for activations in ("float", "uint8", dtype):
                    specs = _specs(f"{dtype}:{granularity}:{flag}", activations)
                    assert violations(load_target(name), layer, specs) == ()


@pytest.mark.parametrize(
    ("target", "layer", "asked", "fitted"),
    [
        # signed and symmetric
        ("tensorrt", _layer("Conv"), ("int8", "uint8"), ("int8:channel", "int8:tensor:mse:sym")),
        ("tensorrt", _layer("Conv"), ("int3", "uint4"), ("int8:channel", "int8:tensor:mse:sym")),
        ("tensorrt", _layer("Gemm"), ("int16", "int16"), ("int8:channel", "int8:tensor:mse:sym")),
        # four bits are for weights alone, in blocks
        ("tensorrt", _layer("MatMul"), ("int4:block32", "float"), ("int4:block64", "float")),
        ("tensorrt", _layer("MatMul"), ("int4:block100", "float"), ("int4:block64", "float")),
        ("tensorrt", _layer("MatMul"), ("int4:block512", "float"), ("int4:block128", "float")),
        # not 4 bits where 8 were asked for, and no activations that nobody asked for
        ("tensorrt", _layer("MatMul"), ("int8", "float"), ("float", "float")),
        ("tensorrt", _product(), ("int8", "uint8"), ("int8:channel", "int8:tensor:mse:sym")),
        # 16 x 8
        ("tflite-micro", _layer("Conv"), ("int8", "int16"), ("int8", "int16:tensor:mse:sym")),
        ("tflite-micro", _layer("Conv"), ("int16", "uint16"), ("int8", "int16:tensor:mse:sym")),
        ("tflite-micro", _layer("ConvTranspose"), ("int8", "int16"), ("int8", "int8")),
        ("tflite-micro", _layer("Conv"), ("int4", "uint8"), ("int4", "int8")),
        ("tflite-micro", _layer("Conv"), ("int4", "int16:sym"), ("int8", "int16:sym")),
        ("tflite-micro", _layer("Conv", (8, 4, 3)), ("int8", "int8"), ("float", "float")),
        ("tflite-micro", _product(), ("int8", "int8"), ("int8", "float")),
        # one scale for a matrix, one per channel for a convolution
        ("amct", _layer("Gemm"), ("int8", "int8"), ("int8:tensor", "int8")),
        ("amct", _layer("Conv"), ("int8:channel@1", "int8"), ("int8:channel", "int8")),
        ("amct", _product(), ("int8", "int8"), ("int8", "int8:sym")),
        ("ncnn", _layer("ConvTranspose"), ("int8", "int8"), ("float", "float")),
        ("qnn", _layer("MatMul"), ("int8", "uint8"), ("uint8:tensor:minmax:sym", "uint8")),
        ("qnn", _layer("MatMul"), ("int16", "int16"), ("uint8:tensor:minmax:sym", "uint16")),
        ("qnn", _layer("Conv"), ("int4", "uint16"), ("int4", "uint16")),
        ("tidl", _layer("Conv"), ("int8", "uint8"), ("int8", "uint8")),
        ("tidl-tda4vm", _layer("Conv"), ("int8", "uint8"), ("int8", "int8:sym")),
        ("tidl", _layer("ConvTranspose"), ("int8", "int8"), ("int8:tensor", "int8:sym")),
        ("rknn", _layer("Conv"), ("int8", "uint8:kl"), ("int8", "int8:kl")),
    ],
)
def test_known_fits(
    target: str, layer: Layer, asked: tuple[str, str], fitted: tuple[str, str]
) -> None:
    """Worked out by hand from the documents that the profiles name."""
    found = fit(load_target(target), layer, _specs(*asked))
    assert _texts(found) == _texts(_specs(*fitted))


def test_reasons_name_what_would_do() -> None:
    """And where it is known from."""
    tensorrt = load_target("tensorrt")
    (wrong,) = violations(tensorrt, _layer("MatMul"), _specs("int4:block32:sym", "float"))
    assert (wrong.role, wrong.what) == ("weights", "block32")
    assert wrong.why == (
        "TensorRT takes int4 weights with a scale per block of 64 or 128, not per block of 32."
    )
    assert "Quantization Schemes, INT4" in wrong.source
    (wrong,) = violations(tensorrt, _layer("Conv"), _specs("int8:asym", "int8:sym"))
    assert wrong.why == (
        "TensorRT takes int8 weights with the zero point 0 only, not asymmetric ones."
    )
    (wrong,) = violations(tensorrt, _layer("Conv"), _specs("int8", "float"))
    assert wrong.role == "layer"
    assert wrong.why == (
        "TensorRT has no int8 weights with float activations in Conv, only int8 with int8."
    )
    (wrong,) = violations(load_target("ncnn"), _product(), _specs("float", "int8"))
    assert wrong.why == "ncnn quantizes Conv, Gemm and MatMul, not products of two activations."


def test_several_things_can_be_wrong_at_once() -> None:
    """All are told."""
    wrong = violations(
        load_target("tensorrt"), _layer("Conv"), _specs("int8:block16:asym", "uint8")
    )
    assert [(v.role, v.what) for v in wrong] == [
        ("weights", "block16"),
        ("weights", "asym"),
        ("activations", "uint8"),
    ]


def test_power_of_two_scales() -> None:
    """Where a profile wants them."""
    form = Form(("int8",), ("tensor",), power_of_two=True, source="Data sheet, 1")
    target = Target("pow2", "Pow2", "Shifts only.", weights=(form,), activations=(form,))
    specs = _specs("int8:tensor", "int8")
    assert [v.what for v in violations(target, _layer("Conv"), specs)] == ["any scale"] * 2
    assert fit(target, _layer("Conv"), specs).weights.pow2
    assert allowed_scales(target, "weights", "Conv", "int8")[True] == ""
    assert "powers of two" in allowed_scales(target, "weights", "Conv", "int8")[False]


# What may be chosen ---------------------------------------------------------------------------


def test_types_on_offer() -> None:
    """Each with its reason, also for what does not go with the other role."""
    micro = load_target("tflite-micro")
    free = allowed_dtypes(micro, "weights", "Conv")
    assert [dtype for dtype, reason in free.items() if not reason] == ["float", "int4", "int8"]
    assert free["uint8"].startswith("TFLite Micro (CMSIS-NN) takes weights of Conv as int8")
    beside = allowed_dtypes(micro, "weights", "Conv", other="int16")
    assert [dtype for dtype, reason in beside.items() if not reason] == ["int8"]
    assert "no int4 weights with int16 activations" in beside["int4"]
    acts = allowed_dtypes(micro, "activations", "Conv", other="int4")
    assert [dtype for dtype, reason in acts.items() if not reason] == ["int8"]
    none = allowed_dtypes(load_target("ncnn"), "weights", "ConvTranspose")
    assert [dtype for dtype, reason in none.items() if not reason] == ["float"]
    assert not any(
        allowed_dtypes(load_target("generic"), "weights", "Conv", dtypes=AFFINE).values()
    )


def test_granularities_and_symmetry_on_offer() -> None:
    """For the type that is chosen."""
    tensorrt = load_target("tensorrt")
    choices = [Granularity("tensor"), Granularity("channel"), *_blocks(32, 64)]
    eight = allowed_granularities(tensorrt, "weights", "MatMul", "int8", choices)
    assert [str(choice) for choice, reason in eight.items() if not reason] == ["tensor", "channel"]
    four = allowed_granularities(tensorrt, "weights", "MatMul", "int4", choices)
    assert [str(choice) for choice, reason in four.items() if not reason] == ["block64"]
    symmetry = allowed_symmetry(tensorrt, "activations", "Conv", "int8")
    assert symmetry[True] == ""
    assert "zero point 0" in symmetry[False]
    assert allowed_symmetry(tensorrt, "weights", "Conv", "float") == {True: "", False: ""}
    assert not any(allowed_granularities(tensorrt, "weights", "Gemm", "float", choices).values())


def _blocks(*sizes: int) -> list[Granularity]:
    return [Granularity("block", size) for size in sizes]
