"""Searches find what they say, in a sensible order, and say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.model import Graph, Layer, Node, Tensor
from inspector.graph.search import Figures, Match, Query, QueryError, SearchIndex, parse
from inspector.graph.search_query import MOST_TERMS
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

_TENSORS = (
    Tensor("image", "float32", ("batch", 3, 224, 224), consumers=("/layer1/conv1/Conv",)),
    Tensor("layer1.conv1.weight", "float32", (64, 3, 7, 7), constant=True),
    Tensor("/layer1/conv1/out", "float32", (1, 64, 112, 112), producer="/layer1/conv1/Conv"),
    Tensor("/layer1/relu/out", "float32", (1, 64, 112, 112), producer="/layer1/relu/Relu"),
    Tensor("fc.weight", "int8", (10, 64), constant=True),
    Tensor("logits", "float32", (1, 10), producer="fc"),
    Tensor("shape_of", "int64", (4,), producer="conv1"),
    Tensor("多义", "", None, producer="卷积 一"),
)
_NODES = (
    Node(
        "/layer1/conv1/Conv",
        "Conv",
        inputs=("image", "layer1.conv1.weight", ""),
        outputs=("/layer1/conv1/out",),
        attributes={"kernel_shape": (7, 7), "group": 1, "auto_pad": "SAME_UPPER"},
    ),
    Node("/layer1/relu/Relu", "Relu", "", ("/layer1/conv1/out",), ("/layer1/relu/out",)),
    Node("conv1", "Shape", "", ("/layer1/relu/out",), ("shape_of",)),
    Node("fc", "Gemm", "", ("/layer1/relu/out", "fc.weight"), ("logits",)),
    Node("卷积 一", "ConvTranspose", "com.example", ("logits",), ("多义",)),
)
_LAYERS = (
    Layer(
        *("/layer1/conv1/Conv", "Conv", "layer1.conv1.weight", None, ("image",)),
        *("/layer1/conv1/out", (64, 3, 7, 7), 0),
        parameters=9408,
        macs=118_013_952,
    ),
    Layer(
        *("fc", "Gemm", "fc.weight", None, ("/layer1/relu/out",), "logits", (10, 64), 0),
        parameters=640,
        macs=640,
    ),
)
_FIGURES = Figures(
    {"/layer1/conv1/Conv": ("int8:channel:minmax", "uint8:tensor"), "fc": ("float", "float")},
    {"sqnr": {"/layer1/conv1/Conv": 12.34, "fc": float("nan"), "ghost": 1.0}, "depth": {"fc": 3}},
)


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    """A small network with what searches ask for."""
    tensors = {tensor.name: tensor for tensor in _TENSORS}
    return SearchIndex(Graph("g", _NODES, tensors, ("image",), ("logits",), _LAYERS))


def _names(index: SearchIndex, text: str) -> list[str]:
    return [match.name for match in index.find(parse(text, _FIGURES.numbers), _FIGURES)]


CONV, RELU, GEMM, OTHER = "/layer1/conv1/Conv", "/layer1/relu/Relu", "fc", "卷积 一"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("RELU/R", [RELU]),
        ("layer1 conv", [CONV, RELU, "conv1", "layer1.conv1.weight"]),
        ("gemm", [GEMM]),
        ("logits", [GEMM, OTHER]),
        ("int64", ["conv1"]),
        ("uint8", [CONV]),
        ("64x3x7x7", [CONV, "layer1.conv1.weight"]),
        ("64×3×7x", [CONV, "layer1.conv1.weight"]),
        ("name:conv*", ["conv1"]),
        ("name=conv1", ["conv1"]),
        ("name:layer1", [CONV, RELU, "layer1.conv1.weight"]),
        ("op:conv", [CONV, OTHER]),
        ("op=conv", [CONV]),
        ("op:*transpose", [OTHER]),
        ("op:re?u", [RELU]),
        ("tensor:fc.", ["fc.weight", GEMM]),
        ("dtype:int8", [GEMM, "fc.weight"]),
        ("dtype=int", []),
        ("shape:1x10", [GEMM, OTHER]),
        ("shape:10x6", []),
        ("shape:10x64", [GEMM, "fc.weight"]),
        ("shape:1x64x?x?", [CONV, RELU, "conv1", GEMM]),
        ("shape:1×64×*", [CONV, RELU, "conv1", GEMM]),
        ("shape=64", []),
        ("shape:batchx3", [CONV, "image"]),
        ("spec:uint8:tensor", [CONV]),
        ("attr:kernel_shape=7,7", [CONV]),
        ("attr:same", [CONV]),
        ("-fc -conv -image", [RELU]),
        ("is:layer -op:conv", [GEMM]),
        ("is:float", [GEMM]),
        ("is:quantized", [CONV]),
        ("is:constant", ["layer1.conv1.weight", "fc.weight"]),
        ("卷", [OTHER]),
        ('"积 一"', [OTHER]),
        ('"积 一', [OTHER]),
        ('"积 *"', []),
        ("relu/*layer1", []),
        ("layer1*Re*u", [RELU, "conv1", GEMM]),
        ("sqnr<20", [CONV]),
        ("sqnr < 20 dB", []),
        ("sqnr < 20dB", [CONV]),
        ("sqnr=12.3", [CONV]),
        ("sqnr=12", []),
        ("sqnr>=12.34", [CONV]),
        ("-sqnr<20 is:layer", [GEMM]),
        ("asqnr<20", []),
        ("depth>2", [GEMM]),
        ("params>1k", [CONV, "layer1.conv1.weight"]),
        ("params=640", [GEMM, "fc.weight"]),
        ("macs>=.1G", [CONV]),
        ("size>2kB", ["layer1.conv1.weight"]),
        ("size<1KiB", ["fc.weight"]),
        ("bits=8", ["fc.weight"]),
        ("inputs≥2", [CONV, GEMM]),
        ("outputs>1", []),
        ("", []),
        ("  - ", []),
        ('""', []),
        ("<script>", []),
    ],
)
def test_queries_find(index: SearchIndex, text: str, names: list[str]) -> None:
    """Each part of the grammar, and the order of what it finds."""
    assert _names(index, text) == names


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name=fc", Match("node", "fc", "Gemm", "")),
        ("gemm", Match("node", "fc", "Gemm", "operator Gemm")),
        ("shape:batchx?x?x?", Match("node", CONV, "Conv", "input batch×3×224×224")),
        ("112", Match("node", CONV, "Conv", "output 1×64×112×112")),
        ("tensor:logits", Match("node", "fc", "Gemm", "output logits")),
        ("int64", Match("node", "conv1", "Shape", "output int64")),
        ("uint8", Match("node", CONV, "Conv", "spec uint8:tensor")),
        ("attr:group=1", Match("node", CONV, "Conv", "group=1")),
        ("is:float", Match("node", "fc", "Gemm", "left in float")),
        ("is:quantized", Match("node", CONV, "Conv", "spec int8:channel:minmax / uint8:tensor")),
        ("sqnr<20 op:conv", Match("node", CONV, "Conv", "SQNR 12.3 dB · operator Conv")),
        ("macs>1M", Match("node", CONV, "Conv", "MACs 118 M")),
        ("depth>2", Match("node", "fc", "Gemm", "depth 3")),
        ("name=image", Match("tensor", "image", "Input", "float32 batch×3×224×224")),
        ("name=fc.weight", Match("tensor", "fc.weight", "Constant", "int8 10×64")),
        (
            "size>2kB",
            Match("tensor", "layer1.conv1.weight", "Constant", "float32 64×3×7×7 · size 37.6 kB"),
        ),
    ],
)
def test_matches_say_why(index: SearchIndex, text: str, match: Match) -> None:
    """What the name does not say is said beside it."""
    assert index.find(parse(text, _FIGURES.numbers), _FIGURES)[0] == match


def test_names_come_in_the_order_in_which_they_fit() -> None:
    """Exact, beginning, last part, any part, operator, own tensor, tensor; then as in the graph."""
    names = ("xconvx", "/a/conv", "/conv_a", "conv_b", "/conv", "conv")
    nodes = [Node(name, "Relu") for name in names]
    nodes += [Node("reader", "Add", "", ("my conv",)), Node("last", "Conv")]
    graph = Graph("g", tuple(nodes), {"my conv": Tensor("my conv")}, ("my conv",), ())
    found = [match.name for match in SearchIndex(graph).find(parse("CONV"))]
    assert found == [
        *("/conv", "conv", "/conv_a", "conv_b", "/a/conv", "xconvx", "last", "my conv", "reader")
    ]


@pytest.mark.parametrize(
    ("text", "position", "length", "unfinished", "said"),
    [
        ("sqnr<abc", 5, 3, False, ("“abc”", "sqnr<20")),
        ("conv sqnr<", 10, 0, True, ("number is missing", "sqnr<20")),
        ("sqnr<-", 5, 1, True, ("sqnr<20",)),
        ("snqr<20", 0, 4, False, ("“snqr”", "asqnr", "quotes")),
        ("size>2dB", 5, 3, False, ("“2dB”", "size>2MB")),
        ("sqnr<1e999", 5, 5, False, ("number",)),
        ("sqnr<1e" + "9" * 5000, 5, 5002, False, ("number",)),
        ("20>sqnr", 0, 7, False, ("sqnr<20",)),
        ("bits!=4", 4, 2, False, ("-bits=4",)),
        ("is:big", 0, 6, False, ("“big”", "is:layer")),
        ("is:qu", 0, 5, True, ("is:quantized",)),
        ("x -op:", 2, 4, True, ("op:", "op:Conv")),
        ("a=b", 0, 1, False, ("“a”", "quotes")),
        (" ".join("x" * (MOST_TERMS + 1)), 2 * MOST_TERMS, 1, False, ("quotes",)),
    ],
)
def test_mistakes_say_what_would_be_right(
    text: str, position: int, length: int, *, unfinished: bool, said: tuple[str, ...]
) -> None:
    """Where it is, what is wrong, what to write; and whether more typing may mend it."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    error = caught.value
    assert (error.position, error.length, error.unfinished) == (position, length, unfinished)
    assert len(str(error)) < 200
    for part in said:
        assert part in str(error)


def test_quotes_help_where_a_text_looks_like_a_figure() -> None:
    """What the message advises works."""
    graph = Graph("g", (Node("snqr<20", "Relu"),), {}, (), ())
    assert [match.name for match in SearchIndex(graph).find(parse('"snqr<20"'))] == ["snqr<20"]


_TEXT = st.text(st.sampled_from('ab1x× *?"-:<=.\n\0卷'), max_size=12)


def _read(text: str) -> Query | QueryError:
    try:
        return parse(text)
    except QueryError as error:
        return error


@given(_TEXT)
def test_every_text_is_a_query_or_a_mistake(text: str) -> None:
    """No input ends in anything but an answer or a clear message."""
    graph = Graph("g", (Node("a b", "Conv"), Node("x*\n", "Relu")), {}, (), ())
    query = _read(text)
    if isinstance(query, QueryError):
        assert query.message
        assert query.hint
        assert 0 <= query.position <= query.position + query.length <= len(text)
    else:
        found = SearchIndex(graph).search(query)
        assert len(list(found)) == len(found) <= 2


@given(st.lists(st.text(max_size=8), min_size=1, max_size=12, unique=True), st.text(max_size=3))
def test_a_quoted_word_finds_exactly_what_holds_it(names: list[str], word: str) -> None:
    """Every node whose name has the word, whatever case, and no other."""
    word = word.replace('"', "")
    graph = Graph("g", tuple(Node(name, "") for name in names), {}, (), ())
    found = SearchIndex(graph).search(parse(f'name:"{word}"')).nodes if word else ()
    assert sorted(found) == sorted(
        name for name in names if word and word.casefold() in name.casefold()
    )


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.lists(st.sampled_from(["?", 0, 1, 2, 12]), min_size=1, max_size=3),
)
def test_shapes_are_found_by_neighbouring_sizes(shape: list[int], run: list[int | str]) -> None:
    """Sizes are compared as sizes: 2 is no part of 12."""
    nodes = (Node("n", "Relu", "", ("t",)),)
    graph = Graph("g", nodes, {"t": Tensor("t", "float32", tuple(shape))}, (), ())
    found = SearchIndex(graph).search(parse(f"shape:{'x'.join(map(str, run))}")).nodes
    starts = range(len(shape) - len(run) + 1)
    fits = any(
        all(want in ("?", have) for want, have in zip(run, shape[start:], strict=False))
        for start in starts
    )
    assert bool(found) == fits


def test_a_row_of_stars_does_not_explode() -> None:
    """Hostile names and patterns are answered like others."""
    graph = Graph("g", tuple(Node("a" * 300 + str(n), "x") for n in range(50)), {}, (), ())
    assert len(SearchIndex(graph).search(parse("name:" + "*a" * 40 + "*b"))) == 0
    assert len(SearchIndex(graph).search(parse("name:" + "*a" * 40 + "*7"))) == 5


def test_an_empty_graph_and_odd_names() -> None:
    """Nothing to find is no trouble, and neither are line breaks, repeated and empty names."""
    empty = SearchIndex(Graph("", (), {}, (), ()))
    assert empty.find(parse("a")) == ()
    assert empty.search(parse("-a")).nodes == ()
    nodes = (Node("a\nb", "Op", "", ("ghost",)), Node("", ""), Node("İ", "ß"))
    odd = SearchIndex(Graph("", nodes, {}, (), ()))
    assert odd.search(parse("SS")).nodes == ("İ",)
    assert odd.search(parse("ghost")).nodes == ("a\nb",)
    assert odd.search(parse("name=b")).nodes == ()
    assert odd.search(parse("-zzz")).nodes == ("a\nb", "", "İ")


def test_slices_and_iteration_agree(index: SearchIndex) -> None:
    """Matches are the same however they are asked for."""
    found = index.search(parse("o"))
    assert tuple(found) == found[:] == tuple(found[n] for n in range(len(found)))
    assert found.nodes == tuple(match.name for match in found if match.kind == "node")
    assert found.names == tuple(match.name for match in found)
    assert found[-1].name == found[:][-1].name
    with pytest.raises(IndexError):
        found[len(found)]


def test_every_node_of_a_real_model_is_found_by_its_name(sample_models: Path) -> None:
    """By its whole name it comes first; by its output it is among the first."""
    graph = extract_graph(load_model(sample_models / "digits_cnn.onnx"))
    index = SearchIndex(graph)
    for node in graph.nodes:
        assert index.find(parse(f'name="{node.name}"'))[0].name == node.name
        assert node.name in index.search(parse(f'tensor="{node.outputs[0]}"')).nodes
    weights = [name for name, tensor in graph.tensors.items() if tensor.constant]
    assert weights
    for name in weights:
        assert index.find(parse(f'name="{name}"'))[0] in index.find(parse("is:constant"))
