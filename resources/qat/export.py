"""From what was trained back to ONNX; see `train.py`."""

import copy

import numpy as np
import onnx
import torch
from onnx import numpy_helper

NOTES = "quant_inspector.training"


def export(proto, network, path):
    """Write the graph that was trained, with weights and biases as codes.

    Args:
        proto: the model that training started from.
        network: the trained one.
        path: the file.
    """
    proto = copy.deepcopy(proto)
    graph = proto.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    with torch.no_grad():
        found = {name: scale() for name, scale in network.scales.items()}
        found |= {name: weight() for name, weight in network.weights.items()}
        found |= {name: network.end(name) for name in network.notes["ends"]}
        for name, values in found.items():
            array = values.cpu().numpy().astype(np.float32)
            tensors[name].CopyFrom(numpy_helper.from_array(array, name))
        nodes = []
        for node in graph.node:
            if node.op_type == "QuantizeLinear" and node.input[0] in tensors:
                quantizer, kind = (
                    network.quantizers[node.output[0]],
                    tensors[node.input[2]].data_type,
                )
                codes = quantizer.codes(found[node.input[0]], found[node.input[1]])
                graph.initializer.append(tensor_of(node.output[0], codes.cpu().numpy(), kind))
            else:
                nodes.append(copy.deepcopy(node))
    for bias in network.notes["biases"]:
        number = next(n for n, node in enumerate(nodes) if node.name == bias["node"])
        nodes.insert(number, write_bias(graph, nodes[number], bias, tensors))
    read = {name for node in nodes for name in node.input} | set(network.outputs)
    kept = [copy.deepcopy(tensor) for tensor in graph.initializer if tensor.name in read]
    entries = [copy.deepcopy(entry) for entry in proto.metadata_props if entry.key != NOTES]
    for field, values in ((graph.node, nodes), (graph.initializer, kept)):
        del field[:]
        field.extend(values)
    del proto.metadata_props[:]
    proto.metadata_props.extend(entries)
    onnx.save(proto, path)


def tensor_of(name, codes, kind):
    """A tensor of whole numbers; those of 2 and 4 bits are packed, the first in the lowest bits."""
    bits = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}.get(onnx.TensorProto.DataType.Name(kind))
    if bits is None:
        return numpy_helper.from_array(
            codes.astype(onnx.helper.tensor_dtype_to_np_dtype(kind)), name
        )
    each = 8 // bits
    flat = codes.astype(np.int64).reshape(-1) & ((1 << bits) - 1)
    rows = np.pad(flat, (0, -flat.size % each)).reshape(-1, each)
    packed = (rows << (np.arange(each) * bits)).sum(1).astype(np.uint8)
    return onnx.TensorProto(name=name, data_type=kind, dims=codes.shape, raw_data=packed.tobytes())


def write_bias(graph, node, bias, tensors):
    """Puts the int32 codes of a bias into the graph; gives the node that makes floats of them."""
    name = bias["bias"]
    slot = max(n for n, read in enumerate(node.input) if read == name)
    codes, scale = bias_codes(tensors[name], [tensors[one] for one in bias["scales"]])
    made = [f"{node.name}_{name}_{part}" for part in ("codes", "scale", "zero_point", "restored")]
    for part, array in zip(made, (codes, scale, np.zeros(scale.shape, np.int32)), strict=False):
        graph.initializer.append(numpy_helper.from_array(array, part))
    node.input[slot] = made[3]
    axis = {"axis": 0} if scale.ndim else {}
    return onnx.helper.make_node(
        "DequantizeLinear", made[:3], made[3:], f"{made[3]}_DequantizeLinear", **axis
    )


def bias_codes(tensor, scales):
    """int32 codes of a bias, and their scale: that of input times weight, as kernels add it.

    Without those, or where the codes would not fit, scales that give the float32 values back.
    """
    values = numpy_helper.to_array(tensor).astype(np.float64)
    if scales:
        x, w = (numpy_helper.to_array(one).astype(np.float64) for one in scales)
        scale = (x * w).astype(np.float32)
        codes = np.rint(values.reshape(-1) / scale.astype(np.float64))
        if np.abs(codes).max(initial=0) < 2**31:
            return codes.astype(np.int32), scale
        values = values.reshape(-1)
    exponent = np.frexp(values)[1]
    exponent = exponent - 24 if values.ndim == 1 else np.max(exponent, initial=-96) - 30
    scale = np.exp2(np.maximum(exponent, -126).astype(np.float64))
    return np.rint(values / scale).astype(np.int32), scale.astype(np.float32)
