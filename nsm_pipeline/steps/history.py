"""A number's life: what was shown of it, from its first publication to the newest, and why it changed.

What belongs here: finding it in the log of publications. What does not: the log (`publishing.record`), showing it
(`cli.telling`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.publishing.changes import GROWTH_NUMBERS, METRIC_TABLES, cells, ledger_of
from nsm_pipeline.publishing.packing import unpacked
from nsm_pipeline.publishing.record import Publication, Record
from nsm_pipeline.weeks import Calendar

TOTAL = ("all", "all")
Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Number:
    """One number by name. `cut`: the attribute and value of a slice, or TOTAL."""

    use_case: str
    metric: str
    week: date
    cut: tuple[str, str]

    def is_of(self, row: Cell) -> bool:
        found = (row["use_case"], row["metric"], row["week"], (row["slice"], row["slice_value"]))
        return found == (self.use_case, self.metric, self.week, self.cut)


@dataclass(frozen=True)
class Moment:
    """What was shown of a number from one publication on; `state` is None where it was shown no longer. `difference`
    to the value before, where both are numbers; `kind`, `cause`, `reason`, `by`: as the ledger says, else empty."""

    version: str
    at: datetime
    value: float | None
    difference: float | None
    state: str | None
    stage: str | None
    certificate: str | None
    kind: str
    cause: str
    reason: str
    by: str


@dataclass(frozen=True)
class Sighting:
    """What one publication kept of a metric in one of its tables: with `whole`, all that was shown of it."""

    publication: Publication
    table: str
    whole: bool
    rows: Sequence[Cell]
    gone: Sequence[Cell]


def sightings(record: Record, metric: str) -> list[Sighting]:
    """What the log holds of a metric, or of a column of growth. Raises UserError where it never published one."""
    known: set[str] = set()
    found: list[Sighting] = []
    for publication, name, whole, rows, gone in _kept(record):
        of_growth = name == "growth"
        if of_growth and metric not in GROWTH_NUMBERS:
            continue
        shown, keys = cells(rows, metric if of_growth else "value"), cells(gone, metric if of_growth else "value")
        if not of_growth:
            known |= set(pc.unique(rows["metric"]).to_pylist())
        mine, lost = (table.filter(pc.equal(table["metric"], metric)).to_pylist() for table in (shown, keys))
        found.append(Sighting(publication, name, whole, mine, lost))
    if metric not in known and metric not in GROWTH_NUMBERS:
        raise UserError(f"--metric: found '{metric}', which was never published; {nearest(metric, known)}")
    # A metric that is called as a column of growth is the one that is meant.
    return [one for one in found if (one.table == "growth") == (metric not in known)]


def choose(
    seen: Sequence[Sighting], metric: str, week: str, use_case: str | None, cut: str | None, calendar: Calendar
) -> Number:
    """The number that is asked for, among all that were ever published of a metric. Raises UserError where there is
    none, naming the nearest."""
    rows = [row for one in seen for row in one.rows]
    use_cases = sorted({row["use_case"] for row in rows})
    if use_case is None and len(use_cases) != 1:
        raise UserError(f"--use-case: {metric} is published for {', '.join(use_cases)}; name one of them.")
    chosen = use_case or use_cases[0]
    if chosen not in use_cases:
        raise UserError(f"--use-case: found '{chosen}', which has published no {metric}; {nearest(chosen, use_cases)}")
    rows = [row for row in rows if row["use_case"] == chosen]
    weeks = {row["week"] for row in rows}
    day = _week(week, weeks, calendar, f"{metric} of {chosen}")
    cuts = {(row["slice"], row["slice_value"]) for row in rows if row["week"] == day}
    wanted = TOTAL if cut is None else _cut(cut)
    if wanted not in cuts:
        names = ["=".join(one) for one in cuts if one != TOTAL]
        raise UserError(f"--slice: found '{cut}', of which nothing was published; {nearest(cut or '', names)}")
    return Number(chosen, metric, day, wanted)


def life(record: Record, seen: Sequence[Sighting], number: Number) -> list[Moment]:
    """Every publication that showed a number otherwise than the one before, in order."""
    because = _ledger(record, number)
    moments: list[Moment] = []
    shown: dict[str, Cell | None] = {}
    before: Cell | None = None
    for publication, found in _by_publication(seen):
        for one in found:
            row = next((row for row in one.rows if number.is_of(row)), None)
            if row is not None or one.whole or any(number.is_of(key) for key in one.gone):
                shown[one.table] = row
        now = next((row for row in shown.values() if row is not None), None)
        if _said(now) != _said(before):
            moments.append(_moment(publication, before, now, because.get(publication.version.split("-")[0], {})))
        before = now
    return moments


def _kept(record: Record) -> Iterator[tuple[Publication, str, bool, pa.Table, pa.Table]]:
    """Every table with numbers that a publication kept anything of: whether whole, its rows, and keys that vanished."""
    for version in record.versions():
        publication = record.publication(version)
        parts, shapes = record.parts(publication), record.shapes(publication)
        for name in (*METRIC_TABLES, "growth"):
            if name in shapes and publication.tables[name].how != "same":
                rows = unpacked(parts, name, shapes[name].schema)
                gone = unpacked(parts, name, shapes[name].key_schema, gone=True)
                yield publication, name, publication.tables[name].how == "whole", rows, gone


def _by_publication(seen: Sequence[Sighting]) -> Iterator[tuple[Publication, list[Sighting]]]:
    found: dict[str, list[Sighting]] = {}
    for one in seen:
        found.setdefault(one.publication.version, []).append(one)
    for several in found.values():
        yield several[0].publication, several


def _said(row: Cell | None) -> tuple[object, ...] | None:
    return None if row is None else (row["value"], row["state"], row["stage"], row["certificate"])


def _moment(publication: Publication, before: Cell | None, now: Cell | None, why: Cell) -> Moment:
    old, new = (row["value"] if row else None for row in (before, now))
    return Moment(
        version=publication.version,
        at=publication.at,
        value=new,
        difference=new - old if new is not None and old is not None else None,
        state=now["state"] if now else None,
        stage=now["stage"] if now else None,
        certificate=now["certificate"] if now else None,
        **{name: why.get(name, "") for name in ("kind", "cause", "reason", "by")},
    )


def _ledger(record: Record, number: Number) -> dict[str, Cell]:
    """The ledger's rows of a number by the version that showed it."""
    newest = record.newest()
    ledger = ledger_of(record.tables(newest.version) if newest else {})
    rows = ledger.filter(pc.and_(pc.equal(ledger["metric"], number.metric), pc.equal(ledger["week"], number.week)))
    return {row["version"]: row for row in rows.to_pylist() if number.is_of(row)}


def _week(found: str, weeks: set[date], calendar: Calendar, what: str) -> date:
    try:
        day = date.fromisoformat(found)
    except ValueError:
        raise UserError(f"--week: found '{found}'; the first day of a week as YYYY-MM-DD is needed.") from None
    if day in weeks:
        return day
    if (first := calendar.week_of_day(day)) != day:
        raise UserError(f"--week: found {day}, on which no week starts; did you mean {first}?")
    if not weeks:
        raise UserError(f"--week: found {day}; nothing was ever published of {what}.")
    raise UserError(
        f"--week: found {day}, of which no {what} was published; weeks from {min(weeks)} to {max(weeks)} were."
    )


def _cut(found: str) -> tuple[str, str]:
    attribute, equals, value = found.partition("=")
    if not equals:
        raise UserError(f"--slice: found '{found}'; an attribute and its value, such as plan=free, are needed.")
    return attribute, value
