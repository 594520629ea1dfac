"""Quant Inspector: see what quantization does to an ONNX model, and decide it layer by layer."""

__version__ = "0.1.0"
