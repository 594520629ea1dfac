"""From a model that is quantized already to the float model that it stands for, and its grids."""
