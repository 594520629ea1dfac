"""The commands, each imported only when it is called, and the model path that is no command."""

from __future__ import annotations

import difflib
import importlib
import os

import click

COMMANDS = {
    "info": ("inspector.cli.info", "What a model holds, and what of it can be quantized."),
    "quantize": ("inspector.cli.quantize", "Quantize a model, save it, and check the saved file."),
    "calibrate": ("inspector.cli.calibrate", "Gather the statistics of a model's activations."),
    "compare": ("inspector.cli.compare", "How near the outputs of one model are to another's."),
    "encodings": (
        "inspector.cli.encodings",
        "The scales and zero points of a quantization, for another toolchain.",
    ),
    "qat": ("inspector.cli.qat", "A PyTorch script that trains a model with its quantization."),
    "sensitivity": ("inspector.cli.sensitivity", "What each layer does to the outputs, alone."),
    "search": ("inspector.cli.search", "Widths for all layers, within a budget or above a floor."),
    "import": ("inspector.cli.takeover", "The encodings of another tool as a recipe."),
    "report": ("inspector.cli.report", "What quantizing does to a model, as a document."),
    "render": ("inspector.cli.render", "The graph of a model as a picture: SVG, PNG or PDF."),
}
WINDOW = "window"
_WINDOW_MODULE = "inspector.cli.window"


class Commands(click.Group):
    """A group whose commands are modules, and whose default is the window.

    `quant-inspector [MODEL] [OPTIONS]` has no command: whatever does not start with one is handed
    to the command that opens the window.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people need them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and take its `command`."""
        del ctx
        module = _WINDOW_MODULE if cmd_name == WINDOW else COMMANDS.get(cmd_name, ("",))[0]
        if not module:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both forms: with a model, and with a command."""
        name = ctx.command_path
        formatter.write_usage(name, "[MODEL] [--calibration PATH] [--recipe FILE]")
        formatter.write_usage(name, "COMMAND ...", prefix="       ")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the window's command before arguments that start with none."""
        first = args[0] if args else ""
        if first not in COMMANDS and first not in ("--help", "-h", "--version"):
            if first and not first.startswith("-"):
                _refuse_wrong_command(first, ctx)
            args = [WINDOW, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but the window's command is shown as no command at all."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == WINDOW else name), command, rest


def _refuse_wrong_command(first: str, ctx: click.Context) -> None:
    """Tell a mistyped command from the path of a model.

    Raises:
        UsageError: it is no file and does not look like one.
    """
    looks_like_a_path = "." in first or "/" in first or os.sep in first or os.path.exists(first)
    if looks_like_a_path:
        return
    near = difflib.get_close_matches(first, COMMANDS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"The commands are {', '.join(COMMANDS)}."
    raise click.UsageError(f"{first!r} is neither a command nor a model file. {hint}", ctx)
