"""Grids that a recipe gives: their text, what they come to, and what is wrong with a bad one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspector.errors import DataError, RecipeError
from inspector.graph.model import Layer
from inspector.quant.kernels import quantize
from inspector.quant.pin import Pin, PinnedTensor, Pins
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec, spec_of_pin
from inspector.session.recipe import Recipe
from inspector.session.recipe_toml import RecipeTextError

_HEAD = 'version = 1\n[[rule]]\nlayers = "*"\nweights = "int8:channel:pinned:sym"\n'
_SCALES = st.floats(2.0**-120, 2.0**120, width=32)


@st.composite
def entries(draw: st.DrawFn) -> PinnedTensor:
    """Any entry: per tensor, channel or block, of few numbers or many."""
    kind = draw(st.sampled_from(["int8", "uint8", "int4", "uint16", "fp8e4m3", "int32"]))
    shape = draw(st.sampled_from([(), (1,), (3,), (40,), (2, 5), (4, 3, 1)]))
    scale = draw(hnp.arrays(np.float32, shape, elements=_SCALES))
    zero = draw(st.integers(0, 7)) if kind[:3] in {"int", "uin"} and kind != "int32" else 0
    axis = None if not shape else len(shape) - 1
    block = 2 if len(shape) > 1 else 0
    readers = draw(st.lists(st.text(max_size=5), max_size=2, unique=True))
    name = draw(st.text(min_size=1, max_size=8))
    pin = Pin.of(kind, scale, zero, axis, block)
    return PinnedTensor(name, pin, tuple(readers), draw(st.booleans()))


@given(st.lists(entries(), min_size=1, max_size=3))
def test_a_recipe_with_grids_is_its_text(found: list[PinnedTensor]) -> None:
    """Every number comes back as the very float32 that it was."""
    recipe = Recipe(pins=Pins(tuple(found)))
    again = Recipe.parse(recipe.to_toml())
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()
    assert again.pins is not None
    for one, other in zip(found, again.pins.entries, strict=True):
        assert one.pin.scale.tobytes() == other.pin.scale.tobytes()
        assert one.pin.scale.shape == other.pin.scale.shape
        assert one.pin.zero_point.tobytes() == other.pin.zero_point.tobytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('tensor = "w"\ntype = "int8"', "scale"),
        ('tensor = "w"\ntype = "int8"\nscale = 0', "positive"),
        ('tensor = "w"\ntype = "int8"\nscale = -1.0', "positive"),
        ('tensor = "w"\ntype = "int8"\nscale = nan', "scale"),
        ('tensor = "w"\ntype = "int8"\nscale = inf', "scale"),
        ('tensor = "w"\ntype = "int8"\nscale = [1.0, 2.0]', "axis"),
        ('tensor = "w"\ntype = "int8"\nscale = []\naxis = 0', "scale"),
        ('tensor = "w"\ntype = "int8"\nscale = true', "scale"),
        ('tensor = "w"\ntype = "int8"\nscale = "f32 4\\nAAAA"\naxis = 0', "no array"),
        ('tensor = "w"\ntype = "int8"\nscale = "f32 -4\\n"\naxis = 0', "no array"),
        ('tensor = "w"\ntype = "int8"\nscale = "f32 999999999999x99999\\n"', "no array"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nzero_point = 200', "zero_point"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nzero_point = [1, 2]', "zero points"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nzero_point = 0.5', "zero_point"),
        ('tensor = "w"\ntype = "float"\nscale = 1', "type"),
        ('tensor = "w"\ntype = "int99"\nscale = 1', "type"),
        ('tensor = ""\ntype = "int8"\nscale = 1', "tensor"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nreaders = "a"', "readers"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nblock = 4', "block"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\naxis = "a"', "axis"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nfenced = 1', "fenced"),
        ('tensor = "w"\ntype = "int8"\nscale = 1\nmore = 1', "more"),
    ],
)
def test_a_bad_grid_is_told_with_its_line(text: str, words: str) -> None:
    """One clear error that names the table and the key."""
    with pytest.raises(RecipeTextError, match=words) as caught:
        Recipe.parse(f"{_HEAD}\n[[grid]]\n{text}\n")
    assert "[[grid]] number 1" in caught.value.message
    assert caught.value.line is not None


def test_a_spec_asks_for_the_grid_or_for_its_range() -> None:
    """Of its own type it is taken as it is; another type covers the same real range."""
    pin = Pin.of("int8", [0.5, 0.25], 0, 0)
    values = np.array([[-64.0, 3.3], [-40.0, 31.75]], np.float32)
    grid = weight_qparams(values, spec_of_pin(pin), 0)
    assert grid.scale.tolist() == [0.5, 0.25]
    assert (grid.qmin, grid.qmax) == (-128, 127)
    assert quantize(values, grid).tolist() == [[-128, 7], [-128, 127]]
    four = QuantSpec.parse("int4:channel:pinned:sym").pinned_to(pin)
    np.testing.assert_allclose(weight_qparams(values, four, 0).scale, [64 / 7, 32 / 7], rtol=1e-6)
    one = QuantSpec.parse("int8:tensor:pinned:sym").pinned_to(pin)
    np.testing.assert_allclose(weight_qparams(values, one, 0).scale, 64 / 127, rtol=1e-6)


def test_scales_of_another_tensor_are_refused() -> None:
    """They do not fit its shape."""
    pin = Pin.of("int8", [0.5, 0.25], 0, 0)
    with pytest.raises(DataError, match="do not fit"):
        weight_qparams(np.zeros((3, 2), np.float32), spec_of_pin(pin), 0)


def test_rules_find_the_grid_by_the_name_of_the_tensor(make_layer: Callable[..., Layer]) -> None:
    """What is set for one layer in the window leaves the others as they are."""
    pin = Pin.of("int8", 0.5)
    recipe = Recipe.parse(
        'version = 1\n[[rule]]\nlayers = "a"\nweights = "int8:tensor:pinned:sym"\n'
        '[[grid]]\ntensor = "a.weight"\ntype = "int8"\nscale = 0.5\n'
    )
    specs = recipe.resolve(make_layer("a"))
    assert specs.weights.exact_pin == pin
    assert specs.pins is recipe.pins
    changed = recipe.with_layer("a", activations=specs.weights)
    assert changed == Recipe.parse(changed.to_toml())


def test_a_pinned_spec_without_a_grid_is_refused(make_layer: Callable[..., Layer]) -> None:
    """The layer and the tensor are named."""
    from inspector.session.pinning import check_bound

    recipe = Recipe.parse(_HEAD)
    with pytest.raises(RecipeError, match=r"'a'.*'a\.weight'"):
        check_bound(make_layer("a"), recipe.resolve(make_layer("a")))
