"""Files that are whole or untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import InspectorError, SaveError
from inspector.files import atomic_file, check_target, read_limited, write_atomically


def test_a_read_only_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the system's answer is made up."""
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SaveError, match="read-only"):
        check_target(tmp_path / "out.onnx")


@pytest.mark.parametrize("name", ["no/out", "a\0b", "x" * 300, "loop"])
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    """No folder, no name, too long a name, links in a circle: one error, and nothing is left."""
    if name == "loop":
        (tmp_path / name).symlink_to(tmp_path / name)
    with pytest.raises(SaveError) as error:
        write_atomically(tmp_path / name, b"new")
    assert error.value.hint
    assert len(list(tmp_path.iterdir())) == (name == "loop")


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    """An interrupt leaves nothing behind."""
    path = tmp_path / "out.bin"

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    """A replaced file keeps its mode."""
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What a link leads to is written, in its own folder."""
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "out", tmp_path / "link"
    link.symlink_to(target)
    for data in (b"old", b"new"):
        write_atomically(link, data)
        assert link.is_symlink()
        assert target.read_bytes() == data
    assert len(list(target.parent.iterdir())) == 1


def test_reading_has_a_limit(tmp_path: Path) -> None:
    """A file as long as the limit is read; a longer one, a folder and a ghost are refused."""
    path = tmp_path / "in"
    path.write_bytes(b"1234")
    assert read_limited(path, 4) == b"1234"
    for wrong, limit in ((path, 3), (tmp_path, 9), (tmp_path / "ghost", 9)):
        with pytest.raises(InspectorError, match=wrong.name):
            read_limited(wrong, limit)
