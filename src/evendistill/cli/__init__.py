"""The command line: parses, calls, prints."""

import errno
import os
import warnings

import typer

from evendistill.cli import begin, train, read, ship, judge, watch  # isort: skip - the order in which --help names the verbs
from evendistill.cli.options import app
from evendistill.data.wording import one_line, shown
from evendistill.experiments.processes import first_process_speaks, own_exit_code
from evendistill.experiments.verbs import fail

__all__ = ["app", "begin", "judge", "main", "read", "ship", "train", "watch"]


def main() -> None:
    """Run the command line; whatever is wrong with the input becomes one line and exit code 2."""
    warnings.showwarning = lambda message, *_: typer.echo(f"warning: {shown(one_line(message))}", err=True)
    with own_exit_code():
        _main()


def _main() -> None:
    try:
        with first_process_speaks():
            app(standalone_mode=True)
    except (ValueError, FloatingPointError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if os.environ.get("EVENDISTILL_TRACEBACK"):
            raise
        fail(_in_words(error), 2)
    except OSError as error:
        fail(_in_words(error), 2 if error.errno == errno.EROFS else 1)


def _in_words(error: Exception) -> str:
    """What an error says; of the system's, without its number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
