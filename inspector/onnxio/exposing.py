"""A simulation that also hands out what its layers compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, ValueInfoProto

from inspector.graph.model import Layer
from inspector.graph.placement import REST, Site
from inspector.onnxio.runnable import Runnable
from inspector.onnxio.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Exposed:
    """A model with more outputs.

    Attributes:
        runnable: the model.
        names: the output that holds what a layer computes, by layer, before it is rounded for
            those who read it. Layers that the model does not compute are left out.
        reads: the outputs that hold what a layer reads, in the order of its activations, by layer;
            for layers that read all of them in steps of a quantizer.
    """

    runnable: Runnable
    names: Mapping[str, str]
    reads: Mapping[str, tuple[str, ...]]


def expose_layers(simulation: Simulation, layers: Sequence[Layer]) -> Exposed:
    """Adds the outputs and inputs of layers to the outputs of a simulation.

    Cost: linear in the number of nodes; no weight is read.
    """
    proto = ModelProto.FromString(simulation.runnable.data)
    graph = proto.graph
    computed = {name for node in graph.node for name in node.output if name}
    # A site that stands for all other readers has taken over the tensor's own name.
    taken = {
        names.divisor: site.tensor
        for site, names in simulation.sites.items()
        if site == Site(site.tensor, REST)
    }
    floats = {
        taken[name]: node.input[0] for node in graph.node for name in node.input if name in taken
    }
    written = {layer.name: floats.get(layer.output, layer.output) for layer in layers}
    written = {layer: name for layer, name in written.items() if name in computed}
    read = _reads(simulation, graph, layers)
    known = {value.name for value in graph.output}
    wanted = (*written.values(), *(name for names in read.values() for name in names))
    graph.output.extend(
        ValueInfoProto(name=name) for name in dict.fromkeys(wanted) if name not in known
    )
    made = Runnable(proto.SerializeToString(), simulation.runnable.arrays)
    return Exposed(made, written, read)


def _reads(
    simulation: Simulation, graph: GraphProto, layers: Sequence[Layer]
) -> dict[str, tuple[str, ...]]:
    """What comes out of the quantizers before layers that compute with steps."""
    ends = {
        names.highest: site for site, names in simulation.sites.items() if names.multiplier is None
    }
    steps = {
        ends[name]: node.output[0] for node in graph.node for name in node.input if name in ends
    }
    found: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        names = [steps.get(Site(tensor, layer.name)) for tensor in layer.activations]
        if all(names):
            found[layer.name] = tuple(name for name in names if name is not None)
    return found
