"""What every test may ask for: the sample models, and the larger set kept beside a checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def sample_models() -> Path:
    """The folder of the sample models that the project ships."""
    return ROOT / "sample_models"


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """A larger set of real models, named by QUANT_INSPECTOR_MODELS; skips where it is not set."""
    folder = os.environ.get("QUANT_INSPECTOR_MODELS", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("QUANT_INSPECTOR_MODELS does not name a folder of models")
    return Path(folder).resolve()
