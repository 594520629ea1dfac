"""Layers without a model behind them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inspector.graph.model import Layer

MakeLayer = Callable[..., Layer]


@pytest.fixture(scope="session")
def make_layer() -> MakeLayer:
    """A layer of a name and an operator, with one weight."""

    def make(name: str, op_type: str = "Conv") -> Layer:
        return Layer(
            name=name,
            op_type=op_type,
            weight=f"{name}.weight",
            bias=None,
            activations=(f"{name}.in",),
            output=f"{name}.out",
            weight_shape=(4, 3),
            channel_axis=0,
        )

    return make


@pytest.fixture(scope="session")
def layers(make_layer: MakeLayer) -> tuple[Layer, ...]:
    """Names of the kinds that exporters give."""
    return (
        make_layer("/features/0/Conv"),
        make_layer("/features/1/Conv"),
        make_layer("/features.10/Conv"),
        make_layer("onnx::MatMul_12", "MatMul"),
        make_layer("model/dense[0]", "Gemm"),
        make_layer("classifier", "Gemm"),
        make_layer("Classifier", "Gemm"),
    )
