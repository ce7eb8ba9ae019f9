"""`nsm plan`: what the next run rebuilds and why, for a person, or as JSON.

What belongs here: words, tables, the document. What does not: finding it out (`steps.planning`), new values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nsm_pipeline.cli.progress import bar
from nsm_pipeline.errors import UserError, nearest, printable
from nsm_pipeline.home import Home
from nsm_pipeline.steps.planning import Group, Plan, as_it_would_be, make_plan
from nsm_pipeline.steps.reasons import Reason
from nsm_pipeline.steps.unread import LandedFile

console = Console()
SHAPES = ("table", "json")
STATES = {
    "new": "new",
    "other content": "other content than before",
    "same bytes": "the same bytes as another file",
    "set aside": "can't be used",
    "read otherwise": "read in another way",
}


def show_plan(home: Home, as_of: date | None, playbook: Path | None, shape: str) -> None:
    """Print the plan in a shape: table or json. Nothing of the home is changed."""
    known_shape(shape, SHAPES)
    with bar("plan") as advance:

        def on_file(done: int, of: int, _: str) -> None:
            advance("landing files", done, of)

        with as_it_would_be(home, as_of, playbook, on_file=on_file) as (opened, before):
            plan = make_plan(opened, before, home)
    if shape == "json":
        print(json.dumps(document(plan), indent=1, default=str))
    else:
        print_plan(plan)


def known_shape(shape: str, known: Sequence[str]) -> None:
    if shape not in known:
        raise UserError(f"--format: found '{shape}'; {nearest(shape, known)}")


def print_plan(plan: Plan) -> None:
    if not plan.weeks:
        console.print(f"Nothing has landed in {plan.home / 'landing'} yet.", highlight=False)
        return
    frozen = f", as of {plan.as_of}" if plan.as_of else ""
    console.print(f"[bold]Plan[/] for {counted(plan.weeks, 'week')}{frozen}", highlight=False)
    if plan.is_empty:
        console.print("[green]✔[/] Nothing is stale: `nsm run` would rebuild nothing.", highlight=False)
    if plan.landing:
        console.print(_landing_table(plan.landing))
    for name in plan.use_cases:
        _print_use_case(plan, name)
    for line in _waiting(plan):
        console.print(Text("◔ ", "yellow") + Text(line))
    if not plan.is_empty:
        console.print(f"[bold]In all[/] {in_all(plan)}", highlight=False)
    for line in release_lines(plan):
        console.print(Text(line))


def _print_use_case(plan: Plan, name: str) -> None:
    groups = [group for group in plan.groups if group.use_case == name]
    if not groups and name not in plan.growth:
        if not plan.is_empty:
            judged = "; its gates, or what they look at, have changed" if name in plan.judged else ""
            console.print(f"[bold]{name}[/] [dim]no week is rebuilt{judged}[/]", highlight=False)
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(name, "bold not dim"), no_wrap=True)
    table.add_column("why", ratio=3)
    table.add_column("tables", ratio=2)
    table.add_column("files", justify="right")
    for group in groups:
        why = Text("\n".join(map(said, group.reasons)))
        table.add_row(weeks_text(group.weeks, plan.current), why, tables_text(group), f"{group.files:,}")
    if name in plan.growth:
        table.add_row("[dim]then all weeks[/]", "", "growth", "1")
    console.print(table)


def _landing_table(files: Sequence[LandedFile]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text("landed since the last run", "bold not dim"))
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_column("late", justify="right")
    table.add_column("weeks", no_wrap=True)
    for file in files[:SHOWN_FILES]:
        about = Text(STATES[file.state] + (f": {printable(file.problem)}" if file.problem else ""))
        rows, weeks = sum(file.rows.values()), sorted(file.rows)
        spanned = weeks_text(weeks) if weeks else ""
        table.add_row(Text(printable(file.path)), about, f"{rows:,}", f"{file.late:,}" if file.late else "", spanned)
    if len(files) > SHOWN_FILES:
        table.add_row(f"and {len(files) - SHOWN_FILES} more files", "", "", "", "")
    return table


SHOWN_FILES = 12


def said(reason: Reason) -> str:
    """A reason as a clause, with its rows and weeks."""
    about = [counted(reason.rows, "row")] if reason.rows else []
    about += [weeks_text(sorted(reason.weeks))] if reason.weeks else []
    return printable(reason.text) + (f" ({'; '.join(about)})" if about else "")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tables_text(group: Group) -> str:
    return "all tables" if group.is_whole else ", ".join(group.tables)


def weeks_text(weeks: Sequence[date], current: date | None = None) -> str:
    """One week, or the first and last of several; the one in progress is marked."""
    text = str(weeks[0])
    if len(weeks) > 1:
        text += f" … {weeks[-1]}, {len(weeks)} weeks"
    return text + (" ◔" if current is not None and weeks[-1] == current else "")


def in_all(plan: Plan) -> str:
    """What a run would do, in one sentence."""
    if not plan.files and not plan.judged:
        return (
            "nothing is rebuilt; what is said of it has changed (words, approvals, stages): a new version is published."
        )
    parts = [f"{counted(len(plan.files), 'file')} of {counted(plan.rebuilt, 'week')} written again"]
    parts.append(f"the gates of {', '.join(plan.judged)} asked again" if plan.judged else "no gate asked again")
    parts.append("a new version is published" if plan.publishes else "nothing new is published")
    return "; ".join(parts) + ". Nothing else is rebuilt by `nsm run`."


def release_lines(plan: Plan) -> Iterator[str]:
    """What becomes of what is published, in sentences."""
    stale = {
        (one.use_case, one.week): one for one in plan.stale if one.is_published and one.tables != ("usage_events",)
    }
    final = sum(one.stage == "final" for one in stale.values())
    if stale:
        weeks = f"{counted(len(stale), 'published week')} of a use case"
        yield f"{weeks} can no longer vouch for what is shown: it stays, as superseded_pending, until new values pass."
    if final:
        beyond = f"{100 * plan.rules.tolerance:.4g}%"
        yield f"Final among them: {final}; a value that changes beyond {beyond} is held until `nsm run --restate`."
    if plan.rules.approval == "required" and plan.stale:
        yield "Nothing of it is shown before `nsm approve`."


def _waiting(plan: Plan) -> Iterator[str]:
    for name, weeks in plan.waiting.items():
        for week, metrics in weeks.items():
            for metric, until in sorted(metrics.items()):
                yield f"{name} {week}: {metric} waits for its window, until {until:%Y-%m-%d %H:%M} UTC"


def document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON's types."""
    return {
        "home": str(plan.home),
        "playbook": str(plan.playbook),
        "as_of": plan.as_of,
        "current_week": plan.current,
        "landing": [
            {
                "path": file.path,
                "state": file.state,
                "problem": file.problem,
                "rows_by_utc_week": {str(week): rows for week, rows in file.rows.items()},
                "late_rows": file.late,
            }
            for file in plan.landing
        ],
        "use_cases": {name: _use_case(plan, name) for name in plan.use_cases},
        "files": sorted(plan.files),
        "publishes": plan.publishes,
        "release": list(release_lines(plan)),
    }


def _use_case(plan: Plan, name: str) -> dict[str, Any]:
    return {
        "groups": [_group(group) for group in plan.groups if group.use_case == name],
        "weeks": {
            str(one.week): {
                "tables": list(one.tables),
                "reasons": list(map(_reason, one.reasons)),
                "stage": one.stage,
                "published": one.is_published,
            }
            for one in plan.stale
            if one.use_case == name
        },
        "growth": name in plan.growth,
        "judged": name in plan.judged,
        "waiting": {
            str(week): {metric: f"{until.isoformat()}Z" for metric, until in metrics.items()}
            for week, metrics in plan.waiting.get(name, {}).items()
        },
    }


def _group(group: Group) -> Mapping[str, Any]:
    return {
        "first_week": group.weeks[0],
        "last_week": group.weeks[-1],
        "weeks": len(group.weeks),
        "tables": list(group.tables),
        "reasons": list(map(_reason, group.reasons)),
        "files": group.files,
    }


def _reason(reason: Reason) -> Mapping[str, Any]:
    return {"kind": reason.kind, "text": reason.text, "rows": reason.rows, "weeks": sorted(reason.weeks)}
