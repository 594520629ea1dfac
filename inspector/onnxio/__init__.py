"""Reading and writing ONNX files: the only room that imports onnx."""
