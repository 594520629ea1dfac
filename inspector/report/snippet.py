"""Code that runs a saved model in onnxruntime, with its own names, shapes and types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.evaluate.runtime import ValueInfo, open_session

_C_TYPES = {
    "float32": "float",
    "float64": "double",
    "float16": "Ort::Float16_t",
    "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_FREE = 1
"""What stands for a size that the model leaves open."""


@dataclass(frozen=True, slots=True)
class Interface:
    """What a saved model is fed and gives.

    Attributes:
        file: its name.
        inputs: in the file's order.
        outputs: in the file's order.
    """

    file: str
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""

        def values(found: Sequence[ValueInfo]) -> list[dict[str, Any]]:
            return [
                {"name": one.name, "dtype": one.dtype, "shape": list(one.shape or ())}
                for one in found
            ]

        return {"inputs": values(self.inputs), "outputs": values(self.outputs)}


NO_INTERFACE = Interface("", (), ())


def interface_of(path: Path) -> Interface:
    """The inputs and outputs of a model file.

    Raises:
        RunError: onnxruntime cannot load it.
    """
    session = open_session(path, optimize=False)
    return Interface(path.name, tuple(session.inputs), tuple(session.outputs))


def python_snippet(interface: Interface) -> str:
    """A Python program that runs the model once on zeros."""
    feeds = "".join(
        f"    {one.name!r}: np.zeros({_sizes(one)}, np.{one.dtype}),{_note(one, '#')}\n"
        for one in interface.inputs
    )
    names = ", ".join(repr(one.name) for one in interface.outputs)
    return (
        "import numpy as np\n"
        "import onnxruntime as ort\n\n"
        f"session = ort.InferenceSession({interface.file!r}, "
        'providers=["CPUExecutionProvider"])\n'
        f"feeds = {{\n{feeds}}}\n"
        f"outputs = session.run([{names}], feeds)\n"
        f"for name, value in zip([{names}], outputs):\n"
        "    print(name, value.dtype, value.shape)\n"
    )


def cpp_snippet(interface: Interface) -> str:
    """A C++ program that does the same."""
    parts = [
        "#include <array>\n#include <vector>\n#include <onnxruntime_cxx_api.h>\n",
        "int main() {",
        '  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "model");',
        "  Ort::SessionOptions options;",
        f"  Ort::Session session(env, ORT_TSTR({_quoted(interface.file)}), options);",
        "  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);",
        "  std::vector<Ort::Value> inputs;",
    ]
    for number, one in enumerate(interface.inputs):
        kind, sizes = _C_TYPES.get(one.dtype, one.dtype), _numbers(one)
        shape = ", ".join(map(str, sizes))
        count = 1
        for size in sizes:
            count *= size
        parts += [
            f"  std::array<int64_t, {len(sizes)}> shape{number}{{{shape}}};{_note(one, '//')}",
            f"  std::array<{kind}, {count}> data{number}{{}};"
            if count <= 4096
            else f"  std::vector<{kind}> data{number}({count});",
            f"  inputs.push_back(Ort::Value::CreateTensor<{kind}>(memory, data{number}.data(), "
            f"data{number}.size(), shape{number}.data(), shape{number}.size()));",
        ]
    reads = ", ".join(_quoted(one.name) for one in interface.inputs)
    gives = ", ".join(_quoted(one.name) for one in interface.outputs)
    parts += [
        f"  const char* reads[] = {{{reads}}};",
        f"  const char* gives[] = {{{gives}}};",
        "  auto outputs = session.Run(Ort::RunOptions{}, reads, inputs.data(), inputs.size(), "
        f"gives, {len(interface.outputs)});",
        "}",
    ]
    return "\n".join(parts) + "\n"


def _numbers(one: ValueInfo) -> list[int]:
    return [size if isinstance(size, int) and size >= 0 else _FREE for size in one.shape or ()]


def _sizes(one: ValueInfo) -> str:
    sizes = _numbers(one)
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def _note(one: ValueInfo, sign: str) -> str:
    free = [str(size) for size in one.shape or () if not isinstance(size, int)]
    words = ", ".join(name if name != "None" else "a size" for name in free)
    words = "".join(c if c.isprintable() else "?" for c in words)
    return f"  {sign} {words}: choose" if free else ""


def _quoted(text: str) -> str:
    """A string of C++, whatever is in it."""
    plain = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(plain.get(c, c) for c in text) + '"'
