"""`nsm status`: the state of every use case and week, and what became of the rows.

What belongs here: the table and its JSON. What does not: the states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from nsm_pipeline.home import Home
from nsm_pipeline.steps.certificates import WeekState, week_states
from nsm_pipeline.steps.opening import Open, open_playbook

console = Console()
SYMBOLS = {
    "certified": "[green]✔[/]",
    "held": "[magenta]‖[/]",
    "withheld": "[red]✘[/]",
    "flash": "[yellow]◔[/]",
    "missing": "[dim]·[/]",
}
COUNTS = ("landed", "duplicate", "quarantined", "internal", "late", "unmapped")


def show_status(home: Home, as_of: date | None, last: int, as_json: bool) -> None:
    """Print the newest `last` weeks and every one that is withheld or held; JSON holds all weeks."""
    opened = Open.of(home, open_playbook(home, as_of))
    states = {name: {state.week: state for state in week_states(opened, name)} for name in opened.plans}
    evidence = _evidence(opened)
    if as_json:
        print(json.dumps(_document(opened, states, evidence), indent=1, default=str))
        return
    if not opened.weeks:
        console.print(f"Nothing has landed in {home.landing} yet.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("week", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    for name in opened.plans:
        table.add_column(name, justify="center", overflow="fold")
    for name in COUNTS:
        table.add_column(name, justify="right")
    for week in opened.weeks[-last:]:
        counts = evidence.get(week, {})
        cells = [SYMBOLS[states[name][week].state] for name in opened.plans]
        table.add_row(
            str(week),
            f"[dim]{opened.stage(week)}[/]",
            *cells,
            *(f"{counts[name]:,}" if counts else "" for name in COUNTS),
        )
    console.print(table)
    console.print("  ".join(f"{symbol} {state}" for state, symbol in SYMBOLS.items()))
    if len(opened.weeks) > last:
        console.print(f"[dim]{len(opened.weeks) - last} earlier weeks; --last {len(opened.weeks)} lists them all.[/]")
    _print_reasons(states)
    _print_rows(opened)


def _print_reasons(states: Mapping[str, Mapping[date, WeekState]]) -> None:
    for name, weeks in states.items():
        for week, state in weeks.items():
            if state.reasons:
                kept = "earlier values stay published" if state.certificate_id else "nothing of it is published"
                why = "; ".join(state.reasons).replace("[", r"\[")
                console.print(f"{SYMBOLS[state.state]} {name} {week}: {why} [dim]({kept})[/]", highlight=False)
            for metric, until in sorted(state.waiting.items()):
                console.print(
                    f"[yellow]◔[/] {name} {week}: {metric} is flash until {until:%Y-%m-%d %H:%M} UTC, "
                    "when its window closes",
                    highlight=False,
                )
            for warning in state.warnings:
                console.print(f"[yellow]![/] {name} {week}: {warning}", highlight=False)


def _print_rows(opened: Open) -> None:
    totals = opened.ledger.totals()
    console.print(
        f"All files: {totals['rows']:,} rows = {totals['accepted']:,} accepted + {totals['duplicate']:,} duplicate + "
        f"{totals['quarantined']:,} quarantined; {totals['conflict']:,} of the duplicates conflict.",
        highlight=False,
    )
    outside = _outside(opened)
    if outside:
        console.print(
            f"[yellow]![/] {outside:,} rows lie before the first week or after the one in progress.", highlight=False
        )
    for row in opened.ledger.rows():
        if row.state == "quarantined":
            console.print(f"[yellow]Set aside[/] {row.path}: {row.reason}", highlight=False)


def _outside(opened: Open) -> int:
    """Landed rows in UTC weeks that no week of the series reads."""
    read = {day for week in opened.weeks for day in opened.calendar.utc_weeks(week)}
    contents = opened.ledger.contents
    return sum(
        count for key in opened.ledger.active("events") for day, count in contents[key].parts.items() if day not in read
    )


def _evidence(opened: Open) -> dict[date, dict[str, Any]]:
    found = {}
    for week in opened.weeks:
        if opened.lake.exists("week_evidence", week):
            (row,) = opened.lake.read("week_evidence", week).to_pylist()
            found[week] = row
    return found


def _document(
    opened: Open, states: Mapping[str, Mapping[date, WeekState]], evidence: Mapping[date, Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "home": str(opened.home.root),
        "first_week": opened.first_week,
        "current_week": opened.calendar.current(),
        "rows": {**opened.ledger.totals(), "outside_weeks": _outside(opened)},
        "weeks": [
            {
                "week": week,
                "rows": {key: value for key, value in evidence.get(week, {}).items() if key != "week"},
                "use_cases": {
                    name: {
                        "state": weeks[week].state,
                        "stage": weeks[week].stage,
                        "certificate_id": weeks[week].certificate_id,
                        "superseded_pending": weeks[week].is_superseded,
                        "flash_until": {
                            metric: f"{until.isoformat()}Z" for metric, until in sorted(weeks[week].waiting.items())
                        },
                        "failed": list(weeks[week].failed),
                        "held": weeks[week].held,
                        "warnings": list(weeks[week].warnings),
                    }
                    for name, weeks in states.items()
                },
            }
            for week in opened.weeks
        ],
        "files_set_aside": [
            {"path": row.path, "reason": row.reason} for row in opened.ledger.rows() if row.state == "quarantined"
        ],
    }
