"""`nsm plan --preview`: what would be shown beside what is shown, for a person, or as JSON.

What belongs here: tables and the document. What does not: computing it (`steps.previewing`), its sentences
(`preview_words`), the report for a pull request (`preview_report`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nsm_pipeline.cli.planning import SHAPES, document, known_shape, print_plan
from nsm_pipeline.cli.preview_report import report
from nsm_pipeline.cli.preview_words import (
    figure,
    headline,
    largest_text,
    next_steps,
    share,
    signed,
    state_line,
    summaries,
    target_line,
)
from nsm_pipeline.cli.progress import bar
from nsm_pipeline.home import Home
from nsm_pipeline.orchestration.ahead import JUDGING, load_ahead
from nsm_pipeline.steps.previewing import Preview, Value, make_preview

console = Console(soft_wrap=False)
SHOWN = 30
COLOURS = {
    "green": "[green]● green[/]",
    "yellow": "[yellow]● yellow[/]",
    "red": "[red]● red[/]",
    "no_colour": "[dim]○ no colour[/]",
}
KINDS = {
    "restatement": "[magenta]final, needs a reason[/]",
    "within_tolerance": "final, within tolerance",
    "small_group": "small group",
}


def show_preview(home: Home, as_of: date | None, playbook: Path | None, shape: str, slices: bool) -> None:
    """Print the preview in a shape: table, json or markdown. Nothing of the home is changed."""
    known_shape(shape, (*SHAPES, "markdown"))
    with bar("preview") as advance:

        def on_done(what: str, done: int, of: int) -> None:
            load_ahead(JUDGING)
            advance(what, done, of)

        preview = make_preview(home, as_of, playbook, on_done)
    if shape == "json":
        print(json.dumps(preview_document(preview, slices), indent=1, default=str))
    elif shape == "markdown":
        print(report(preview, slices))
    else:
        print_preview(preview, slices)


def print_preview(preview: Preview, slices: bool) -> None:
    print_plan(preview.plan)
    console.print(f"[bold]Preview[/]: {headline(preview)}", highlight=False)
    for name in preview.plan.use_cases:
        values = [one for one in preview.of_metrics(slices) if one.change.use_case == name]
        if len(values) > SHOWN:
            console.print(_summaries(name, values))
        elif values:
            console.print(_values(name, values, slices))
    for state in preview.states:
        console.print(Text(f"{'✘' if state.new in ('withheld', 'held') else '→'} {state_line(state)}"))
    for target in preview.targets:
        console.print(Text(f"{'▲' if target.reached else '▼'} {target_line(target)}"))
    for one in preview.colours:
        about = f"{one.use_case} {one.week}: {one.metric}"
        console.print(f"{about} {COLOURS[one.old]} → {COLOURS[one.new]}", highlight=False)
    steps = next_steps(preview)
    if steps:
        console.print("[bold]Next[/]", highlight=False)
    for step in steps:
        console.print(Text(f"  {step}"), soft_wrap=True)


def _summaries(name: str, values: Sequence[Value]) -> Table:
    """Of many values, a line per metric."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(name, "bold not dim"), no_wrap=True)
    table.add_column("weeks", justify="right")
    table.add_column("from … to", no_wrap=True)
    table.add_column("largest change")
    table.add_column("need a reason", justify="right")
    for one in summaries(values):
        spanned = f"{one.first} … {one.last}"
        table.add_row(
            Text(one.metric), f"{one.weeks:,}", spanned, largest_text(one), f"{one.final:,}" if one.final else ""
        )
    table.add_row(f"[dim]all {len(values):,} values: --format json[/]")
    return table


def _values(name: str, values: Sequence[Value], slices: bool) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(name, "bold not dim"), no_wrap=True)
    table.add_column("metric")
    if slices:
        table.add_column("slice")
    for column in ("shown", "would be", "difference", ""):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for one in values:
        change = one.change
        cut = [Text("" if change.slice == "all" else f"{change.slice} {change.slice_value}")] if slices else []
        numbers = (figure(change.old), figure(change.new), signed(one.difference), share(one.share))
        table.add_row(str(change.week), Text(change.metric), *cut, *numbers, KINDS.get(one.kind, one.kind))
    return table


def preview_document(preview: Preview, slices: bool) -> dict[str, Any]:
    """The preview as JSON's types: the plan, and what would change. Values of slices where they are asked for."""
    return {
        "plan": document(preview.plan),
        "headline": headline(preview),
        "values": [_value(one) for one in preview.of_metrics(slices)],
        "growth": [_value(one) for one in preview.values if one.change.table == "growth"],
        "states": [
            {"use_case": one.use_case, "week": one.week, "old": one.old, "new": one.new, "why": list(one.why)}
            for one in preview.states
        ],
        "targets": [
            {"use_case": one.use_case, "week": one.week, "old": one.old, "new": one.new, "reached": one.reached}
            for one in preview.targets
        ],
        "colours": [
            {"use_case": one.use_case, "metric": one.metric, "week": one.week, "old": one.old, "new": one.new}
            for one in preview.colours
        ],
        "needs_reason": [{"use_case": name, "week": week} for name, week in preview.restated],
        "new_weeks": preview.new_weeks,
        "no_longer_shown": list(preview.gone),
        "next": next_steps(preview),
    }


def _value(one: Value) -> dict[str, Any]:
    change = one.change
    said = {name: getattr(change, name) for name in ("use_case", "table", "metric", "week", "slice", "slice_value")}
    return {
        **said,
        "old": change.old,
        "new": change.new,
        "difference": one.difference,
        "share": one.share,
        "kind": one.kind,
        "old_certificate": change.old_certificate,
    }
