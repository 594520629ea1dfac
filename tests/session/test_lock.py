"""A lock is free when its holder lets go, and when its holder is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inspector.session.lock import FileLock

_HOLD = """
import sys, time
from pathlib import Path
from inspector.session.lock import FileLock
held = FileLock.take(Path(sys.argv[1]))
print("held" if held else "taken", flush=True)
time.sleep(60)
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """A second part of the same process is kept out until the first lets go."""
    path = tmp_path / "a.lock"
    first = FileLock.take(path)
    assert first is not None
    assert FileLock.take(path) is None
    first.release()
    first.release()
    assert not path.exists()
    again = FileLock.take(path)
    assert again is not None
    again.release(remove=False)
    assert path.exists()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Killed without a chance to tidy up, a process holds nothing any more."""
    path = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "held"
            assert FileLock.take(path) is None
        finally:
            process.kill()
            process.wait()
    mine = FileLock.take(path)
    assert mine is not None
    mine.release()


def test_a_file_that_was_removed_under_a_lock_is_not_taken_for_it(tmp_path: Path) -> None:
    """Who locks the remains of a file that another has removed holds nothing."""
    path = tmp_path / "a.lock"
    first = FileLock.take(path)
    assert first is not None
    path.unlink()
    second = FileLock.take(path)
    assert second is not None, "a new file, and a new lock"
    first.release(remove=False)
    second.release()
