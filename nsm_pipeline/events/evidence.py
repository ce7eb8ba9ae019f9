"""What became of a week's landed rows: counts, and the event names that no use case knows.

What belongs here: `week_evidence` and `unmapped_events`. What does not: tolerances (`certification`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.events.accounts import snapshot_of
from nsm_pipeline.events.inputs import WeekInputs, by_week
from nsm_pipeline.events.instrumentation import LANDED, Mapping
from nsm_pipeline.lake import digest

EVIDENCE = pa.schema(
    [
        ("week", pa.date32()),
        *((name, pa.int64()) for name in ("landed", "duplicate", "conflict", "quarantined", "accepted")),
        *((name, pa.int64()) for name in ("late", "unmapped", "internal")),
        ("snapshot", pa.date32()),
    ]
)
UNMAPPED = pa.schema([("week", pa.date32()), ("event_name", pa.string()), ("rows", pa.int64())])


def _counts(inputs: WeekInputs, week: date) -> str:
    """SQL that counts landed rows by week, name and whether any use case maps them, in weeks alike to one."""
    mappings = [inputs.mapping(use_case, week) for use_case in inputs.playbook.use_cases.values()]
    key = digest([mapping.definition()["sources"] for mapping in mappings])
    return inputs.compiled(f"counts {key}", lambda: (_compile(mappings),))[0]


def _compile(mappings: list[Mapping]) -> str:
    landed = ibis.table(LANDED, name="landed")
    sources = [source for mapping in mappings for source in mapping.sources]
    whole = {source.sent for source in sources if source.since is None and source.until is None}
    parts = [source.matches(landed) for source in sources if source.sent not in whole]
    mapped = landed.sent.notnull() & ibis.or_(landed.sent.isin(sorted(whole)), *parts)
    counts = landed.group_by("week", "sent", "event_name", mapped=mapped).agg(
        rows=landed.count(),
        late=landed.count(where=landed.late),
        internal=landed.count(where=landed.is_internal),
    )
    return str(ibis.to_sql(counts, dialect="duckdb"))


def write_evidence(inputs: WeekInputs, connection: duckdb.DuckDBPyConnection, weeks: Sequence[date]) -> None:
    """Store some weeks' evidence and unmapped names from the table `landed` of a connection."""
    counts = by_week(connection.execute(_counts(inputs, weeks[0])).to_arrow_table())
    for week in weeks:
        _write_week(inputs, connection, week, counts.get(week, []))


def _write_week(
    inputs: WeekInputs, connection: duckdb.DuckDBPyConnection, week: date, counts: list[dict[str, Any]]
) -> None:
    duplicate, conflict = _lost(inputs, connection, week)
    evidence = {
        "week": week,
        "landed": _landed_rows(inputs, connection, week),
        "duplicate": duplicate,
        "conflict": conflict,
        "quarantined": inputs.quarantined(week),
        "accepted": sum(row["rows"] for row in counts),
        "late": sum(row["late"] for row in counts),
        "unmapped": sum(row["rows"] for row in counts if not row["mapped"]),
        "internal": sum(row["internal"] for row in counts),
        "snapshot": chosen[0] if (chosen := snapshot_of(inputs.ledger, week)) else None,
    }
    names = inputs.sent_names()
    unmapped = sorted(
        (row["event_name"] if row["sent"] is None else names[row["sent"]], row["rows"])
        for row in counts
        if not row["mapped"]
    )
    rows = [{"week": week, "event_name": name, "rows": count} for name, count in unmapped]
    fingerprint = inputs.evidence_fingerprint(week)
    said = inputs.evidence_made_from(week)
    inputs.lake.write(pa.Table.from_pylist(rows, UNMAPPED), fingerprint, "unmapped_events", week, made_from=said)
    inputs.lake.write(pa.Table.from_pylist([evidence], EVIDENCE), fingerprint, "week_evidence", week, made_from=said)


def _landed_rows(inputs: WeekInputs, connection: duckdb.DuckDBPyConnection, week: date) -> int:
    """Rows of the week's landed parts, duplicates included: from the footers where a part lies in one week."""
    files = inputs.files(inputs.parts(week))
    if inputs.playbook.calendar.is_utc_week(week):
        return sum(pq.read_metadata(file).num_rows for file in files)
    return _count_between(inputs, connection, week, files)


def _count_between(inputs: WeekInputs, connection: duckdb.DuckDBPyConnection, week: date, files: list[str]) -> int:
    if not files:
        return 0
    start, end = inputs.playbook.calendar.bounds(week)
    found = connection.execute(
        "SELECT count(*) FROM read_parquet($files) WHERE occurred_at >= $start AND occurred_at < $end",
        {"files": files, "start": start, "end": end},
    ).fetchone()
    return int(found[0]) if found else 0


def _lost(inputs: WeekInputs, connection: duckdb.DuckDBPyConnection, week: date) -> tuple[int, int]:
    """Losers of the week: all of them, and those with other content than the row that stays."""
    losers = inputs.losers(week)
    if not losers:
        return 0, 0
    if inputs.playbook.calendar.is_utc_week(week):
        kinds = Counter(kind for file in losers for kind in pq.read_table(file, columns=["kind"])["kind"].to_pylist())
        return kinds.total(), kinds["conflict"]
    start, end = inputs.playbook.calendar.bounds(week)
    found = connection.execute(
        """SELECT count(*), count(*) FILTER (loser.kind = 'conflict')
        FROM read_parquet($losers, filename = true) loser
        JOIN read_parquet($files, filename = true, file_row_number = true) landed
            ON loser.row = landed.file_row_number AND loser.content = parse_filename(landed.filename, true)
            AND parse_path(loser.filename)[-2] = parse_path(landed.filename)[-2]
        WHERE landed.occurred_at >= $start AND landed.occurred_at < $end""",
        {
            "losers": losers,
            "files": inputs.files(inputs.parts(week)),
            "start": start,
            "end": end,
        },
    ).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)
