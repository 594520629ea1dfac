"""Options that several commands take, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inspector.errors import RecipeError

if TYPE_CHECKING:
    from inspector.evaluate.image_options import ImageOptions
    from inspector.session.recipe import Recipe, Rule

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
FORMATS = ("qdq", "qoperator", "dynamic", "weight-only")
DEFAULT_SEED = 0

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
debug = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)


def data_options(what: str) -> Callable[[F], F]:
    """The options that say which data to use.

    Args:
        what: how the help speaks of the data.
    """
    options = (
        click.option(
            "--calibration",
            type=PATH,
            metavar="PATH",
            help=f"{what}: .npz, .npy, a folder of those or of images, or ONNX test data.",
        ),
        click.option(
            "--random-data",
            type=click.IntRange(min=1),
            metavar="N",
            help="Use N random samples instead; figures from them say little about real data.",
        ),
        click.option(
            "--samples",
            type=click.IntRange(min=1),
            metavar="N",
            help="Use at most N samples, spread over the data.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=DEFAULT_SEED,
            metavar="N",
            help=f"Seed of the random samples.  [default: {DEFAULT_SEED}]",
        ),
        click.option(
            "--images",
            metavar="OPTIONS",
            help="How images are prepared, such as 'size=224x224 mean=0.5 std=0.5 channels=BGR'.",
        ),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def check_data_options(calibration: Path | None, random_data: int | None) -> None:
    """Refuse options that contradict one another.

    Raises:
        UsageError: both real and random data are asked for.
    """
    if calibration is not None and random_data is not None:
        raise click.UsageError("Give either --calibration or --random-data, not both.")


def image_options(text: str | None) -> ImageOptions | None:
    """What `--images` says.

    Raises:
        DataError: an option is wrong; it names which.
    """
    from inspector.evaluate.image_options import ImageOptions

    return None if text is None else ImageOptions.parse(text)


def recipe_of(
    path: Path | None,
    weights: str | None,
    activations: str | None,
    layers: Sequence[str],
    form: str | None,
    target: str | None,
) -> Recipe:
    """The recipe file, if there is one, and the options over it.

    Args:
        path: the file.
        weights: the default spec of weights.
        activations: the default spec of activations.
        layers: further rules, in order, as `GLOB=weights:SPEC` or `GLOB=activations:SPEC`.
        form: the format of the saved file.
        target: the hardware profile.

    Raises:
        RecipeError: the file or a rule is wrong, or the target unknown.
        SpecError: a spec is wrong.
        UnsupportedError: the format cannot be written.
    """
    from dataclasses import replace

    from inspector.session.recipe import DEFAULT_RECIPE, load_recipe

    recipe = DEFAULT_RECIPE if path is None else load_recipe(path)
    recipe = recipe.with_default(_spec("--weights", weights), _spec("--activations", activations))
    for text in layers:
        recipe = recipe.with_rule(layer_rule(text))
    recipe = replace(recipe, format=form or recipe.format, target=target or recipe.target)
    recipe.check()
    return recipe


def layer_rule(text: str) -> Rule:
    """The rule that one `--layer` stands for.

    Args:
        text: `GLOB=weights:SPEC` or `GLOB=activations:SPEC`. The glob may hold `=` itself.

    Raises:
        RecipeError: it has another form.
        SpecError: the spec is wrong.
    """
    from inspector.session.recipe import Rule

    at, role = max((text.rfind(f"={role}:"), role) for role in ("weights", "activations"))
    if at < 1:
        raise RecipeError(
            f"--layer {text!r} is not understood.",
            "Write GLOB=weights:SPEC or GLOB=activations:SPEC, such as 'op:Gemm=weights:int4'.",
        )
    spec = _spec(f"--layer {text!r}", text[at + len(role) + 2 :])
    glob = text[:at]
    if glob == "op:":
        raise RecipeError(f"--layer {text!r} names no operator.", "Write it as op:Gemm=...")
    return Rule(glob, spec, None) if role == "weights" else Rule(glob, None, spec)


def _spec(option: str, text: str | None) -> Any:
    from inspector.errors import SpecError
    from inspector.quant.spec import QuantSpec

    if text is None:
        return None
    try:
        return QuantSpec.parse(text)
    except SpecError as error:
        raise SpecError(f"{option}: {error.message}", error.hint) from error
