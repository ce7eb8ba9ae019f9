"""`nsm report`: the digest or the dashboard of a publication.

What belongs here: which publication, and where to. What does not: what they say (`reporting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import typer
from rich.console import Console

from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.home import Home
from nsm_pipeline.steps.as_published import publication_of
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.pages import monday_of, run_dashboard, write

FORMATS = ("md", "html")
console = Console(stderr=True, soft_wrap=True)


@dataclass(frozen=True)
class Order:
    """What was asked for: of which home and day, in which format, into which file, of which publication."""

    home: Home
    as_of: date | None
    format: str
    out: Path | None
    as_published: str | None


def print_report(order: Order) -> None:
    """Print the digest, or write a page and say where. Raises UserError where nothing is published."""
    if order.format not in FORMATS:
        raise UserError(f"--format: found '{order.format}'; {nearest(order.format, FORMATS)}")
    opened = Open.of(order.home, open_playbook(order.home, order.as_of))
    if order.format == "html" and order.out is None:
        if order.as_published is not None:
            raise UserError("--out: an earlier dashboard needs a file to be written to; HOME/pages shows the newest.")
        made = run_dashboard(opened)
        if made is None:
            raise _nothing(order.home)
        return _say(made.page)
    text = _text(opened, order)
    if order.out is None:
        return typer.echo(text.rstrip("\n"))
    out = order.out.expanduser().absolute()
    if out.is_dir():
        raise UserError(f"--out: found '{out}', which is a folder; a file is needed.")
    write(out, text.encode())
    return _say(out)


def _text(opened: Open, order: Order) -> str:
    publication = None
    if order.as_published is not None:
        publication = publication_of(order.home, opened.playbook.calendar, order.as_published)
    monday = monday_of(opened, publication)
    if monday is None:
        raise _nothing(order.home)
    if order.format == "html":
        from nsm_pipeline.reporting.dashboard import dashboard_html

        return dashboard_html(monday)
    from nsm_pipeline.reporting.digest import digest_markdown

    return digest_markdown(monday)


def _nothing(home: Home) -> UserError:
    return UserError(f"{home.root}: nothing has been published yet: nsm run --home {home.root}")


def _say(file: Path) -> None:
    console.print(f"Wrote {file}", highlight=False, markup=False)
