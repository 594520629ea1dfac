"""Take known functions that are written out as one unit, as one operator where ONNX has it."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, helper

from inspector.graph.formulas import NORMALIZATIONS
from inspector.graph.model import Graph, Unit
from inspector.graph.units import NormalForm, find_units, normal_forms
from inspector.onnxio.draft import Draft
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model
from inspector.onnxio.opset import opset_of
from inspector.onnxio.passes.report import PassReport
from inspector.progress import paced

_SINCE = {"Gelu": 20, "GeluTanh": 20, "HardSwish": 14, "LayerNorm": 17}
"""The opset from which on ONNX has an operator for a kind (and onnxruntime a kernel)."""


def fuse_gelu(model: Model) -> tuple[Model, PassReport]:
    """Recognize GELUs, with erf or tanh (Hendrycks and Gimpel 2016)."""
    return _fuse(model, "fuse_gelu", ("Gelu", "GeluTanh"))


def fuse_silu(model: Model) -> tuple[Model, PassReport]:
    """Recognize SiLU (Elfwing et al. 2018), QuickGelu and Mish (Misra 2019).

    ONNX has Swish from opset 24 on only, for which onnxruntime has no kernel of its own.
    """
    return _fuse(model, "fuse_silu", ("SiLU", "QuickGelu", "Mish"))


def fuse_hard_swish(model: Model) -> tuple[Model, PassReport]:
    """Recognize hard swishes (Howard et al. 2019)."""
    return _fuse(model, "fuse_hard_swish", ("HardSwish",))


def fuse_layer_norm(model: Model) -> tuple[Model, PassReport]:
    """Recognize normalizations along the last axis (Ba et al. 2016; Zhang and Sennrich 2019)."""
    return _fuse(model, "fuse_layer_norm", ("LayerNorm", "RMSNorm"))


def _fuse(model: Model, name: str, kinds: tuple[str, ...]) -> tuple[Model, PassReport]:
    """Recognize units of some kinds, and replace those for which the opset has an operator."""
    graph = extract_graph(model)
    units = find_units(graph, model.constant, kinds)
    opset = opset_of(model)
    replaced = [unit for unit in units if opset >= _SINCE.get(unit.kind, opset + 1)]
    kept = tuple(unit for unit in units if opset < _SINCE.get(unit.kind, opset + 1))
    if replaced:
        model = _replace(model, graph, replaced)
    return model, PassReport(name, len(units), units=kept)


def _replace(model: Model, graph: Graph, units: list[Unit]) -> Model:
    draft = Draft(model)
    nodes = {node.name: node for node in draft.graph.node}
    form_of = normal_forms(graph, model.constant)
    gone: list[NodeProto] = []
    for unit in paced(units):
        _rewrite(draft, graph, unit, form_of(unit), nodes[unit.nodes[-1]])
        gone += [nodes[name] for name in unit.nodes[:-1]]
    draft.remove_nodes(gone)
    draft.sweep()
    return draft.finish()


def _rewrite(
    draft: Draft, graph: Graph, unit: Unit, form: NormalForm | None, node: NodeProto
) -> None:
    """Make the last node of a unit the operator that computes all of it."""
    inputs = [unit.source]
    attributes: dict[str, object] = {}
    if unit.kind in NORMALIZATIONS:
        assert form is not None
        dtype = np.dtype(graph.tensors[unit.source].dtype)
        for part, values in (("scale", form.scale), ("bias", form.bias)):
            if part == "scale" or np.any(values):
                name = draft.unique_name(f"{node.name}_{part}")
                draft.set_constant(name, values.astype(dtype))
                inputs.append(name)
        attributes = {"axis": -1, "epsilon": form.epsilon}
    elif unit.kind == "GeluTanh":
        attributes = {"approximate": "tanh"}
    operator = {"GeluTanh": "Gelu", "LayerNorm": "LayerNormalization"}.get(unit.kind, unit.kind)
    del node.input[:], node.attribute[:]
    node.op_type = operator
    node.input.extend(inputs)
    node.attribute.extend(helper.make_attribute(*item) for item in sorted(attributes.items()))
