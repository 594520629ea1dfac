"""What a document tells its listeners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class RecipeChanged:
    """The recipe is another one, or the history moved.

    Attributes:
        layers: the layers whose resolved specs differ from before; empty where only the text of the
            recipe, the target or the format did.
    """

    layers: frozenset[str]


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Another model is open, or none; everything else changed with it."""


@dataclass(frozen=True, slots=True)
class CalibrationChanged:
    """Other statistics of the activations are known, or none."""


@dataclass(frozen=True, slots=True)
class DatasetChanged:
    """Other data is there to calibrate and evaluate with, or none."""


@dataclass(frozen=True, slots=True)
class SavedChanged:
    """Whether there are unsaved changes is different from before."""

    dirty: bool


Event: TypeAlias = RecipeChanged | ModelChanged | CalibrationChanged | DatasetChanged | SavedChanged
