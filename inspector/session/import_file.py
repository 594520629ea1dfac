"""From the file of a quantized model to the file of its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.errors import UnsupportedError
from inspector.onnxio.loading import load_model
from inspector.session.chosen import resolve
from inspector.session.importing import TARGET, is_quantized, open_as_recipe, save_float
from inspector.session.job import too_large_to_run
from inspector.session.opening import open_model
from inspector.session.recipe import save_recipe
from inspector.session.round_trip import RoundTrip, round_trip
from inspector.session.transfer import transfer_to_file


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a file.

    Attributes:
        kind: how it is quantized.
        taken: layers of the recipe.
        layers: layers of the model that the recipe is for.
        trip: what came of saving it again; None where that was not tried.
        notes: what stays as it is, or found no place.
    """

    kind: str
    taken: int
    layers: int
    trip: RoundTrip | None
    notes: tuple[str, ...]

    @property
    def layers_text(self) -> str:
        """How many layers are quantized, of how many."""
        return f"{self.taken} of {self.layers}"

    @property
    def again(self) -> str:
        """What came of saving it again, in words; empty where that was not tried."""
        return "" if self.trip is None else self.trip.text

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            "layers": self.taken,
            "layers_of_model": self.layers,
            "same_when_saved_again": None if self.trip is None else self.trip.same,
            "notes": list(self.notes),
        }


def import_file(
    path: Path,
    output: Path,
    *,
    original: Path | None = None,
    float_output: Path | None = None,
    target: str = TARGET,
    verify: bool = True,
) -> ImportResult:
    """Reads a quantized model back, and writes its recipe.

    Args:
        path: the quantized model.
        output: the recipe to write.
        original: the float model that the recipe is to be for; by default the one that is read out
            of the quantized one.
        float_output: where to write that, if anywhere.
        target: the hardware of the recipe.
        verify: run the quantized model beside what is saved of it again.

    Raises:
        InspectorError: something is wrong; what was written before is whole.
    """
    source = load_model(path)
    found = open_as_recipe(source, target)
    trip = None
    if verify and not too_large_to_run(source):
        trip = round_trip(source, found)
    taken, notes, recipe, opened = found.taken, found.notes, found.recipe, found.opened
    if original is not None:
        if is_quantized(open_model(original).graph):
            raise UnsupportedError(
                f"{original} is quantized itself.", "Name the float model first, then the other."
            )
        moved = transfer_to_file(found, original)
        taken, recipe, opened = moved.taken, moved.recipe, moved.opened
        notes = (*notes, *moved.notes)
    resolve(opened, recipe)
    if float_output is not None:
        save_float(found, float_output)
    save_recipe(recipe, output)
    return ImportResult(found.kind, taken, len(opened.graph.layers), trip, notes)
