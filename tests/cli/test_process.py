"""What only a process of its own can show: imports, signals, pipes, full disks, the window."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from inspector.cli import window
from inspector.errors import CancelledError

HEAVY = ("numpy", "onnx", "onnxruntime", "PySide6", "pyqtgraph", "PIL", "google.protobuf")


def _imports(text: str) -> set[str]:
    """The modules that a run under `-X importtime` has imported."""
    lines = [line for line in text.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_nothing_heavy(process, option: str) -> None:
    """So they are instant."""
    ran = process(option, PYTHONPROFILEIMPORTTIME="1")
    assert ran.code == 0
    assert not _imports(ran.err) & set(HEAVY)
    assert "quant-inspector" in ran.out


def test_commands_without_a_window_never_import_qt(
    process, model: Path, data: Path, tmp_path: Path
) -> None:
    """A machine without graphics libraries runs them."""
    out = tmp_path / "o.onnx"
    for arguments in (
        ("quantize", model, "-o", out, "--calibration", data, "--samples", 8),
        ("compare", model, out, "--random-data", 1, "--json"),
        ("calibrate", model, "-o", tmp_path / "s.npz", "--random-data", 1),
        ("info", model),
    ):
        ran = process(*arguments, PYTHONPROFILEIMPORTTIME="1")
        assert ran.code == 0
        assert not {"PySide6", "pyqtgraph", "inspector.gui"} & _imports(ran.err)


def test_help_teaches(cli) -> None:
    """Every command is listed, explained, and shown by example."""
    text = cli("--help").out
    for part in ("[MODEL] [--calibration PATH] [--recipe FILE]", "DTYPE", "Exit codes", "130"):
        assert part in text
    for command in ("info", "quantize", "calibrate", "compare"):
        assert f"\n  {command} " in text
        ran = cli(command, "--help")
        assert ran.code == 0
        assert "Examples:" in ran.out
        assert "--json" in ran.out
        assert "--debug" in ran.out


def test_ctrl_c_leaves_nothing(model: Path, tmp_path: Path) -> None:
    """Exit code 130, one line, no file."""
    out = tmp_path / "o.onnx"
    command = ["quantize", str(model), "-o", str(out), "--random-data", "300000"]
    running = subprocess.Popen(
        [sys.executable, "-m", "inspector", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    printed, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert printed == ""
    assert told.strip() == "quant-inspector: cancelled; nothing was written."
    assert list(tmp_path.iterdir()) == []


def test_cancelled_while_the_file_is_checked(
    cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file takes its name only once it was run."""

    def cancelled(*_: object, **__: object) -> None:
        raise CancelledError

    monkeypatch.setattr("inspector.session.job.verify", cancelled)
    out = tmp_path / "o.onnx"
    ran = cli("quantize", model, "-o", out, "--random-data", 2)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err == "quant-inspector: cancelled; nothing was written.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough(model: Path) -> None:
    """A closed pipe is no error."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "info", str(model)],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_stdout_on_a_full_disk(model: Path, buffered: str) -> None:
    """An error like any other, whether it comes at once or when the buffer is emptied."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", "info", str(model), "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": buffered},
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "quant-inspector: error: No space left on device."
    assert done.stderr.splitlines()[1:] == []


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed(model: Path, tmp_path: Path, closed: str) -> None:
    """The command does its work, and prints into no file that it opens."""
    out = tmp_path / "o.onnx"
    command = [sys.executable, "-m", "inspector", "quantize", model, "-o", out, "--random-data", 2]
    done = subprocess.run(
        f"{shlex.join(map(str, command))} {closed}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "SQNR" not in out.read_bytes().decode("latin-1")


def test_nothing_is_kept_about_the_user(process, model: Path, tmp_path: Path) -> None:
    """Without that, onnxruntime keeps a number of the device at home, and sends it away."""
    home = tmp_path / "home"
    home.mkdir()
    variables = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    ran = process("quantize", model, "-o", tmp_path / "o", "--random-data", 2, **variables)
    assert (ran.code, ran.err) == (0, "")
    assert list(home.iterdir()) == []


def test_names_that_are_no_text(process, model: Path, tmp_path: Path) -> None:
    """Linux allows any bytes in them."""
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("not on this file system")
    ran = process(
        *("quantize", model, "-o", odd / "o.onnx", "--random-data", 2, "--json"),
        *("--report", odd / "r.html"),
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["output"] == str(odd / "o.onnx")
    assert sorted(path.name for path in odd.iterdir()) == ["o.onnx", "r.html"]


def test_the_progress_bar_is_for_terminals_only(model: Path, tmp_path: Path) -> None:
    """On a terminal it is drawn and taken away again; elsewhere nothing is."""
    terminal, child = pty.openpty()
    arguments = ["calibrate", str(model), "-o", str(tmp_path / "s.npz"), "--random-data", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "inspector", *arguments],
        stdout=subprocess.PIPE,
        stderr=child,
        timeout=60,
        check=False,
    )
    os.close(child)
    drawn = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert done.returncode == 0
    assert "Calibrating" in drawn
    assert "4/4" in drawn
    assert drawn.endswith(" \r")


def test_debug_shows_the_traceback(cli, tmp_path: Path) -> None:
    """And still the message."""
    ran = cli("info", tmp_path / "no.onnx", "--debug")
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert "quant-inspector: error: " in ran.err


def test_a_fault_of_the_program_is_one_message(
    cli, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the way to the traceback."""

    def fail(_: Path, _skip: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr("inspector.session.describe.describe", fail)
    ran = cli("info", model)
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "quant-inspector: error: ZeroDivisionError: oh no",
        "  This is a fault of the program. Run with --debug for the traceback.",
    ]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the window was opened with, in place of a window."""
    calls: list[tuple[object, ...]] = []
    app = types.ModuleType("inspector.gui.app")

    def run_window(*arguments: object) -> int:
        calls.append(arguments)
        return 0

    app.run_window = run_window  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "inspector.gui.app", app)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return calls


def test_no_command_opens_the_window(
    cli, model: Path, data: Path, tmp_path: Path, opened: list[tuple[object, ...]]
) -> None:
    """Empty, or with what was named, in any order; also a model named like a command."""
    recipe = tmp_path / "r.toml"
    recipe.touch()
    (tmp_path / "info").touch()
    for arguments in (
        (),
        (model,),
        (model, "--calibration", data, "--recipe", recipe),
        ("--calibration", data, model),
        (f"{tmp_path}/info",),
    ):
        ran = cli(*arguments)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert opened == [
        (None, None, None),
        (model, None, None),
        (model, data, recipe),
        (model, data, None),
        (tmp_path / "info", None, None),
    ]


def test_no_display_is_told(
    cli, model: Path, opened: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Qt ends the process."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(window.sys, "platform", "linux")
    ran = cli(model)
    assert ran.code == 1
    assert "no display" in ran.err
    assert opened == []


def test_missing_graphics_libraries_are_told(
    cli, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the packages to install."""
    monkeypatch.setitem(sys.modules, "inspector.gui.app", None)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    ran = cli(model)
    assert ran.code == 1
    assert "libgl1" in ran.err
