"""The `counterspin` command. Heavy imports happen inside the commands, so that `--help` answers at once."""

import errno
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from counterspin.cli.attack import attack
from counterspin.cli.audit import audit
from counterspin.cli.certify import certify
from counterspin.cli.compare import compare
from counterspin.cli.crosscheck import crosscheck
from counterspin.cli.doctor import doctor
from counterspin.cli.export import export_adversarials
from counterspin.cli.harden import harden
from counterspin.cli.import_model import import_model
from counterspin.cli.inspect import inspect
from counterspin.cli.list import list_names
from counterspin.cli.report import report
from counterspin.cli.study import study
from counterspin.cli.train import train
from counterspin.errors import CounterspinError

__all__ = ["app", "run"]

# Typer carries its own click, under a private name: its usage error is the base of the one class it publishes.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

# What a shell reports for a program ended by SIGPIPE.
_CLOSED_PIPE = 141

app = typer.Typer(
    name="counterspin",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(audit)
app.command()(attack)
app.command()(certify)
app.command()(inspect)
app.command(name="import")(import_model)
app.command()(train)
app.command()(harden)
app.command()(report)
app.command()(compare)
app.command(name="export-adversarials")(export_adversarials)
app.command()(crosscheck)
app.command()(study)
app.command(name="list")(list_names)
app.command()(doctor)


def _version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(version("counterspin"))
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = None,
) -> None:
    """Attack, certify and audit quantum machine-learning classifiers.

    Exit codes: 0 done, 1 done but unreliable (crosscheck: a row failed; certify, attack: a contradiction; harden: the
    adaptive check failed), 2 usage, 3 bad data or model or full disk, 4 budget reached, 130 interrupted, 141 nobody
    reads the output.
    """


def run(arguments: list[str]) -> int:
    """The exit code of a command line; every failure is one sentence on standard error."""
    try:
        code = app(arguments, standalone_mode=False)
    except _UsageError as error:
        error.show()  # pyright: ignore[reportAttributeAccessIssue]
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except CounterspinError as error:
        return _failed(str(error), error.exit_code)
    except SystemExit:
        return _nobody_reads()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        place = error.filename or "the output"
        return _failed(f"{place} cannot be written ({error.strerror}); free disk space or choose another place", 3)
    if code == 130:  # typer answers most interrupts itself, without a word
        return _failed("interrupted; finished work is stored, the same command resumes", 130)
    return code if isinstance(code, int) else 0


def _nobody_reads() -> int:
    """The reader of our output has gone: typer and rich then leave with code 1, which here would mean unreliable."""
    # The interpreter must not try to flush into the closed pipe again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _CLOSED_PIPE


def _failed(message: str, code: int) -> int:
    typer.echo(f"counterspin: {message}", err=True)
    return code
