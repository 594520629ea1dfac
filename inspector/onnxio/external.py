"""External data: checked when a model is loaded, mapped when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from inspector.errors import ModelError
from inspector.onnxio.tensors import (
    FileSource,
    MappedFile,
    Source,
    dtype_name,
    element_bits,
    stored_bytes,
)

_MAX_INLINE = 1 << 30


class Attached(NamedTuple):
    """External data of a model.

    Attributes:
        sources: the values of stubs, by name.
        files: every data file, also of tensors that were read.
    """

    sources: dict[str, Source]
    files: frozenset[Path]


def attach_external(
    path: Path,
    proto: ModelProto,
    folder: Path,
    stub_bytes: int,
    *,
    skip: frozenset[str] | None = None,
) -> Attached:
    """Check every external tensor of a model and make it independent of the file's folder.

    Big initializers of the main graph become stubs with a source. Small ones, and tensors in
    attributes and subgraphs (rare: no exporter puts them out of the file by default), are read.

    Args:
        path: the model's file, for messages.
        proto: changed in place.
        folder: the resolved folder below which external files must lie.
        stub_bytes: initializers of at least this size stay outside.
        skip: stubs that already have a source; by default those without external_data entries.

    Raises:
        ModelError: naming the file and the tensor.
    """
    checked: dict[str, MappedFile] = {}
    sources: dict[str, Source] = {}
    inlined = 0
    for tensor, top in _tensors(proto):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        if not tensor.external_data and (skip is None or tensor.name in skip):
            continue
        source = _source(path, tensor, folder, checked)
        size = stored_bytes(source.elem_type, source.shape)
        del tensor.external_data[:]
        if top and size >= stub_bytes:
            sources[tensor.name] = source
            continue
        inlined += size
        if inlined > _MAX_INLINE:
            raise ModelError(
                f"{path} keeps more than 1 GB of external data in attributes or subgraphs.",
                "Save the model with its weights as initializers of the main graph.",
            )
        tensor.raw_data = source.raw().tobytes()
        tensor.ClearField("data_location")
    return Attached(sources, frozenset(file.path for file in checked.values()))


def _tensors(proto: ModelProto) -> Iterator[tuple[TensorProto, bool]]:
    """Every tensor of a model, and whether it is an initializer of the main graph."""
    for tensor in proto.graph.initializer:
        yield tensor, True
    for tensor in _other_tensors(proto.graph):
        yield tensor, False
    for function in proto.functions:
        for node in function.node:
            for tensor in _node_tensors(node):
                yield tensor, False


def _other_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        elif attribute.type == AttributeProto.TENSORS:
            yield from attribute.tensors
        elif attribute.type == AttributeProto.GRAPH:
            yield from attribute.g.initializer
            yield from _other_tensors(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            for graph in attribute.graphs:
                yield from graph.initializer
                yield from _other_tensors(graph)


def _source(
    path: Path, tensor: TensorProto, folder: Path, checked: dict[str, MappedFile]
) -> FileSource:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if location not in checked:
        checked[location] = _locate(path, tensor.name, location, folder)
    file = checked[location]
    shape = tuple(tensor.dims)
    where = f"{path}: tensor '{tensor.name}' in external data file '{location}'"
    if not element_bits(tensor.data_type):
        kind = dtype_name(tensor.data_type) or f"of the unknown type {tensor.data_type}"
        raise ModelError(f"{where} is {kind}.", "Only numbers can be external.")
    if min(shape, default=0) < 0:
        raise ModelError(f"{where} has the shape {list(shape)}.", "The model is damaged.")
    size = stored_bytes(tensor.data_type, shape)
    offset = _number(where, "offset", entries.get("offset", "0"))
    length = _number(where, "length", entries.get("length", str(size)))
    if length != size:
        raise ModelError(
            f"{where} has {length} bytes, but its shape {list(shape)} of "
            f"{dtype_name(tensor.data_type)} needs {size}.",
            "The model is damaged; export it again.",
        )
    if offset + length > file.size:
        raise ModelError(
            f"{where} ends at byte {offset + length}, but the file has only {file.size}.",
            "The external data file is cut short or belongs to another model; copy it again.",
        )
    return FileSource(file, offset, tensor.data_type, shape, tensor.name)


def _number(where: str, key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ModelError(f"{where} has the {key} '{text}'.", "The model is damaged.")
    return int(text)


def _locate(path: Path, tensor: str, location: str, folder: Path) -> MappedFile:
    """The file of a location, mapped."""
    where = f"{path}: tensor '{tensor}'"
    if not location or "\0" in location:
        raise ModelError(f"{where} is external but names no file.", "The model is damaged.")
    windows = PureWindowsPath(location)
    if PurePosixPath(location).is_absolute() or windows.drive or windows.root:
        raise ModelError(
            f"{where} names the external data file '{location}' by an absolute path.",
            "External data must lie beside the model, under a relative path.",
        )
    parts = windows.parts if "/" in location or "\\" in location else (location,)
    if ".." in parts:
        raise ModelError(
            f"{where} names the external data file '{location}', which leaves the model's folder.",
            "External data must lie beside the model or below it.",
        )
    try:
        file = (folder / location).resolve(strict=True)
    except FileNotFoundError as error:
        raise ModelError(
            f"{where} needs the external data file '{location}', which is not in {folder}.",
            "Copy it there; a model with external data is more than one file.",
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{where} needs the external data file '{location}', which cannot be read: {error}.",
            "Check the file.",
        ) from error
    if not file.is_relative_to(folder):
        raise ModelError(
            f"{where} names the external data file '{location}', a link that leaves the model's "
            "folder.",
            "Replace the link by a copy of the file.",
        )
    if not file.is_file():
        raise ModelError(
            f"{where} names the external data file '{location}', which is not a regular file.",
            "External data must be a file beside the model.",
        )
    try:
        return MappedFile(file)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{where} needs the external data file '{location}', which cannot be read: {error}.",
            "Check its permissions.",
        ) from error
