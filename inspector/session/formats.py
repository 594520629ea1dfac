"""The forms that a quantized model can be saved in."""

from __future__ import annotations

FORMATS = ("qdq", "qoperator", "dynamic", "weight-only")
"""What a recipe may ask for."""

SAVED_FORMATS = ("qdq",)
"""What this version can write."""
