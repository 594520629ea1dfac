"""Which operators a model file holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx


def op_counts(path: Path) -> dict[str, int]:
    """Count the operators of a model file, without those inside subgraphs or functions.

    Args:
        path: an ONNX file; its weights are not read.

    Returns:
        Operator type -> number of nodes, the most frequent first.
    """
    model = onnx.load(str(path), load_external_data=False)
    return dict(Counter(node.op_type for node in model.graph.node).most_common())
