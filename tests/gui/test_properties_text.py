"""What the sidebar says, before anything is painted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from inspector.graph.model import Graph
from inspector.gui.properties.model_page import model_page, nodes_page
from inspector.gui.properties.node_page import node_page
from inspector.gui.properties.page import Page, Pair, Prose, copied
from inspector.gui.properties.prose import blocks, one_line
from inspector.gui.properties.tensor_page import tensor_page
from inspector.gui.properties.words import number_text, shape_text, value_text
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, model_of
from inspector.session.recipe import RECIPE_KEY

EVIL = "<script>alert(1)</script><img src='http://x/y.png'>\n\x00名前"


def made(nodes: list[Any], constants: dict[str, Any], **fields: Any) -> tuple[Model, Graph]:
    """A model of nodes from x to y."""
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 2)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=9, **fields)
    model = model_of(proto)
    return model, extract_graph(model)


def conv() -> tuple[Model, Graph]:
    """A convolution and an activation."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", kernel_shape=[3, 3]),
        helper.make_node("Clip", ["c", "low", "high"], ["y"], name="clip"),
    ]
    weights = np.ones((4, 3, 3, 3), np.float32)
    return made(nodes, {"w": weights, "low": np.float32(0), "high": np.float32(6)})


def pairs(page: Page, title: str) -> list[Pair]:
    """The rows of a section."""
    section = next(section for section in page.sections if section.title == title)
    return [row for row in section.rows if isinstance(row, Pair)]


def test_a_node_says_what_it_is_and_what_its_attributes_mean() -> None:
    """Set attributes first, then defaults, greyed; inputs by their formal names."""
    model, graph = conv()
    page = node_page(graph, "conv", model)
    assert (page.title, page.subtitle, page.colour) == (
        "Conv",
        "ai.onnx · since version 11",
        "layer",
    )
    rows = {row.name: row for row in pairs(page, "Attributes")}
    assert rows["kernel_shape"].value == "[3, 3]"
    assert rows["kernel_shape"].tone == "plain"
    assert (rows["group"].value, rows["group"].tone) == ("1", "muted")
    assert "groups" in rows["group"].doc[0].text
    inputs = pairs(page, "Inputs")
    assert [row.name for row in inputs if row.name] == ["X", "W", "B"]
    assert inputs[-1].value == "left out"
    target = inputs[0].target
    assert target is not None
    assert (target.kind, target.name) == ("tensor", "x")
    outputs = pairs(page, "Outputs")
    links = [row.target.name for row in outputs if row.target and row.target.kind == "node"]
    assert links == ["clip"]


def test_element_types_are_called_by_name() -> None:
    """The number stays beside the name: it is what the file holds."""
    model, graph = made([helper.make_node("Cast", ["x"], ["y"], name="cast", to=10)], {})
    row = next(row for row in pairs(node_page(graph, "cast", model), "Attributes"))
    assert (row.name, row.value) == ("to", "float16 (10)")


def test_values_of_small_constants_are_written_out() -> None:
    """As they come from the background."""
    model, graph = conv()
    page = node_page(graph, "clip", model, {"low": "0", "high": "6"})
    assert "= 6" in [row.value for row in pairs(page, "Inputs")]


def test_operators_of_others_say_that_they_have_no_documentation() -> None:
    """And a name that ONNX does not have says so."""
    model, graph = made([helper.make_node("Odd", ["x"], ["y"], "odd", domain="com.example")], {})
    assert (
        "No documentation: com.example is not ONNX's own." in node_page(graph, "odd", model).text()
    )
    model, graph = made([helper.make_node("NoSuch", ["x"], ["y"], "odd")], {})
    text = node_page(graph, "odd", model).text()
    assert "No documentation: ai.onnx 17 has no operator NoSuch." in text


def test_any_number_of_anything_is_a_page_of_some_size() -> None:
    """Thousands of inputs, attributes and readers, and values a million long."""
    many = {f"a{n}": list(range(2000)) if n % 2 else "s" * 100_000 for n in range(400)}
    nodes = [
        helper.make_node("Odd", ["x"] * 5000, ["m"], "odd", domain="com.example", **many),
        *(helper.make_node("Relu", ["m"], [f"r{n}"], f"relu{n}") for n in range(5000)),
        helper.make_node("Identity", ["m"], ["y"], "last"),
    ]
    model, graph = made(nodes, {})
    page = node_page(graph, "odd", model)
    assert len(page.text()) < 2_000_000
    assert max(len(row.value) for row in pairs(page, "Attributes")) < 300
    assert "4\u2009800 more" in " ".join(row.value for row in pairs(page, "Inputs"))
    tensor = tensor_page(graph, "m")
    readers = [row for row in pairs(tensor, "Connections") if row.target]
    assert len(readers) == 21
    assert pairs(tensor, "Connections")[-1].value == "… and 4,981 more"


def test_a_model_says_what_it_holds() -> None:
    """Producer, opsets, ports, sums; its recipe as text; nothing read as markup."""
    model, graph = conv()
    model.proto.producer_name = EVIL
    model.proto.doc_string = EVIL
    for key, value in ((RECIPE_KEY, "version = 1"), ("author", "me"), ("long", "v" * 5000)):
        entry = model.proto.metadata_props.add()
        entry.key, entry.value = key, value
    page = model_page(model, graph)
    graph_rows = {row.name: row.value for row in pairs(page, "Graph")}
    assert graph_rows["Nodes"] == "2"
    assert graph_rows["Parameters"] == "110"
    assert graph_rows["Weights"] == "440 B"
    assert [(row.name, row.value) for row in pairs(page, "Opset imports")] == [
        ("ai.onnx", "17"),
        ("com.example", "2"),
    ]
    assert [row.name for row in pairs(page, "Operators")] == ["Clip", "Conv"]
    assert pairs(page, "Inputs")[1].value.replace("\u2009", "") == "float32[batch×3×8×8]"
    metadata = next(section for section in page.sections if section.title == "Metadata")
    recipe = metadata.rows[1]
    assert isinstance(recipe, Prose)
    assert recipe.blocks[0].text == "version = 1"
    assert "<script>" in page.text()
    assert "\x00" not in page.text()


def test_several_nodes_are_counted_and_summed_once() -> None:
    """A constant that two of them read counts once."""
    nodes = [
        helper.make_node("Add", ["x", "w"], ["a"], "one"),
        helper.make_node("Add", ["a", "w"], ["y"], "two"),
    ]
    _, graph = made(nodes, {"w": np.ones(5, np.float32)})
    page = nodes_page(graph, ["one", "two"])
    rows = {row.name: row.value for row in pairs(page, "")}
    assert (page.title, rows["Parameters"], rows["Weights"]) == ("2 nodes", "5", "20 B")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.333333"),
        (-2, "−2"),
        (2**63, "9223372036854775808"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (np.bool_(True), "true"),
        (1 - 2j, "1 − 2i"),
        ("a\nb", '"a␣b"'),
        (b"\xff", "b'\\xff'"),
    ],
)
def test_numbers_are_written_with_six_digits(value: Any, text: str) -> None:
    """Whatever a tensor may hold."""
    assert number_text(value) == text


def test_what_is_copied_is_what_other_programs_read() -> None:
    """No typographic minus, no thin spaces."""
    assert float(copied(number_text(-1.5e-7))) == -1.5e-7
    assert copied(shape_text((1, "N", None))) == "1×N×?"
    assert shape_text(()) == "scalar"


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=400), st.integers(2, 60))
def test_documentation_of_any_text_is_read_without_loss_of_letters(text: str, most: int) -> None:
    """Marks lie inside their block, and no word is lost or invented."""
    for block in blocks(text):
        assert block.text.strip()
        for span in block.spans:
            assert 0 <= span.start <= span.start + span.length <= len(block.text)
    assert "\n" not in one_line(text, most)
    assert len(one_line(text, most)) <= most + 1


def test_the_markup_of_the_standard_is_understood() -> None:
    """Paragraphs, lists, code, links and headings; HTML stays text."""
    found = blocks(
        "One line\nand `more` of **it**, see [the doc](IR.md).\n\n* an item\n  goes on\n* two\n\n"
        "```\ncode  here\n```\n# Head\n<b>no</b>"
    )
    assert [(block.kind, block.text) for block in found] == [
        ("text", "One line and more of it, see the doc."),
        ("item", "an item goes on"),
        ("item", "two"),
        ("code", "code  here"),
        ("head", "Head"),
        ("text", "<b>no</b>"),
    ]
    spans = [(found[0].text[s.start : s.start + s.length], s.kind) for s in found[0].spans]
    assert spans == [("more", "code"), ("it", "bold")]


def test_long_lists_say_how_much_is_left() -> None:
    """A value is cut, never the count."""
    text = value_text(tuple(range(10_000)), 50)
    assert len(text) < 90
    assert text.endswith("more]")
    shown = text.count(",")
    assert f"{10_000 - shown:,}".replace(",", "\u2009") in text
