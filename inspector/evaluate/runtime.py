"""onnxruntime behind one small door: quiet, cancellable, and with errors a user can read."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, RunError
from inspector.graph.model import Dim, Node
from inspector.onnxio.counting import file_nodes
from inspector.onnxio.runnable import Runnable
from inspector.progress import Cancel

if TYPE_CHECKING:
    import onnxruntime as ort

_FATAL = 4
_POLL_SECONDS = 0.02
_MESSAGE_LENGTH = 300

_ELEMENT_TYPES = {
    "float": "float32",
    "double": "float64",
    "Int4x2": "int4",
    "UInt4x2": "uint4",
}

# onnxruntime's messages look like "[ONNXRuntimeError] : 1 : FAIL : Load model from PATH failed:
# FILE.cc:123 RETURN_TYPE FUNCTION(...) CONDITION was false. What a reader wants to know".
_NOISE = tuple(
    re.compile(pattern)
    for pattern in (
        r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ",
        r"^Load model from .*? failed: ?",
        r"\bFatal error: ",
        r" Please fix either the inputs/outputs or the model\.",
        r" Status Message:",
        # A function's whole signature, and the condition it found false.
        r"\S*/\S+\.(?:cc|h|cpp|hpp):\d+ [^.]{0,600}? was false\. ",
        r"\S*/\S+\.(?:cc|h|cpp|hpp):\d+ ",
        r"(?:\S+ )?\b(?:\w+::)+~?\w+(?:<[^>]*>)?\([^)]*\)(?: const)?(?: \[with [^]]*\])? ?",
    )
)


@cache
def _library() -> Any:
    """onnxruntime, told to be quiet; imported when something is run, for looking needs none."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """A session's input or output.

    Attributes:
        name: the tensor's name.
        dtype: numpy's name of the element type ("float32", "bool", "string" ...), or onnxruntime's
            own words for what is not a tensor ("seq(tensor(float))").
        shape: one entry an axis; a name or None where the size is not fixed. None when the value
            is not a tensor.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...] | None


class Session:
    """An onnxruntime session on the CPU; made by `open_session`. Safe to run from any thread."""

    def __init__(self, session: ort.InferenceSession, keep: object, title: str) -> None:
        """Wrap `session`; `keep` owns memory that onnxruntime reads for as long as it lives."""
        self._session = session
        self._keep = keep
        self._title = title
        self.inputs = tuple(_value_info(v) for v in session.get_inputs())
        self.outputs = tuple(_value_info(v) for v in session.get_outputs())

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        outputs: Sequence[str] | None = None,
        cancel: Cancel | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Run the model once.

        Args:
            feeds: an array for every input, by name.
            outputs: the outputs wanted; None means all.
            cancel: polled while the model runs, from another thread.

        Returns:
            The outputs by name.

        Raises:
            RunError: onnxruntime refused the feeds or failed.
            CancelledError: `cancel` said so.
        """
        names = [o.name for o in self.outputs] if outputs is None else list(outputs)
        options = _library().RunOptions()
        options.log_severity_level = _FATAL
        try:
            with _watched(options, cancel):
                values = self._session.run(names, dict(feeds), options)
        except CancelledError:
            raise
        except Exception as error:  # onnxruntime's kinds of error share no base class but this one
            if options.terminate:
                raise CancelledError from error
            raise _run_error("could not run", self._title, error) from error
        return dict(zip(names, values, strict=True))


def open_session(
    r: Runnable | Path,
    *,
    threads: int = 0,
    optimize: bool = True,
    precise: bool = False,
    spinning: bool = True,
    memory_pattern: bool = True,
    title: str = "",
) -> Session:
    """Open a model for running on the CPU.

    Args:
        r: the model, or the path of its file.
        threads: threads within an operator; 0 means one for every core.
        optimize: let onnxruntime rewrite the graph, as it does when deployed. Without it every node
            runs as it is written.
        precise: keep 16-bit partial sums of integer kernels from saturating on x86 processors
            without VNNI, at some cost in time (session.x64quantprecision).
        spinning: let idle threads wait busily. Turn off when other work shares the cores.
        memory_pattern: let onnxruntime plan the memory of a run as one block. Where most tensors
            are handed out, runs are faster and need less memory without it.
        title: what to call the model in an error message; the path by default.

    Raises:
        RunError: onnxruntime refuses the model.
    """
    options = _options(threads=threads, optimize=optimize, spinning=spinning)
    options.enable_mem_pattern = memory_pattern
    if precise:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return _open(r, options, title)


def optimized_nodes(r: Runnable | Path, *, threads: int = 1) -> tuple[Node, ...]:
    """The operators that onnxruntime's CPU provider really runs, after all its rewriting.

    Raises:
        RunError: onnxruntime refuses the model.
    """
    with tempfile.TemporaryDirectory(prefix="quant-inspector-") as folder:
        target = Path(folder) / "optimized.onnx"
        options = _options(threads=threads, optimize=True, spinning=False)
        options.optimized_model_filepath = str(target)
        # Weights go beside the graph: a model above 2 GB could not be written in one file.
        prefix = "session.optimized_model_external_initializers_"
        options.add_session_config_entry(prefix + "file_name", "optimized.data")
        options.add_session_config_entry(prefix + "min_size_in_bytes", "1024")
        _open(r, options, "")
        return file_nodes(target)


def optimized_op_counts(r: Runnable | Path, *, threads: int = 1) -> dict[str, int]:
    """Operator type -> number of its nodes among `optimized_nodes`, the most frequent first."""
    nodes = optimized_nodes(r, threads=threads)
    return dict(Counter(node.op_type for node in nodes).most_common())


def runtime_version() -> str:
    """The version of onnxruntime."""
    return str(_library().__version__)


def _options(*, threads: int, optimize: bool, spinning: bool) -> ort.SessionOptions:
    options = _library().SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_profiling = False
    level = _library().GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _open(r: Runnable | Path, options: ort.SessionOptions, title: str) -> Session:
    source: str | bytes
    keep: list[object] = []
    if isinstance(r, Path):
        title = title or str(r)
        if not r.is_file():
            raise RunError(f"{r}: there is no such model file.", "Check the path.")
        source = _as_text(r) or r.read_bytes()
    else:
        source = r.data
        if r.arrays:
            arrays = [np.ascontiguousarray(a) for a in r.arrays.values()]
            values = [_library().OrtValue.ortvalue_from_numpy(a) for a in arrays]
            options.add_external_initializers(list(r.arrays), values)
            keep = [arrays, values]
    try:
        session = _library().InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's kinds of error share no base class but this one
        raise _run_error("cannot load", title, error) from error
    return Session(session, keep, title)


def _as_text(path: Path) -> str:
    """The path as onnxruntime takes it; empty for one that is no text, which Linux allows."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        return ""
    return str(path)


def _value_info(value: Any) -> ValueInfo:
    tensor = re.fullmatch(r"tensor\((\w+)\)", value.type)
    if tensor is None:
        return ValueInfo(value.name, value.type, None)
    dtype = _ELEMENT_TYPES.get(tensor[1], tensor[1])
    shape = tuple(d if isinstance(d, int) else (d or None) for d in value.shape)
    return ValueInfo(value.name, dtype, shape)


@contextmanager
def _watched(options: ort.RunOptions, cancel: Cancel | None) -> Iterator[None]:
    """Set `options.terminate` as soon as `cancel` says so, while the body runs."""
    if cancel is None:
        yield
        return
    if cancel():
        raise CancelledError
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_POLL_SECONDS):
            if cancel():
                options.terminate = True
                return

    watcher = threading.Thread(target=watch, name="cancel-watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _run_error(what: str, title: str, error: Exception) -> RunError:
    model = title or "the model"
    text = clean_message(str(error))
    if text.startswith("Protobuf parsing failed"):
        text = "it is not an ONNX model, or it is damaged"
    if isinstance(error, MemoryError) or "bad_alloc" in text or "Failed to allocate" in text:
        return RunError(
            f"onnxruntime {what} {model}: out of memory.",
            "Use fewer or smaller inputs, or a machine with more memory.",
        )
    return RunError(f"onnxruntime {what} {model}: {text.rstrip('.')}.", _hint(text))


def _hint(text: str) -> str:
    if re.search(r"not a registered function/op|No Op registered|Could not find an impl", text):
        return "It holds an operator that onnxruntime's CPU provider does not have."
    if "Unsupported model IR version" in text or "opset" in text.lower():
        return "A newer onnxruntime may run it."
    if re.search(r"input|dimensions|rank", text, re.IGNORECASE):
        return "Check that the data fits the model's inputs."
    return ""


def clean_message(text: str) -> str:
    """Say what onnxruntime says without its status codes, source files and C++ signatures."""
    text = " ".join(text.split())
    for noise in _NOISE:
        text = noise.sub("", text)
    text = text.replace("Non-zero status code returned while running", "failed in").strip()
    if len(text) > _MESSAGE_LENGTH:
        text = text[:_MESSAGE_LENGTH].rstrip() + " ..."
    return text or "no reason was given"
