"""One file's rows: typed and checked, then landed parts by UTC week or quarantine with the reason.

What belongs here: what makes a row valid, writing landed parts. What does not: file formats (`reading`), which
files are read (`landing`).

Landed parts lie at `landed_events/<UTC Monday>/<content>.parquet`: named by content, so that writing one
again after a kill changes nothing, and by UTC week, so that no setting of the playbook moves them.
"""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.events.files import UnusableFile
from nsm_pipeline.events.ledger import Content
from nsm_pipeline.events.reading import open_source
from nsm_pipeline.lake import Lake

QUARANTINE = pa.schema(
    [
        ("row_number", pa.int64()),
        ("week", pa.date32()),
        ("occurred_at", pa.timestamp("us")),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)
# DuckDB keeps 100 files open in a partitioned write and starts a second file for a week beyond that.
WEEKS_PER_WRITE = 64


def land(connection: duckdb.DuckDBPyConnection, lake: Lake, file: Path, content_id: str) -> Content:
    """Type and check every row of a file; write valid rows by UTC week and the others to quarantine.

    Raises UnusableFile where the file as a whole can't be read; nothing of it is landed then.
    """
    rows, quarantined = _open_typed(connection, file)
    parts = _write_parts(connection, lake, content_id) if rows > quarantined else {}
    kept_aside = _write_quarantine(connection, lake, content_id, parts) if quarantined else {}
    connection.execute("DROP TABLE typed")
    return Content(
        kind="events",
        bytes=file.stat().st_size,
        rows=rows,
        quarantined=sum(kept_aside.values()),
        parts=parts,
        quarantined_by_week={week: count for week, count in kept_aside.items() if week is not None},
    )


def _open_typed(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, int]:
    """Create the table `typed` over a file; returns its rows and how many of them have a `reason`."""
    rows, quarantined = _typed_rows(connection, file, exact=False)
    if quarantined and ".csv" in file.name:
        return _typed_rows(connection, file, exact=True)  # for the raw text of the rows set aside
    return rows, quarantined


def _typed_rows(connection: duckdb.DuckDBPyConnection, file: Path, exact: bool) -> tuple[int, int]:
    open_source(connection, file, exact)
    try:
        connection.execute(_typed(connection))
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:  # Parquet is read here, not before: its pages may be damaged
        raise UnusableFile(f"unreadable: {str(error).splitlines()[0][:300]}") from None
    (counts,) = connection.execute("SELECT count(*), count(reason) FROM typed").fetchall()
    return int(counts[0]), int(counts[1])


def _typed(connection: duckdb.DuckDBPyConnection) -> str:
    types = dict(
        connection.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'source'").fetchall()
    )

    def instant(name: str) -> str:
        if types[name] == "TIMESTAMP":
            return name
        # A plain TIMESTAMP cast drops a zone offset silently, and the zoned one is slow: use it only where
        # there is an offset. Words like 'epoch' and 'infinity' are no times.
        return f"""CASE WHEN {name} < '0' OR {name} >= ':' THEN NULL
            WHEN ends_with({name}, 'Z') THEN try_cast({name} AS TIMESTAMP)
            ELSE timezone('UTC', try_cast({name} AS TIMESTAMPTZ)) END"""

    def missing(name: str) -> str:
        # Trimming is slow: only what does not begin with a visible character is trimmed at all.
        return f"({name} >= '!') IS NOT TRUE AND trim(coalesce({name}, '')) = ''"

    return f"""CREATE OR REPLACE TEMP TABLE typed AS
        WITH parsed AS (SELECT row_number, event_id, event_name, account_id, nullif(user_id, '') AS user_id, properties,
            problem, {instant("occurred_at")} AS occurred, {instant("received_at")} AS received,
            occurred_at IS NOT NULL AND occurred_at::VARCHAR <> '' AS has_occurred,
            received_at IS NOT NULL AND received_at::VARCHAR <> '' AS has_received FROM source)
        SELECT row_number::INTEGER AS row_number, event_id, hash(event_id) AS id_hash,
            hash(event_name, occurred, account_id, user_id, properties) AS content_hash, event_name,
            occurred AS occurred_at, received AS received_at, account_id, user_id, properties,
            date_trunc('week', occurred)::DATE AS week,
            CASE WHEN problem IS NOT NULL THEN problem
                WHEN {missing("event_id")} THEN 'event_id is missing'
                WHEN {missing("event_name")} THEN 'event_name is missing'
                WHEN {missing("account_id")} THEN 'account_id is missing'
                WHEN NOT has_occurred THEN 'occurred_at is missing'
                WHEN occurred IS NULL THEN 'occurred_at is not a time'
                WHEN occurred < TIMESTAMP '2000-01-01' OR occurred >= TIMESTAMP '2200-01-01'
                    THEN 'occurred_at is not between 2000 and 2200'
                WHEN has_received AND received IS NULL THEN 'received_at is not a time'
                WHEN properties IS NULL THEN NULL
                WHEN NOT json_valid(properties) THEN 'properties are not readable as JSON'
                WHEN starts_with(properties, '{{') THEN NULL
                WHEN json_type(properties) = 'NULL' THEN NULL
                WHEN json_type(properties) <> 'OBJECT' THEN 'properties are not an object'
            END AS reason
        FROM parsed"""


def _write_parts(connection: duckdb.DuckDBPyConnection, lake: Lake, content_id: str) -> dict[date, int]:
    found = connection.execute("SELECT DISTINCT week FROM typed WHERE reason IS NULL ORDER BY week").fetchall()
    weeks: list[date] = [week for (week,) in found]
    staging = lake.root / ".staging" / f"{content_id}-{uuid.uuid4().hex}"
    for start in range(0, len(weeks), WEEKS_PER_WRITE):
        first, last = weeks[start], weeks[min(start + WEEKS_PER_WRITE, len(weeks)) - 1]
        folder = staging / str(first)
        folder.mkdir(parents=True)
        connection.execute(
            """COPY (SELECT * EXCLUDE (reason) FROM typed WHERE reason IS NULL AND week BETWEEN $first AND $last)
            TO $folder (FORMAT parquet, PARTITION_BY (week), COMPRESSION lz4_raw, PARQUET_VERSION v2)""",
            {"folder": str(folder), "first": first, "last": last},
        )
    parts: dict[date, int] = {}
    for week in weeks:
        (written,) = staging.glob(f"*/week={week}/*")
        # Counted from what was written, not from what was to be written: the row identity rests on it.
        parts[week] = pq.read_metadata(written).num_rows
        target = lake.file("landed_events", week, content_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        written.replace(target)
    shutil.rmtree(staging)
    return parts


def _write_quarantine(
    connection: duckdb.DuckDBPyConnection, lake: Lake, content_id: str, parts: dict[date, int]
) -> Counter[date | None]:
    """Rows that can't be used, with reason and raw text. A row without a readable time counts for the week in
    which most of its file's rows lie, so that no week's share of quarantined rows leaves it out."""
    usual = min(parts, key=lambda week: (-parts[week], week), default=None)
    found = connection.execute(
        """SELECT typed.row_number::BIGINT AS row_number, coalesce(typed.week, $usual::DATE) AS week,
            typed.occurred_at, typed.reason, source.raw
        FROM typed JOIN source USING (row_number) WHERE typed.reason IS NOT NULL ORDER BY typed.row_number""",
        {"usual": usual},
    )
    rows = found.to_arrow_table().cast(QUARANTINE)
    lake.write(rows, content_id, "quarantined_events", content_id)
    return Counter(rows["week"].to_pylist())
