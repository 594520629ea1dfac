"""The entries of metadata that a model carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onnx import helper

from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model

AS_IS_KEY: Final = "quant_inspector.as_is"
"""Of a float model that was read out of a quantized one: nothing is folded in it, so that the grids
that were read with it go on fitting. A quantized model does not carry it on.
"""


def with_metadata(model: Model, entries: Mapping[str, str | None]) -> Model:
    """The same model with other entries; None takes one away."""
    draft = Draft(model)
    changed = {**model.metadata, **entries}
    found = {key: value for key, value in changed.items() if value is not None}
    del draft.proto.metadata_props[:]
    helper.set_model_props(draft.proto, found)
    return draft.finish()
