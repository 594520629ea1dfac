"""Numbers as people read them, and as programs do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inspector.report.json_text import json_text
from inspector.report.units import (
    bytes_text,
    cosine_text,
    decibel_text,
    percent_text,
    plural,
    value_text,
)

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (bytes_text(812), "812 B"),
        (bytes_text(78_800), "78.8 kB"),
        (bytes_text(4_950_000), "4.95 MB"),
        (decibel_text(34.56), "34.6 dB"),
        (decibel_text(-3.14), "−3.1 dB"),
        (decibel_text(INFINITY), "∞ dB"),
        (decibel_text(NAN), "–"),
        (cosine_text(0.99999), ">0.9999"),
        (cosine_text(1.0), "1.0000"),
        (cosine_text(None), "–"),
        (percent_text(0.9944), "99.4 %"),
        (percent_text(0.99999), ">99.99 %"),
        (percent_text(1.0), "100 %"),
        (percent_text(1e-9), "<0.01 %"),
        (percent_text(None), "–"),
        (plural(1, "sample"), "1 sample"),
        (plural(1234, "sample"), "1\u2009234 samples"),
        (value_text(-0.123456), "−0.1235"),
    ],
)
def test_figures_have_units_and_promise_no_more_than_is_true(text: str, expected: str) -> None:
    """Nothing is rounded to all or nothing that is neither; what is unknown is a dash."""
    assert text == expected


def test_json_has_no_nan_and_no_infinity() -> None:
    """They are null; paths and numpy scalars are what they mean."""
    value = {"a": [NAN, -INFINITY, np.float32(0.5)], "b": (Path("x"), np.int64(3), True, None, "–")}
    text = json_text(value)
    assert json.loads(text) == {"a": [None, None, 0.5], "b": ["x", 3, True, None, "–"]}
    assert text.isascii()
