"""The sidebar that says all there is to know of a model, a node or a tensor."""
