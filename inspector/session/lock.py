"""A lock on a file that lasts as long as the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


class FileLock:
    """A lock that is held; the system lets go of it when the process ends, killed or not.

    It locks a file of its own, never the one that it guards: that one may be replaced.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Use `take`."""
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path) -> FileLock | None:
        """Lock a file, which is made if it is not there.

        Returns:
            The lock; None while another process, or another part of this one, holds it.

        Raises:
            OSError: the file can neither be opened nor made, or its disk knows no locks.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        taken = False
        try:
            taken = _try_lock(descriptor) and _is_still(path, descriptor)
        finally:
            if not taken:
                os.close(descriptor)
        return cls(path, descriptor) if taken else None

    def release(self, *, remove: bool = True) -> None:
        """Let go of it; again does nothing.

        Args:
            remove: take the file away as well.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(descriptor)
            descriptor = None
        if remove:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the locked file is the one of that name: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            # Unlike fcntl's record locks these also keep two parts of one process apart.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
