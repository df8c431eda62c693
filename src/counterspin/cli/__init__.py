"""The command line: argument handling and nothing else."""

from counterspin.cli.entry import main

__all__ = ["main"]
