"""`nsm instrumentation`: how events are sent, what has changed by itself, and how late rows come; the same as JSON.

What belongs here: showing. What does not: finding out (`steps.instrumentation`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nsm_pipeline.drift.findings import Finding
from nsm_pipeline.drift.lateness import SETTLED, Lateness
from nsm_pipeline.drift.overlap import Copy
from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.home import Home
from nsm_pipeline.steps.instrumentation import Deliveries, DualRun, Instrumentation, document, instrumentation
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.sources import SourceSent

console = Console(soft_wrap=True)
SHOWN_DAYS = (0, 7, 14)
SHOWN_QUANTILES = {0.5: "half", 0.99: "99 %", 0.999: "99.9 %"}


def show_instrumentation(
    home: Home, as_of: date | None, use_cases: Sequence[str], events: Sequence[str], as_json: bool
) -> None:
    """Print the report on some use cases and events, or all. Raises UserError for names that do not exist."""
    opened = Open.of(home, open_playbook(home, as_of))
    _check("--use-case", use_cases, list(opened.playbook.use_cases))
    known = [name for use_case in opened.playbook.use_cases.values() for name in use_case.events]
    _check("--event", events, sorted(set(known)))
    report = instrumentation(opened, use_cases, events)
    if as_json:
        print(json.dumps(document(report), indent=1, default=str))
        return
    _print_sources(report.sources)
    for one in report.dual_runs:
        _print_dual_run(one)
    _print_findings(report)
    _print_deliveries(report.deliveries)
    _print_lateness(report)


def _check(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{option}: found '{name}'; {nearest(name, known)}")


def _print_sources(sources: Sequence[SourceSent]) -> None:
    for use_case, mine in groupby(sources, key=lambda one: one.use_case):
        table = _table("event, sent as", "since", "until", right=("first week", "last week", "rows", "accounts"))
        for event, found in groupby(mine, key=lambda one: one.event):
            table.add_row(f"[bold]{event}[/]")
            for one in found:
                table.add_row(
                    f"  {escape(one.name)}" + (" [dim](preferred)[/]" if one.preferred else ""), _day(one.since),
                    _day(one.until), _day(one.first_week), _day(one.last_week), f"{one.rows:,}", f"{one.accounts:,}",
                )  # fmt: skip
                for canonical, sent in one.mapping.items():
                    table.add_row(f"    [dim]{escape(canonical)} ← {escape(_sent(sent))}[/]")
        console.print(f"[bold]{use_case}[/]: how its events are sent", highlight=False)
        console.print(table)
        console.print()


def _sent(mapping: object) -> str:
    if not isinstance(mapping, dict):
        return str(mapping)
    factor = next(
        (f" {sign} {mapping[key]:,}" for key, sign in (("divide_by", "÷"), ("multiply_by", "×")) if key in mapping), ""
    )
    return f"{mapping['from']}{factor}"


def _day(day: date | None) -> str:
    return "" if day is None else str(day)


def _print_dual_run(run: DualRun) -> None:
    table = _table("week", "sent as", right=("rows", "accounts", "users", "matched", "both sent", "bias", "alone"))
    for week, copies in groupby(run.copies, key=lambda one: one.week):
        for place, one in enumerate(copies):
            table.add_row(
                "" if place else str(week), escape(one.source), f"{one.rows:,}", f"{one.accounts:,}", f"{one.users:,}",
                f"{one.matched:,}", "" if one.preferred else f"{one.rows_both:,}", _bias(one),
                "" if one.accounts_alone is None else f"{one.accounts_alone:,}",
            )  # fmt: skip
    console.print(
        f"[bold]Dual run[/] of {run.event} in {run.use_case}: rows, facts that matched, rows of accounts that sent "
        "both and their bias against the preferred copy, accounts that sent this copy alone",
        highlight=False,
    )
    console.print(table)
    sources = list(dict.fromkeys(one.source for one in run.copies))
    effects = _table("week", "metric", right=("reconciled", *(f"{escape(name)} alone" for name in sources), "of both"))
    for one_effect in run.effects:
        both = {_value(one_effect.of_both.get(name)) for name in sources} if one_effect.of_both else {""}
        effects.add_row(
            str(one_effect.week), one_effect.metric, _value(one_effect.values[""]),
            *(_value(one_effect.values[name]) for name in sources),
            "as reconciled" if len(both) == 1 and both != {""} else " / ".join(sorted(both)),
        )  # fmt: skip
    console.print(effects)
    console.print()


def _bias(copy: Copy) -> str:
    return "" if copy.bias is None else f"{copy.bias:+.1%}"


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:,.4g}" if value % 1 else f"{value:,.0f}"


def _print_findings(report: Instrumentation) -> None:
    for one in report.alarms:
        console.print(f"[bold red]✘[/] [bold]{_weeks(one)}[/] {escape(one.text)}", highlight=False)
        if one.yaml:
            console.print("[dim]To paste:[/]")
            console.print(one.yaml, highlight=False, markup=False)
    for one in report.explained:
        console.print(
            f"[green]✔[/] [bold]{_weeks(one)}[/] {escape(one.text)} [dim]Explained: {escape(one.explained)}[/]",
            highlight=False,
        )
    for note in report.notes:
        console.print(f"[cyan]·[/] {escape(note)}", highlight=False)
    if not report.alarms:
        console.print("[green]✔[/] Nothing has changed by itself that nobody has explained.")
    console.print()


def _weeks(finding: Finding) -> str:
    name = f"{', '.join(finding.use_cases)} " if finding.use_cases else ""
    return f"{name}{finding.week}" + (f" to {finding.last}" if finding.last > finding.week else "")


def _print_deliveries(found: Deliveries) -> None:
    for what, lines in (
        ("Set aside", found.set_aside),
        ("Delivered again", found.redelivered),
        ("Bad rows", found.quarantined),
        ("Conflicts", found.conflicts),
    ):
        for line in lines:
            console.print(f"[yellow]{what}[/] {line}", highlight=False)
    console.print(f"{found.twice:,} further rows were delivered a second time and count once.", highlight=False)
    console.print()


def _print_lateness(report: Instrumentation) -> None:
    table = _table("sent as", right=("rows", *SHOWN_QUANTILES.values(), *(f"+{n} d" for n in SHOWN_DAYS), "settles"))
    senders = {f"from {name or 'the landing contract'}": one for name, one in report.by_sender.items()}
    for name, one in {**report.by_name, **(senders if len(senders) > 1 else {}), "all": report.all_rows}.items():
        if one.quantiles:
            table.add_row(escape(name), *_cells(one))
    console.print(
        "[bold]How late rows come[/]: delay at most, share that had come so many days after the end of its week, "
        f"and days until {SETTLED:.1%} had",
        highlight=False,
    )
    console.print(table)
    for one_day in report.imports:
        console.print(
            f"[yellow]Import[/] {one_day.day}: {one_day.rows:,} of {one_day.of:,} rows that came were old "
            f"({escape(', '.join(one_day.names))}).",
            highlight=False,
        )
    _print_settling(report)


def _cells(one: Lateness) -> list[str]:
    shares = dict(one.by_days)
    return [
        f"{one.rows:,}",
        *(_hours(hours) for share, hours in one.quantiles if share in SHOWN_QUANTILES),
        *(_share(shares[days]) for days in SHOWN_DAYS),
        f"{one.settles_in} d",
    ]


def _print_settling(report: Instrumentation) -> None:
    found = report.settling
    other = (
        f", {found.proposed_without_imports} without the old rows of imports"
        if found.proposed_without_imports != found.proposed
        else ""
    )
    console.print(
        f"Proposed settling_days: [bold]{found.proposed}[/]{other}. Declared: {found.declared}, by which "
        f"{_share(found.share_by_declared)} of rows had come.",
        highlight=False,
    )


def _hours(hours: int) -> str:
    return f"{hours} h" if hours <= 72 else f"{hours // 24} d"


def _share(share: float) -> str:
    """Per cent, never rounded up to all."""
    return "100 %" if share == 1 else f"{min(share, 0.999) * 100:.1f} %"


def _table(*left: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
