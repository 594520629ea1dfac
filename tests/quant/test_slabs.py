"""Large tensors in slabs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.quant import slabs as module
from inspector.quant.kernels import fake_quantize
from inspector.quant.qparams import weight_qparams
from inspector.quant.slabs import slabs
from inspector.quant.spec import QuantSpec


@pytest.mark.parametrize("spec", ["tensor", "channel", "channel@0", "block4@0", "block3@1"])
@given(rows=st.integers(1, 40), columns=st.integers(1, 9), multiple=st.integers(1, 4))
@settings(deadline=None, max_examples=15)
def test_slabs_are_the_whole(spec: str, rows: int, columns: int, multiple: int) -> None:
    """Each on its part of the grid gives what the whole tensor on the whole grid gives."""
    values = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    grid = weight_qparams(values, QuantSpec.parse(f"int4:{spec}").filled("weights"), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_VALUES", 16)
        parts = list(slabs(values, grid, multiple))
    assert all(len(part) % multiple == 0 for part, _ in parts[:-1])
    assert len(parts) > 1 or values.size <= 16 * 4 * 4
    found = np.concatenate([fake_quantize(part, numbers) for part, numbers in parts])
    np.testing.assert_array_equal(found, fake_quantize(values, grid))
