"""The weekly steps: usage events, and per use case account_weeks, north_star, inputs and counter_metrics.

What belongs here: running a step over many weeks, skipping what is up to date, reporting per week. What does not:
the computation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa

from nsm_pipeline.metrics.measures import ROLES
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.steps.opening import WEEKLY_TABLES, Open

OnWeek = Callable[[str, int, int], None]


@dataclass(frozen=True)
class WeekDone:
    """What one step made of one week: the small tables that it built, by name; none where all were up to date."""

    week: date
    built: bool
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


def run_usage(opened: Open, weeks: Sequence[date], force: bool = False, only: Sequence[str] = ()) -> Iterator[WeekDone]:
    """Usage events of some weeks, for all use cases or those in `only`; up-to-date files stay unless forced."""
    names = list(only) or list(opened.playbook.use_cases)

    def work(connection: duckdb.DuckDBPyConnection, week: date) -> WeekDone:
        stale = set(opened.usage.stale(week))
        wanted = {*names, "evidence"} if force else stale & {*names, "evidence"}
        if wanted:
            opened.usage.run(connection, week, frozenset(wanted))
        return WeekDone(week, bool(wanted))

    return opened.engine.map(work, weeks)


def run_metrics(
    opened: Open, name: str, weeks: Sequence[date], tables: Sequence[str] = WEEKLY_TABLES, force: bool = False
) -> Iterator[WeekDone]:
    """A use case's weekly tables; needs the weeks' usage events."""
    metrics: list[WeeklyMetrics] = []

    def work(connection: duckdb.DuckDBPyConnection, week: date) -> WeekDone:
        wanted = list(tables) if force else [table for table in opened.stale_tables(name, week) if table in tables]
        if not wanted:
            return WeekDone(week, False)
        snapshot = opened.usage.snapshot(connection, week)
        file = opened.lake.file("usage_events", name, week)
        result = metrics[0].run(connection, week, str(file), snapshot)
        made: dict[str, pa.Table] = {"account_weeks": result.account_weeks, **{r: result.tables[r] for r in ROLES}}
        for table in wanted:
            opened.lake.write(made[table], opened.fingerprint(table, name, week), table, name, week)
        return WeekDone(week, True, {table: made[table] for table in wanted})

    if weeks:
        metrics.append(WeeklyMetrics(opened.plans[name]))
    return opened.engine.map(work, weeks)
