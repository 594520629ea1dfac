"""What finding a range costs, told before it is done."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.quant.distribution import ExactDistribution
from inspector.quant.spec import QuantSpec
from inspector.session.effort import is_quick, range_ms


@pytest.mark.parametrize(
    ("text", "rows", "quick"),
    [
        ("int8:minmax", 512, True),
        ("int8:range[-1,1]", 512, True),
        ("int8:kl", 1, True),
        ("int8:kl", 512, False),
        ("int8:mse", 16, True),
        ("int8:mse", 512, False),
        ("float", 512, True),
    ],
)
def test_methods_that_try_many_ranges_are_not_quick(text: str, rows: int, quick: bool) -> None:
    """With many rows they would be felt."""
    dist = ExactDistribution.of(np.ones((rows, 100), np.float32), axis=0)
    assert is_quick(dist, QuantSpec.parse(text).filled("weights")) == quick


def test_more_rows_and_values_cost_more() -> None:
    """The estimate grows with the work."""
    for text in ("int8:percentile99", "int8:kl", "int8:mse"):
        spec = QuantSpec.parse(text)
        assert range_ms(10**7, 100, spec) > range_ms(10**5, 10, spec) > 0.0
