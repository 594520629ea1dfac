"""The options that say how layers are quantized, the same for every command that does so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inspector.cli.options import PATH, Data, recipe_of, skip_option
from inspector.quant.recover import METHODS_TEXT
from inspector.session.formats import FORMATS

if TYPE_CHECKING:
    from inspector.session.job import QuantizeRequest

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the options of `choice_options` say."""

    recipe: Path | None
    weights: str | None
    activations: str | None
    layers: Sequence[str]
    recover: str | None
    form: str | None
    matmul_nbits: bool
    integer_io: bool
    skip: Sequence[str]
    target: str | None
    fit: bool

    def request(
        self,
        model: Path,
        output: Path,
        data: Data,
        *,
        target: str | None = None,
        force: bool = False,
        verify: bool = True,
        study: bool = False,
        sensitivity: bool = False,
    ) -> QuantizeRequest:
        """The job that the options ask for.

        Args:
            model: the model's file.
            output: the file to write.
            data: what to calibrate with.
            target: the hardware, where neither the options nor a recipe name one.
            force: allow the output to be the model itself.
            verify: run the saved file.
            study: look at each layer more closely.
            sensitivity: quantize each layer alone as well.

        Raises:
            InspectorError: an option is wrong; it is named.
        """
        from inspector.session.job import QuantizeRequest

        asked = self.recipe or self.weights or self.activations or self.layers
        return QuantizeRequest(
            model=model,
            output=output,
            recipe=recipe_of(
                self.recipe,
                self.weights,
                self.activations,
                self.layers,
                self.form,
                self.target or (target if self.recipe is None else None),
                self.recover,
                matmul_nbits=self.matmul_nbits,
                integer_io=self.integer_io,
                skip=self.skip,
            ),
            calibration=data.calibration,
            images=data.image_options(),
            samples=data.samples,
            random_samples=data.random_data,
            seed=data.seed,
            force=force,
            verify=verify,
            # Defaults follow the target into each layer; what was chosen is not changed unasked.
            fit=self.fit or not asked,
            study=study,
            sensitivity=sensitivity,
        )


_OPTIONS = (
    click.option("--recipe", type=PATH, metavar="FILE", help="What to choose, a TOML file."),
    click.option("--weights", metavar="SPEC", help="Weights of layers that no rule speaks of."),
    click.option("--activations", metavar="SPEC", help="Their activations."),
    click.option(
        "--layer",
        "layers",
        multiple=True,
        metavar="GLOB=ROLE:SPEC",
        help="A rule for layers, after those of the recipe; ROLE is weights, activations or "
        "recover, GLOB a pattern for names or op:OPERATOR.",
    ),
    click.option(
        "--recover",
        metavar="METHODS",
        help="What to do so that quantizing costs less: " + METHODS_TEXT + ".",
    ),
    click.option(
        "--format", "form", type=click.Choice(list(FORMATS)), help="Form of the saved file."
    ),
    click.option(
        "--matmul-nbits",
        is_flag=True,
        help="Write products by weights of 2, 4 or 8 bits alone as onnxruntime's MatMulNBits.",
    ),
    click.option(
        "--integer-io",
        is_flag=True,
        help="Let the file take and give integers; what they stand for is told and in its "
        "metadata.",
    ),
    skip_option,
    click.option(
        "--target",
        metavar="NAME",
        help="The hardware to quantize for, such as tensorrt, or a profile of your own, FILE.toml.",
    ),
    click.option("--fit", is_flag=True, help="Change what the target does not take, and say so."),
)


def choice_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options; the command gets them as one argument, `choices`."""

    @wraps(function)
    def gathered(
        recipe: Path | None,
        weights: str | None,
        activations: str | None,
        layers: Sequence[str],
        recover: str | None,
        form: str | None,
        matmul_nbits: bool,
        integer_io: bool,
        skip: Sequence[str],
        target: str | None,
        fit: bool,
        **others: Any,
    ) -> R:
        choices = Choices(
            recipe,
            weights,
            activations,
            layers,
            recover,
            form,
            matmul_nbits,
            integer_io,
            skip,
            target,
            fit,
        )
        return function(choices=choices, **others)

    result: Callable[..., R] = gathered
    for option in reversed(_OPTIONS):
        result = option(result)
    return result
