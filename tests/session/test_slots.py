"""The files of windows: who runs, who crashed, what is put aside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from inspector.errors import SaveError
from inspector.session.autosave import MAX_BYTES, Session
from inspector.session.slots import STATE_VARIABLE, Crashed, Slot, find_crashed, state_folder


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Lets go of all locks in the end."""
    with ExitStack() as made:
        yield made


def left_behind(folder: Path, name: str = "a.onnx", ago: float = 10.0) -> Path:
    """A session whose window is gone, and its file."""
    slot = Slot.make(folder)
    saved_at = time.time() - ago
    slot.write(Session(Path("/models") / name, "key", saved_at=saved_at))
    os.utime(slot.path, (saved_at, saved_at))
    slot.release(clear=False)
    return slot.path


def names(found: list[Crashed], stack: ExitStack) -> list[str]:
    """Of the models; the locks are let go of at the end of the test."""
    for crashed in found:
        stack.callback(crashed.slot.release, clear=False)
    return [crashed.session.model.name for crashed in found]


def test_a_running_window_is_let_alone(tmp_path: Path, stack: ExitStack) -> None:
    """Its file stays as it is; when it ends in good order nothing is left."""
    slot = Slot.make(tmp_path)
    slot.write(Session(Path("/a.onnx"), "key", saved_at=time.time()))
    assert find_crashed(tmp_path) == ([], [])
    slot.release()
    assert list(tmp_path.iterdir()) == []
    assert names(find_crashed(tmp_path)[0], stack) == []


def test_crashed_windows_are_found_newest_first(tmp_path: Path, stack: ExitStack) -> None:
    """And each is given to one who asks."""
    left_behind(tmp_path, "old.onnx", 500.0)
    left_behind(tmp_path, "new.onnx", 5.0)
    found, broken = find_crashed(tmp_path)
    assert names(found, stack) == ["new.onnx", "old.onnx"]
    assert broken == []
    assert find_crashed(tmp_path)[0] == [], "another window is not offered them as well"


def test_more_than_a_few_wait_for_another_start(tmp_path: Path, stack: ExitStack) -> None:
    """Nothing is lost of what is not offered now."""
    for number in range(5):
        left_behind(tmp_path, f"{number}.onnx", 100.0 + number)
    found, _ = find_crashed(tmp_path, most=2)
    assert names(found, stack) == ["0.onnx", "1.onnx"]
    assert len(list(tmp_path.glob("*.json"))) == 5
    for crashed in found:
        crashed.slot.release()
    assert names(find_crashed(tmp_path, most=2)[0], stack) == ["2.onnx", "3.onnx"]


def test_very_old_ones_are_removed(tmp_path: Path) -> None:
    """Nobody asks for them any more."""
    path = left_behind(tmp_path, ago=40 * 86_400.0)
    assert find_crashed(tmp_path) == ([], [])
    assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"{}", b"\x80\x04pickle", b" " * (MAX_BYTES + 1)])
def test_what_cannot_be_read_is_put_aside(tmp_path: Path, data: bytes, stack: ExitStack) -> None:
    """It is told once, kept for whoever wants to look, and hides nothing else."""
    left_behind(tmp_path, "good.onnx", 100.0)
    path = left_behind(tmp_path, "bad.onnx")
    path.write_bytes(data)
    found, broken = find_crashed(tmp_path)
    assert names(found, stack) == ["good.onnx"]
    assert [file.path for file in broken] == [path]
    assert broken[0].reason
    assert broken[0].aside.read_bytes() == data
    assert find_crashed(tmp_path)[1] == []


def test_leftovers_are_tidied_up(tmp_path: Path) -> None:
    """Locks of nothing and half-written files; but not those of a write that is under way."""
    (tmp_path / "1-aa.lock").touch()
    old, fresh = tmp_path / ".1-aa.json.abc.tmp", tmp_path / ".1-bb.json.abc.tmp"
    for path in (old, fresh):
        path.touch()
    os.utime(old, (1.0, 1.0))
    find_crashed(tmp_path)
    assert list(tmp_path.iterdir()) == [fresh]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file stands where the folder would be."""
    (tmp_path / "file").touch()
    with pytest.raises(SaveError):
        Slot.make(tmp_path / "file" / "sessions")
    assert find_crashed(tmp_path / "file" / "sessions") == ([], [])


def test_the_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable; else it is the user's own."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))
    assert state_folder() == tmp_path / "sessions"
    monkeypatch.delenv(STATE_VARIABLE)
    assert "quant-inspector" in str(state_folder())
