"""What `nsm init` found in the landing zone, as a table and as JSON.

What belongs here: showing. What does not: finding (`workshop.observed`) and proposing (`workshop.proposing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.workshop.proposing import Proposals, ProposedEvent


def event_table(events: Sequence[ProposedEvent], numbered: bool = False) -> Table:
    """A line per event: its name, the name as sent where it differs, rows, days, who, how many properties."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    if numbered:
        table.add_column("", justify="right")
    for name in ("event", "sent as"):
        table.add_column(name, overflow="fold")
    for name in ("rows", "first", "last", "accounts", "users", "properties"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, one in enumerate(events, start=1):
        seen = one.seen
        cells = [
            one.name, "" if seen.name == one.name else seen.name, f"{seen.rows:,}", str(seen.first), str(seen.last),
            f"{seen.accounts:,}", f"{seen.users:,}", str(len(one.event.properties)),
        ]  # fmt: skip
        table.add_row(*([str(number)] if numbered else []), *map(escape, cells))
    return table


def print_landed(console: Console, proposed: Proposals, ledger: Ledger) -> None:
    """The table, and what was set aside or left out."""
    console.print(event_table(proposed.events))
    totals = ledger.totals()
    if totals["quarantined"]:
        console.print(
            f"{totals['quarantined']:,} of {totals['rows']:,} rows cannot be read and are set aside.", highlight=False
        )
    for row in ledger.rows():
        if row.state == "quarantined":
            console.print(f"Set aside {row.path}: {row.reason}", highlight=False, markup=False)
    for line in proposed.left_out:
        console.print(line, highlight=False, markup=False)


def landing_document(proposed: Proposals, ledger: Ledger) -> dict[str, Any]:
    """The same for a script."""
    totals = ledger.totals()
    return {
        "rows": totals["rows"],
        "quarantined": totals["quarantined"],
        "files_set_aside": [
            {"path": row.path, "reason": row.reason} for row in ledger.rows() if row.state == "quarantined"
        ],
        "events": [_event(one) for one in proposed.events],
    }


def _event(one: ProposedEvent) -> dict[str, Any]:
    seen = one.seen
    return {
        "name": one.name,
        "sent_as": seen.name,
        "rows": seen.rows,
        "first": seen.first,
        "last": seen.last,
        "accounts": seen.accounts,
        "users": seen.users,
        "properties": {
            name: {"present": values.present, **declared.model_dump(exclude_unset=True)}
            for (name, declared), values in zip(one.event.properties.items(), seen.properties, strict=True)
        },
        "comments": list(one.notes[""]),
    }
