"""Models that tell how large tensors are without handing the tensors out."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ValueInfoProto, helper

from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import Runnable, runnable


def shape_probe(model: Model, tensors: Sequence[str]) -> Runnable:
    """Make a model whose outputs are the shapes of `tensors`, in this order.

    Run once, it tells what a run that hands the tensors themselves out would need; the tensors live
    no longer in it than in the model as it is.

    Args:
        model: any model; not changed.
        tensors: tensors that its main graph computes.

    Raises:
        ModelError: one of them is not.
    """
    draft = Draft(model)
    names = [draft.unique_name(f"{tensor}/shape") for tensor in tensors]
    for tensor, name in zip(tensors, names, strict=True):
        draft.graph.node.append(helper.make_node("Shape", [tensor], [name], name=name))
    draft.graph.output.extend(ValueInfoProto(name=name) for name in names)
    return runnable(draft.finish(), outputs=names)
