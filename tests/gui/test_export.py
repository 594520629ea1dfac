"""The graph as a file: what is in it, that it is whole, and that it cannot be broken by names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QRectF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.scene import build_scene
from inspector.gui.export import MARGIN, export_picture, size_of, whole_of
from inspector.gui.export_parts import CELL, cells
from inspector.gui.export_pdf import MAX_POINTS
from inspector.gui.export_png import MAX_PIXELS, MAX_SIDE, raster_of
from inspector.gui.graph_view.area import AreaPainter
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import Detail, labels_of
from inspector.gui.graph_view.painting import Badge, Look
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.theme import DARK, LIGHT, Theme
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

SVG = "{http://www.w3.org/2000/svg}"
CHINESE = "节点名称" * 75
HOSTILE = (
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "]]>&amp;<!--",
    "a\nb\r\nc\td",
    "\x00\x01\x1b[31m",
    "\ufffe\uffff",
    "\u202egnp.exe",
    ' font-family="x" \n >',
    " ",
    CHINESE,
)


def chain(names: tuple[str, ...], operator: str = "Relu") -> Graph:
    """Nodes one after the other; their tensors have names like theirs."""
    outputs = [f"{name} {number}" for number, name in enumerate(names)]
    reads = ["x", *outputs[:-1]]
    nodes = [
        Node(f"{name} {number}", operator, "", (read,), (write,))
        for number, (name, read, write) in enumerate(zip(names, reads, outputs, strict=True))
    ]
    tensors = {"x": Tensor("x")}
    tensors |= {
        out: Tensor(out, producer=node.name) for out, node in zip(outputs, nodes, strict=True)
    }
    return Graph("chain", tuple(nodes), tensors, ("x",), tuple(outputs[-1:]) or ("x",))


def picture_of(graph: Graph, **options: object) -> Picture:
    """A graph laid out, with the names of nodes on the cards."""
    detail = Detail(names=True)
    return build_picture(build_scene(graph), card_fonts(), detail=detail, badges=False, **options)  # type: ignore[arg-type]


def look_of(graph: Graph, theme: Theme = LIGHT, *, names: bool = False) -> Look:
    """How it is painted, without badges."""
    return Look(Brushes(theme), {}, labels_of(graph, names=names))


@pytest.fixture
def graph(qtbot: QtBot, sample_models: Path) -> Graph:
    """The sample network."""
    return extract_graph(load_model(sample_models / "digits_cnn.onnx"))


@pytest.fixture
def picture(graph: Graph) -> Picture:
    """The sample network, laid out."""
    return picture_of(graph)


@pytest.fixture
def look(graph: Graph) -> Look:
    """The sample network's look, in light colours."""
    return look_of(graph)


def texts(path: Path) -> list[str]:
    """All that is written in an SVG file, which must be well-formed."""
    return [element.text or "" for element in ElementTree.parse(path).iter(f"{SVG}text")]


def painted_svg(path: Path) -> QImage:
    """An SVG file as Qt shows it."""
    renderer = QSvgRenderer(str(path))
    assert renderer.isValid()
    image = QImage(renderer.defaultSize(), QImage.Format.Format_RGB32)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    return image


def pixels_of(image: QImage) -> np.ndarray:
    """Red, green and blue of all pixels, shape (height, width, 3)."""
    plain = image.convertToFormat(QImage.Format.Format_RGBX8888)
    flat = np.frombuffer(plain.constBits(), np.uint8)
    return flat.reshape(plain.height(), plain.bytesPerLine() // 4, 4)[:, : plain.width(), :3].copy()


def painted_at_once(picture: Picture, look: Look) -> QImage:
    """What the graph view shows of all of a graph at 100 %."""
    area = whole_of(picture, look)
    raster = raster_of(area, 1.0)
    image = QImage(raster.width, raster.height, QImage.Format.Format_RGB32)
    image.fill(look.brushes.canvas.color())
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(-area.topLeft())
    AreaPainter(picture, look).paint(painter, area, 1.0)
    painter.end()
    return image


# What is in the files


def test_svg_says_everything_as_text(picture: Picture, look: Look, tmp_path: Path) -> None:
    """Operators, names of nodes, constants, shapes on edges; with a title and a size."""
    path = tmp_path / "graph.svg"
    done = export_picture(picture, look, path, title="digits <cnn>")
    written = texts(path)
    graph = picture.scene.graph
    for operator in {node.op_type for node in graph.nodes} - {"Constant"}:
        shown = [item for item in picture.scene.items if item.title == operator]
        assert written.count(operator) == len(shown)
    assert "W" in written
    assert any(text.startswith("⟨") for text in written)
    assert any("×" in text and not text.startswith("⟨") for text in written)
    root = ElementTree.parse(path).getroot()
    assert root.findtext(f"{SVG}title") == "digits <cnn>"
    assert f"{len(graph.nodes)} nodes" in (root.findtext(f"{SVG}desc") or "")
    assert float(root.attrib["width"]) == pytest.approx(picture.bounds.width() + 2 * MARGIN, abs=1)
    assert "sans-serif" in root.attrib["font-family"]
    assert (done.form, done.bytes, done.note) == ("SVG", path.stat().st_size, "")


def test_svg_looks_as_in_the_window(picture: Picture, look: Look, tmp_path: Path) -> None:
    """Read back and painted, but for the smoothing of edges and text."""
    path = tmp_path / "graph.svg"
    export_picture(picture, look, path)
    ours, window = pixels_of(painted_svg(path)), pixels_of(painted_at_once(picture, look))
    height, width = (min(pair) for pair in zip(ours.shape[:2], window.shape[:2], strict=True))
    apart = np.abs(ours[:height, :width].astype(int) - window[:height, :width]).max(2)
    assert (apart > 60).mean() < 0.01


def test_png_is_what_the_window_shows(picture: Picture, look: Look, tmp_path: Path) -> None:
    """To the pixel, over the seams of its tiles."""
    path = tmp_path / "graph.PNG"
    done = export_picture(picture, look, path)
    image = QImage(str(path))
    window = painted_at_once(picture, look)
    assert image.size() == window.size()
    assert image.height() > 2 * 512
    apart = np.abs(pixels_of(image).astype(int) - pixels_of(window)).max(2)
    assert (apart > 8).mean() < 0.001
    assert (done.size.width, done.size.height) == (image.width(), image.height())
    assert image.text("Title") == picture.scene.graph.name


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_png_has_the_colours_of_the_theme(
    picture: Picture, graph: Graph, tmp_path: Path, theme: Theme
) -> None:
    """Canvas at the edge, the header's colour on a layer; twice as large where that is asked."""
    path = tmp_path / "graph.png"
    look = look_of(graph, theme)
    export_picture(picture, look, path, scale=2.0)
    image = QImage(str(path))
    assert image.width() == raster_of(whole_of(picture, look), 2.0).width
    assert image.pixelColor(3, 3) == QColor(theme.canvas)
    number = next(n for n, card in enumerate(picture.cards) if card.title == "Conv")
    corner = (picture.rect(number).topRight() - whole_of(picture, look).topLeft()) * 2
    at = corner.toPoint() + QPoint(-16, 16)
    assert image.pixelColor(at) == QColor(theme.category("layer"))
    assert image.dotsPerMeterX() == round(2 * 96 / 0.0254)


def test_pdf_is_one_page_of_the_graphs_size(picture: Picture, look: Look, tmp_path: Path) -> None:
    """Three quarters of a point a pixel, as in SVG; text has fonts, so that it can be searched."""
    path = tmp_path / "graph.pdf"
    done = export_picture(picture, look, path, title="digits")
    data = path.read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", data)) == 1
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)
    assert box is not None
    whole = whole_of(picture, look)
    assert float(box[1]) == pytest.approx(whole.width() * 0.75, abs=1.01)
    assert float(box[2]) == pytest.approx(whole.height() * 0.75, abs=1.01)
    assert b"/FontFile2" in data
    assert b"/ToUnicode" in data
    assert len(data) > 10_000
    assert done.size.unit == "pt"


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_in_view_is_less_than_all(
    picture: Picture, look: Look, tmp_path: Path, ending: str
) -> None:
    """Of its own size, without what lies outside, and without margins."""
    whole, part = tmp_path / f"whole.{ending}", tmp_path / f"part.{ending}"
    seen = QRectF(picture.rect(1).adjusted(-5, -5, 5, 5))
    export_picture(picture, look, whole)
    done = export_picture(picture, look, part, seen)
    assert part.stat().st_size < whole.stat().st_size
    unit = 0.75 if ending == "pdf" else 1.0
    assert done.size.width == pytest.approx(seen.width() * unit, abs=1)
    if ending == "svg":
        title = picture.cards[1].title
        assert title in texts(part)
        far = picture.cards[-1].title
        assert far in texts(whole)
        assert far not in texts(part)
    if ending == "png":
        image = QImage(str(part))
        assert image.size() == seen.size().toSize()
        assert image.pixelColor(1, 1) == QColor(LIGHT.canvas)


def test_badges_and_layers_left_in_float(graph: Graph, look: Look, tmp_path: Path) -> None:
    """Specs, figures and hatching; each pattern is defined once and found where it is used."""
    picture = build_picture(build_scene(graph), card_fonts())
    layers = [card.name for card in picture.cards if card.kind == "layer"]
    badges = {name: Badge("int4:block32", "uint8", "31.2 dB", QColor("red")) for name in layers}
    badges[layers[0]] = Badge("", "", is_float=True)
    badges[layers[1]] = Badge("", "", is_float=True)
    path = tmp_path / "graph.svg"
    export_picture(picture, replace(look, badges=badges), path)
    written = texts(path)
    assert written.count("int4:block32") == len(layers) - 2
    assert written.count("31.2 dB") == len(layers) - 2
    assert written.count("left in float") == 2
    source = path.read_text(encoding="utf-8")
    defined = re.findall(r'\bid="([^"]+)"', source)
    assert len(defined) == len(set(defined)) > 0
    assert set(re.findall(r"url\(#([^)]+)\)", source)) <= set(defined)
    assert "url(#" in source


# Large graphs


def test_far_from_the_origin_nothing_is_rounded(qtbot: QtBot, tmp_path: Path) -> None:
    """A card a million pixels down is as exact as the first one."""
    graph = chain(("n",) * 3)
    near = picture_of(graph)
    by = np.array([0.0, 131.0 * CELL])
    far = replace(
        near,
        boxes=near.boxes + np.tile(by, 2),
        drawing=replace(near.drawing, corners=near.drawing.corners + by),
        link_boxes=near.link_boxes + np.tile(by, 2),
        labels=near.labels + by,
        bounds=near.bounds.translated(0.0, float(by[1])),
    )
    paths = tmp_path / "near.svg", tmp_path / "far.svg"
    for picture, path in zip((near, far), paths, strict=True):
        export_picture(picture, look_of(graph), path)
    groups = [re.split(r"<g transform=", path.read_text())[1:] for path in paths]
    for one, other in zip(*groups, strict=True):
        assert one.split(">", 1)[1] == other.split(">", 1)[1]
    assert f"translate(0,{by[1]:.0f})" in paths[1].read_text()


@given(
    corners=st.lists(
        st.tuples(st.floats(-3 * CELL, 9 * CELL), st.floats(-3 * CELL, 9 * CELL)), max_size=40
    ),
    every=st.integers(1, 3),
)
def test_each_box_is_in_the_cell_of_its_corner(
    corners: list[tuple[float, float]], every: int
) -> None:
    """In one and no other, however many squares there are; only those that are asked for."""
    boxes = np.array([(x, y, x + 9, y + 9) for x, y in corners]).reshape(-1, 4)
    wanted = np.arange(0, len(boxes), every)
    found = list(cells(boxes, wanted))
    assert sorted(n for _, _, numbers in found for n in numbers.tolist()) == wanted.tolist()
    assert len({(x, y) for x, y, _ in found}) == len(found)
    for x, y, numbers in found:
        near = boxes[numbers, :2] - (x, y)
        assert ((near >= -1e-6) & (near <= CELL + 1e-6)).all()


def test_a_tall_graph_is_whole(qtbot: QtBot, tmp_path: Path) -> None:
    """In SVG as it is; in PNG and PDF scaled to what others can open, which is said."""
    names = tuple(f"node{number}" for number in range(400))
    graph = chain(names)
    picture = picture_of(graph)
    done = {
        ending: export_picture(picture, look_of(graph), tmp_path / f"g.{ending}")
        for ending in ("svg", "png", "pdf")
    }
    written = texts(tmp_path / "g.svg")
    cards = [f"{name} {number}" for number, name in enumerate(names)]
    assert [text for text in written if text.startswith("node")] == [*cards, cards[-1]]
    assert len(ElementTree.parse(tmp_path / "g.svg").findall(f".//{SVG}polygon")) == 401
    image = QImage(str(tmp_path / "g.png"))
    assert image.height() == MAX_SIDE
    canvas = np.array(QColor(LIGHT.canvas).getRgb()[:3])
    drawn = (pixels_of(image) != canvas).any(2).any(1)
    assert drawn.nonzero()[0].max() > 0.99 * MAX_SIDE
    assert b"/MediaBox" in (tmp_path / "g.pdf").read_bytes()
    assert done["pdf"].size.height == pytest.approx(MAX_POINTS)
    assert done["svg"].note == ""
    assert "%" in done["png"].note
    assert "%" in done["pdf"].note
    assert done["png"].note in done["png"].text


@given(width=st.floats(0, 1e7), height=st.floats(0, 1e7), scale=st.floats(0.01, 16))
def test_no_raster_is_too_large(width: float, height: float, scale: float) -> None:
    """Neither in sides nor in pixels, nor smaller than a pixel; and no larger than asked."""
    raster = raster_of(QRectF(0, 0, width, height), scale)
    assert 1 <= raster.width <= MAX_SIDE
    assert 1 <= raster.height <= MAX_SIDE
    assert raster.width * raster.height <= MAX_PIXELS + MAX_SIDE
    assert 0 < raster.scale <= scale
    note = size_of(QRectF(0, 0, width, height), "PNG", scale).note
    assert bool(note) == (raster.scale < scale)


# Hostile names


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_break_nothing(qtbot: QtBot, tmp_path: Path, name: str, ending: str) -> None:
    """As operators, names of nodes and tensors, and as the title."""
    graph = chain((name, name), operator=name)
    path = tmp_path / f"g.{ending}"
    export_picture(picture_of(graph), look_of(graph, names=True), path, title=name)
    if ending == "svg":
        root = ElementTree.parse(path).getroot()
        assert {element.tag for element in root.iter()} <= {
            f"{SVG}{tag}"
            for tag in ("svg", "title", "desc", "rect", "g", "path", "polygon", "text")
        }
        assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)
    elif ending == "png":
        assert not QImage(str(path)).isNull()
    else:
        assert path.read_bytes().startswith(b"%PDF-")


def test_long_names_stay_within_their_cards(qtbot: QtBot, tmp_path: Path) -> None:
    """300 characters are cut off where the card ends, in any script."""
    graph = chain((CHINESE,), operator=CHINESE)
    path = tmp_path / "g.svg"
    export_picture(picture_of(graph), look_of(graph), path)
    written = [text for text in texts(path) if "节" in text or "名" in text]
    assert written
    assert all(len(text) < 60 and "…" in text for text in written)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=40))
def test_any_name_gives_well_formed_svg(qtbot: QtBot, tmp_path: Path, name: str) -> None:
    """Whatever characters there are."""
    graph = chain((name,), operator=name)
    path = tmp_path / "g.svg"
    export_picture(picture_of(graph), look_of(graph, names=True), path, title=name)
    assert ElementTree.parse(path).getroot().tag == f"{SVG}svg"


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_an_empty_graph(qtbot: QtBot, tmp_path: Path, ending: str) -> None:
    """Is an empty sheet with margins."""
    graph = Graph("", (), {}, (), ())
    done = export_picture(picture_of(graph), look_of(graph), tmp_path / f"g.{ending}")
    assert done.bytes > 0
    assert done.size.width == pytest.approx(2 * MARGIN * (0.75 if ending == "pdf" else 1))
