"""From a file to a model, without reading more weights than anybody asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from inspector.errors import ModelError
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.constants import Constant, constant_nodes, constant_of_sparse
from inspector.onnxio.domains import spell_own_domain, writes_own_domain_out
from inspector.onnxio.external import attach_external
from inspector.onnxio.late import LATE_BYTES, LateFile, LateSource
from inspector.onnxio.sniff import what_is_it
from inspector.onnxio.tensors import (
    BufferSource,
    ComputedSource,
    FileSource,
    Source,
    dtype_name,
    stored_bytes,
)
from inspector.onnxio.text import names_are_text
from inspector.onnxio.wire import InMemory, Store, WireError, split_weights
from inspector.progress import paced

OPSETS = range(7, 29)
"""Versions of ONNX's own operators that are understood."""

STUB_BYTES = 4096
"""Initializers of at least this size are kept out of the proto, as sources."""

_MAX_FILE = 2**31 - 1
_SAMPLE = 1 << 16


class ConstantInfo(NamedTuple):
    """What is known of a constant without reading it."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """An ONNX model. Its proto is never changed once a Model holds it.

    The proto is light: each initializer in it is either whole, or a stub (data_location EXTERNAL,
    no values) whose values `sources` gives. So a copy of the proto costs little however big the
    model, and nothing but :meth:`constant` reads a weight. To get a proto that stands for itself
    use :func:`inspector.onnxio.draft.whole_proto`; to run a model
    :func:`inspector.onnxio.runnable.runnable`; to write one
    :func:`inspector.onnxio.saving.save_model`.

    Attributes:
        path: the file it was loaded from; None if it was made by the program.
        proto: the light proto.
        folder: the folder that holds the file.
        sources: the values of the stubs, by initializer name.
        external_files: the data files beside the model that hold some of its weights.
    """

    path: Path | None
    proto: ModelProto
    folder: Path
    sources: Mapping[str, Source]
    external_files: frozenset[Path] = frozenset()

    @cached_property
    def _constants(self) -> Mapping[str, Constant]:
        found: dict[str, Constant] = dict(constant_nodes(self.proto.graph))
        for sparse in self.proto.graph.sparse_initializer:
            found[sparse.values.name] = constant_of_sparse(sparse)
        for tensor in paced(self.proto.graph.initializer):
            source = self.sources.get(tensor.name)
            found[tensor.name] = Constant.of(tensor) if source is None else Constant.at(source)
        return found

    @cached_property
    def constants(self) -> Mapping[str, ConstantInfo]:
        """Type and shape of each initializer and of each Constant node's output, by tensor name."""
        return MappingProxyType(
            {
                name: ConstantInfo(dtype_name(constant.elem_type), constant.shape)
                for name, constant in self._constants.items()
            }
        )

    def constant(self, name: str) -> NDArray[Any]:
        """The values of an initializer or of a Constant node, as a read-only array.

        Big and external ones are views of the file, or of its memory map; small ones are decoded.

        Args:
            name: the tensor's name.

        Raises:
            KeyError: if there is no such constant.
            ModelError: if its external file has gone, or its values do not fit its shape.
        """
        return self._constants[name].load()

    @cached_property
    def size_bytes(self) -> int:
        """Bytes that all constants take."""
        return sum(stored_bytes(c.elem_type, c.shape) for c in self._constants.values())

    @property
    def metadata(self) -> dict[str, str]:
        """The model's own entries of metadata."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}

    @property
    def file_bytes(self) -> int:
        """Bytes that the model's files take on disk, external data included."""
        files = [*self.external_files, *([self.path] if self.path else [])]
        return sum(path.stat().st_size for path in files)

    @cached_property
    def key(self) -> str:
        """A hash of the content: graph, operators and weights, not the file's name or metadata.

        Weights in external files are sampled (size, and blocks spread over each tensor).
        """
        digest = hashlib.blake2b(digest_size=16)
        # Part by part: to serialize a large graph in one go keeps other threads waiting.
        for field, value in self.proto.graph.ListFields():
            parts = (value,) if isinstance(value, Message | str | bytes) else value
            digest.update(field.name.encode())
            for part in paced(parts):
                digest.update(_bytes_of(part))
        for function in self.proto.functions:
            digest.update(function.SerializeToString(deterministic=True))
        for opset in sorted((o.domain, o.version) for o in self.proto.opset_import):
            digest.update(repr(opset).encode())
        for tensor in paced(self.proto.graph.initializer):
            source = self.sources.get(tensor.name)
            if source is not None:
                _digest_source(digest, source)
        return digest.hexdigest()


def _bytes_of(part: Any) -> bytes:
    """One field of a message, or one item of a repeated one, in a form that is always the same."""
    if isinstance(part, Message):
        return bytes(part.SerializeToString(deterministic=True))
    return repr(part).encode()


def _digest_source(digest: hashlib.blake2b, source: Source) -> None:
    if isinstance(source, ComputedSource) and source.origin is not None:
        # The scales, which are in the graph, say the rest.
        digest.update(repr((source.elem_type, source.shape)).encode())
        _digest_source(digest, source.origin)
        return
    raw = source.raw()
    digest.update(str(raw.size).encode())
    if not isinstance(source, FileSource) or raw.size <= 8 * _SAMPLE:
        digest.update(np.ascontiguousarray(raw).data)
        return
    for start in np.linspace(0, raw.size - _SAMPLE, 8).astype(np.int64):
        digest.update(raw[start : start + _SAMPLE].tobytes())


def load_model(path: str | Path) -> Model:
    """Load an ONNX file.

    External data is checked (below the model's folder, no link out of it, long enough) and mapped
    when it is asked for. The weights of a big file are read when the first of them is asked for.

    Cost: 0.1 s for 20,000 nodes, of whatever size the weights are.

    Args:
        path: the .onnx file.

    Raises:
        ModelError: if the file is missing, is no ONNX model, is cut short, is of a newer version
            than this program knows, or names external data that is missing or not allowed.
    """
    path = Path(path)
    store = _open(path)
    proto, places = _decode(path, store)
    _check(path, proto)
    sources: dict[str, Source] = {}
    for index, (offset, length) in places.items():
        tensor = proto.graph.initializer[index]
        shape = tuple(tensor.dims)
        if length != stored_bytes(tensor.data_type, shape) or min(shape, default=0) < 0:
            raise ModelError(
                f"{path}: the values of tensor '{tensor.name}' do not fit its shape "
                f"{list(shape)}: {length} bytes of {dtype_name(tensor.data_type)}.",
                "The file is damaged; export it again.",
            )
        sources[tensor.name] = _source(store, offset, tensor.data_type, shape)
    folder = path.parent.resolve()
    external = attach_external(path, proto, folder, STUB_BYTES)
    sources.update(external.sources)
    _drop_repeated(proto)
    return Model(path, proto, folder, MappingProxyType(sources), external.files)


def model_of(proto: ModelProto, *, folder: Path | None = None, path: Path | None = None) -> Model:
    """A Model of a proto that holds all its values itself; the proto is copied.

    Raises:
        ModelError: as :func:`load_model`, for what the proto holds.
    """
    proto = deepcopy(proto)
    where = path or Path(proto.graph.name or "model")
    _check(where, proto)
    sources: dict[str, Source] = {}
    for tensor in proto.graph.initializer:
        if len(tensor.raw_data) >= STUB_BYTES and tensor.data_location != TensorProto.EXTERNAL:
            raw = tensor.raw_data
            sources[tensor.name] = BufferSource(raw, 0, tensor.data_type, tuple(tensor.dims))
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
    folder = (folder or where.parent).resolve()
    known = frozenset(sources)
    external = attach_external(where, proto, folder, STUB_BYTES, skip=known)
    sources.update(external.sources)
    _drop_repeated(proto)
    spell_own_domain(proto)
    return Model(path, proto, folder, MappingProxyType(sources), external.files)


def _source(
    store: InMemory | LateFile, offset: int, elem_type: int, shape: tuple[int, ...]
) -> Source:
    if isinstance(store, LateFile):
        return LateSource(store, offset, elem_type, shape)
    return BufferSource(store.data, offset, elem_type, shape)


def _open(path: Path) -> InMemory | LateFile:
    try:
        if path.is_dir():
            raise ModelError(f"{path} is a folder, not a model.", "Name the .onnx file in it.")
        if not path.exists():
            raise ModelError(f"There is no file {path}.", "Check the path.")
        if not path.is_file():
            raise ModelError(f"{path} is not a regular file.", "Name an .onnx file.")
        size = path.stat().st_size
        if size > _MAX_FILE:
            raise ModelError(
                f"{path} is larger than 2 GB, which a single ONNX file cannot be.",
                "Save the model with external data.",
            )
        if size >= LATE_BYTES:
            return LateFile(path)
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not data:
        raise ModelError(f"{path} is empty.", "Export or download the model again.")
    return InMemory(data)


def _unreadable(path: Path, error: OSError) -> ModelError:
    why = error.strerror or error
    return ModelError(f"{path} cannot be read: {why}.", "Check its permissions.")


def _decode(path: Path, store: Store) -> tuple[ModelProto, dict[int, tuple[int, int]]]:
    proto = ModelProto()
    try:
        head = store.read(0, 1024)
        other = what_is_it(head)
        if other:
            message = f"{path} is not an ONNX model: it is {other}."
            raise ModelError(message, "Export it to ONNX first.")
        split = split_weights(store, STUB_BYTES)
        for piece in split.pieces:
            proto.MergeFromString(piece)
        if any(writes_own_domain_out(piece) for piece in split.pieces):
            spell_own_domain(proto)
    except OSError as error:
        raise _unreadable(path, error) from error
    except WireError as error:
        if error.truncated and head[:1] == b"\x08":
            raise ModelError(
                f"{path} is cut short: {error}.", "Export or download the model again."
            ) from error
        raise ModelError(
            f"{path} is not an ONNX model, or is damaged: {error}.", "Name an .onnx file."
        ) from error
    except DecodeError as error:
        raise ModelError(
            f"{path} is not an ONNX model, or is damaged.", "Export or download the model again."
        ) from error
    return proto, split.places


def _check(path: Path, proto: ModelProto) -> None:
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise ModelError(
            f"{path} holds no graph.", "It is not an ONNX model, or damaged; export it again."
        )
    if proto.ir_version > onnx.IR_VERSION:
        raise ModelError(
            f"{path} has the ONNX IR version {proto.ir_version}; this program knows versions up to "
            f"{onnx.IR_VERSION}.",
            "Update the onnx package, or export with an older version.",
        )
    if not names_are_text(proto):
        raise ModelError(
            f"{path} holds a name that is not text.",
            "The file is damaged; export or download it again.",
        )
    for opset in proto.opset_import:
        if is_onnx_domain(opset.domain) and opset.version not in OPSETS:
            raise ModelError(
                f"{path} uses opset {opset.version}; this program knows {OPSETS[0]} to "
                f"{OPSETS[-1]}.",
                "Convert it with onnx.version_converter.",
            )
    if not proto.opset_import:
        raise ModelError(
            f"{path} does not say which opset it uses, so it is older than opset {OPSETS[0]}.",
            "Convert it with onnx.version_converter.",
        )


def _drop_repeated(proto: ModelProto) -> None:
    """Keep the last of initializers with one name, as onnxruntime does."""
    seen: set[str] = set()
    initializers = proto.graph.initializer
    for index in range(len(initializers) - 1, -1, -1):
        if initializers[index].name in seen:
            del initializers[index]
        else:
            seen.add(initializers[index].name)
