"""The commands about trust: plan, approve, verify, history, extract, instrumentation.

What belongs here: their arguments. What does not: the work, which each loads when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsm_pipeline.cli.app import AsOfOption, AsPublishedOption, HomeOption, JsonOption, app, day_of, home_of


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

    approve_weeks(home_of(home), day_of(as_of), use_case, weeks, by, note)


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

        return show_preview(home_of(home), day_of(as_of), playbook, shape, slices)
    from nsm_pipeline.cli.planning import show_plan

    return show_plan(home_of(home), day_of(as_of), playbook, shape)


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

    raise typer.Exit(verify_home(Order(home_of(home), day_of(as_of), weeks, sample, every, repair, json)))


@app.command()
def extract(
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write.")] = None,
    hyper: Annotated[Path | None, typer.Option("--hyper", help="The file for Tableau to write.")] = None,
    as_published: AsPublishedOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an extract that is there.")] = False,
    home: HomeOption = None,
) -> None:
    """Write the extract to a folder: what readers see now, or byte for byte what they saw on a date. Or for Tableau, as
    one file."""
    from nsm_pipeline.cli.extracting import write_to

    write_to(home_of(home), out, as_published, force=force, hyper=hyper)


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

    tell(home_of(home), Asked(metric, week, use_case, slice), as_json=json)


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

    show_instrumentation(home_of(home), day_of(as_of), use_case or [], event or [], as_json=json)
