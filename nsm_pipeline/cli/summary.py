"""What `nsm run` says at the end: one panel per use case, for a person; the same as JSON for a script.

What belongs here: words and numbers on the latest weeks. What does not: computing them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from nsm_pipeline.publishing.dictionary import title_of
from nsm_pipeline.publishing.score_tables import SCORECARD
from nsm_pipeline.steps.certificates import WeekState
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.pages import PAGE

console = Console(soft_wrap=False)
SPARKS = "▁▂▃▄▅▆▇█"
MARKS = {
    "certified": "[green]✔ certified[/]",
    "withheld": "[red]✘ withheld[/]",
    "held": "[magenta]‖ held[/]",
    "flash": "[yellow]◔ flash[/]",
    "missing": "[red]? missing[/]",
}
COLOURS = {"green": "[green]●[/]", "yellow": "[yellow]▲[/]", "red": "[red]◆[/]", "no_colour": "[dim]○[/]"}
HISTORY = 26
SCORED = ["use_case", "week", "state", "joint_status", "joint_words", "attainment", "target", "verdict"]


def summarise(opened: Open, states: Sequence[WeekState]) -> dict[str, Any]:
    """Per use case: the latest complete week, the one in progress, states of all weeks, withheld weeks and why."""
    use_cases = {}
    scored = _scored(opened)
    for name, use_case in opened.playbook.use_cases.items():
        rows = opened.lake.read("growth", name).to_pylist() if opened.lake.exists("growth", name) else []
        mine = [state for state in states if state.use_case == name]
        complete = [row for row in rows if row["complete"]]
        progress = [row for row in rows if not row["complete"]]
        latest = complete[-1] if complete else None
        state = next((s for s in mine if latest and s.week == latest["week"]), None)
        north_star = use_case.north_star.metric
        use_cases[name] = {
            "title": use_case.title,
            "north_star": north_star,
            "north_star_title": title_of(north_star, use_case.metrics[north_star]),
            "unit": use_case.metrics[north_star].unit,
            "latest": latest,
            # The row after the latest has the mean over the weeks before it: those that are complete.
            "mean_growth": progress[0]["mean_growth_13_weeks"] if progress else None,
            "state": state.state if state else None,
            "stage": state.stage if state else None,
            "failed": list(state.failed) if state else [],
            "certificate_id": state.certificate_id if state else None,
            "flash": progress[-1] if progress else None,
            "weeks": dict(Counter(s.state for s in mine)),
            "withheld": [
                {"week": s.week, "failed": list(s.failed), "published": s.certificate_id}
                for s in mine
                if s.state == "withheld"
            ],
            "held": [{"week": s.week, "why": s.held, "published": s.certificate_id} for s in mine if s.state == "held"],
            "scored": scored.get(name),
            "history": [row["value"] for row in complete[-HISTORY:]],
        }
    return {
        "company": opened.playbook.settings.company,
        "home": str(opened.home.root),
        "as_of": opened.playbook.settings.as_of,
        "rows": dict(opened.ledger.totals()),
        "files_set_aside": [
            {"path": row.path, "reason": row.reason} for row in opened.ledger.rows() if row.state == "quarantined"
        ],
        "use_cases": use_cases,
        "extracts": str(opened.home.extracts / "current"),
        "dashboard": str(page) if (page := opened.home.pages / PAGE).is_file() else None,
    }


def _scored(opened: Open) -> dict[str, dict[str, Any]]:
    """The newest complete week of each use case as the published scorecard has it."""
    file = opened.home.extracts / "current" / f"{SCORECARD.name}.parquet"
    rows = pq.ParquetFile(file).read(SCORED).to_pylist() if file.is_file() else []
    return {row["use_case"]: row for row in sorted(rows, key=lambda row: row["week"]) if row["state"] != "flash"}


def print_json(opened: Open, states: Sequence[WeekState]) -> None:
    print(json.dumps(summarise(opened, states), indent=1, default=str))


def print_summary(opened: Open, states: Sequence[WeekState]) -> None:
    summary = summarise(opened, states)
    frozen = f", as of {summary['as_of']}" if summary["as_of"] else ""
    console.print()
    console.print(f"[bold]{summary['company']}[/]: North Star Metrics{frozen}", highlight=False)
    for name, one in summary["use_cases"].items():
        console.print(_panel(name, one))
    rows = summary["rows"]
    console.print(
        f"Rows delivered {rows['rows']:,} = accepted {rows['accepted']:,} + duplicate {rows['duplicate']:,} "
        f"+ quarantined {rows['quarantined']:,}"
        + (f" [dim](conflicts among the duplicates: {rows['conflict']})[/]" if rows["conflict"] else ""),
        highlight=False,
    )
    for file in summary["files_set_aside"]:
        console.print(f"[yellow]Set aside[/] {file['path']}: {file['reason']}", highlight=False)
    console.print(f"Extracts: [bold]{summary['extracts']}[/]", highlight=False, soft_wrap=True)
    if summary["dashboard"]:
        console.print(f"For Monday: [bold]{summary['dashboard']}[/]", highlight=False, soft_wrap=True)


def _panel(name: str, one: Mapping[str, Any]) -> Panel:
    latest = one["latest"]
    if latest is None:
        return Panel("no complete week yet", title=one["title"], title_align="left")
    unit = one["unit"] or one["north_star_title"].lower()
    head = Text.from_markup(
        f"[bold]{number(latest['value'])}[/] {unit}   {MARKS[one['state']]}   "
        f"[dim]week of {latest['week']}, {one['stage']}[/]   {spark(one['history'])}"
    )
    table = Table.grid(padding=(0, 3))
    for _ in range(4):
        table.add_column()
    table.add_row(
        f"[dim]growth[/] {signed(latest['growth'])}",
        f"[dim]mean of 13 weeks[/] {signed(one['mean_growth'])}",
        f"[dim]goal[/] {number(latest['goal'])}",
        f"[dim]attained[/] {share(latest['attainment'])}",
    )
    table.add_row(
        f"[dim]new[/] {latest['new']}",
        f"[dim]retained[/] {latest['retained']}",
        f"[dim]resurrected[/] {latest['resurrected']}",
        f"[dim]churned[/] {latest['churned']}",
    )
    lines: list[Any] = [head, table]
    if one["scored"]:
        lines.append(Text.from_markup(_status(one["scored"])))
    if one["flash"]:
        flash = one["flash"]
        lines.append(
            Text.from_markup(
                f"{MARKS['flash']} [dim]week of {flash['week']}, in progress:[/] {number(flash['value'])}, "
                f"{share(flash['attainment'])} of its goal {number(flash['goal'])}"
            )
        )
    counts = ", ".join(f"{count} {state}" for state, count in sorted(one["weeks"].items()))
    lines.append(Text.from_markup(f"[dim]weeks:[/] {counts}"))
    for week in one["withheld"]:
        kept = "the values certified before stay published" if week["published"] else "nothing of it is published"
        lines.append(Text.from_markup(f"[red]✘[/] {week['week']} withheld; {kept}: {'; '.join(week['failed'])}"))
    for week in one["held"]:
        kept = "earlier values stay published" if week["published"] else "nothing of it is published"
        why = week["why"].replace("[", r"\[")
        lines.append(Text.from_markup(f"[magenta]‖[/] {week['week']} held; {kept}: {why}"))
    title = f"[bold]{one['title']}[/] · {one['north_star_title']}"
    return Panel(
        Group(*lines), title=title, title_align="left", border_style="cyan", subtitle=name, subtitle_align="right"
    )


def _status(scored: Mapping[str, Any]) -> str:
    """The North Star with its guardrails, and what the weeks before led to expect."""
    target = f"; {share(scored['attainment'])} of target {number(scored['target'])}" if scored["target"] else ""
    return f"{COLOURS[scored['joint_status']]} {scored['joint_words']}[dim]{target}; {scored['verdict']}[/]"


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1%}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def spark(values: Sequence[float | None]) -> str:
    """A line of the last weeks, from their least to their greatest value."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    step = (high - low) or 1.0
    return "".join(
        " " if value is None else SPARKS[round((value - low) / step * (len(SPARKS) - 1))] for value in values
    )
