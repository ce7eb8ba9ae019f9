"""The command for Monday: report.

What belongs here: its arguments. What does not: the work, which it loads when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsm_pipeline.cli.app import AsOfOption, AsPublishedOption, HomeOption, app, day_of, home_of


@app.command()
def report(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    format: Annotated[
        str, typer.Option("--format", help="md: a digest for chat and mail; html: the dashboard.")
    ] = "md",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write.", show_default="md: print; html: HOME/pages")
    ] = None,
    as_published: AsPublishedOption = None,
) -> None:
    """What is read on Monday, of what is published: a digest for chat and mail, or the dashboard as one page."""
    from nsm_pipeline.cli.reporting import Order, print_report

    print_report(Order(home_of(home), day_of(as_of), format, out, as_published))
