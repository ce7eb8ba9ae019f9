"""The command line's root: the app, what every command shares, its options.

What belongs here: the home and today as given before or after a command's name. What does not: commands.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home

app = typer.Typer(
    name="nsm",
    help="Weekly North Star Metrics: computed from usage events, certified, published for BI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class State:
    """What every command shares: the home, chosen before or after the command's name, and today."""

    home: str | None = None
    as_of: date | None = None


def home_of(value: Path | None) -> Home:
    """The home that a command is for. Raises UserError."""
    State.home = str(value) if value else State.home  # where an error leaves its details
    return Home.at(State.home)


def day_of(value: str | None) -> date | None:
    """The day that stands for today, None for the wall clock. Raises UserError."""
    if value is None:
        return State.as_of
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UserError(f"--as-of: found '{value}'; a day as YYYY-MM-DD is needed.") from None


HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The home's directory; without it NSM_HOME.", show_default="data/")
]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="A day that stands for today, YYYY-MM-DD.")]
AsPublishedOption = Annotated[
    str | None,
    typer.Option(
        "--as-published", help="As it was published at the end of a day, YYYY-MM-DD, or at an instant with its zone."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
RestateOption = Annotated[bool, typer.Option("--restate", help="Let final values change; needs --reason.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why they change, for the restatement ledger.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Whose word it is.", show_default="the user's name")]


@app.callback()
def shared(home: HomeOption = None, as_of: AsOfOption = None) -> None:
    State.home = str(home) if home else None
    State.as_of = day_of(as_of)
