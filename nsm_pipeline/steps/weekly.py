"""The weekly step: usage events, and per use case account_weeks, north_star, inputs and counter_metrics.

What belongs here: which tables of which weeks are built, and storing them. What does not: the computation itself.

Weeks are built in one pass: their metrics are computed while their events are at hand, before the next use case's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import duckdb
import pyarrow as pa

from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.metrics.measures import ROLES
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import WEEK

ROWS_AT_ONCE = 400_000
TableOf = tuple[str, str]
"""A use case and one of WEEKLY_TABLES."""


@dataclass(frozen=True)
class WeekDone:
    """What was made of one week: whether usage events or evidence were built, and the tables that were, by name."""

    week: date
    usage: bool
    tables: Mapping[TableOf, pa.Table]


@dataclass(frozen=True)
class WeekToDo:
    """What is to be built of one week: usage events (and evidence), and tables by use case. Weeks with an equal `kind`
    may be built together."""

    week: date
    build: frozenset[str]
    tables: Mapping[str, tuple[str, ...]]
    alike: tuple[object, ...] | None
    rows: int

    @property
    def kind(self) -> object:
        return self.build, sorted(self.tables.items()), self.alike


def run_weeks(
    opened: Open, weeks: Sequence[date], usage: Collection[str], tables: Collection[TableOf], force: bool = False
) -> Iterator[WeekDone]:
    """Build some weeks' usage events (of the use cases in `usage`) and `tables`; up-to-date ones stay unless forced.

    Usage events that a table needs and that are out of date are built as well, whether asked for or not: a table's
    fingerprint says that it was made from them.
    """
    metrics = {name: WeeklyMetrics(opened.plans[name]) for name in sorted({name for name, _ in tables})}
    work = partial(_build, opened, metrics)
    for done in opened.engine.map(work, batches(_to_do(opened, week, usage, tables, force) for week in weeks)):
        yield from done


def _to_do(opened: Open, week: date, usage: Collection[str], tables: Collection[TableOf], force: bool) -> WeekToDo:
    stale = set(opened.usage.stale(week))
    wanted = {*usage, EVIDENCE} if usage else set()
    todo: dict[str, tuple[str, ...]] = {}
    for name, table in tables:
        if force or table in opened.stale_tables(name, week):
            todo[name] = (*todo.get(name, ()), table)
    build = (wanted if force else wanted & stale) | (todo.keys() & stale)
    return WeekToDo(week, frozenset(build), todo, opened.usage.alike(week), opened.usage.rows(week))


def batches(weeks: Iterable[WeekToDo]) -> Iterator[list[WeekToDo]]:
    """Consecutive weeks that are built together: alike, and few enough for the memory."""
    batch: list[WeekToDo] = []
    for week in weeks:
        if batch and not (
            week.alike is not None
            and week.kind == batch[-1].kind
            and week.week == batch[-1].week + WEEK
            and sum(one.rows for one in batch) + week.rows <= ROWS_AT_ONCE
        ):
            yield batch
            batch = []
        batch.append(week)
    if batch:
        yield batch


def _build(
    opened: Open,
    metrics: Mapping[str, WeeklyMetrics],
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[WeekToDo],
) -> list[WeekDone]:
    """Build a batch; what it made, by week."""
    first, weeks = batch[0], [one.week for one in batch]
    made: dict[date, dict[TableOf, pa.Table]] = {week: {} for week in weeks}

    def compute(name: str) -> None:
        if name not in first.tables:
            return
        for week, result in metrics[name].run(connection, weeks).items():
            computed: dict[str, pa.Table] = {"account_weeks": result.account_weeks}
            computed.update((role, result.tables[role]) for role in ROLES)
            for table in first.tables[name]:
                opened.lake.write(computed[table], opened.fingerprint(table, name, week), table, name, week)
                made[week][name, table] = computed[table]

    if first.build:
        opened.usage.run(connection, weeks, first.build, compute)
    for name in first.tables.keys() - first.build:
        opened.usage.load(connection, opened.playbook.use_cases[name], weeks)
        compute(name)
    return [WeekDone(week, bool(first.build), made[week]) for week in weeks]
