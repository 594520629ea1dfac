"""Slices, tables, pictures and files of values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QItemSelection, QItemSelectionModel, QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from inspector.errors import CancelledError, SaveError
from inspector.gui.properties.export import file_name, write_npy
from inspector.gui.properties.heat_map import HeatMap, coloured, colours
from inspector.gui.properties.slices import MOST_PIXELS, MOST_ROWS, Plane, picture
from inspector.gui.properties.value_table import ValueModel, ValueTable
from inspector.onnxio.values import PlainValues, SparseValues, Values


def values(array: Any, dtype: str = "float32") -> PlainValues:
    """The values of an array."""
    return PlainValues.of(np.asarray(array), dtype)


class Watched(Values):
    """Values that count how many of them are read."""

    count = 0

    def read(self, start: int, stop: int) -> Any:
        """Give the numbers of the places."""
        Watched.count += stop - start
        return np.arange(start, stop)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 5), max_size=5), st.data())
def test_every_value_is_in_its_place(shape: list[int], data: st.DataObject) -> None:
    """Row and column of a plane give the value at the index that is told of it."""
    array = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    first = Plane.of(shape)
    index = [data.draw(st.integers(0, shape[axis] - 1)) for axis in first.leading]
    plane = Plane.of(shape, index)
    row = data.draw(st.integers(0, plane.rows - 1))
    column = data.draw(st.integers(0, plane.columns - 1))
    found = plane.read(values(array, "int64"), row, column, 1)[0]
    place = tuple(int(part) for part in plane.position(row, column)[1:-1].split(",") if part)
    assert found == array[place]


def test_vectors_of_any_length_are_folded_into_rows() -> None:
    """A table of a thousand million values has few enough rows, and reads only what is seen."""
    whole = Watched("int64", (1_000_000_007,))
    Watched.count = 0
    model = ValueModel()
    model.show_plane(whole, Plane.of(whole.shape))
    assert model.rowCount() <= MOST_ROWS
    assert model.rowCount() * model.columnCount() >= whole.size
    last = divmod(whole.size - 1, model.columnCount())
    assert model.value(*last) == whole.size - 1
    if last[1] + 1 < model.columnCount():
        assert model.value(last[0], last[1] + 1) is None
    assert int(model.headerData(7, Qt.Orientation.Vertical)) == model.value(7, 0)
    assert model.plane.position(7, 1) == f"[{model.value(7, 1)}]"
    assert Watched.count < 1000


def test_ten_million_values_scroll_without_being_read(qtbot: QtBot) -> None:
    """From one end to the other."""
    table = ValueTable()
    qtbot.addWidget(table)
    whole = Watched("int64", (2_000_000, 5))
    Watched.count = 0
    table.resize(280, 200)
    table.show_plane(whole, Plane.of(whole.shape))
    table.show()
    qtbot.waitExposed(table)
    for row in (0, 1_000_000, 1_999_999):
        table.reveal(row, 4)
        table.viewport().repaint()
        assert table.values.data(table.currentIndex()) == str(5 * row + 4)
    assert Watched.count < 5000


def test_a_selection_is_copied_as_lines_and_tabs(qtbot: QtBot) -> None:
    """In digits that other programs read, and not all of a huge one."""
    table = ValueTable()
    qtbot.addWidget(table)
    table.show_plane(values([[-1.5, 2], [3, 4]]), Plane.of((2, 2)))
    table.selectAll()
    assert table.copied_text() == "-1.5\t2\n3\t4"
    whole = Watched("int64", (3_000_000,))
    table.show_plane(whole, Plane.of(whole.shape))
    model = table.values
    area = QItemSelection(model.index(0, 0), model.index(2_999_999, 0))
    table.selectionModel().select(area, QItemSelectionModel.SelectionFlag.Select)
    assert table.copied_text().count("\n") == 99_999


def test_cells_are_aligned_by_what_they_hold() -> None:
    """Numbers right, text left; the tooltip tells where a value is."""
    model = ValueModel()
    model.show_plane(values(np.array(["<b>", "b"], object), "string"), Plane.of((2,)))
    index = model.index(0, 0)
    assert model.data(index) == '"<b>"'
    align = model.data(index, Qt.ItemDataRole.TextAlignmentRole)
    assert align & Qt.AlignmentFlag.AlignLeft
    model.show_plane(values([[[1.0, 2.0]], [[3.0, 4.0]]]), Plane.of((2, 1, 2)))
    index = model.index(1, 0)
    assert model.data(index, Qt.ItemDataRole.ToolTipRole) == "[1, 0, 0]\n3"
    assert model.data(index, Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 1300), st.integers(2, 1300), st.integers(0, 99))
def test_a_picture_shows_the_value_farthest_from_zero(rows: int, columns: int, seed: int) -> None:
    """Of each block, with its sign, however the blocks fall."""
    array = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    found = picture(values(array), Plane.of(array.shape))
    if rows == 1:
        assert found is None
        return
    assert found is not None
    tall, wide = found.block
    assert max(found.pixels.shape) <= MOST_PIXELS
    assert found.pixels.shape == (-(-rows // tall), -(-columns // wide))
    row, column = (seed % size for size in found.pixels.shape)
    block = array[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
    assert found.pixels[row, column] == block.flat[np.abs(block).argmax()]
    assert (found.low, found.high) == (array.min(), array.max())


def test_pictures_of_odd_values() -> None:
    """NaN shows, magnitudes of complex numbers, nothing of strings and of the far too sparse."""
    array = np.zeros((600, 600), np.float32)
    array[5, 5] = np.nan
    found = picture(values(array), Plane.of(array.shape))
    assert found is not None
    assert np.isnan(found.pixels[2, 2])
    image, *_ = coloured(found, dark=False)
    assert image.pixelColor(2, 2) != image.pixelColor(0, 0)
    complex_found = picture(values(np.array([[3 + 4j, 0], [0, 0]]), "complex128"), Plane.of((2, 2)))
    assert complex_found is not None
    assert complex_found.high == 5
    text = values(np.array([["a", "b"], ["c", "d"]], object), "string")
    assert picture(text, Plane.of((2, 2))) is None
    huge = SparseValues("float32", (10**6, 10**6), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert picture(huge, Plane.of(huge.shape)) is None
    with pytest.raises(CancelledError):
        picture(values(array), Plane.of(array.shape), lambda: True)


def test_zero_is_neutral_where_values_lie_on_both_sides() -> None:
    """Colours diverge about zero; else they run from the lowest to the highest."""
    both = picture(values(np.array([[-1.0, 0.0], [0.0, 4.0]], np.float32)), Plane.of((2, 2)))
    assert both is not None
    image, low, high, diverging = coloured(both, dark=False)
    assert (low, high, diverging) == (-4.0, 4.0, True)
    assert image.pixelColor(1, 0).getRgb()[:3] == tuple(
        colours(diverging=True, dark=False)[127][:3]
    )
    above = picture(values(np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)), Plane.of((2, 2)))
    assert above is not None
    image, low, high, diverging = coloured(above, dark=True)
    assert (low, high, diverging) == (1.0, 5.0, False)
    assert image.pixelColor(1, 1).getRgb()[:3] == tuple(
        colours(diverging=False, dark=True)[255][:3]
    )


def test_the_pointer_finds_its_pixel(qtbot: QtBot) -> None:
    """And nothing beside the image."""
    heat = HeatMap()
    qtbot.addWidget(heat)
    heat.resize(268, 100)
    found = picture(values(np.eye(7, dtype=np.float32)), Plane.of((7, 7)))
    assert found is not None
    heat.show_picture(found)
    heat.show()
    assert heat.pixel_at(QPointF(2, 2)) == (0, 0)
    assert heat.pixel_at(QPointF(5000, 2)) is None
    with qtbot.waitSignal(heat.chosen) as chosen:
        qtbot.mouseClick(heat, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert chosen.args == [0, 0]
    assert heat.image().width() == 7


@pytest.mark.parametrize(
    "kind", ["float32", "float16", "int8", "uint64", "bool", "complex64", "float64"]
)
def test_a_file_holds_the_same_values(tmp_path: Path, kind: str) -> None:
    """Written in pieces, read by NumPy without pickle."""
    array = (np.random.default_rng(0).normal(size=(700, 500)) * 9).astype(kind)
    path = tmp_path / "w.npy"
    size = write_npy(values(array, kind), path)
    loaded = np.load(path)
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)
    assert size == path.stat().st_size


def test_types_that_numpy_cannot_name_are_written_as_floats(tmp_path: Path) -> None:
    """Bfloat16 and 8-bit floats are held exactly by float32; strings are as wide as the longest."""
    import ml_dtypes

    floats = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
    for kind in floats:
        array = np.array([1.5, -3.0], getattr(ml_dtypes, kind))
        write_npy(values(array, kind), tmp_path / "b.npy")
        loaded = np.load(tmp_path / "b.npy")
        assert loaded.dtype == np.float32
        assert loaded.tolist() == [1.5, -3.0]
    write_npy(values(np.array(["名前", "b"], object), "string"), tmp_path / "s.npy")
    assert np.load(tmp_path / "s.npy").tolist() == ["名前", "b"]
    write_npy(values(np.float32(3.0)), tmp_path / "scalar.npy")
    assert np.load(tmp_path / "scalar.npy").shape == ()
    write_npy(values(np.zeros((0, 3), np.float32)), tmp_path / "none.npy")
    assert np.load(tmp_path / "none.npy").shape == (0, 3)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """No folder, the model's own file, too large, cancelled: what was there stays."""
    small = values(np.ones(3, np.float32))
    with pytest.raises(SaveError, match="no folder"):
        write_npy(small, tmp_path / "no" / "w.npy")
    own = tmp_path / "m.data"
    own.write_bytes(b"weights")
    with pytest.raises(SaveError, match="which is read"):
        write_npy(small, own, read=[own])
    huge = SparseValues("float32", (10**9, 10**9), np.zeros(0, np.int64), np.zeros(0, np.float32))
    with pytest.raises(SaveError, match="room"):
        write_npy(huge, tmp_path / "huge.npy")
    with pytest.raises(CancelledError):
        write_npy(small, own, cancelled=lambda: True)
    assert own.read_bytes() == b"weights"
    assert [path.name for path in tmp_path.iterdir()] == ["m.data"]


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        ("model.0/conv:weight", "model.0_conv_weight.npy"),
        ("../../etc/passwd", "etc_passwd.npy"),
        ("\x00\n", "tensor.npy"),
        ("", "tensor.npy"),
    ],
)
def test_file_names_are_safe(tensor: str, name: str) -> None:
    """Whatever a tensor is called."""
    assert file_name(tensor) == name
    assert len(file_name(tensor * 300)) < 100
