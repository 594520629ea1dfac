"""Writing model files so that a reader finds the whole new file or the old one."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import BinaryIO

from onnx import ModelProto

from inspector.errors import SaveError
from inspector.onnxio.draft import MAX_PROTO, whole_proto
from inspector.onnxio.loading import Model, model_of
from inspector.onnxio.tensors import stored_bytes

_ALIGN = 1 << 16
"""External tensors begin at multiples of this, so that every system can map them (onnxruntime maps
pages of 4 kB, Windows 64 kB)."""


def save_model(
    model: Model | ModelProto,
    path: str | Path,
    *,
    overwrite: bool = True,
    external: bool | None = None,
) -> None:
    """Write a model: the target is complete or untouched.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and then take the
    target's name in one step. External data is written first, under a name made from its content:
    a model that is there keeps its own data until the new one is in place. Then data files that
    were written for this name before are removed.

    Args:
        model: a Model, or a proto that holds its values itself.
        path: the target file; its folder must exist.
        overwrite: whether an existing file may be replaced.
        external: whether big weights go to a data file beside the model; by default only where the
            model would be larger than 2 GB.

    Raises:
        SaveError: if the folder is missing, the target exists or cannot be written, or the disk is
            full. Nothing is left behind.
        UnsupportedError: if one file is asked for and the model is larger than 2 GB.
    """
    path = Path(path)
    if isinstance(model, ModelProto):
        model = model_of(model)
    check_target(path, overwrite=overwrite)
    size = model.proto.ByteSize() + sum(
        stored_bytes(source.elem_type, source.shape) for source in model.sources.values()
    )
    if external is None:
        # Each field's tag and length come on top of the values themselves.
        external = size + 32 * len(model.sources) > MAX_PROTO
    if external:
        _save_external(model, path)
        return
    write_atomically(path, whole_proto(model).SerializeToString())


def check_target(path: Path, *, overwrite: bool = True) -> None:
    """Whether a file could be written there, before the work that makes it.

    Raises:
        SaveError: if its folder is missing or cannot be written, or it exists and must not be
            replaced, or is no regular file.
    """
    folder = path.parent
    if not folder.is_dir():
        raise SaveError(f"There is no folder {folder} to save {path.name} in.", "Create it first.")
    if path.is_dir():
        raise SaveError(f"{path} is a folder.", "Name a file in it.")
    if path.exists() and not path.is_file():
        raise SaveError(f"{path} is not a regular file.", "Choose another name.")
    if path.exists() and not overwrite:
        raise SaveError(f"{path} exists already.", "Choose another name, or allow to replace it.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SaveError(f"The folder {folder} is read-only.", "Choose another folder.")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file, or leave what was there.

    Raises:
        SaveError: if it cannot be written.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the target's name when the block ends well, and vanishes otherwise.

    Raises:
        SaveError: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    done = False
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _keep_mode(path, temporary)
        temporary.replace(path)
        done = True
    except OSError as error:
        raise _save_error(path, error) from error
    finally:
        if not done:
            _remove(temporary)
    _sync_folder(path.parent)


def _save_error(path: Path, error: OSError) -> SaveError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return SaveError(
            f"The disk is full: {path} was not written.", "Free some space, or save elsewhere."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return SaveError(f"{path} cannot be written: no permission.", "Choose another folder.")
    return SaveError(f"{path} cannot be written: {error.strerror or error}.", "Save elsewhere.")


def _keep_mode(path: Path, temporary: Path) -> None:
    if path.exists():
        temporary.chmod(path.stat().st_mode & 0o777)


def _remove(path: Path) -> None:
    _try(lambda: path.unlink(missing_ok=True))


def _try(action: Callable[[], object]) -> bool:
    """Do what may fail without harm; whether it worked."""
    try:
        action()
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut, where the system can."""

    def sync() -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    _try(sync)


def _save_external(model: Model, path: Path) -> None:
    data_path = path.with_name(f"{path.name}.{model.key[:8]}.data")
    proto = deepcopy(model.proto)
    try:
        with atomic_file(data_path) as file:
            for tensor in proto.graph.initializer:
                source = model.sources.get(tensor.name)
                if source is None:
                    continue
                offset = -(-file.tell() // _ALIGN) * _ALIGN
                file.write(b"\0" * (offset - file.tell()))
                raw = source.raw()
                file.write(raw.data)
                for key, value in (
                    ("location", data_path.name),
                    ("offset", str(offset)),
                    ("length", str(raw.size)),
                ):
                    entry = tensor.external_data.add()
                    entry.key, entry.value = key, value
        write_atomically(path, proto.SerializeToString())
    except BaseException:
        _remove(data_path)
        raise
    _remove_older_data(path, data_path)


@contextmanager
def staged_model(path: Path) -> Iterator[Path]:
    """A file of the same name in a new folder beside it, whose model takes the target's place.

    What is written there can be tried out first: it moves when the block ends well, and vanishes
    otherwise, so that a file that did not prove itself never replaces one that did.

    Raises:
        SaveError: if it cannot be written; the target is then as it was before.
    """
    check_target(path)
    try:
        folder = Path(
            tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
        )
    except OSError as error:
        raise _save_error(path, error) from error
    staged = folder / path.name
    try:
        yield staged
        _publish(staged, path)
    except SaveError as error:
        raise SaveError(error.message.replace(str(staged), str(path)), error.hint) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(staged: Path, path: Path) -> None:
    """Move a model and its data file, the data first."""
    data = [file for file in staged.parent.iterdir() if file != staged]
    moved: list[Path] = []
    try:
        for file in data:
            target = path.with_name(file.name)
            if not target.exists():
                moved.append(target)
            file.replace(target)
        _keep_mode(path, staged)
        staged.replace(path)
    except OSError as error:
        for target in moved:
            _remove(target)
        raise _save_error(path, error) from error
    _sync_folder(path.parent)
    _remove_older_data(path, path.with_name(data[0].name) if data else path)


def _remove_older_data(path: Path, current: Path) -> None:
    """Remove the data files of models that were saved under this name before."""
    pattern = f"{path.name}.{'[0-9a-f]' * 8}.data"
    for old in path.parent.iterdir():
        if old != current and old.match(pattern):
            _remove(old)
