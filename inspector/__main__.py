"""`python -m inspector` is the same as the command `quant-inspector`."""

from __future__ import annotations

import os
import sys

from inspector.cli.interrupt import hear_signals


def main() -> int:
    """Run the command line, with signals heard from before the first of its imports."""
    _open_standard_streams()
    hear_signals()
    from inspector.cli.main import main as command_line

    return command_line()


def _open_standard_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr (`>&-`) ones to nowhere.

    Else the first file that it opens has their number, and what is printed goes into it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is taken, and those below are open by now
            os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, os.fdopen(number, mode, closefd=False))


if __name__ == "__main__":
    sys.exit(main())
