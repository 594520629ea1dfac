"""Grids that are found when a model runs, within a simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnx import NodeProto, TensorProto, ValueInfoProto, helper


def found_when_run(
    source: str,
    switch: str,
    given: Sequence[str],
    stem: str,
    new_name: Callable[[str], str],
) -> tuple[NodeProto, list[str], str]:
    """A node that gives a quantizer the numbers of DynamicQuantizeLinear, or those it was given.

    Args:
        source: the tensor to quantize.
        switch: a boolean scalar; whether the numbers are to be found.
        given: scale, lowest and highest step, for where they are not.
        stem: what new tensors are named after.
        new_name: makes a tensor name that is not taken.

    Returns:
        The node, the three numbers that it writes, and one more: the scale that was found, or 1.
    """
    written = [new_name(f"{stem}/{part}") for part in ("divisor", "lowest", "highest", "found")]
    codes, scale, zero, whole, one, top, low, high, same = (
        new_name(f"{stem}/found_{part}")
        for part in ("codes", "scale", "zero", "whole", "one", "top", "low", "high", "same")
    )
    found = helper.make_graph(
        [
            helper.make_node("DynamicQuantizeLinear", [source], [codes, scale, zero], codes),
            helper.make_node("Cast", [zero], [whole], whole, to=TensorProto.FLOAT),
            helper.make_node("Constant", [], [top], top, value_float=255.0),
            helper.make_node("Neg", [whole], [low], low),
            helper.make_node("Sub", [top, whole], [high], high),
            helper.make_node("Identity", [scale], [same], same),
        ],
        "found",
        [],
        [_float(name) for name in (scale, low, high, same)],
    )
    copies = [new_name(f"{stem}/given") for _ in range(3)]
    nodes = [
        helper.make_node("Identity", [name], [copy], copy)
        for name, copy in zip(given, copies, strict=False)
    ]
    nodes.append(helper.make_node("Constant", [], [one], one, value_float=1.0))
    fixed = helper.make_graph(nodes, "given", [], [_float(name) for name in (*copies, one)])
    node = helper.make_node(
        "If", [switch], written, f"{stem}/If", then_branch=found, else_branch=fixed
    )
    return node, written[:3], written[3]


def _float(name: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ())
