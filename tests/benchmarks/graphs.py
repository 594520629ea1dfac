"""Graphs of any size to draw: transformer blocks in a chain, as exporters write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, TOKENS = 16, 8


@dataclass
class _Chain:
    """A graph that grows node by node, with the shape of everything in it."""

    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    shapes: dict[str, list[int]] = field(default_factory=dict)

    def constant(self, name: str, *shape: int) -> str:
        values = self.rng.standard_normal(shape).astype(np.float32)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, op: str, scope: str, inputs: list[str], shape: list[int], **given: object) -> str:
        name = f"{scope}/{op}_{len(self.nodes)}"
        output = f"{name}_output"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **given))
        self.shapes[output] = shape
        return output


def _linear(chain: _Chain, scope: str, source: str, inner: int, outer: int) -> str:
    weight = chain.constant(f"{scope}.weight", inner, outer)
    bias = chain.constant(f"{scope}.bias", outer)
    product = chain.add("MatMul", scope, [source, weight], [1, TOKENS, outer])
    return chain.add("Add", scope, [product, bias], [1, TOKENS, outer])


def _normalized(chain: _Chain, scope: str, source: str) -> str:
    """Layer normalization, spelled out as before opset 17."""
    one, all_ = [1, TOKENS, 1], [1, TOKENS, WIDTH]
    mean = chain.add("ReduceMean", scope, [source], one, axes=[-1])
    centred = chain.add("Sub", scope, [source, mean], all_)
    square = chain.add("Mul", scope, [centred, centred], all_)
    variance = chain.add("ReduceMean", scope, [square], one, axes=[-1])
    deviation = chain.add("Sqrt", scope, [variance], one)
    scaled = chain.add("Div", scope, [centred, deviation], all_)
    gain = chain.constant(f"{scope}.gain", WIDTH)
    return chain.add("Mul", scope, [scaled, gain], all_)


def _block(chain: _Chain, number: int, source: str, mask: str) -> str:
    scope = f"/layers.{number}"
    all_, square = [1, TOKENS, WIDTH], [1, TOKENS, TOKENS]
    normal = _normalized(chain, f"{scope}/ln1", source)
    query, key, value = (
        _linear(chain, f"{scope}/attention/{part}", normal, WIDTH, WIDTH)
        for part in ("query", "key", "value")
    )
    turned = chain.add("Transpose", f"{scope}/attention", [key], [1, WIDTH, TOKENS], perm=[0, 2, 1])
    scores = chain.add("MatMul", f"{scope}/attention", [query, turned], square)
    if mask:
        scores = chain.add("Add", f"{scope}/attention", [scores, mask], square)
    weights = chain.add("Softmax", f"{scope}/attention", [scores], square)
    mixed = chain.add("MatMul", f"{scope}/attention", [weights, value], all_)
    out = _linear(chain, f"{scope}/attention/out", mixed, WIDTH, WIDTH)
    residual = chain.add("Add", scope, [source, out], all_)
    normal = _normalized(chain, f"{scope}/ln2", residual)
    wide = _linear(chain, f"{scope}/mlp/up", normal, WIDTH, 4 * WIDTH)
    gate = chain.add("Sigmoid", f"{scope}/mlp", [wide], [1, TOKENS, 4 * WIDTH])
    active = chain.add("Mul", f"{scope}/mlp", [wide, gate], [1, TOKENS, 4 * WIDTH])
    narrow = _linear(chain, f"{scope}/mlp/down", active, 4 * WIDTH, WIDTH)
    return chain.add("Add", scope, [residual, narrow], all_)


def transformer(nodes: int, folder: Path, *, mask: bool = False) -> Path:
    """A file with a chain of blocks of about so many nodes; made once.

    Args:
        nodes: how many, within a block of 36.
        folder: where the file is put.
        mask: one more input that every block reads.
    """
    path = folder / f"blocks_{nodes}{'_mask' if mask else ''}.onnx"
    if path.exists():
        return path
    chain = _Chain(np.random.default_rng(0))
    tensor, number = "tokens", 0
    while len(chain.nodes) < nodes:
        tensor = _block(chain, number, tensor, "mask" if mask else "")
        number += 1
    inputs = [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, TOKENS, WIDTH])]
    if mask:
        shape = [1, TOKENS, TOKENS]
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, shape))
    output = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, chain.shapes.pop(tensor))
    known = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in chain.shapes.items()
    ]
    graph = helper.make_graph(
        chain.nodes, "blocks", inputs, [output], chain.constants, value_info=known
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
