"""Where samples come from: arrays matched to a model's inputs, and lists of pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.evaluate.arrays import ArraySource
from inspector.evaluate.image_options import ImagePlan
from inspector.evaluate.images import read_image
from inspector.evaluate.inputs import (
    InputSpec,
    SampleLayout,
    batch_symbol,
    check_dtype,
    convert,
    sample_layout,
    shape_error,
    shape_hint,
    shape_text,
)

LABEL_NAMES = ("label", "labels", "target", "targets")
"""Arrays of these names are what the samples show, not what the model is fed."""

NO_LABEL = -1
"""Stands for the label of a picture that has none."""

Feeds = dict[str, NDArray[Any]]

_SHOWN_ARRAYS = 8


class SampleSource(Protocol):
    """Samples that are read when they are asked for, by any thread."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """What the samples show, one row a sample; None when that is not known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the samples are taken."""

    def __len__(self) -> int:
        """How many samples there are."""

    def read(self, index: int) -> Feeds:
        """Read one sample: an array for each input of the model.

        Raises:
            DataError: it cannot be read, or holds a value that cannot be fed.
        """

    def size_of(self, index: int) -> int:
        """How many elements a sample has, without reading it."""


@dataclass(frozen=True, slots=True)
class _Column:
    """An array that feeds one input."""

    spec: InputSpec
    array: ArraySource
    layout: SampleLayout

    def read(self, index: int) -> NDArray[Any]:
        layout = self.layout
        index = min(index, layout.count - 1)  # one value serves every sample
        start, stop = index * layout.rows, (index + 1) * layout.rows
        if layout.lifted or not self.array.shape:
            rows = self.array.read_all()
        elif layout.axis:
            rows = self.array.read_all().take(range(start, stop), layout.axis)
        else:
            rows = self.array.read(start, stop)
        where = self.array.where
        if layout.count > 1:
            where += f", sample {index}"
        return convert(layout.take(rows), self.spec, where)

    @property
    def elements(self) -> int:
        return int(np.prod(self.array.shape, dtype=object)) // self.layout.count


class ArraySamples:
    """Samples in arrays: those of one file, or one for each input."""

    def __init__(
        self, where: str, arrays: Mapping[str, ArraySource], specs: Sequence[InputSpec]
    ) -> None:
        """Match `arrays` to the model's inputs `specs`; `where` names their file or folder.

        Raises:
            DataError: an input has no array, or one of the wrong type, shape or number of samples.
        """
        names = {spec.name for spec in specs}
        labels = {n: a for n, a in arrays.items() if n in LABEL_NAMES and n not in names}
        matched, extra = _match(where, {n: arrays[n] for n in arrays if n not in labels}, specs)
        batch = batch_symbol(specs)
        notes = [f"{arrays[n].where} is not an input of the model and is ignored." for n in extra]
        self._columns = []
        for spec in specs:
            array = matched[spec.name]
            remark = check_dtype(spec, array.where, array.dtype)
            notes += [remark + "."] if remark else []
            layout = sample_layout(spec, array.shape, batch)
            if layout is None and 0 in array.shape:
                raise DataError(
                    f"{array.where} is {shape_text(array.shape)}: it holds no samples.",
                    "Save at least one.",
                )
            if layout is None:
                raise DataError(
                    shape_error(spec, array.where, array.dtype, array.shape),
                    shape_hint(spec, array.shape),
                )
            self._columns.append(_Column(spec, array, layout))
        self._count = _common_count(where, self._columns)
        notes += _remarks(self._columns, self._count)
        self.labels = self._read_labels(labels, notes)
        self.notes = tuple(notes)

    def __len__(self) -> int:
        """How many samples there are."""
        return self._count

    def read(self, index: int) -> Feeds:
        """Read one sample: an array for each input of the model."""
        return {column.spec.name: column.read(index) for column in self._columns}

    def size_of(self, index: int) -> int:
        """How many elements a sample has; the same for all."""
        del index
        return sum(column.elements for column in self._columns)

    def _read_labels(
        self, labels: Mapping[str, ArraySource], notes: list[str]
    ) -> NDArray[np.int64] | None:
        if not labels:
            return None
        first, *others = labels.values()
        notes += [f"{a.where} is ignored: labels are taken from '{first.name}'." for a in others]
        main = next(c.layout for c in self._columns if c.layout.count == self._count)
        rows = self._count * main.rows
        if first.dtype.kind not in "iu":
            notes.append(f"{first.where} is {first.dtype}, not class numbers, and is ignored.")
            return None
        if not first.shape or first.shape[0] != rows + main.left_over:
            raise DataError(
                f"{first.where} is {shape_text(first.shape)} for {rows + main.left_over} samples.",
                "Save one label, or one row of them, for each sample.",
            )
        values = first.read_all()[:rows].astype(np.int64)
        if main.rows > 1:
            values = values.reshape(self._count, main.rows, *values.shape[1:])
        return values


def _match(
    where: str, arrays: Mapping[str, ArraySource], specs: Sequence[InputSpec]
) -> tuple[dict[str, ArraySource], list[str]]:
    """Find the array of each input; also the names of arrays that are left."""
    missing = [spec for spec in specs if spec.name not in arrays]
    if missing and len(specs) == len(arrays) == 1:
        return {specs[0].name: next(iter(arrays.values()))}, []
    if missing:
        wanted = ", ".join(str(spec) for spec in missing)
        plural = "s" if len(missing) > 1 else ""
        raise DataError(
            f"{where} has no array for the model's input{plural} {wanted}; {_holds(arrays)}.",
            "Save an array for each input by its name, in one .npz file.",
        )
    names = {spec.name for spec in specs}
    return {name: arrays[name] for name in names}, [n for n in arrays if n not in names]


def _holds(arrays: Mapping[str, ArraySource]) -> str:
    if not arrays:
        return "it holds labels only"
    shown = [
        (f"'{name}'" if name else "one array") + f" ({array.dtype} {shape_text(array.shape)})"
        for name, array in list(arrays.items())[:_SHOWN_ARRAYS]
    ]
    more = f" and {len(arrays) - _SHOWN_ARRAYS} more" if len(arrays) > _SHOWN_ARRAYS else ""
    return f"it holds {', '.join(shown)}{more}"


def _common_count(where: str, columns: Sequence[_Column]) -> int:
    count = max(column.layout.count for column in columns)
    wrong = [c for c in columns if c.layout.count not in (1, count)]
    if wrong:
        counts = ", ".join(f"'{c.spec.name}' {c.layout.count}" for c in columns)
        raise DataError(
            f"{where}: the inputs have different numbers of samples: {counts}.",
            "Give every input as many samples, or a single one that serves them all.",
        )
    return count


def _remarks(columns: Sequence[_Column], count: int) -> list[str]:
    shared = [
        f"{c.array.where}: its one value serves all {count} samples."
        for c in columns
        if c.layout.count < count and c.array.shape
    ]
    left = [
        f"{c.array.where}: the last {c.layout.left_over} rows do not fill the model's batch of "
        f"{c.layout.rows} and are left out."
        for c in columns
        if c.layout.left_over
    ]
    return shared + left


@dataclass(frozen=True, slots=True, eq=False)
class HeldSamples:
    """Samples that were read before; labels and notes are told by whoever read them."""

    feeds: tuple[Feeds, ...]

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """None."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.feeds)

    def read(self, index: int) -> Feeds:
        """One sample."""
        return dict(self.feeds[index])

    def size_of(self, index: int) -> int:
        """How many elements a sample has."""
        return sum(values.size for values in self.feeds[index].values())


class ImageSamples:
    """Pictures, decoded one by one as they are asked for.

    Attributes:
        paths: the files.
        labels: the class of each, -1 where it is not known; None where none is.
        notes: for the user; the first says how the pictures are fed.
    """

    def __init__(self, where: str, paths: Sequence[Path], spec: InputSpec, plan: ImagePlan) -> None:
        """Take the pictures `paths` in the folder `where` for the input `spec`.

        Raises:
            DataError: there are fewer than the model's fixed batch; the labels are wrong.
        """
        self._spec = spec
        self._plan = plan
        self._batched = len(spec.shape) > len(plan.layout) - 1
        batch = spec.shape[0] if self._batched else 1
        self._rows = batch if isinstance(batch, int) else 1
        if not 0 < self._rows <= len(paths):
            raise DataError(
                f"{where} holds {len(paths)} pictures; the model's input {spec} takes "
                f"{self._rows} at once.",
                "Give more of them.",
            )
        self._count = len(paths) // self._rows
        self.paths = tuple(paths[: self._count * self._rows])
        self.notes: tuple[str, ...] = (f"Pictures are fed as {plan}.",)
        if len(paths) > len(self.paths):
            left = len(paths) - len(self.paths)
            self.notes += (f"{where}: the last {left} pictures do not fill a batch.",)
        labels = _image_labels(self.paths)
        if labels is not None and self._rows > 1:
            labels = labels.reshape(self._count, self._rows)
        self.labels = labels

    def __len__(self) -> int:
        """How many samples there are."""
        return self._count

    def read(self, index: int) -> Feeds:
        """Decode the pictures of one sample."""
        paths = self.paths[index * self._rows : (index + 1) * self._rows]
        pictures = [read_image(path, self._spec, self._plan) for path in paths]
        return {self._spec.name: np.stack(pictures) if self._batched else pictures[0]}

    def size_of(self, index: int) -> int:
        """How many elements a sample has; the same for all."""
        del index
        return self._rows * self._plan.size[0] * self._plan.size[1] * len(self._plan.mean)


def _image_labels(paths: Sequence[Path]) -> NDArray[np.int64] | None:
    """Read the class numbers of pictures from the ``labels.csv`` beside them.

    Its rows are: file name, class number or nothing, and anything else. A first row without a
    number is a heading.
    """
    known: dict[Path, int] = {}
    for file in sorted({path.parent / "labels.csv" for path in paths}):
        if file.is_file():
            known.update(_read_labels_csv(file))
    if not known:
        return None
    return np.array([known.get(path, NO_LABEL) for path in paths], np.int64)


def _read_labels_csv(file: Path) -> dict[Path, int]:
    labels: dict[Path, int] = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}.", "Save it as UTF-8 text.") from error
    for number, row in enumerate(rows, 1):
        text = row[1].strip() if len(row) > 1 else ""
        if text.isdecimal():
            labels[file.parent / row[0].strip()] = int(text)
        elif text and number > 1:
            raise DataError(
                f"{file}, line {number}: {text!r} is not a class number.",
                "Each line is: file name, class number from 0.",
            )
    return labels
