"""The errors that reach a user: what is wrong, and what to do about it."""

from __future__ import annotations


class InspectorError(Exception):
    """Something the user can understand and act on.

    Args:
        message: what is wrong, naming the file, layer, tensor or option.
        hint: the next step, as a full sentence; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """What is wrong, and what to do about it."""
        return f"{self.message} {self.hint}".rstrip()


class SpecError(InspectorError):
    """The text of a quantization spec is wrong."""


class ModelError(InspectorError):
    """A model file cannot be read, or does not hold what it should."""


class DataError(InspectorError):
    """Calibration or evaluation data does not fit the model or cannot be read."""


class RecipeError(InspectorError):
    """A recipe is wrong, or does not fit the model."""


class UnsupportedError(InspectorError):
    """What was asked for is understood but cannot be done here."""


class SaveError(InspectorError):
    """A file could not be written; what was there before is untouched."""


class RunError(InspectorError):
    """The runtime refused a model or failed while running it."""


class CancelledError(InspectorError):
    """The user cancelled the work; nothing was changed."""

    def __init__(self, message: str = "Cancelled.", hint: str = "") -> None:
        super().__init__(message, hint)
