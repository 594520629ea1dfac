"""Options that several commands take, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inspector.errors import RecipeError

if TYPE_CHECKING:
    from inspector.evaluate.image_options import ImageOptions
    from inspector.quant.recover import Recover
    from inspector.session.recipe import Recipe, Rule
    from inspector.session.samples import SampleRequest

R = TypeVar("R")
PATH = click.Path(path_type=Path)
DEFAULT_SEED = 0

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
skip_option = click.option(
    "--skip",
    multiple=True,
    metavar="PASS",
    help="Leave out a pass before quantization, such as fold_batch_norm; `info` lists them.",
)
debug = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)

scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Let the workers of a Dask scheduler do the work, such as tcp://host:8786 (needs the "
    "extra 'distributed').",
)


@dataclass(frozen=True, slots=True)
class Data:
    """What the options of `data_options` say."""

    calibration: Path | None
    random_data: int | None
    samples: int | None
    seed: int
    images: str | None

    def check(self) -> None:
        """Refuse options that contradict one another.

        Raises:
            UsageError: both real and random data are asked for.
        """
        if self.calibration is not None and self.random_data is not None:
            raise click.UsageError("Give either --calibration or --random-data, not both.")

    def require(self) -> None:
        """Refuse to go on without data.

        Raises:
            UsageError: none is asked for, or two kinds are.
        """
        self.check()
        if self.calibration is None and self.random_data is None:
            raise click.UsageError("Give --calibration PATH, or --random-data N for a try.")

    def image_options(self) -> ImageOptions | None:
        """What `--images` says.

        Raises:
            DataError: an option is wrong; it names which.
        """
        from inspector.evaluate.image_options import ImageOptions

        return None if self.images is None else ImageOptions.parse(self.images)

    def request(self) -> SampleRequest:
        """The samples that the options ask for; raises as `image_options`."""
        from inspector.session.samples import SampleRequest

        return SampleRequest(
            self.calibration, self.image_options(), self.samples, self.random_data, self.seed
        )


def data_options(what: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """The options that say which data to use; the command gets them as one argument, `data`.

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

    def add(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def gathered(
            calibration: Path | None,
            random_data: int | None,
            samples: int | None,
            seed: int,
            images: str | None,
            **others: Any,
        ) -> R:
            data = Data(calibration, random_data, samples, seed, images)
            return function(data=data, **others)

        result: Callable[..., R] = gathered
        for option in reversed(options):
            result = option(result)
        return result

    return add


def recipe_of(
    path: Path | None,
    weights: str | None,
    activations: str | None,
    layers: Sequence[str],
    form: str | None,
    target: str | None,
    recover: str | None = None,
    *,
    matmul_nbits: bool = False,
    integer_io: bool = False,
    skip: Sequence[str] = (),
) -> Recipe:
    """The recipe file, if there is one, and the options over it.

    Args:
        path: the file.
        weights: the default spec of weights.
        activations: the default spec of activations.
        layers: further rules, in order, as `GLOB=weights:SPEC` or `GLOB=activations:SPEC`.
        form: the format of the saved file. Defaults that nobody chose follow it.
        target: the name of a hardware profile, or its file. Defaults that nobody chose follow it.
        recover: methods that make quantizing cost less, for layers that no rule speaks of.
        matmul_nbits: weights alone become MatMulNBits where it takes them.
        integer_io: the file takes and gives integers.
        skip: passes to leave out, beside those that the recipe leaves out.

    Raises:
        RecipeError: the file, a rule or the profile is wrong, or the target unknown.
        SpecError: a spec is wrong.
    """
    from dataclasses import replace

    from inspector.session.fitting import for_format, for_target
    from inspector.session.recipe import DEFAULT_RECIPE, load_recipe

    recipe = DEFAULT_RECIPE if path is None else load_recipe(path)
    if target is not None:
        recipe = for_target(recipe, target_of(target))
    if form is not None:
        recipe = for_format(recipe, form)
    recipe = recipe.with_default(_spec("--weights", weights), _spec("--activations", activations))
    if recover is not None:
        recipe = replace(recipe, recover=recovery_of("--recover", recover))
    for text in layers:
        recipe = recipe.with_rule(layer_rule(text))
    recipe = replace(
        recipe,
        matmul_nbits=matmul_nbits or recipe.matmul_nbits,
        integer_io=integer_io or recipe.integer_io,
        skip=recipe.skip | skipped(skip),
    )
    recipe.check()
    return recipe


def skipped(names: Iterable[str]) -> frozenset[str]:
    """What `--skip` leaves out.

    Raises:
        RecipeError: there is no such pass.
    """
    from inspector.graph.preparations import skip_of

    try:
        return skip_of(names)
    except RecipeError as error:
        raise RecipeError(f"--skip: {error.message}", error.hint) from error


def target_of(text: str) -> str:
    """The name of the target that `--target` means; a file is made known to this run.

    Raises:
        RecipeError: it is a file, and that cannot be read or is wrong.
    """
    from inspector.session.targets import add_target, is_profile_path

    return add_target(Path(text)) if is_profile_path(text) else text


def layer_rule(text: str) -> Rule:
    """The rule that one `--layer` stands for.

    Args:
        text: `GLOB=weights:SPEC`, `GLOB=activations:SPEC` or `GLOB=recover:METHODS`. The glob may
            hold `=` itself.

    Raises:
        RecipeError: it has another form.
        SpecError: the spec is wrong.
    """
    from inspector.session.recipe import Rule

    at, role = max(
        (text.rfind(f"={role}:"), role) for role in ("weights", "activations", "recover")
    )
    if at < 1:
        raise RecipeError(
            f"--layer {text!r} is not understood.",
            "Write GLOB=weights:SPEC or GLOB=activations:SPEC, such as 'op:Gemm=weights:int4'.",
        )
    glob, said = text[:at], text[at + len(role) + 2 :]
    if glob == "op:":
        raise RecipeError(f"--layer {text!r} names no operator.", "Write it as op:Gemm=...")
    if role == "recover":
        return Rule(glob, recover=recovery_of(f"--layer {text!r}", said))
    spec = _spec(f"--layer {text!r}", said)
    return Rule(glob, spec, None) if role == "weights" else Rule(glob, None, spec)


def recovery_of(option: str, text: str) -> Recover:
    """What an option switches on.

    Raises:
        RecipeError: there is no such method; it names the option.
    """
    from inspector.quant.recover import Recover

    try:
        return Recover.parse(text)
    except RecipeError as error:
        raise RecipeError(f"{option}: {error.message}", error.hint) from error


def _spec(option: str, text: str | None) -> Any:
    from inspector.errors import SpecError
    from inspector.quant.spec import QuantSpec

    if text is None:
        return None
    try:
        return QuantSpec.parse(text)
    except SpecError as error:
        raise SpecError(f"{option}: {error.message}", error.hint) from error
