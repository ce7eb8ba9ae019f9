"""The commands of `nsm` and their exit codes.

What belongs here: arguments, exit codes, errors as one readable paragraph. What does not: the work.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nsm_pipeline.cli.exits import FAILED, UNUSABLE
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
errors = Console(stderr=True, soft_wrap=True)


class State:
    """What every command shares: the home, chosen before or after the command's name, and today."""

    home: str | None = None
    as_of: date | None = None


def _home(value: Path | None) -> Home:
    State.home = str(value) if value else State.home  # where an error leaves its details
    return Home.at(State.home)


def _day(value: str | None) -> date | None:
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


@app.callback()
def shared(home: HomeOption = None, as_of: AsOfOption = None) -> None:
    State.home = str(home) if home else None
    State.as_of = _day(as_of)


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

    write(_home(home), weeks, accounts, events, seed, end, if_empty)


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

    init_home(Order(_home(home), answers, blank, from_landing, event or [], use_case, output, force, json))


RestateOption = Annotated[bool, typer.Option("--restate", help="Let final values change; needs --reason.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why they change, for the restatement ledger.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Whose word it is.", show_default="the user's name")]


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
    raise typer.Exit(run_home(_home(home), _day(as_of), as_json=json, restatement=word))


@app.command()
def approve(
    use_case: Annotated[str, typer.Option(help="The use case.")],
    weeks: Annotated[str, typer.Option(help="First and last week, YYYY-MM-DD..YYYY-MM-DD, or one.")],
    by: Annotated[str, typer.Option(help="Who approves.")],
    note: Annotated[str, typer.Option(help="What they have to say.")] = "",
    home: HomeOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Sign off the newest certificates of some weeks. It does not carry over to later ones."""
    from nsm_pipeline.cli.approving import approve_weeks

    approve_weeks(_home(home), _day(as_of), use_case, weeks, by, note)


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
    raise typer.Exit(backfill_home(_home(home), _day(as_of), weeks, use_case or [], as_json=json, restatement=word))


@app.command()
def plan(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    playbook: Annotated[
        Path | None, typer.Option("--playbook", help="Another folder of definitions than the home's, as of a change.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Compute the new values beside the published ones.")
    ] = False,
    slices: Annotated[bool, typer.Option("--slices", help="With --preview: every slice, not only totals.")] = False,
    format: Annotated[str, typer.Option("--format", help="table or json; with --preview also markdown.")] = "table",
    json: JsonOption = False,
) -> None:
    """What the next run would rebuild, week by week, and why; and what it would change. Changes nothing."""
    shape = "json" if json else format
    if preview:
        from nsm_pipeline.cli.previewing import show_preview

        return show_preview(_home(home), _day(as_of), playbook, shape, slices)
    from nsm_pipeline.cli.planning import show_plan

    return show_plan(_home(home), _day(as_of), playbook, shape)


@app.command()
def status(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    show: Annotated[int, typer.Option("--last", min=1, help="How many of the newest weeks to list.")] = 20,
    json: JsonOption = False,
) -> None:
    """Per use case and week: missing, flash, withheld or held (and why) or certified; and what became of the rows."""
    from nsm_pipeline.cli.status import show_status

    show_status(_home(home), _day(as_of), show, as_json=json)


@app.command()
def instrumentation(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    use_case: Annotated[list[str] | None, typer.Option(help="Only this use case; may be repeated.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="Only this canonical event; may be repeated.")] = None,
    json: JsonOption = False,
) -> None:
    """How events are sent: sources, dual runs, what has changed by itself (with YAML to paste), how late rows come."""
    from nsm_pipeline.cli.instrumentation import show_instrumentation

    show_instrumentation(_home(home), _day(as_of), use_case or [], event or [], as_json=json)


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
        raise typer.Exit(lint_folder(playbook, _day(as_of), strict=strict, as_json=json))
    raise typer.Exit(lint_home(_home(home), _day(as_of), strict=strict, as_json=json))


@app.command()
def verify(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    weeks: Annotated[str | None, typer.Option(help="Compute these weeks anew: YYYY-MM-DD..YYYY-MM-DD, or one.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=0, help="Compute so many weeks of each use case anew.", show_default="3")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Compute every week anew.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove refuted files that the next run can build anew.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Prove or refute every stored file and published number; recompute a sample of weeks. 3: not all is proved."""
    from nsm_pipeline.cli.verifying import Order, verify_home

    raise typer.Exit(verify_home(Order(_home(home), _day(as_of), weeks, sample, every, repair, json)))


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

    print_query(_home(home), _day(as_of), sql, format, as_published)


@app.command()
def extract(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    as_published: AsPublishedOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an extract that is there.")] = False,
    home: HomeOption = None,
) -> None:
    """Write the extract to a folder: what readers see now, or byte for byte what they saw on a date."""
    from nsm_pipeline.cli.extracting import write_to

    write_to(_home(home), out, as_published, force=force)


@app.command()
def history(
    metric: Annotated[str, typer.Option(help="A metric by name, or a column of growth.")],
    week: Annotated[str, typer.Option(help="First day of the week, YYYY-MM-DD.")],
    use_case: Annotated[str | None, typer.Option(help="Needed where several use cases have the metric.")] = None,
    slice: Annotated[str | None, typer.Option("--slice", help="Such as plan=free.", show_default="the total")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """A number's life: every publication in which its value, state, stage or certificate changed, and why."""
    from nsm_pipeline.cli.telling import Asked, tell

    tell(_home(home), Asked(metric, week, use_case, slice), as_json=json)


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
        write_to(out or _home(home).playbook / ".schema")
    else:
        print_schema(kind)


@app.command(hidden=True)
def expected(home: HomeOption = None) -> None:
    """For `make run`: succeed where only weeks are withheld that the sample broke on purpose, and say why."""
    from nsm_pipeline.cli.sampling import explain_withheld

    raise typer.Exit(explain_withheld(_home(home)))


@app.command()
def ui(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
) -> None:
    """Serve the Dagster UI with its daemon on the home, on the loopback address only."""
    from nsm_pipeline.cli.running import serve

    serve(_home(home), _day(as_of), port)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a command and turns every error into one paragraph and an exit code."""
    sys.exit(_guarded(lambda: app(args=arguments, standalone_mode=True)))


def _guarded(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except UserError as error:
        errors.print(f"[bold red]Error[/] {_plain(str(error))}", highlight=False)
        return UNUSABLE
    except KeyboardInterrupt:
        errors.print("Stopped. The last good state is in place; run it again to go on.")
        return 130
    except Exception as error:  # noqa: BLE001 (the last resort: nobody should have to read a traceback)
        errors.print(f"[bold red]Error[/] {_plain(_cause(error))}{_kept(error)}", highlight=False)
        return FAILED
    return 0


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _cause(error: BaseException) -> str:
    """The innermost reason, without the wrapping of the libraries in between."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0] if said else 'no further word'}."


def _kept(error: BaseException) -> str:
    """Where the traceback lies, for whoever wants to report it."""
    try:
        folder = Home.at(State.home).root
        if not folder.is_dir():
            return ""
        file = folder / "last_error.txt"
        text = "".join(traceback.format_exception(error))
        file.write_text(f"{datetime.now().isoformat()}\n{text}", encoding="utf-8")
    except OSError:
        return " What was published before is still in place."
    return f" What was published before is still in place. Details: {file}"
