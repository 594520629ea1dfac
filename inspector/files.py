"""Files written whole or not at all, read with a limit, and every trouble told clearly."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inspector.errors import InspectorError, SaveError


def check_target(path: Path, *, overwrite: bool = True) -> Path:
    """Find out, before the work that makes it, whether a file can be put there.

    Returns:
        The file to write: what a link leads to, else the path itself.

    Raises:
        SaveError: the folder is missing or read-only, the file exists and must not be replaced, or
            the path is a folder, a device, or no path at all.
    """
    try:
        resolved = path.resolve()
        target = resolved if path.is_symlink() else path
        _check(target, overwrite=overwrite)
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL, too long a name
        reason = getattr(error, "strerror", None) or error
        raise SaveError(
            f"{str(path)!r} cannot be written: {reason}.", "Name another file."
        ) from error
    return target


def _check(path: Path, *, overwrite: bool) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise SaveError(f"There is no folder {folder} to save {path.name} in.", "Create it first.")
    if path.is_dir():
        raise SaveError(f"{path} is a folder.", "Name a file in it.")
    if path.exists() and not path.is_file():
        raise SaveError(f"{path} is not a regular file.", "Choose another name.")
    if path.exists() and not overwrite:
        raise SaveError(f"{path} exists already.", "Choose another name, or allow to replace it.")
    if path.exists() and not os.access(path, os.W_OK):
        raise SaveError(f"{path} is read-only.", "Choose another name, or allow to write it.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SaveError(f"The folder {folder} is read-only.", "Choose another folder.")


def check_not_read(path: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse a target that is one of the files that the work reads, under whatever name.

    Raises:
        SaveError: it is; the message names both.
    """
    for read in inputs:
        if read is not None and _same(path, read):
            raise SaveError(
                f"{path} cannot be written: it is {read}, which is read.", "Choose another name."
            )


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return path.absolute() == other.absolute()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that at any moment it is either what it was or complete; follows links.

    Args:
        path: the file; its folder must exist.
        data: the whole content.

    Raises:
        SaveError: it cannot be written; what was there before is untouched.
    """
    with atomic_file(check_target(path)) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the target's name when the block ends well, and vanishes otherwise.

    Args:
        path: the target; a link is replaced, unless `check_target` was asked what it leads to.

    Raises:
        SaveError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}.tmp")
    with unfinished(temporary):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            replace(temporary, path)
        except OSError as error:
            raise save_error(path, error) from error


_unfinished: set[Path] = set()


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Remove a file or folder, if still there, when the block ends or a signal the process."""
    _unfinished.add(path)
    try:
        yield path
    finally:
        _remove_all(path)
        _unfinished.discard(path)


def remove_unfinished() -> None:
    """Remove what is being written, before a process ends that does not wait for its threads."""
    for path in tuple(_unfinished):
        _remove_all(path)


def _remove_all(path: Path) -> None:
    remove(path)  # a folder stays
    shutil.rmtree(path, ignore_errors=True)


def replace(new: Path, path: Path) -> None:
    """Let a finished file take the place and the mode of another of the same folder or disk.

    Raises:
        OSError: it cannot; the other is untouched.
    """
    if path.exists():
        new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)
    with contextlib.suppress(OSError):  # makes the new name outlive a power cut, where it can
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, if that can be."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def save_error(path: Path, error: OSError) -> SaveError:
    """What to tell of a file that could not be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return SaveError(
            f"The disk is full: {path} was not written.", "Free some space, or save elsewhere."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return SaveError(f"{path} cannot be written: no permission.", "Choose another folder.")
    return SaveError(f"{path} cannot be written: {error.strerror or error}.", "Save elsewhere.")


def read_limited(path: Path, limit: int) -> bytes:
    """The content of a regular file that is not longer than the limit.

    Args:
        path: the file.
        limit: in bytes.

    Raises:
        InspectorError: it is missing, not a file, unreadable or too long; the message names it.
    """
    try:
        if path.is_dir():
            raise InspectorError(f"{path} is a folder, not a file.")
        if path.exists() and not path.is_file():
            raise InspectorError(f"{path} is not a regular file.")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise InspectorError(f"{path} does not exist.", "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InspectorError(f"{str(path)!r} cannot be read: {reason}.") from error
    if len(data) > limit:
        raise InspectorError(f"{path} is larger than {limit / 1e6:g} MB.")
    return data
