"""Where the `counterspin` command starts. Almost nothing is imported here: Ctrl-C is answered from the start."""

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line; every failure is one sentence and an exit code."""
    try:
        # A terminal that knows no ε still gets its table.
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
        from counterspin.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("counterspin: interrupted; the same command starts again", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)
