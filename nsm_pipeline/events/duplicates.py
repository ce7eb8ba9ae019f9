"""Which landed rows lose to another row of the same event_id, over all files and weeks.

What belongs here: settling duplicates after an ingest, in proportion to what changed. What does not: reading
files, or using rows.

The rule: of all rows with one event_id the earliest received stays (then the first path, then the first row).
A loser with equal content is a duplicate, one with other content a conflict. The result depends on the files
only, never on the order in which they were read. Losers lie at `duplicates/<UTC Monday>/<digest>.parquet`,
never rewritten, so that a run that still holds an older ledger reads what that ledger says.

How: landed rows carry a 64-bit hash of their event_id. Hashes that stand twice are found first (`id_index`); only the
rows behind them are then compared by the event_id itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.events import id_index
from nsm_pipeline.events.id_index import IdIndex, PartOf
from nsm_pipeline.events.landed import MOST_NAMES
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.lake import Lake, digest, digest_of_text

LANDED_VERSION = 1
# `row` is the position in the landed part, from 0; `event_name` is empty where an earlier version settled a loser.
LOSERS = pa.schema(
    [("id_hash", pa.uint64()), ("content", pa.string()), ("row", pa.int64()), ("event_name", pa.string()),
     ("kind", pa.string())]
)  # fmt: skip
HASHES = pa.schema([("id_hash", pa.uint64())])


@dataclass(frozen=True)
class Part:
    """A landed part: its file, UTC week, content id, the path that orders the content, and its rows."""

    file: str
    week: date
    content: str
    path: str
    rows: int

    @property
    def key(self) -> PartOf:
        return self.week, self.content


def version() -> str:
    """Version of the landed tables: ours, and DuckDB's hash function, by which duplicates are found."""
    with duckdb.connect() as own:  # not the module's connection, which all threads of a process share
        probe = own.execute("SELECT hash('north star'), hash('north', 'star')").fetchone()
    return digest(LANDED_VERSION, probe)


def losers_file(lake: Lake, ledger: Ledger, week: date) -> str | None:
    """File of the losers of a UTC week, None where it has none."""
    fingerprint = ledger.losers.get(week)
    return str(lake.file("duplicates", week, fingerprint)) if fingerprint else None


def settle(lake: Lake, engine: Engine, ledger: Ledger) -> None:
    """Bring the ledger's duplicates up to its active contents; writes only weeks whose losers changed."""
    active = ledger.active("events")
    changed = {key for key, path in active.items() if ledger.settled.get(key) != path}
    changed |= {key for key in ledger.settled if key not in active}
    if changed:
        parts = [
            Part(str(lake.file("landed_events", week, key)), week, key, path, rows)
            for key, path in active.items()
            for week, rows in ledger.contents[key].parts.items()
        ]
        gone = [
            str(lake.file("landed_events", week, key))
            for key in sorted(changed - set(active))
            for week in ledger.contents[key].parts
        ]
        touched = None
        if not changed >= set(active):
            touched = _touched_hashes(engine, [part.file for part in parts if part.content in changed] + gone)
        new = _losers(engine, IdIndex(lake, ledger.version), parts, touched)
        for week, losers in _by_week(lake, engine, ledger, new, touched).items():
            _record(lake, ledger, week, losers)
        ledger.losers, ledger.lost = dict(sorted(ledger.losers.items())), dict(sorted(ledger.lost.items()))
        _count(lake, engine, ledger)
    ledger.settled = active


def _record(lake: Lake, ledger: Ledger, week: date, losers: pa.Table) -> None:
    ledger.losers.pop(week, None)
    ledger.lost.pop(week, None)
    if losers.num_rows == 0:
        return
    by_name: dict[str, list[str]] = {}
    for name, row in _as_json(losers):
        by_name.setdefault(name, []).append(row)
    lost = {name: digest_of_text(f"[[{','.join(rows)}]]") for name, rows in sorted(by_name.items())}
    fingerprint = digest(lost)
    if len(lost) <= MOST_NAMES and "" not in lost:
        ledger.lost[week] = lost
    if not lake.exists("duplicates", week, fingerprint):
        lake.write(losers, fingerprint, "duplicates", week, fingerprint)
    ledger.losers[week] = fingerprint


def _as_json(losers: pa.Table) -> Iterator[tuple[str, str]]:
    """The event name of each loser, and its row as JSON as `digest` writes it: made by hand, for there are hundreds of
    thousands of them and few names."""
    columns = [losers[name].to_pylist() for name in ("content", "event_name", "id_hash", "kind", "row")]
    spelled = {name: json.dumps(name) for name in set(columns[1])}
    for content, name, id_hash, kind, row in zip(*columns, strict=True):
        yield (
            name,
            f'{{"content":"{content}","event_name":{spelled[name]},"id_hash":{id_hash},"kind":"{kind}","row":{row}}}',
        )


def _count(lake: Lake, engine: Engine, ledger: Ledger) -> None:
    files = [file for week in ledger.losers if (file := losers_file(lake, ledger, week))]
    counts: dict[tuple[str, str], int] = {}
    if files:
        schema = pa.schema([("content", pa.string()), ("kind", pa.string()), ("rows", pa.int64())])
        sql = "SELECT content, kind, count(*) AS rows FROM read_parquet($files) GROUP BY ALL"
        for row in _query(engine, sql, [{"files": files}], schema).to_pylist():
            counts[row["content"], row["kind"]] = row["rows"]
    for key, content in ledger.contents.items():
        if content.kind == "events":
            content.duplicates, content.conflicts = counts.get((key, "duplicate"), 0), counts.get((key, "conflict"), 0)


def _query(
    engine: Engine, sql: str, jobs: Iterable[dict[str, object]], schema: pa.Schema, **tables: pa.Table
) -> pa.Table:
    """One query per job's parameters, side by side, over some small tables; all rows together."""

    def work(connection: duckdb.DuckDBPyConnection, parameters: dict[str, object]) -> pa.Table:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(sql, parameters).to_arrow_table()

    return pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in engine.map(work, jobs))])


def _chunks(files: list[str], count: int) -> list[dict[str, object]]:
    size = max(1, -(-len(files) // count))
    return [{"files": files[start : start + size]} for start in range(0, len(files), size)]


def _touched_hashes(engine: Engine, files: list[str]) -> pa.Table:
    return _query(engine, "SELECT DISTINCT id_hash FROM read_parquet($files)", _chunks(files, 8), HASHES)


CANDIDATE = pa.schema(
    [("file", pa.string()), ("row", pa.int64()), ("row_number", pa.int64()), ("id_hash", pa.uint64()),
     ("event_id", pa.string()), ("event_name", pa.string()), ("content_hash", pa.uint64()),
     ("received_at", pa.timestamp("us"))]
)  # fmt: skip


def _losers(engine: Engine, index: IdIndex, parts: list[Part], touched: pa.Table | None) -> pa.Table:
    """Losers (week, then as LOSERS) among the parts; only of ids in `touched` where it is given."""
    if not parts:
        return pa.table({"week": pa.array([], pa.date32()), **{f.name: pa.array([], f.type) for f in LOSERS}})
    rows = {part.key: part.rows for part in parts}
    if touched is None:
        repeated = index.repeated(engine, rows)
    else:
        repeated = index.repeated_among(engine, rows, touched["id_hash"].to_numpy())
    candidates = _query(
        engine,
        f"""SELECT filename AS file, file_row_number AS row, row_number, id_hash, event_id, event_name, content_hash,
            received_at
        FROM read_parquet($files, filename = true, file_row_number = true)
        WHERE id_hash >> {id_index.PLACE_BITS} IN (SELECT prefix FROM repeated)""",
        _chunks([part.file for part in parts if part.key in repeated.parts], 16),
        CANDIDATE,
        repeated=pa.table({"prefix": repeated.prefixes}),
    )
    if touched is not None:  # of another id with the same prefix the losers are settled already
        candidates = candidates.filter(pc.is_in(candidates["id_hash"], touched["id_hash"].combine_chunks()))
    part_table = pa.table(
        {
            "file": pa.array([part.file for part in parts], pa.string()),
            "week": pa.array([part.week for part in parts], pa.date32()),
            "content": pa.array([part.content for part in parts], pa.string()),
            "path": pa.array([part.path for part in parts], pa.string()),
        }
    )
    ranked = _query(
        engine,
        """SELECT parts.week, id_hash, parts.content, row, event_name,
            content_hash = first_value(content_hash) OVER same_id AS equal,
            file, first_value(file) OVER same_id AS winner_file, first_value(row) OVER same_id AS winner_row,
            row_number() OVER same_id AS place
        FROM candidates JOIN parts USING (file) WHERE id_hash % $of::UBIGINT = $place::UBIGINT
        WINDOW same_id AS (PARTITION BY event_id ORDER BY received_at NULLS LAST, path, row_number)""",
        [{"place": place, "of": engine.workers} for place in range(engine.workers)],
        RANKED,
        candidates=candidates,
        parts=part_table,
    )
    losers = ranked.filter(pc.greater(ranked["place"], 1))
    equal = _same_content(engine, losers)
    kind = pc.if_else(equal, "duplicate", "conflict")
    return losers.select(["week", "id_hash", "content", "row", "event_name"]).append_column("kind", kind)


RANKED = pa.schema(
    [("week", pa.date32()), ("id_hash", pa.uint64()), ("content", pa.string()), ("row", pa.int64()),
     ("event_name", pa.string()), ("equal", pa.bool_()), ("file", pa.string()), ("winner_file", pa.string()),
     ("winner_row", pa.int64()), ("place", pa.int64())]
)  # fmt: skip


def _same_content(engine: Engine, losers: pa.Table) -> pa.Array:
    """Whether each loser says the same as its winner; where hashes differ, JSON is compared by its meaning
    (the same event may come as CSV first and as JSON lines later)."""
    unclear = losers.filter(pc.invert(losers["equal"]))
    pairs = list(
        zip(
            *(unclear[name].to_pylist() for name in ("file", "row", "winner_file", "winner_row")), strict=True
        )
    )  # fmt: skip
    wanted: dict[str, set[int]] = {}
    for file, row, winner_file, winner_row in pairs:
        wanted.setdefault(file, set()).add(row)
        wanted.setdefault(winner_file, set()).add(winner_row)
    said: dict[tuple[str, int], tuple[object, ...]] = {}
    sql = """SELECT file_row_number, event_name, occurred_at, account_id, user_id, properties
        FROM read_parquet($file, file_row_number = true) WHERE list_contains($rows, file_row_number)"""

    def work(connection: duckdb.DuckDBPyConnection, file: str) -> list[tuple[object, ...]]:
        return connection.execute(sql, {"file": file, "rows": sorted(wanted[file])}).fetchall()

    for file, rows in zip(sorted(wanted), engine.map(work, sorted(wanted)), strict=True):
        for row, *content, properties in rows:
            said[file, int(str(row))] = (*content, json.loads(str(properties or "null")) or {})
    verdict = iter([said[file, row] == said[winner_file, winner_row] for file, row, winner_file, winner_row in pairs])
    return pa.array([equal or next(verdict) for equal in losers["equal"].to_pylist()], pa.bool_())


def _by_week(
    lake: Lake, engine: Engine, ledger: Ledger, new: pa.Table, touched: pa.Table | None
) -> dict[date, pa.Table]:
    """Losers per UTC week whose losers may have changed: the new ones, and the settled ones of untouched ids."""
    result: dict[date, pa.Table] = {}
    new = new.sort_by([("week", "ascending")])
    counts = {row["values"]: row["counts"] for row in new["week"].value_counts().to_pylist()}
    places = dict(zip(sorted(counts), accumulate((counts[week] for week in sorted(counts)), initial=0), strict=False))
    for week in sorted(counts.keys() | _touched_weeks(lake, engine, ledger, touched)):
        mine = new.slice(places.get(week, 0), counts.get(week, 0)).select(LOSERS.names)
        kept = LOSERS.empty_table()
        if touched is not None and week in ledger.losers:
            settled = _named(lake.read("duplicates", week, ledger.losers[week]))
            kept = settled.filter(pc.invert(pc.is_in(settled["id_hash"], touched["id_hash"].combine_chunks())))
        together = pa.concat_tables([kept.cast(LOSERS), mine.cast(LOSERS)])
        result[week] = together.sort_by([("content", "ascending"), ("row", "ascending")])
    return result


def _named(settled: pa.Table) -> pa.Table:
    """Losers as LOSERS, also those that an earlier version settled without their names."""
    if "event_name" not in settled.column_names:
        settled = settled.append_column("event_name", pa.array([""] * settled.num_rows, pa.string()))
    return settled.select(LOSERS.names)


def _touched_weeks(lake: Lake, engine: Engine, ledger: Ledger, touched: pa.Table | None) -> set[date]:
    """UTC weeks with a settled loser of a touched id; all that have losers where every id is touched."""
    if touched is None or not ledger.losers:
        return set(ledger.losers)
    files = {losers_file(lake, ledger, week): week for week in ledger.losers}
    sql = """SELECT DISTINCT filename AS file FROM read_parquet($files, filename = true)
        WHERE id_hash IN (SELECT id_hash FROM touched)"""
    found = _query(engine, sql, [{"files": list(files)}], pa.schema([("file", pa.string())]), touched=touched)
    return {files[file] for file in found["file"].to_pylist()}
