"""From a trained PyTorch network to an ONNX file a person would like to look at."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

# The lowest for each opset: onnxruntime runs the first since 1.11, the second since 1.17.
IR_VERSIONS = {17: 8, 20: 9}


def export(network: nn.Module, example: torch.Tensor, path: Path, *, opset: int) -> None:
    """Write a network as ONNX, batch normalization left as nodes of its own.

    Args:
        network: maps `image` to `logits`.
        example: float32 [n, 1, 8, 8], what the network is traced with.
        path: where the file goes.
        opset: 17, or 20 for models with a GELU, which is one operator from there on.
    """
    network.eval()
    with warnings.catch_warnings():
        # The newer exporter names nodes by number; this one names them by module.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=False,
            opset_version=opset,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
            # In EVAL mode the exporter folds BatchNormalization; PRESERVE with a network in
            # eval() exports the same inference arithmetic without folding.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    model = onnx.load_model(path)
    _unshare_initializers(model.graph)
    _constants_to_initializers(model.graph)
    model.graph.name = path.stem
    model.ir_version = IR_VERSIONS[opset]
    del model.graph.value_info[:]
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def _unshare_initializers(graph: onnx.GraphProto) -> None:
    """Give each parameter a value of its own again.

    Two parameters that happen to be equal, as the biases of two BatchNorms whose outputs are
    added and so receive the same gradients, are stored once by the exporter, the other read
    through an Identity node.
    """
    stored = {tensor.name: tensor for tensor in graph.initializer}
    shared = [n for n in graph.node if n.op_type == "Identity" and n.input[0] in stored]
    for node in shared:
        copy = graph.initializer.add()
        copy.CopyFrom(stored[node.input[0]])
        copy.name = node.output[0]
        graph.node.remove(node)


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    """Replace Constant nodes by initializers named after the node that reads them.

    A Reshape that the tracer wrote as [-1, ...] becomes [0, ...], "keep this dimension", so that
    the batch stays `N` along the whole graph.
    """
    constants = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}
    kept = [node for node in graph.node if node.op_type != "Constant"]
    for node in kept:
        for slot, name in enumerate(node.input):
            if name not in constants:
                continue
            values = numpy_helper.to_array(constants[name].attribute[0].t)
            if node.op_type == "Reshape" and values[0] == -1:
                values = values.copy()
                values[0] = 0
            own_name = f"{node.name}.{_slot_name(node.op_type, slot)}"
            graph.initializer.append(numpy_helper.from_array(values, own_name))
            node.input[slot] = own_name
    del graph.node[:]
    graph.node.extend(kept)


def _slot_name(op_type: str, slot: int) -> str:
    """Name an input slot as the operator's schema does, such as `min` of Clip."""
    return onnx.defs.get_schema(op_type).inputs[slot].name
