"""What a terminal shows of this machine's health; it needs no package that may be what is broken."""

from collections.abc import Sequence

import typer

from evendistill.data.wording import shown
from evendistill.experiments.beginning.health import Check


def print_checks(checks: Sequence[Check]) -> None:
    """Print what each check found, and under it how to mend what is not fine."""
    wide = max(len(check.name) for check in checks)
    for check in checks:
        state = check.state.upper() if check.state == "broken" else check.state
        typer.echo(f"{state:<7} {check.name:<{wide}}  {shown(check.said)}")
        if check.mend:
            typer.echo(f"{'':<7} {'':<{wide}}  mend: {shown(check.mend)}")
