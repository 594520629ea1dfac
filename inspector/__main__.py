"""`python -m inspector` is the same as the command `quant-inspector`."""

from __future__ import annotations

import sys

from inspector.cli.interrupt import signals_heard


def main() -> int:
    """Run the command line, with signals heard from before the first of its imports."""
    with signals_heard():
        from inspector.cli.main import main as command_line

        return command_line()


if __name__ == "__main__":
    sys.exit(main())
