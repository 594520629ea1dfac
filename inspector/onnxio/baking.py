"""A simulation with some of its numbers fixed, so that the runtime can plan with them.

Weights that are constants are laid out for its kernels once, and what a number of a choice that
quantizes nothing does is left out: what follows is the float model again, as fast as it is.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from inspector.onnxio.draft import reads, rename_reads
from inspector.onnxio.simulation import LayerInputs, Simulation, SiteInputs

Numbers = Mapping[str, NDArray[Any]]


class Baked:
    """Nodes of a simulation under fixed numbers.

    Attributes:
        nodes: those that are left, as copies.
        constants: values by name, of what the nodes read.
    """

    def __init__(
        self,
        simulation: Simulation,
        nodes: Sequence[NodeProto],
        fixed: Numbers,
        outputs: Container[str],
    ) -> None:
        """Fixes the numbers.

        Args:
            simulation: whose nodes they are.
            nodes: some or all of its nodes, in order; not changed.
            fixed: values of inputs of the simulation.
            outputs: tensors that keep their names.
        """
        self._fixed = fixed
        self._outputs = outputs
        self._values: dict[str, NDArray[Any]] = dict(fixed)
        self._passing = self._idle_sites(simulation)
        self._plain = self._idle_layers(simulation)
        self._off = {
            kernel.switch
            for kernel in simulation.kernels.values()
            if kernel.switch in fixed and not fixed[kernel.switch]
        }
        self._names: dict[str, str] = {}
        self.nodes = [copy for node in nodes if (copy := self._copy(node)) is not None]
        wanted = {name for node in self.nodes for name in reads(node)}
        self.constants = {name: v for name, v in self._values.items() if name in wanted}

    def _idle_sites(self, simulation: Simulation) -> dict[str, SiteInputs]:
        """The quantizers that let all values pass, by what they divide by."""
        return {
            site.divisor: site
            for site in simulation.sites.values()
            if site.lowest in self._fixed and np.isneginf(self._fixed[site.lowest])
        }

    def _idle_layers(self, simulation: Simulation) -> set[str]:
        """What the outputs of layers are multiplied by that compute with real values after all."""
        sites: dict[str, list[SiteInputs]] = {}
        for site, names in simulation.sites.items():
            sites.setdefault(site.consumer, []).append(names)
        found: set[str] = set()
        for name, inputs in simulation.layers.items():
            own = sites.get(name, [])
            if inputs.unit is None or inputs.unit not in self._fixed:
                continue
            passed = math.prod(float(self._fixed.get(one.divisor, 1.0)) for one in own)
            is_idle = all(one.divisor in self._passing for one in own)
            if is_idle and np.all(self._fixed[inputs.unit] == np.float32(passed)):
                self._make_real(inputs, passed)
                found.add(inputs.unit)
            else:
                for one in own:  # it computes with steps, which are not left out then
                    self._passing.pop(one.divisor, None)
        return found

    def _make_real(self, inputs: LayerInputs, passed: float) -> None:
        """The bias of a layer that computes with real values: powers of two, so nothing is lost."""
        if inputs.bias is not None:
            self._values[inputs.bias] = self._fixed[inputs.bias] * np.float32(passed)

    def _copy(self, node: NodeProto) -> NodeProto | None:
        """A node with what it reads renamed; None for one that is left out."""
        names = [self._names.get(name, name) for name in node.input]
        if self._is_left_out(node):
            if node.output[0] in self._outputs:
                return helper.make_node("Identity", [names[0]], list(node.output), node.name)
            self._names[node.output[0]] = names[0]
            return None
        copy = NodeProto()
        copy.CopyFrom(node)
        if node.op_type == "If" and node.input[0] in self._off:
            copy = _float_branch(node)
        rename_reads(copy, self._names)
        return copy

    def _is_left_out(self, node: NodeProto) -> bool:
        if node.op_type == "Div" and node.input[1] in self._passing:
            site = self._passing[node.input[1]]
            self._plain.update(n for n in (site.lowest, site.multiplier) if n is not None)
            self._plain.add(node.output[0])
            return True
        return any(name in self._plain for name in node.input)


def _float_branch(node: NodeProto) -> NodeProto:
    """The float operator of a node that has a byte kernel besides; see `byte_kernels`."""
    branch = next(part.g for part in node.attribute if part.name == "else_branch")
    copy = NodeProto()
    copy.CopyFrom(branch.node[0])
    copy.name = node.name
    copy.output[0] = node.output[0]
    return copy
