"""The arithmetic of quantization: numpy only."""
