"""Small files, read with a limit and written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from inspector.errors import InspectorError, SaveError


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that at any moment it is either what it was or complete.

    Args:
        path: the file; its folder must exist.
        data: the whole content.

    Raises:
        SaveError: the folder is missing or read-only, the disk is full, or the path is a folder.
    """
    check_writable(path)
    path = path.resolve()
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            _write(temporary, data)
            if path.exists():
                temporary.chmod(path.stat().st_mode & 0o777)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(
            f"{path} could not be written: {error.strerror or error}.",
            "Choose another place, or free space there.",
        ) from error


def check_writable(path: Path) -> None:
    """Find out, before work starts, whether a file can be put there.

    Raises:
        SaveError: the folder is missing or read-only, or the path is a folder, a device, or no path
            at all.
    """
    try:
        _check_writable(path)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SaveError(
            f"{str(path)!r} cannot be written: {reason}.", "Name another file."
        ) from error


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
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise InspectorError(f"{path} does not exist.", "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InspectorError(f"{str(path)!r} cannot be read: {reason}.") from error
    if len(data) > limit:
        raise InspectorError(f"{path} is larger than {limit / 1e6:g} MB.")
    return data


def _write(path: Path, data: bytes) -> None:
    """Write and flush to the disk; not by tempfile, whose files are private (0600)."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise SaveError(f"{path} is a folder.", "Name a file in it.")
    if path.exists() and not path.is_file():
        raise SaveError(f"{path} is not a regular file.", "Name a file instead.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise SaveError(f"The folder {folder} does not exist.", "Create it first.")
    if not os.access(folder, os.W_OK):
        raise SaveError(f"The folder {folder} is read-only.", "Choose another place.")
