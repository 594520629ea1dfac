"""Running the command line in this process and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inspector.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; fails on NaN, which is no JSON."""

        def refuse(text: str) -> None:
            raise AssertionError(f"{text} in JSON")

        value = json.loads(self.out, parse_constant=refuse)
        assert isinstance(value, dict)
        return value


Cli = Callable[..., Ran]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def process() -> Cli:
    """Run the command line in a process of its own, in a folder."""

    def run(*arguments: object, cwd: Path = ROOT, **variables: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def model(sample_models: Path) -> Path:
    """A small float model."""
    return sample_models / "digits_cnn.onnx"


@pytest.fixture(scope="session")
def data(sample_models: Path) -> Path:
    """Data to calibrate it with."""
    return sample_models / "digits_calibration.npz"
