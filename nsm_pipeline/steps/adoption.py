"""The third pass over weeks: colours per account, from stored usage events of trailing weeks.

What belongs here: which weeks' events those are, batches. What does not: the queries (`metrics.adoption`), which of it
is published and under which names (`steps.accounts_shown`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.events.accounts import snapshot_of
from nsm_pipeline.metrics.adoption import ADOPTION_ROWS, EVENTS, AdoptionQueries
from nsm_pipeline.metrics.plans import ADOPTION
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import WEEK

# Each batch reads the weeks before its first one once more.
WEEKS_AT_ONCE = 26
Wanted = Mapping[date, Sequence[str]]
"""Use cases by week."""


def adoption_rows(opened: Open, wanted: Wanted) -> Iterator[tuple[date, dict[str, pa.Table]]]:
    """ADOPTION_ROWS of some weeks by use case, week by week in order. Their usage events are stored and up to date."""
    names = sorted({name for mine in wanted.values() for name in mine})
    queries = {name: AdoptionQueries(opened.plans[name]) for name in names}
    work = partial(_batch, opened, queries, wanted)
    for found in opened.engine.map(work, list(_batches(opened, wanted))):
        yield from found.items()


def _batches(opened: Open, wanted: Wanted) -> Iterator[list[date]]:
    """Consecutive weeks of the same use cases that see one account snapshot."""
    batch: list[date] = []
    for week in sorted(wanted):
        if batch and not (
            week == batch[-1] + WEEK
            and wanted[week] == wanted[batch[-1]]
            and snapshot_of(opened.ledger, week) == snapshot_of(opened.ledger, batch[-1])
            and len(batch) < WEEKS_AT_ONCE
        ):
            yield batch
            batch = []
        batch.append(week)
    if batch:
        yield batch


def _batch(
    opened: Open,
    queries: Mapping[str, AdoptionQueries],
    wanted: Wanted,
    connection: duckdb.DuckDBPyConnection,
    weeks: Sequence[date],
) -> dict[date, dict[str, pa.Table]]:
    found: dict[date, dict[str, pa.Table]] = {week: {} for week in weeks}
    connection.register("snapshot", opened.usage.snapshot(connection, weeks[0]))
    for name in wanted[weeks[0]]:
        reach = opened.reach(name, ADOPTION)
        around = sorted({one for week in weeks for one in opened.weeks_around(reach, week)})
        use_case = opened.playbook.use_cases[name]
        opened.usage.view_around(connection, EVENTS, use_case, around, queries[name].columns_read)
        rows = queries[name].run(connection, weeks)
        for week in weeks:
            mine = rows.filter(pc.equal(rows["week"], week))
            found[week][name] = mine.select(ADOPTION_ROWS.names).cast(ADOPTION_ROWS).combine_chunks()
    return found
