"""`nsm history`: a number's life as a table, and as JSON.

What belongs here: showing. What does not: finding it (`steps.history`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.publishing.record import Record, instant_text
from nsm_pipeline.steps.history import TOTAL, Moment, Number, choose, life, sightings
from nsm_pipeline.steps.opening import open_playbook

WIDTH = 150


@dataclass(frozen=True)
class Asked:
    """A number as a person names it."""

    metric: str
    week: str
    use_case: str | None
    cut: str | None


def tell(home: Home, asked: Asked, *, as_json: bool) -> None:
    """Print every publication in which a number changed. Raises UserError where there is no such number."""
    calendar, record = open_playbook(home).calendar, Record.of(home)
    if not record.versions():
        raise UserError(f"{home.root}: no publication is on record yet: nsm run --home {home.root}")
    seen = sightings(record, asked.metric)
    number = choose(seen, asked.metric, asked.week, asked.use_case, asked.cut, calendar)
    moments = life(record, seen, number)
    if as_json:
        print(json.dumps(_document(number, moments), indent=1, default=str))
    else:
        _print(number, moments)


def _document(number: Number, moments: list[Moment]) -> dict[str, object]:
    return {
        "use_case": number.use_case,
        "metric": number.metric,
        "week": number.week,
        "slice": number.cut[0],
        "slice_value": number.cut[1],
        "life": [{**asdict(one), "at": instant_text(one.at)} for one in moments],
    }


def _print(number: Number, moments: list[Moment]) -> None:
    # A terminal wraps long lines better than a table folds narrow columns.
    console = Console()
    console.width = max(console.width, WIDTH)
    cut = "" if number.cut == TOTAL else f", {'='.join(number.cut)}"
    console.print(f"{number.metric} of {number.use_case}, week of {number.week}{cut}", highlight=False, markup=False)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("published (UTC)", "version"):
        table.add_column(name, no_wrap=True)
    for name in ("value", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("state", "certificate"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in moments:
        cells = [
            f"{one.at:%Y-%m-%d %H:%M}", one.version[:6], _number(one.value), _number(one.difference, "+"),
            _state(one), one.certificate or "", _why(one),
        ]  # fmt: skip
        table.add_row(*map(escape, cells))
    console.print(table)


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign},.6f}".rstrip("0").rstrip(".")


def _state(one: Moment) -> str:
    if one.state is None:
        return "not published"
    return one.state if one.stage in (None, one.state) else f"{one.state}, {one.stage}"


def _why(one: Moment) -> str:
    by = f" ({one.by})" if one.by else ""
    words = [one.kind, one.cause, f"“{one.reason}”{by}" if one.reason else by.strip()]
    return ": ".join(word for word in words if word)
