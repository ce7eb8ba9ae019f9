"""What two sources of an event say in a week in which both are in force: how much of it is the same.

What belongs here: `source_copies`, made while the week's landed rows are at hand. What does not: which copy counts
(`instrumentation`), how much they may differ (`certification`).

A row per event and source in force. The source that is preferred is the measure: of the others, `matched` counts the
rows whose fact it has sent too (its own `matched`: rows whose fact another has sent). Both copies can be compared only
where an account sent both: `accounts_both`, `rows_both` are of such accounts, `preferred_rows_both` is what the
preferred source has of the same accounts, `accounts_differ` how many of them have another number of rows there.
"""

from __future__ import annotations

from collections.abc import Mapping as Keyed
from collections.abc import Sequence
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from nsm_pipeline.events.instrumentation import LANDED, Mapping

COPIES_VERSION = 1
COPIES = pa.schema(
    [
        ("event", pa.string()),
        ("source", pa.string()),
        ("preferred", pa.bool_()),
        *(
            (name, pa.int64())
            for name in (
                "rows", "accounts", "users", "matched", "accounts_both", "rows_both", "preferred_rows_both",
                "accounts_differ",
            )
        ),
    ]
)  # fmt: skip


def copies_sql(mapping: Mapping) -> str:
    """SQL over the table `landed`: the rows of events whose copies can meet, with rank, account, user and what tells
    facts apart, null where a row lacks it."""
    return str(ibis.to_sql(mapping.with_keys(ibis.table(LANDED, name="landed")), dialect="duckdb"))


def copies_rows(connection: duckdb.DuckDBPyConnection, sql: str, mapping: Mapping) -> pa.Table:
    """A week's COPIES from its landed rows."""
    counted = connection.execute(
        f"""WITH copies AS ({sql}),
        best AS (SELECT unnest($events::VARCHAR[]) AS event, unnest($best::BIGINT[]) AS best),
        facts AS (
            SELECT event, fact, bool_or(rank = best) AS by_preferred, bool_or(rank <> best) AS by_others
            FROM copies JOIN best USING (event) WHERE fact IS NOT NULL GROUP BY ALL),
        totals AS (
            SELECT event, rank, count(*) AS rows, count(DISTINCT account_id) AS accounts,
                count(DISTINCT user_id) AS users,
                count(*) FILTER (CASE WHEN rank = best THEN by_others ELSE by_preferred END) AS matched
            FROM copies JOIN best USING (event) LEFT JOIN facts USING (event, fact) GROUP BY ALL),
        by_account AS (SELECT event, rank, account_id, count(*) AS rows FROM copies GROUP BY ALL),
        shared AS (
            SELECT event, other.rank, count(*) AS accounts_both, sum(other.rows) AS rows_both,
                sum(preferred.rows) AS preferred_rows_both, count(*) FILTER (other.rows <> preferred.rows) AS differ
            FROM by_account other JOIN best USING (event) JOIN by_account preferred USING (event, account_id)
            WHERE preferred.rank = best AND other.rank <> best GROUP BY ALL)
        SELECT event, rank, rows, accounts, users, matched, coalesce(accounts_both, 0), coalesce(rows_both, 0)::BIGINT,
            coalesce(preferred_rows_both, 0)::BIGINT, coalesce(differ, 0)
        FROM totals LEFT JOIN shared USING (event, rank)""",
        _best(mapping),
    ).fetchall()
    found: dict[tuple[str, int], Sequence[int]] = {(event, rank): numbers for event, rank, *numbers in counted}
    return pa.Table.from_pylist(_long(mapping, found), COPIES)


def _best(mapping: Mapping) -> dict[str, Any]:
    events = mapping.reconciled()
    best = [min(source.rank for source in mapping.sources if source.event == name) for name in events]
    return {"events": events, "best": best}


def _long(mapping: Mapping, found: Keyed[tuple[str, int], Sequence[int]]) -> list[dict[str, object]]:
    """Rows in the order of the playbook, also of sources that sent nothing."""
    best = dict(zip(*_best(mapping).values(), strict=True))
    nothing = [0] * 8
    return [
        {
            "event": source.event,
            "source": source.source.name,
            "preferred": source.rank == best[source.event],
            **dict(zip(COPIES.names[3:], found.get((source.event, source.rank), nothing), strict=True)),
        }
        for name in best
        for source in mapping.sources
        if source.event == name
    ]
