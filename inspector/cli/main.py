"""The entry: runs a command and turns whatever happens into an exit code and one clear message."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from inspector import __version__
from inspector.cli.group import Commands
from inspector.cli.interrupt import INTERRUPTED
from inspector.cli.output import printable
from inspector.errors import CancelledError, InspectorError

DONE, FAILED, WRONG_USAGE = 0, 1, 2
PROGRAM = "quant-inspector"

_HELP = """See what quantization does to an ONNX model, and decide it layer by layer.

Without a command it opens the window, with MODEL in it if one is given. The commands do the same
work without a window.

\b
  quant-inspector digits_cnn.onnx --calibration digits_calib.npz
      opens the window on a model, with data to calibrate it
  quant-inspector info digits_cnn.onnx
      what the model holds, and what of it can be quantized
  quant-inspector quantize digits_cnn.onnx -o small.onnx --calibration digits_calib.npz
      8 bits everywhere; prints what it cost, measured on the saved file
  quant-inspector quantize digits_cnn.onnx -o small.onnx --calibration digits_calib.npz \\
          --weights int4:block32 --layer 'op:Gemm=weights:int8'
      4-bit weights in blocks of 32, but 8 bits for every Gemm
  quant-inspector compare digits_cnn.onnx small.onnx --calibration digits_eval.npz
      how near the outputs are
  quant-inspector sensitivity digits_cnn.onnx --calibration digits_calib.npz
      what each layer does to the outputs when it alone is quantized
  quant-inspector search digits_cnn.onnx --calibration digits_calib.npz --mean-bits 6 -o mixed.toml
      which width each layer should have, as a recipe
  quant-inspector render digits_cnn.onnx -o digits_cnn.svg
      its graph as a picture, also as PNG and PDF

A SPEC says how one tensor is quantized: DTYPE[:GRANULARITY][:RANGE][:FLAG...], where what is left
out follows from what the tensor is.

\b
  DTYPE        float, float16, bfloat16, int2 to int16, uint2 to uint16, fp8e4m3, fp8e5m2;
               for weights also log2 to log8, binary, ternary
  GRANULARITY  tensor, channel, channel@AXIS, blockN, blockN@AXIS
  RANGE        minmax, mse, kl, kl2048/128 (bins/levels), percentile99.99,
               percentile[0,99.9] (one-sided), range[LO,HI], movavg, movavg0.99,
               meanminmax, meanminmax8 (mean over batches of 8 samples);
               as onnxruntime chooses: ort-minmax, ort-entropy, ort-percentile99.999
  FLAG         sym, asym, pow2 (the scale is a power of two)

Calibration data is an .npz or .npy file, a folder of those, a folder of images, ONNX test data
(input_0.pb), or statistics that `calibrate` saved.

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted.
"""


@click.group(cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def group() -> None:
    """All commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process by default.

    Returns:
        The exit code: 0 done, 1 an error told on stderr, 2 wrong usage, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    _forgive_narrow_terminals()
    try:
        # Not group.main(), which makes an error of its own of a closed pipe.
        with group.make_context(PROGRAM, given) as context:
            code = group.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:  # --help and --version are done
        return leaving.exit_code
    except click.UsageError as error:
        error.show()
        return WRONG_USAGE
    except (click.Abort, KeyboardInterrupt, CancelledError) as error:
        return _interrupted(error, debug=debug)
    except BrokenPipeError:
        _give_up_output()  # whoever read it has seen enough
        return DONE
    except Exception as error:  # nothing reaches the user as a traceback
        if isinstance(error, OSError) and error.errno in _OUTER_TROUBLE:
            _flush_or_give_up()
        return _failed(error, debug=debug)
    return code if isinstance(code, int) else DONE


def _flush_or_give_up() -> None:
    """What could not be written must not be tried again when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        _give_up_output()


def _give_up_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    if isinstance(error, InspectorError):
        _say(f"error: {error.message}", error.hint)
    elif isinstance(error, MemoryError):
        _say("error: out of memory.", "Use fewer samples, or a machine with more memory.")
    elif isinstance(error, OSError):
        expected = debug or error.errno in _OUTER_TROUBLE
        _say(f"error: {error.strerror or error}.", "" if expected else _SEE_MORE)
    elif isinstance(error, click.ClickException):
        _say(f"error: {error.format_message()}")
    else:
        what = " ".join(str(error).split())
        _say(f"error: {type(error).__name__}: {what}"[:500], "" if debug else _SEE_MORE)
    return FAILED


_OUTER_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
_LONGEST_LINE = 800
_SEE_MORE = "This is a fault of the program. Run with --debug for the traceback."


def _interrupted(error: BaseException, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    if isinstance(error, CancelledError) and error.hint:
        _say("cancelled.", error.hint)
    else:
        _say("cancelled; nothing was written.")
    return INTERRUPTED


def _say(message: str, hint: str = "") -> None:
    """One line on stderr, and another for the hint."""
    lines = [f"{PROGRAM}: {_line(message)}"]
    if hint:
        lines.append("  " + _line(hint))
    click.echo("\n".join(lines), err=True)


def _line(text: str) -> str:
    """Text as one printable line; names from files and options may be of any length."""
    line = printable(" ".join(text.split()))
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def _forgive_narrow_terminals() -> None:
    """Let a terminal that cannot show a character show its code instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
