"""Blocks run along the axis that a layer sums over, whichever operand the weight is."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.graph.grids import weight_grid
from inspector.graph.model import Layer
from inspector.quant.spec import QuantSpec


@pytest.mark.parametrize(
    ("op_type", "shape", "channel_axis", "slot", "scales"),
    [
        ("Conv", (6, 8, 3, 3), 0, 1, (6, 2, 3, 3)),
        ("ConvTranspose", (8, 6, 3, 3), 1, 1, (2, 6, 3, 3)),
        ("Gemm", (6, 8), 0, 1, (6, 2)),
        ("Gemm", (8, 6), 1, 1, (2, 6)),
        ("MatMul", (8, 6), 1, 1, (2, 6)),
        ("MatMul", (5, 8, 6), 2, 1, (5, 2, 6)),
        ("MatMul", (6, 8), 0, 0, (6, 2)),
        ("MatMul", (5, 6, 8), 1, 0, (5, 6, 2)),
    ],
)
def test_blocks_run_along_the_sum(
    op_type: str, shape: tuple[int, ...], channel_axis: int, slot: int, scales: tuple[int, ...]
) -> None:
    """Eight values are summed; blocks of four make two scales of them."""
    layer = Layer("l", op_type, "w", None, ("x",), "y", shape, channel_axis, slot, (1 - slot,))
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    grid = weight_grid(layer, QuantSpec.parse("int4:block4").filled("weights"), lambda _: values)
    assert grid.scale.shape == scales
