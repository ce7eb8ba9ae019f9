"""The weekly step: usage events, and per use case account_weeks, north_star, inputs and counter_metrics.

What belongs here: which tables of which weeks are built, and storing them. What does not: the computation itself.

A week is built in one pass: its metrics are computed while its events are at hand, before the next use case's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from nsm_pipeline.metrics.measures import ROLES
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.steps.opening import Open

EVIDENCE = "evidence"
TableOf = tuple[str, str]
"""A use case and one of WEEKLY_TABLES."""


@dataclass(frozen=True)
class WeekDone:
    """What was made of one week: whether usage events or evidence were built, and the tables that were, by name."""

    week: date
    usage: bool
    tables: Mapping[TableOf, pa.Table]


def run_weeks(
    opened: Open, weeks: Sequence[date], usage: Collection[str], tables: Collection[TableOf], force: bool = False
) -> Iterator[WeekDone]:
    """Build some weeks' usage events (of the use cases in `usage`) and `tables`; up-to-date ones stay unless forced.

    Usage events that a table needs and that are out of date are built as well, whether asked for or not: a table's
    fingerprint says that it was made from them.
    """
    metrics = {name: WeeklyMetrics(opened.plans[name]) for name in sorted({name for name, _ in tables})}
    wanted_usage = {*usage, EVIDENCE} if usage else set()

    def work(connection: duckdb.DuckDBPyConnection, week: date) -> WeekDone:
        stale = set(opened.usage.stale(week))
        todo: dict[str, list[str]] = {}
        for name, table in tables:
            if force or table in opened.stale_tables(name, week):
                todo.setdefault(name, []).append(table)
        build = (wanted_usage if force else wanted_usage & stale) | (todo.keys() & stale)
        made: dict[TableOf, pa.Table] = {}

        def compute(name: str) -> None:
            if name in todo:
                made.update(_compute(opened, connection, metrics[name], name, week, todo.pop(name)))

        if build:
            opened.usage.run(connection, week, frozenset(build), compute)
        for name in list(todo):
            opened.usage.load(connection, opened.playbook.use_cases[name], week)
            compute(name)
        return WeekDone(week, bool(build), made)

    return opened.engine.map(work, weeks)


def _compute(
    opened: Open,
    connection: duckdb.DuckDBPyConnection,
    metrics: WeeklyMetrics,
    name: str,
    week: date,
    tables: Sequence[str],
) -> dict[TableOf, pa.Table]:
    """Compute and store a use case's tables from the connection's `usage`."""
    result = metrics.run(connection, week)
    made: dict[str, pa.Table] = {"account_weeks": result.account_weeks, **{role: result.tables[role] for role in ROLES}}
    for table in tables:
        opened.lake.write(made[table], opened.fingerprint(table, name, week), table, name, week)
    return {(name, table): made[table] for table in tables}
