"""Writing model files so that a reader finds the whole new file or the old one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from onnx import ModelProto

from inspector.errors import SaveError
from inspector.files import (
    atomic_file,
    check_target,
    remove,
    replace,
    save_error,
    unfinished,
    write_atomically,
)
from inspector.onnxio.draft import MAX_PROTO, whole_proto
from inspector.onnxio.loading import Model, model_of
from inspector.onnxio.streaming import write_model
from inspector.onnxio.tensors import stored_bytes

_STREAMED = 1 << 26
"""Bytes from which on a model is written piece by piece, so that it need not be in memory."""

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
    path = check_target(Path(path), overwrite=overwrite)
    if isinstance(model, ModelProto):
        model = model_of(model)
    size = model.proto.ByteSize() + sum(
        stored_bytes(source.elem_type, source.shape) for source in model.sources.values()
    )
    if external is None:
        # Each field's tag and length come on top of the values themselves.
        external = size + 32 * len(model.sources) > MAX_PROTO
    if external:
        _save_external(model, path)
        return
    if size > _STREAMED and size < MAX_PROTO:
        with atomic_file(path) as file:
            write_model(model, file)
        return
    write_atomically(path, whole_proto(model).SerializeToString())


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
        remove(data_path)
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
    path = check_target(path)
    folder = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}.tmp")
    with unfinished(folder):
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise save_error(path, error) from error
        staged = folder / path.name
        try:
            yield staged
            _publish(staged, path)
        except SaveError as error:
            told = error.message.replace(str(staged), str(path))
            raise SaveError(told, error.hint) from error


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
        replace(staged, path)
    except OSError as error:
        for target in moved:
            remove(target)
        raise save_error(path, error) from error
    _remove_older_data(path, path.with_name(data[0].name) if data else path)


def _remove_older_data(path: Path, current: Path) -> None:
    """Remove the data files of models that were saved under this name before."""
    pattern = f"{path.name}.{'[0-9a-f]' * 8}.data"
    for old in path.parent.iterdir():
        if old != current and old.match(pattern):
            remove(old)
