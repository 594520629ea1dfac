"""A simulation that also hands out what its layers compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto, ValueInfoProto

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
    """

    runnable: Runnable
    names: Mapping[str, str]


def expose_layers(simulation: Simulation, layers: Sequence[Layer]) -> Exposed:
    """Adds the outputs of layers to those of a simulation.

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
    known = {value.name for value in graph.output}
    found: dict[str, str] = {}
    for layer in layers:
        name = floats.get(layer.output, layer.output)
        if name not in computed:
            continue
        found[layer.name] = name
        if name not in known:
            known.add(name)
            graph.output.append(ValueInfoProto(name=name))
    return Exposed(Runnable(proto.SerializeToString(), simulation.runnable.arrays), found)
