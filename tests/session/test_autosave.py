"""Sessions: what is written is read back, and nothing else is read at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.quant.spec import QuantSpec
from inspector.session.autosave import (
    MAX_NAMES,
    Look,
    Session,
    SessionError,
    parse_session,
    session_bytes,
)
from inspector.session.recipe import Recipe

NAMES = st.text(max_size=20)
REALS = st.floats(allow_nan=False, allow_infinity=False)
LOOKS = st.builds(
    Look,
    path=st.lists(st.tuples(NAMES, NAMES), max_size=3).map(tuple),
    direction=st.sampled_from(["down", "right"]),
    scale=st.floats(0.001, 100.0),
    centre=st.none() | st.tuples(REALS, REALS),
)
PATHS = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30).map(Path)
RECIPES = st.lists(NAMES.filter(bool), max_size=4, unique=True).map(
    lambda names: Recipe().with_layers(names, QuantSpec.parse("int4:channel:mse"))
)
SESSIONS = st.builds(
    Session,
    model=PATHS,
    model_key=NAMES,
    recipe=RECIPES,
    unsaved=st.booleans(),
    data=st.none() | PATHS,
    random=st.booleans(),
    selection=st.lists(NAMES, max_size=4).map(tuple),
    tensor=st.none() | NAMES,
    look=LOOKS,
    saved_at=st.floats(0, 4e9),
    process=st.integers(0, 1 << 31),
)


@given(SESSIONS)
def test_reading_gives_back_what_was_written(session: Session) -> None:
    """Whatever the names are made of."""
    assert parse_session(session_bytes(session)) == session


def content(**changes: Any) -> bytes:
    """The file of a plain session, with some keys changed; ... takes one away."""
    whole = json.loads(session_bytes(Session(Path("/m.onnx"), "key")))
    for key, value in changes.items():
        if value is ...:
            del whole[key]
        else:
            whole[key] = value
    return json.dumps(whole).encode()


LOOK = json.loads(session_bytes(Session(Path("/m.onnx"), "key")))["look"]
WRONG = [
    ({"version": 2}, "version 2"),
    ({"version": "1" * 90}, "version"),
    ({"version": ...}, "'version' is missing"),
    ({"model": ...}, "'model' is missing"),
    ({"model": ""}, "'model'"),
    ({"model": "a\0b"}, "'model'"),
    ({"model": 3}, "'model'"),
    ({"more": 1}, "'more' is not known"),
    ({"recipe": "version = 1\nfoo = 2"}, "foo"),
    ({"recipe": []}, "'recipe'"),
    ({"unsaved": 1}, "'unsaved'"),
    ({"selection": "abc"}, "'selection'"),
    ({"selection": [1]}, "'selection'"),
    ({"selection": ["a"] * (MAX_NAMES + 1)}, "'selection'"),
    ({"saved_at": float("nan")}, "'saved_at'"),
    ({"saved_at": 10**400}, "'saved_at'"),
    ({"saved_at": True}, "'saved_at'"),
    ({"look": []}, "'look'"),
    ({"look": LOOK | {"scale": 0}}, "'scale'"),
    ({"look": LOOK | {"scale": 1e300}}, "'scale'"),
    ({"look": LOOK | {"centre": [1]}}, "'centre'"),
    ({"look": LOOK | {"centre": [1, float("inf")]}}, "'centre'"),
    ({"look": LOOK | {"path": [["a"]]}}, "'path'"),
    ({"look": LOOK | {"direction": ["down"]}}, "'direction'"),
    ({"format": "something else"}, "'format'"),
]


@pytest.mark.parametrize(("changes", "named"), WRONG)
def test_anything_else_is_refused(changes: dict[str, Any], named: str) -> None:
    """With the key that is wrong, and never with another kind of error."""
    with pytest.raises(SessionError) as caught:
        parse_session(content(**changes))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 200_000, b"null", b"1" * 9999]
)
def test_what_is_no_session_at_all_is_refused(data: bytes) -> None:
    """Empty, cut off, binary, nested without end."""
    with pytest.raises(SessionError):
        parse_session(data)


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    """Nothing but a SessionError comes of it."""
    with pytest.raises(SessionError):
        parse_session(data)


def test_a_selection_of_very_much_is_left_out() -> None:
    """The file stays small; the rest of the session is kept."""
    names = tuple(f"{number}{'x' * 300}" for number in range(MAX_NAMES))
    data = session_bytes(Session(Path("/m.onnx"), "key", selection=names))
    assert len(data) < 10_000
    assert parse_session(data).selection == ()
