"""Files that hold one serialized TensorProto, as ONNX's test-data folders do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from inspector.errors import DataError


def read_tensor_file(path: Path) -> tuple[str, NDArray[Any]]:
    """Read a ``.pb`` file.

    Returns:
        The tensor's name, often empty, and its values.

    Raises:
        DataError: it cannot be read, is no tensor, or keeps its values in another file.
    """
    hint = "Test data holds one serialized TensorProto a file."
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except DecodeError as error:
        raise DataError(f"{path} is not a serialized tensor, or is damaged.", hint) from error
    if tensor.data_type == onnx.TensorProto.UNDEFINED:
        raise DataError(f"{path} is not a serialized tensor.", hint)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise DataError(f"{path} keeps its values in another file.", "Save them inside the tensor.")
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is a damaged tensor: {error}.", hint) from error
    return tensor.name, np.asarray(values)
