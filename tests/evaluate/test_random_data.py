"""Random inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, helper

from inspector.errors import DataError
from inspector.evaluate.random_data import random_data
from inspector.graph.model import Graph
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model

GraphOf = Callable[..., Graph]


def test_same_seed_same_samples(graph_of: GraphOf) -> None:
    """A sample depends on the seed and its number only."""
    graph = graph_of(x=("float32", ["N", 3, 8, 8]))
    first, second = random_data(graph, samples=4, seed=7), random_data(graph, samples=9, seed=7)
    np.testing.assert_array_equal(first.feeds(3)["x"], second.feeds(3)["x"])
    assert (first.feeds(0)["x"] != first.feeds(1)["x"]).any()
    assert (first.feeds(0)["x"] != random_data(graph, seed=8).feeds(0)["x"]).any()


def test_is_marked(graph_of: GraphOf) -> None:
    """Whatever is taken from random data stays marked as random."""
    data = random_data(graph_of(x=("float32", [1])), samples=5, seed=7)
    for part in (data, data.subset([1, 2]), *data.split(2)):
        assert part.random
        assert part.seed == 7
        assert "random" in part.source
        assert part.notes
    assert data.labels is None
    assert len(data) == 5


def test_free_sizes(graph_of: GraphOf) -> None:
    """Batches are 1 long, pictures 224 x 224, other free axes 16; names agree."""
    graph = graph_of(
        image=("float32", ["N", 3, "H", "W"]),
        last=("float16", [None, None, None, 3]),
        tokens=("int64", ["batch", "length"]),
        state=("float32", [2, "batch", 128]),
        mask=("bool", ["N", "length"]),
        rate=("int64", []),
    )
    shapes = {name: values.shape for name, values in random_data(graph).feeds(0).items()}
    assert shapes == {
        "image": (1, 3, 224, 224),
        "last": (1, 224, 224, 3),
        "tokens": (1, 16),
        "state": (2, 1, 128),
        "mask": (1, 16),
        "rate": (),
    }


@pytest.mark.parametrize(
    ("dtype", "shape", "below"),
    [
        ("int64", (1, 500), 2),
        ("bool", (1, 500), 2),
        ("uint8", (1, 500), 2),
        ("uint8", (1, 3, 20, 20), 256),
    ],
)
def test_integers_stay_small(
    graph_of: GraphOf, dtype: str, shape: tuple[int, ...], below: int
) -> None:
    """Integers are flags, but for pictures."""
    values = random_data(graph_of(x=(dtype, shape))).feeds(0)["x"]
    assert values.dtype == dtype
    assert values.min() == 0
    assert below * 0.9 <= int(values.max()) + 1 <= below


def test_tokens_use_the_whole_table(model_from: Callable[..., Model]) -> None:
    """Integers that choose rows of a table are drawn from all of them."""
    model = model_from(
        [
            helper.make_node("Cast", ["i"], ["j"], name="c", to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "j"], ["y"], name="g"),
        ],
        {"i": [1, 400]},
        ["y"],
        {"table": np.zeros((60, 2), np.float32)},
        types={"i": TensorProto.INT32},
    )
    values = random_data(extract_graph(model)).feeds(0)["i"]
    assert values.dtype == np.int32
    assert 50 < values.max() < 60


def test_impossible_requests_are_told(graph_of: GraphOf) -> None:
    """Wrong numbers and inputs that cannot be fed are told."""
    graph = graph_of(x=("float32", [1]))
    for wrong in ({"samples": 0}, {"seed": -1}):
        with pytest.raises(DataError):
            random_data(graph, **wrong)
    with pytest.raises(DataError, match="string"):
        random_data(graph_of(x=("string", [1])))
