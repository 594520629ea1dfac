"""What a file is that is not ONNX, to say so instead of "parse error"."""

from __future__ import annotations

_MAGIC = (
    (0, b"PK\x03\x04", "a zip archive (perhaps a PyTorch or Keras file)"),
    (0, b"\x89HDF\r\n", "an HDF5 file (perhaps Keras)"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (4, b"ORTM", "an onnxruntime .ort file"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x93NUMPY", "a numpy array"),
    (0, b"\x80\x02", "a Python pickle (perhaps PyTorch)"),
    (0, b"\x80\x04", "a Python pickle"),
    (8, b'{"', "a safetensors file"),
    (0, b"version https://git-lfs", "a Git LFS pointer; the model itself was not downloaded"),
)


def what_is_it(data: bytes) -> str:
    """A description of a file's kind by its first bytes; "" where it may be ONNX."""
    for offset, magic, name in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    head = data[:512]
    if all(byte >= 0x20 or byte in b"\t\n\r" for byte in head):
        try:
            head.decode("utf-8", "strict" if len(data) <= 512 else "ignore")
        except UnicodeDecodeError:
            return ""
        stripped = head.lstrip().lower()
        if stripped.startswith((b"<!doctype", b"<html")):
            return "a web page"
        return "a text file"
    return ""
