"""The command line: argument handling and nothing else."""

from counterspin.cli.app import main

__all__ = ["main"]
