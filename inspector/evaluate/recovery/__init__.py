"""Getting back what quantizing costs, from samples: layer by layer, without training."""
