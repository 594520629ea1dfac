"""`info`: what a model holds, and what of it can be quantized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from inspector.cli.options import PATH, as_json, debug, skip_option, skipped
from inspector.cli.output import count, facts, print_json, table
from inspector.report.units import bytes_text

_EPILOG = """\b
Examples:
  quant-inspector info model.onnx
  quant-inspector info model.onnx --layers
  quant-inspector info model.onnx --skip fold_batch_norm --skip fuse_gemm
  quant-inspector info model.onnx --json
"""


@click.command("info", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option("--layers", "list_layers", is_flag=True, help="List every layer, not only its kind.")
@skip_option
@as_json
@debug
def command(model: Path, list_layers: bool, skip: Sequence[str], as_json: bool) -> None:
    """Tell what MODEL holds: inputs, outputs, operators, size, and what can be quantized."""
    from inspector.session.describe import describe

    info = describe(model, skipped(skip)).to_json()
    if as_json:
        print_json(info)
    else:
        click.echo(text_of(info, list_layers=list_layers))


def text_of(info: Mapping[str, Any], *, list_layers: bool = False) -> str:
    """What a person reads of a model; `info` is what `--json` prints."""
    others = {domain: v for domain, v in info["opsets"].items() if domain != "ai.onnx"}
    lines = [
        ("model", info["model"]),
        ("producer", info["producer"]),
        ("opset", str(info["opset"]) + "".join(f", {d} {v}" for d, v in others.items())),
        ("IR version", str(info["ir_version"])),
        ("size", f"{bytes_text(info['size']['float_bytes'])}, {count(info['parameters'])} float"),
        *(("input", _port(port)) for port in info["inputs"]),
        *(("output", _port(port)) for port in info["outputs"]),
        ("operators", _operators(info["operators"])),
        *(("preparing", text) for text in _passes(info["passes"])),
        ("quantized", "with a recipe of Quant Inspector" if info["recipe"] else ""),
        ("not quantizable", info["obstacle"] or ""),
    ]
    parts = [facts(lines)]
    if info["layers"]:
        make = _layer_table if list_layers else _kind_table
        parts += ["", "Layers that can be quantized:", make(info["layers"])]
    return "\n".join(parts)


def _port(port: Mapping[str, Any]) -> str:
    shape = port["shape"]
    dims = "?" if shape is None else " x ".join("?" if d is None else str(d) for d in shape)
    return f"{port['name']}  {port['dtype']} {dims or 'scalar'}".rstrip()


def _operators(operators: Mapping[str, int], shown: int = 12) -> str:
    listed = [f"{number} {name}" for name, number in operators.items()]
    more = f" and {len(listed) - shown} more kinds" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more


def _passes(passes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each pass changed, under the name by which it can be left out, and what it left."""
    from inspector.graph.preparations import title_of

    lines = []
    for one in passes:
        if one["skipped"] or one["changed"]:
            what = "left out" if one["skipped"] else str(one["changed"])
            lines.append(f"{title_of(one['name'])}: {what} ({one['name']})")
        lines += [f"left as it is: {reason}" for reason in one["left"][:3]]
    return lines


def _kind_table(layers: Sequence[Mapping[str, Any]]) -> str:
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for layer in layers:
        kinds.setdefault(layer["op_type"], []).append(layer)
    rows = [
        (kind, str(len(found)), count(sum(layer["parameters"] for layer in found)), _macs(found))
        for kind, found in kinds.items()
    ]
    rows.append(
        ("all", str(len(layers)), count(sum(la["parameters"] for la in layers)), _macs(layers))
    )
    return table(rows, ("operator", "layers", "parameters", "MACs"), right=(1, 2, 3))


def _layer_table(layers: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            layer["name"],
            layer["op_type"],
            "x".join(map(str, layer["weight_shape"])) if layer["weight_shape"] else "-",
            count(layer["parameters"]),
            _macs([layer]),
        )
        for layer in layers
    ]
    return table(rows, ("layer", "operator", "weight", "parameters", "MACs"), right=(3, 4))


def _macs(layers: Sequence[Mapping[str, Any]]) -> str:
    """Multiply-accumulates of one run; "?" where a shape is not known."""
    known = [layer["macs"] for layer in layers]
    return "?" if None in known else count(sum(known))
