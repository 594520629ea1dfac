"""Models in a form that can be sent to another process, which need not see their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from inspector.onnxio.loading import Model
from inspector.onnxio.tensors import BufferSource, Source

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Portable:
    path: Path | None
    folder: Path
    proto: bytes
    sources: dict[str, tuple[int, tuple[int, ...], Bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Portable:
    """Some models, to be pickled; weights that several of them share are in it once.

    With pickle's protocol 5 the weights travel out of band, without a copy.

    Attributes:
        models: each different model.
        order: the number of each model that was asked for.
    """

    models: tuple[_Portable, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, models: Sequence[Model]) -> Portable:
        """Of models. Cost: reads all weights that are not in memory; copies none that are.

        Raises:
            ModelError: a file of weights has changed since its model was loaded.
        """
        different = list({id(model): model for model in models}.values())
        shared: dict[tuple[Any, int], Bytes] = {}
        packed = tuple(_packed(model, shared) for model in different)
        numbers = {id(model): number for number, model in enumerate(different)}
        return cls(packed, tuple(numbers[id(model)] for model in models))

    def unpacked(self) -> tuple[Model, ...]:
        """The same models, whose weights are views of what was received."""
        models = [_unpacked(one) for one in self.models]
        return tuple(models[number] for number in self.order)


def _packed(model: Model, shared: dict[tuple[Any, int], Bytes]) -> _Portable:
    sources: dict[str, tuple[int, tuple[int, ...], Bytes]] = {}
    for name, source in model.sources.items():
        raw = np.ascontiguousarray(source.raw())
        # Bytes of one place are one object, which pickle writes once. `shared` keeps them alive, so
        # no other array can come to lie there meanwhile.
        raw = shared.setdefault((raw.ctypes.data, raw.nbytes), raw)
        sources[name] = source.elem_type, source.shape, raw
    return _Portable(model.path, model.folder, model.proto.SerializeToString(), sources)


def _unpacked(one: _Portable) -> Model:
    sources: dict[str, Source] = {
        name: BufferSource(raw, 0, elem_type, shape)
        for name, (elem_type, shape, raw) in one.sources.items()
    }
    proto = ModelProto.FromString(one.proto)
    return Model(one.path, proto, one.folder, MappingProxyType(sources))
