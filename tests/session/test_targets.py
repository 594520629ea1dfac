"""Hardware profiles are data that the program can read."""

from __future__ import annotations

import pytest

from inspector.errors import RecipeError
from inspector.quant.spec import DTYPES
from inspector.session.targets import load_target, target_names


def test_every_profile_can_be_read_and_names_its_sources() -> None:
    """A profile is data; this is its schema."""
    assert {"generic", "ort-cpu"} <= set(target_names())
    for name in target_names():
        target = load_target(name)
        assert target.title
        assert target.description
        assert set(target.dtypes) <= set(DTYPES)
        for kind in target.types:
            assert kind.source
            assert set(kind.granularities) <= {"tensor", "channel", "block"}


def test_onnxruntime_gains_types_with_the_opset() -> None:
    """As the operator changelog has it."""
    opsets = {dtype: kind.opset for kind in load_target("ort-cpu").types for dtype in kind.dtypes}
    assert [opsets[dtype] for dtype in ("int8", "fp8e4m3", "int4", "uint2")] == [13, 19, 21, 25]


@pytest.mark.parametrize("name", ["", "ort", "../ort-cpu", "ORT-CPU"])
def test_there_is_no_other_target(name: str) -> None:
    """A name is no path."""
    with pytest.raises(RecipeError, match=r"no target.*generic, .*ort-cpu"):
        load_target(name)
