"""What became of the nodes of a file before quantization, in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.graph.preparations import title_of
from inspector.session.opening import OpenModel


@dataclass(frozen=True, slots=True)
class Provenance:
    """What passes did to the nodes of a model.

    Attributes:
        gone: nodes of the file that are no more when it is quantized, each with what became of it.
        made: nodes that are new, or another operator than in the file, each with what made it.
    """

    gone: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)


def provenance_of(opened: OpenModel) -> Provenance:
    """What became of each node. Cost: linear in the number of nodes."""
    left = {node.name for node in opened.graph.nodes}
    known = {node.name for node in opened.shown.nodes}
    hosts: dict[str, tuple[str, str]] = {}
    found = Provenance()
    for report in opened.passes:
        title = title_of(report.name)
        hosts.update((name, (host, title)) for name, host in report.gone.items())
        for name in report.made:
            if name in left:
                found.made[name] = f"Made before quantization ({title})"
    for name in known - left:
        host, title = hosts.get(name, ("", ""))
        while host and host not in left and host in hosts:
            host = hosts[host][0]  # who took it over was taken over itself
        if not title:
            found.gone[name] = "No longer there when the model is quantized"
        elif host in left:
            found.gone[name] = f"{host} does its work when the model is quantized ({title})"
        else:
            found.gone[name] = f"Computed before quantization ({title})"
    return found
