"""The second pass over weeks: metrics that read beyond their week, from stored usage events.

What belongs here: which weeks' events those are, batches, first events ever. What does not: the queries (`metrics`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

import duckdb
import pyarrow as pa

from nsm_pipeline.events.accounts import snapshot_of
from nsm_pipeline.metrics.numbers import Numbers
from nsm_pipeline.metrics.reach import Reach
from nsm_pipeline.metrics.weekly import WeeklyMetrics, window_start
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import WEEK

# Of all windows of a batch together: a row counts for every week in whose window it lies.
ROWS_AT_ONCE = 3_000_000
Began = Mapping[tuple[str, str, object], pa.Table]
"""First events ever, by use case, journey and account snapshot (None where no attribute matters)."""


def far_numbers(
    opened: Open, metrics: Mapping[str, WeeklyMetrics], weeks: Sequence[date]
) -> Iterator[tuple[date, Mapping[str, Numbers]]]:
    """Numbers of some weeks that come from beyond them, by use case, week by week in order."""
    reaches = {name: reach_of(opened, name, opened.plans[name].roles) for name in metrics}
    began: dict[tuple[str, str, object], pa.Table] = {}
    for name, one in metrics.items():
        began |= _began(opened, name, one, weeks, reaches[name])
    work = partial(_batch, opened, metrics, reaches, began)
    for batch, numbers in opened.engine.map(work, list(_batches(opened, reaches, weeks))):
        for week in batch:
            yield week, {name: found.only([week]) for name, found in numbers.items()}


def reach_of(opened: Open, name: str, tables: Collection[str]) -> Reach:
    """How far beyond their week some tables of a use case read."""
    reach = Reach()
    for table in tables:
        reach |= opened.reach(name, table)
    return reach


def _batches(opened: Open, reaches: Mapping[str, Reach], weeks: Sequence[date]) -> Iterator[list[date]]:
    """Consecutive weeks that see one account snapshot, few enough for the memory."""
    batch: list[date] = []
    rows = 0
    for week in weeks:
        around = {one for reach in reaches.values() for one in opened.weeks_around(reach, week)}
        mine = sum(opened.usage.rows(one) for one in around)
        if batch and not (
            week == batch[-1] + WEEK
            and snapshot_of(opened.ledger, week) == snapshot_of(opened.ledger, batch[-1])
            and rows + mine <= ROWS_AT_ONCE
        ):
            yield batch
            batch, rows = [], 0
        batch.append(week)
        rows += mine
    if batch:
        yield batch


def _batch(
    opened: Open,
    metrics: Mapping[str, WeeklyMetrics],
    reaches: Mapping[str, Reach],
    began: Began,
    connection: duckdb.DuckDBPyConnection,
    weeks: Sequence[date],
) -> tuple[Sequence[date], dict[str, Numbers]]:
    numbers = {}
    for name, one in metrics.items():
        around = sorted({found for week in weeks for found in opened.weeks_around(reaches[name], week)})
        use_case = opened.playbook.use_cases[name]
        opened.usage.load_around(connection, use_case, weeks[0], around, one.events_read, one.columns_read)
        connection.register("targets", _targets(opened, one, weeks))
        connection.register("days", _days(opened, reaches[name], weeks))
        seen = (None, snapshot_of(opened.ledger, weeks[0]))
        mine = {
            journey: table for (mine, journey, snapshot), table in began.items() if mine == name and snapshot in seen
        }
        numbers[name] = one.far(connection, mine)
    return weeks, numbers


def _began(
    opened: Open, name: str, metrics: WeeklyMetrics, weeks: Sequence[date], reach: Reach
) -> dict[tuple[str, str, object], pa.Table]:
    """First events ever up to the last of some weeks, each journey asked once (and per snapshot where it reads
    attributes)."""
    asked: dict[tuple[str, str, object], tuple[str, date | None]] = {}
    for journey, (sql, reads_attributes) in metrics.histories().items():
        for week in weeks if reads_attributes else weeks[:1]:
            snapshot = snapshot_of(opened.ledger, week) if reads_attributes else None
            asked.setdefault((name, journey, snapshot), (sql, week if reads_attributes else None))
    if not asked:
        return {}
    use_case, history = opened.playbook.use_cases[name], opened.weeks_read(reach, weeks[-1])

    def ask(connection: duckdb.DuckDBPyConnection, one: tuple[str, date | None]) -> pa.Table:
        return opened.usage.first_events(connection, use_case, history, *one)

    return dict(zip(asked, opened.engine.map(ask, list(asked.values())), strict=True))


def _targets(opened: Open, metrics: WeeklyMetrics, weeks: Sequence[date]) -> pa.Table:
    """week, starts_at, ends_at, and for every longer window where it begins: instants."""
    calendar = opened.calendar
    instants = pa.timestamp("us")
    columns = {
        "week": pa.array(weeks, pa.date32()),
        "starts_at": pa.array([calendar.bounds(week)[0] for week in weeks], instants),
        "ends_at": pa.array([calendar.bounds(week)[1] for week in weeks], instants),
    }
    for window in metrics.windows:
        starts = [calendar.instant(week + WEEK - timedelta(days=window.days)) for week in weeks]
        columns[window_start(window.days)] = pa.array(starts, instants)
    return pa.table(columns)


def _days(opened: Open, reach: Reach, weeks: Sequence[date]) -> pa.Table:
    """day, at: the local midnights from the first week's beginning to the last one's furthest reach."""
    first, last = weeks[0], weeks[-1] + WEEK + timedelta(days=reach.hours // 24 + 1)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    at = [opened.calendar.instant(day) for day in days]
    return pa.table({"day": pa.array(days, pa.date32()), "at": pa.array(at, pa.timestamp("us"))})
