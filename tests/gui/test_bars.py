"""Many figures as few bars."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inspector.gui.plots.bar_plots import worst_of_each

VALUES = st.lists(st.one_of(st.just(float("nan")), st.floats(-50, 90)), min_size=1, max_size=300)


@given(VALUES, st.integers(1, 40))
def test_each_bar_shows_the_lowest_of_what_it_stands_for(values: list[float], most: int) -> None:
    """No layer is left out, no bar too many, and the worst layer of all is shown."""
    array = np.array(values)
    shown, per_bar = worst_of_each(array, most)
    assert len(shown) <= most
    assert len(shown) * per_bar >= len(array) > (len(shown) - 1) * per_bar
    for bar, number in enumerate(shown.tolist()):
        part = array[bar * per_bar : (bar + 1) * per_bar]
        assert bar * per_bar <= number < bar * per_bar + len(part)
        if not np.isnan(part).all():
            assert array[number] == np.nanmin(part)


def test_few_figures_have_a_bar_each() -> None:
    """Where all can be seen, all are shown."""
    shown, per_bar = worst_of_each(np.array([3.0, 1.0, 2.0]), 256)
    assert per_bar == 1
    assert shown.tolist() == [0, 1, 2]
