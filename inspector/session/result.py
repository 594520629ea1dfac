"""What a quantization did: the figures that the command line, the window and reports show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.graph.conversions import Counts
from inspector.graph.grids import Constants, Grids
from inspector.graph.model import Layer
from inspector.graph.placement import Site
from inspector.onnxio.passes import PassReport
from inspector.onnxio.writers.integer_io import End
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import rounding_sqnr_db, sqnr_db
from inspector.quant.spec import RUN_TIME, LayerSpecs
from inspector.session.formats import FORMATS
from inspector.session.recipe import Recipe
from inspector.session.study import LayerStudy
from inspector.session.target_profile import PRODUCT

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.latency import Latencies
    from inspector.evaluate.verify import Verification
    from inspector.session.effects import Effect
    from inspector.session.recovery import Recovery


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer as it was written.

    Attributes:
        name: the node's name.
        op_type: its operator.
        weights: the spec of its weight; None where it has none.
        activations: the spec on which it reads its activations: a tensor that several layers read
            from an integer kernel is on one grid, the finest that was asked for.
        weight_sqnr_db: of the weight; None where it has none or stays float.
        integer: whether onnxruntime has an integer kernel for it.
        dynamic: whether the grid of its activations is found when the model runs.
    """

    name: str
    op_type: str
    weights: str | None
    activations: str
    weight_sqnr_db: float | None
    integer: bool
    dynamic: bool = False

    @property
    def kind(self) -> str:
        """Its operator as profiles name it."""
        return PRODUCT if self.weights is None else self.op_type

    @property
    def is_quantized(self) -> bool:
        """Whether its weight or its activations are."""
        return self.activations != "float" or self.weights not in {None, "float"}

    @classmethod
    def of(
        cls,
        layer: Layer,
        specs: LayerSpecs,
        grids: Grids,
        constant: Constants,
        written: Constants | None = None,
    ) -> LayerResult:
        """The figures of one layer. Cost: one pass over its weight.

        Args:
            layer: the layer.
            specs: what was chosen for it.
            grids: the numbers of all choices.
            constant: gives the weights of the float model.
            written: gives those that were put on the grids, where these are others.
        """
        sqnr = None
        grid = grids.weights.get(layer.name)
        if grid is not None and layer.weight is not None:
            values = constant(layer.weight)
            stored = values if written is None else written(layer.weight)
            if stored is values:
                sqnr = rounding_sqnr_db(values, grid)
            else:
                sqnr = sqnr_db(values, fake_quantize(stored, grid))
        dynamic = layer.name in grids.plan.dynamic
        read = grids.plan.sites.get(Site(layer.activations[0], layer.name))
        effective = specs.activations if read is None else grids.plan.points[read].spec
        return cls(
            layer.name,
            layer.op_type,
            None if layer.weight is None else str(specs.weights if grid else "float"),
            str(RUN_TIME) if dynamic else str(effective) if read is not None else "float",
            sqnr,
            grids.plan.multiplies_codes(layer.name),
            dynamic,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "op_type": self.op_type,
            "weights": self.weights,
            "activations": self.activations,
            "weight_sqnr_db": self.weight_sqnr_db,
            "integer_kernel": self.integer,
            "dynamic": self.dynamic,
        }


@dataclass(frozen=True, slots=True)
class QuantizeResult:
    """What a quantization did.

    Attributes:
        model: the float model's file.
        output: the file written.
        recipe: the choices.
        opset: of the written file.
        layers: every layer that could be quantized.
        float_bytes: size of the float model, external data included.
        quantized_bytes: size of the written one.
        calibration_source: the data, for the user; empty where none was needed.
        calibration_samples: how many samples the ranges were chosen from.
        random_data: whether they were random numbers.
        verification: predicted and measured figures; None where the file was not run.
        passes: what was folded before.
        seconds: by stage.
        notes: what the user should know of how the samples were taken.
        fitted: layers whose choice was changed because the target does not take it.
        ends: the inputs and outputs that are integers.
        float_ends: those that are float32.
        unproved: why the file was not run although it was to be; empty otherwise.
        recovery: what was done so that quantizing costs less; None where nothing was.
        conversions: how often values change between floats and integers; None where not counted.
        studies: a closer look at each layer, where a report asked for it.
        latency: how long both models take for one sample, where a report asked for it.
        effects: what each layer does to the outputs alone, where a report asked for it.
    """

    model: Path
    output: Path
    recipe: Recipe
    opset: int
    layers: tuple[LayerResult, ...]
    float_bytes: int
    quantized_bytes: int
    calibration_source: str
    calibration_samples: int
    random_data: bool
    verification: Verification | None
    passes: tuple[PassReport, ...]
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    fitted: tuple[str, ...] = ()
    ends: tuple[End, ...] = ()
    float_ends: tuple[str, ...] = ()
    unproved: str = ""
    recovery: Recovery | None = None
    conversions: Counts | None = None
    studies: tuple[LayerStudy, ...] = ()
    latency: Latencies | None = None
    effects: tuple[Effect, ...] = ()

    @property
    def format_notes(self) -> tuple[str, ...]:
        """What to know of the form of the file: what it left in float, and what is slow in it."""
        form, found = FORMATS[self.recipe.format], []
        if self.unproved:
            found.append(self.unproved)
        left = Counter(
            layer.op_type
            for layer in self.layers
            if not layer.is_quantized and layer.kind in form.on_request
        )
        if left:
            counts = ", ".join(f"{count} x {name}" for name, count in sorted(left.items()))
            found.append(
                f"Left in float: {counts}. {form.why_on_request}. A rule that gives them specs "
                "quantizes those that can be."
            )
        convs = sum(layer.dynamic and layer.op_type == "Conv" for layer in self.layers)
        if convs:
            found.append(
                f"ConvInteger ({convs} of them) is slow in onnxruntime: 3 to "
                "10 times slower than the float Conv was measured."
            )
        if self.recipe.integer_io and self.float_ends:
            found.append(f"Stay float, as no quantizer is at them: {', '.join(self.float_ends)}.")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        verification = self.verification
        return {
            "model": str(self.model),
            "output": str(self.output),
            "format": self.recipe.format,
            "format_notes": list(self.format_notes),
            "integer_io": {
                side: {end.name: end.to_json() for end in self.ends if end.is_input == is_input}
                for side, is_input in (("inputs", True), ("outputs", False))
            }
            | {"float": list(self.float_ends)},
            "target": self.recipe.target,
            "opset": self.opset,
            "layers": [layer.to_json() for layer in self.layers],
            "size": {"float_bytes": self.float_bytes, "quantized_bytes": self.quantized_bytes},
            "calibration": {
                "source": self.calibration_source,
                "samples": self.calibration_samples,
                "random": self.random_data,
                "notes": list(self.notes),
            },
            "predicted": verification.predicted.to_json() if verification else None,
            "measured": verification.measured.to_json() if verification else None,
            "accuracy": (
                verification.accuracy.to_json() if verification and verification.accuracy else None
            ),
            "verified_on": (
                {"source": verification.source, "random": verification.random}
                if verification
                else None
            ),
            "difference": verification.cause if verification else "",
            "passes": [report.to_json() for report in self.passes],
            "seconds": dict(self.seconds),
            "fitted": list(self.fitted),
            "recovery": self.recovery.to_json() if self.recovery else None,
            "conversions": self.conversions.to_json() if self.conversions else None,
        }
