"""The commands that make numbers: sample, init, run, backfill, status, lint, query, schema, ui.

What belongs here: their arguments. What does not: the work, which each loads when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsm_pipeline.cli.app import (
    AsOfOption,
    AsPublishedOption,
    ByOption,
    HomeOption,
    JsonOption,
    ReasonOption,
    RestateOption,
    app,
    day_of,
    home_of,
)
from nsm_pipeline.errors import UserError


@app.command()
def sample(
    home: HomeOption = None,
    weeks: Annotated[int, typer.Option(min=1, help="Weeks of history.")] = 60,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts in the end.")] = 400,
    events: Annotated[int, typer.Option(min=0, help="Rows delivered, about.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files.")] = 7,
    end: Annotated[str | None, typer.Option(help="A day of the last week, YYYY-MM-DD.")] = None,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing where something has landed.")] = False,
) -> None:
    """Write a sample landing zone: a made-up company's telemetry with growth, churn, a rename and an outage."""
    from nsm_pipeline.cli.sampling import write

    write(home_of(home), weeks, accounts, events, seed, end, if_empty)


@app.command()
def init(
    answers: Annotated[Path | None, typer.Option(help="A filled-in answers file, instead of questions.")] = None,
    blank: Annotated[Path | None, typer.Option(help="Write an empty answers file here, and nothing else.")] = None,
    from_landing: Annotated[
        bool, typer.Option("--from-landing", help="Propose events and properties from what has landed.")
    ] = False,
    event: Annotated[list[str] | None, typer.Option(help="Only this event, as sent; may be repeated.")] = None,
    use_case: Annotated[str | None, typer.Option(help="With --from-landing alone: the use case's name.")] = None,
    output: Annotated[Path | None, typer.Option(help="The playbook file.", show_default="HOME/playbook/…")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a playbook of a North Star workshop: by questions, from an answers file, or a draft from landed data."""
    from nsm_pipeline.cli.init import Order
    from nsm_pipeline.cli.init import init as init_home

    init_home(Order(home_of(home), answers, blank, from_landing, event or [], use_case, output, force, json))


@app.command()
def run(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    restate: RestateOption = False,
    reason: ReasonOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Ingest what is new, build every week that is missing or out of date in one run, certify, publish."""
    from nsm_pipeline.cli.running import restatement_of, run_home

    word = restatement_of(restate, reason, by)
    raise typer.Exit(run_home(home_of(home), day_of(as_of), as_json=json, restatement=word))


@app.command()
def backfill(
    weeks: Annotated[str, typer.Option(help="First and last week, YYYY-MM-DD..YYYY-MM-DD, or one.")],
    use_case: Annotated[list[str] | None, typer.Option(help="Only this use case; may be repeated.")] = None,
    home: HomeOption = None,
    as_of: AsOfOption = None,
    restate: RestateOption = False,
    reason: ReasonOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Rebuild a range of weeks from landed rows, in one run, whether or not they are out of date."""
    from nsm_pipeline.cli.running import backfill_home, restatement_of

    word = restatement_of(restate, reason, by)
    raise typer.Exit(backfill_home(home_of(home), day_of(as_of), weeks, use_case or [], as_json=json, restatement=word))


@app.command()
def status(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    show: Annotated[int, typer.Option("--last", min=1, help="How many of the newest weeks to list.")] = 20,
    json: JsonOption = False,
) -> None:
    """Per use case and week: missing, flash, withheld or held (and why) or certified; and what became of the rows."""
    from nsm_pipeline.cli.status import show_status

    show_status(home_of(home), day_of(as_of), show, as_json=json)


@app.command()
def lint(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    playbook: Annotated[
        Path | None, typer.Option("--playbook", help="A folder of definitions, linted by itself, without data.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    json: JsonOption = False,
    rules: Annotated[bool, typer.Option("--rules", help="Print the table of all rules, as Markdown.")] = False,
) -> None:
    """Grade every use case on the seven criteria of a good North Star, and say what to mend. 3: an error was found."""
    from nsm_pipeline.cli.linting import lint_folder, lint_home, print_rules

    if rules:
        return print_rules()
    if playbook is not None:
        if home is not None:
            raise UserError("--playbook: definitions are linted by themselves; leave out --home, or leave out this.")
        raise typer.Exit(lint_folder(playbook, day_of(as_of), strict=strict, as_json=json))
    raise typer.Exit(lint_home(home_of(home), day_of(as_of), strict=strict, as_json=json))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT statement.")],
    home: HomeOption = None,
    as_of: AsOfOption = None,
    as_published: AsPublishedOption = None,
    format: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
) -> None:
    """Read-only SQL over the home: landed_events, usage_events, north_star, growth, extract_north_star, …"""
    from nsm_pipeline.cli.querying import print_query

    print_query(home_of(home), day_of(as_of), sql, format, as_published)


@app.command()
def schema(
    kind: Annotated[str | None, typer.Argument(help="use_case or settings: print that one.")] = None,
    home: HomeOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write both to.", show_default="HOME/playbook/.schema")
    ] = None,
) -> None:
    """Write JSON Schemas of use case files and settings.yaml, with which an editor completes and checks them."""
    from nsm_pipeline.cli.schemas import print_schema, write_to

    if kind is None:
        write_to(out or home_of(home).playbook / ".schema")
    else:
        print_schema(kind)


@app.command(hidden=True)
def expected(home: HomeOption = None) -> None:
    """For `make run`: succeed where only weeks are withheld that the sample broke on purpose, and say why."""
    from nsm_pipeline.cli.sampling import explain_withheld

    raise typer.Exit(explain_withheld(home_of(home)))


@app.command()
def ui(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
) -> None:
    """Serve the Dagster UI with its daemon on the home, on the loopback address only."""
    from nsm_pipeline.cli.running import serve

    serve(home_of(home), day_of(as_of), port)
