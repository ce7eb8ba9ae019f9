"""What has landed, as facts: names sent, when, by how many, and the properties with their values.

What belongs here: queries over landed rows and account snapshots. What does not: landing files (`events`), what to
make of the facts (`proposing`). Everything is counted over all rows, nothing is sampled; only how many different values
a property has is an estimate where there are many. Rows delivered twice in different files count twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import duckdb

from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.events.accounts import STANDARD
from nsm_pipeline.events.instrumentation import pointer
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.lake import Lake

MOST_EVENTS = 100
MOST_PROPERTIES = 100
LISTED = 20  # up to so many different values are listed, each with its rows


@dataclass(frozen=True)
class SeenValues:
    """A property or attribute as sent. `present`: rows with a value; of these `empty` hold an empty text.

    `integers`, `numbers` (integers among them), `booleans`: values that lose nothing when they are read so. `different`
    is exact where `values` lists them all, else about right. `smallest` and `middle`, about the median, leave out −1,
    which `minus_ones` counts.
    """

    name: str
    present: int
    empty: int
    integers: int
    numbers: int
    booleans: int
    quoted: int
    nested: int
    different: int
    smallest: float | None
    largest: float | None
    minus_ones: int
    middle: float | None
    values: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class SeenEvent:
    """A name as sent. `bulk`: first and last day without the outermost 1 % of rows on either side."""

    name: str
    rows: int
    first: date
    last: date
    bulk: tuple[date, date]
    accounts: int
    users: int
    properties: tuple[SeenValues, ...]
    unlisted: int = 0


@dataclass(frozen=True)
class Landed:
    """All that has landed: events by rows, how many further names there are, attributes of the newest snapshot."""

    events: tuple[SeenEvent, ...]
    unlisted: int
    attributes: tuple[SeenValues, ...]
    accounts: int
    snapshot: date | None


def landed(lake: Lake, ledger: Ledger, engine: Engine, wanted: Sequence[str] = ()) -> Landed:
    """Facts about everything the ledger says has landed, or about some names as sent alone."""
    files = [
        str(lake.file("landed_events", week, content))
        for content in ledger.active("events")
        for week in ledger.contents[content].parts
    ]
    seen, further = _events(files, engine, wanted) if files else ((), 0)
    snapshot = max(ledger.snapshots, default=None)
    accounts: int = 0
    attributes: tuple[SeenValues, ...] = ()
    if snapshot is not None:
        file = str(lake.file("accounts", snapshot, ledger.snapshots[snapshot]))
        accounts, attributes = next(engine.map(_attributes, [file]))
    return Landed(seen, further, attributes, accounts, snapshot)


def names_seen(files: list[str], engine: Engine, wanted: Sequence[str]) -> dict[str, SeenEvent]:
    """Facts about some names as sent in some landed files, by name; those without a row there are left out."""
    seen, _ = _events(files, engine, wanted) if files and wanted else ((), 0)
    return {one.name: one for one in seen}


def _events(files: list[str], engine: Engine, wanted: Sequence[str]) -> tuple[tuple[SeenEvent, ...], int]:
    """Facts by name as sent, those `wanted` or else those with the most rows; and how many further names there are."""
    questions: tuple[Callable[[duckdb.DuckDBPyConnection], Any], ...] = (
        lambda connection: _days(connection, files),
        lambda connection: _keys(connection, files),
        lambda connection: _different(connection, files, "account_id"),
        lambda connection: _different(connection, files, "user_id"),
    )
    days, keys, accounts, users = engine.map(lambda connection, question: question(connection), questions)
    names = [name for name in days if not wanted or name in wanted][: len(wanted) or MOST_EVENTS]

    def look(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[SeenValues, ...]:
        return _properties(connection, files, name, keys.get(name, [])[:MOST_PROPERTIES])

    found = []
    for name, properties in zip(names, engine.map(look, names), strict=True):
        by_day, rows = days[name], sum(count for _, count in days[name])
        further = max(0, len(keys.get(name, [])) - MOST_PROPERTIES)
        people = accounts.get(name, 0), users.get(name, 0)
        first, last, bulk = by_day[0][0], by_day[-1][0], _bulk(by_day, rows)
        found.append(SeenEvent(name, rows, first, last, bulk, *people, properties, further))
    return tuple(found), len(days) - len(names)


def _days(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> dict[str, list[tuple[date, int]]]:
    """Rows by day of each name as sent, the name with the most rows first."""
    rows = connection.execute(
        """SELECT event_name, list((day, rows) ORDER BY day) FROM (
            SELECT event_name, occurred_at::DATE AS day, count(*) AS rows FROM read_parquet($files) GROUP BY ALL)
        GROUP BY event_name ORDER BY sum(rows) DESC, event_name""",
        {"files": files},
    ).fetchall()
    return {name: [(day, count) for day, count in by_day] for name, by_day in rows}


def _different(connection: duckdb.DuckDBPyConnection, files: Sequence[str], column: str) -> dict[str, int]:
    """How many different accounts or users have sent each name. Grouped twice: a grouping can spill to disk."""
    rows = connection.execute(
        f"""SELECT event_name, count({column}) FROM (
            SELECT DISTINCT event_name, {column} FROM read_parquet($files)) GROUP BY event_name""",
        {"files": files},
    ).fetchall()
    return dict(rows)


def _keys(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> dict[str, list[str]]:
    """Names of the properties of each event, the one in most rows first; a property without a name cannot be read."""
    rows = connection.execute(
        """SELECT event_name, key FROM (
            SELECT event_name, unnest(json_keys(properties)) AS key FROM read_parquet($files))
        WHERE key <> '' GROUP BY ALL ORDER BY count(*) DESC, key""",
        {"files": files},
    ).fetchall()
    keys: dict[str, list[str]] = {}
    for name, key in rows:
        keys.setdefault(name, []).append(key)
    return keys


def _properties(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], name: str, keys: list[str]
) -> tuple[SeenValues, ...]:
    if not keys:
        return ()
    # All values of a row at once: the document is parsed anew at every call.
    source = """SELECT unnest($keys) AS key, unnest(json_extract(properties, $pointers))::VARCHAR AS raw
        FROM read_parquet($files) WHERE event_name = $name"""
    given = {"files": files, "name": name, "keys": keys, "pointers": [pointer(key) for key in keys]}
    return tuple(_values(connection, JSON_VALUES.format(source=source), given))


def _bulk(by_day: list[tuple[date, int]], rows: int) -> tuple[date, date]:
    def day_after(share: float, days: Sequence[tuple[date, int]]) -> date:
        before = 0
        for day, count in days:
            before += count
            if before > share * rows:
                return day
        return days[-1][0]

    return day_after(0.01, by_day), day_after(0.01, by_day[::-1])


def _attributes(connection: duckdb.DuckDBPyConnection, file: str) -> tuple[int, tuple[SeenValues, ...]]:
    """Accounts of a snapshot, and its columns beyond the standard ones, which it holds as text."""
    relation = connection.read_parquet(file)
    extras = [name for name in relation.columns if name not in STANDARD.names]
    ((accounts,),) = relation.aggregate("count(*)").fetchall()
    if not extras:
        return int(accounts), ()
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in extras)
    source = f"SELECT unnest($keys) AS key, unnest([{columns}]) AS text FROM read_parquet($file)"
    found = _values(connection, TEXT_VALUES.format(source=source), {"file": file, "keys": extras})
    return int(accounts), tuple(found)


JSON_VALUES = """SELECT key, starts_with(raw, '"') AS quoted, raw[1] IN ('{{', '[') AS nested,
    CASE WHEN starts_with(raw, '"') THEN json_extract_string(raw, '$') ELSE raw END AS text
    FROM ({source}) WHERE raw <> 'null'"""
TEXT_VALUES = "SELECT key, true AS quoted, false AS nested, text FROM ({source}) WHERE text IS NOT NULL"


def _values(connection: duckdb.DuckDBPyConnection, values: str, given: dict[str, Any]) -> Iterator[SeenValues]:
    """Facts by key over a query's key, quoted, nested, text; in the order of `keys`."""
    # A whole number is one that comes back as it was written: 007 and 1e3 are texts to those who send them.
    rows = connection.execute(
        f"""WITH values AS ({values}), read AS (
            SELECT key, text, quoted, nested, try_cast(text AS BIGINT)::VARCHAR = text AS whole,
                regexp_full_match(text, '-?(0|[1-9][0-9]*)([.][0-9]+([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)')
                    AND isfinite(try_cast(text AS DOUBLE)) AS broken,
                CASE WHEN whole OR broken THEN try_cast(text AS DOUBLE) END AS number FROM values)
        SELECT key, count(*), count(*) FILTER (text = ''), count(*) FILTER (whole), count(*) FILTER (whole OR broken),
            count(*) FILTER (text IN ('true', 'false')), count(*) FILTER (quoted), count(*) FILTER (nested),
            approx_count_distinct(text), min(number) FILTER (number <> -1), max(number), count(*) FILTER (number = -1),
            approx_quantile(number, 0.5) FILTER (number <> -1)
        FROM read GROUP BY key""",
        given,
    ).fetchall()
    few = [row[0] for row in rows if row[8] <= 2 * LISTED]
    listed: dict[str, list[tuple[str, int]]] = {}
    if few:
        counted = connection.execute(
            f"""SELECT key, text, count(*) FROM ({values}) WHERE list_contains($few, key) AND text <> ''
            GROUP BY ALL ORDER BY count(*) DESC, text""",
            {**given, "few": few},
        ).fetchall()
        for key, text, count in counted:
            listed.setdefault(key, []).append((text, count))
    order = {key: place for place, key in enumerate(given["keys"])}
    for row in sorted(rows, key=lambda row: order[row[0]]):
        found = listed.get(row[0], [])
        facts = replace(SeenValues(*row), different=len(found) or row[8])
        yield replace(facts, values=tuple(found)) if len(found) <= LISTED else facts
