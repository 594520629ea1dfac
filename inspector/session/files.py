"""Small files: read with a limit, written whole or not at all, and every trouble told clearly."""

from __future__ import annotations

from pathlib import Path

from inspector.errors import InspectorError, SaveError
from inspector.onnxio.saving import check_target, write_atomically


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that at any moment it is either what it was or complete; follows links.

    Args:
        path: the file; its folder must exist.
        data: the whole content.

    Raises:
        SaveError: the folder is missing or read-only, the disk is full, or the path is a folder.
    """
    check_writable(path)
    write_atomically(path.resolve(), data)


def check_writable(path: Path) -> None:
    """Find out, before work starts, whether a file can be put there.

    Raises:
        SaveError: the folder is missing or read-only, or the path is a folder, a device, or no
            path at all.
    """
    try:
        check_target(path.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL, too long a name
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
