"""Calibration and evaluation data: from files, folders, pictures and test sets to feeds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.evaluate.arrays import ArraySource, open_arrays
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.images import IMAGE_SUFFIXES
from inspector.evaluate.inputs import InputSpec, input_specs
from inspector.evaluate.pixels import PixelHint
from inspector.evaluate.samples import (
    ArraySamples,
    Feeds,
    HeldSamples,
    ImageSamples,
    SampleSource,
)
from inspector.graph.model import Graph
from inspector.onnxio.tensor_files import read_tensor_file

_ARRAY_SUFFIXES = frozenset((".npz", ".npy"))
_TAKEN = (
    "Data is an .npz or .npy file, a folder of those, a folder of pictures, or a folder of ONNX "
    "test data (input_0.pb)."
)


MOST_HELD_BACK = 16
"""Most samples that are kept from calibration to verify with."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples for a model, read one at a time and only when they are asked for.

    Attributes:
        source: where they come from, for the user.
        parts: what they are read from.
        order: (samples, 2): the part of each sample and its number there.
        labels: one row a sample, or None. -1 marks a picture without a label.
        random: the samples are random numbers, which everything made from them has to say.
        seed: of the random numbers.
        notes: what the user should know about how the samples are taken.
    """

    source: str
    parts: tuple[SampleSource, ...]
    order: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    random: bool = False
    seed: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: str, parts: Sequence[SampleSource]) -> Dataset:
        """Join the samples of `parts`, in order."""
        order = [(p, i) for p, part in enumerate(parts) for i in range(len(part))]
        notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
        labels = [part.labels for part in parts]
        joined = [values for values in labels if values is not None]
        if len(joined) < len(labels) or len({v.shape[1:] for v in joined}) > 1:
            if joined:
                notes += ("Labels are ignored: not every file has them, or in the same shape.",)
            joined = []
        return cls(
            source,
            tuple(parts),
            np.array(order, np.int64).reshape(-1, 2),
            np.concatenate(joined) if joined else None,
            notes=notes,
        )

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.order)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The picture files that samples are read from; empty where they are arrays."""
        return tuple(p for part in self.parts if isinstance(part, ImageSamples) for p in part.paths)

    def feeds(self, index: int) -> Feeds:
        """Read one sample.

        Returns:
            An array for each input of the model, of its type; the batch axis is 1, or the model's
            fixed batch size.

        Raises:
            DataError: it cannot be read, or holds a value that cannot be fed.
        """
        part, position = self.order[index].tolist()
        return self.parts[int(part)].read(int(position))

    def samples(self, start: int = 0, stop: int | None = None) -> Iterator[Feeds]:
        """Read the samples `start` to `stop` one after another."""
        for index in range(len(self))[start:stop]:
            yield self.feeds(index)

    def subset(self, which: slice | Sequence[int] | NDArray[Any]) -> Dataset:
        """Take some of the samples, in the order given."""
        chosen = np.arange(len(self))[which]
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, order=self.order[chosen], labels=labels)

    def spread(self, count: int) -> Dataset:
        """Take at most `count` samples, spread evenly over all: data is often sorted by class."""
        if count >= len(self):
            return self
        return self.subset(np.arange(count) * len(self) // count)

    def split(self, held_back: int) -> tuple[Dataset, Dataset]:
        """Hold samples back, spread evenly, so that others can be checked against them.

        Where only some samples have labels, those are held back: they tell which model is right.

        Args:
            held_back: how many; at least one sample stays in the first part.

        Returns:
            The samples to calibrate with, and those held back (none when there is but one).
        """
        held_back = max(min(held_back, len(self) - 1), 0)
        # The middle of each stretch, so that neither the first nor the last sample is held back.
        among = self._telling(held_back)
        held = among[(2 * np.arange(held_back) + 1) * len(among) // max(2 * held_back, 1)]
        return self.subset(np.delete(np.arange(len(self)), held)), self.subset(held)

    def _telling(self, wanted: int) -> NDArray[np.int64]:
        """Numbers of the samples with a label where those are enough, else of all."""
        every = np.arange(len(self))
        if self.labels is None:
            return every
        known = (self.labels.reshape(len(self), -1) >= 0).any(axis=1)
        return every[known] if known.sum() >= wanted else every

    def split_for_verification(self) -> tuple[Dataset, Dataset]:
        """Hold back what a saved model is run on: one sample in eight, 2 to 16 of them.

        Of fewer than 4 samples none can be spared, so the same ones serve for both.
        """
        if len(self) < 4:
            return self, self
        return self.split(min(max(len(self) // 8, 2), MOST_HELD_BACK))

    def held(self) -> Dataset:
        """The same samples in memory: they can be sent to where their files are not.

        Raises:
            DataError: one cannot be read.
        """
        parts = (HeldSamples(tuple(self.samples())),)
        order = np.stack((np.zeros(len(self), np.int64), np.arange(len(self))), axis=1)
        return replace(self, parts=parts, order=order)

    def largest(self) -> int:
        """Find the sample with the most elements, without reading any."""
        sizes = [self.parts[part].size_of(position) for part, position in self.order.tolist()]
        return int(np.argmax(sizes))


def load_data(
    path: str | Path,
    graph: Graph,
    *,
    images: ImageOptions | None = None,
    hint: PixelHint | None = None,
    limit: int | None = None,
) -> Dataset:
    """Open data for a model; the samples themselves are read later.

    Args:
        path: an .npz file (arrays by input name, or one array for a model with one input), an .npy
            file, a folder of those, a folder of pictures or one picture, a folder of ONNX test data
            (``input_0.pb``) or of several (``test_data_set_0``). An .npz array named label, labels,
            target or targets, or a ``labels.csv`` beside pictures, gives the labels.
        graph: the model.
        images: how pictures are prepared; what is not set follows from the model's input.
        hint: what the model itself says of its pixels.
        limit: at most so many samples, spread evenly over the data.

    Raises:
        DataError: it says which file and array are wrong, what they are and what the model wants.
    """
    path = Path(path)
    specs = input_specs(graph)
    try:
        parts = _open(path, specs, _Pictures(images or ImageOptions(), hint))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path} cannot be read: {reason}.", "Check the path.") from error
    data = Dataset.of(str(path), parts)
    if limit is not None and limit < 1:
        raise DataError(f"The number of samples cannot be {limit}.", "Ask for 1 or more.")
    return data if limit is None else data.spread(limit)


@dataclass(frozen=True, slots=True)
class _Pictures:
    """How pictures are prepared: what the user says, and what the model does."""

    options: ImageOptions
    hint: PixelHint | None


def _open(path: Path, specs: Sequence[InputSpec], images: _Pictures) -> list[SampleSource]:
    if path.is_dir():
        return _open_folder(path, specs, images)
    if not path.exists():
        raise DataError(f"{path} does not exist.", "Check the path.")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file.", _TAKEN)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return [_images(path, [path], specs, images)]
    if path.suffix.lower() == ".pb":
        return [_tensor_files(str(path), [path], specs)]
    if path.suffix.lower() in _ARRAY_SUFFIXES:
        return [ArraySamples(str(path), open_arrays(path), specs)]
    raise DataError(f"{path} is of no kind that data comes in.", _TAKEN)


def _open_folder(folder: Path, specs: Sequence[InputSpec], images: _Pictures) -> list[SampleSource]:
    files = _sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    sets = [p for p in files if p.is_dir() and _input_files(p)]
    if _input_files(folder):
        sets = [folder]
    if sets:
        return [_tensor_files(str(p), _input_files(p), specs) for p in sets]
    arrays = [p for p in files if p.suffix.lower() in _ARRAY_SUFFIXES]
    if arrays:
        return _array_files(folder, arrays, specs)
    pictures = _sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if pictures:
        return [_images(folder, pictures, specs, images)]
    what = "holds nothing that data comes in" if files else "is empty"
    raise DataError(f"The folder {folder} {what}.", _TAKEN)


def _array_files(
    folder: Path, paths: Sequence[Path], specs: Sequence[InputSpec]
) -> list[SampleSource]:
    by_stem = {p.stem: p for p in paths if p.suffix.lower() == ".npy"}
    if len(specs) > 1 and any(spec.name in by_stem for spec in specs):
        arrays = {stem: open_arrays(p)[""] for stem, p in by_stem.items()}
        return [ArraySamples(str(folder), arrays, specs)]
    return [ArraySamples(str(p), open_arrays(p), specs) for p in paths]


def _images(
    where: Path, paths: Sequence[Path], specs: Sequence[InputSpec], images: _Pictures
) -> ImageSamples:
    if len(specs) > 1:
        wanted = ", ".join(str(spec) for spec in specs)
        raise DataError(
            f"{where} holds pictures, and the model has {len(specs)} inputs: {wanted}.",
            "Save an array for each input by its name, in one .npz file.",
        )
    plan = images.options.filled(specs[0], images.hint)
    return ImageSamples(str(where), paths, specs[0], plan)


class _TensorFile:
    """A tensor of ONNX test data; its values are read again whenever they are wanted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.where = str(path)
        self.name, values = read_tensor_file(path)
        self.shape: tuple[int, ...] = values.shape
        self.dtype: np.dtype[Any] = values.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self.read_all()[start:stop]

    def read_all(self) -> NDArray[Any]:
        return read_tensor_file(self._path)[1]


def _tensor_files(where: str, paths: Sequence[Path], specs: Sequence[InputSpec]) -> ArraySamples:
    """Match the files of one test set to inputs by the tensors' names, or else by number."""
    files = [_TensorFile(path) for path in paths]
    names = {spec.name for spec in specs}
    arrays: dict[str, ArraySource] = {}
    for number, file in enumerate(files):
        found = re.fullmatch(r"input_(\d+)", paths[number].stem)
        position = int(found[1]) if found else number
        by_number = specs[position].name if position < len(specs) else file.where
        arrays[file.name if file.name in names else by_number] = file
    return ArraySamples(where, arrays, specs)


def _input_files(folder: Path) -> list[Path]:
    return _sorted(folder.glob("input_*.pb"))


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """Sort as people do: input_2 before input_10."""

    def key(path: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", str(path))
        return [(len(part) if part.isdigit() else 0, part) for part in parts]

    return sorted(paths, key=key)
