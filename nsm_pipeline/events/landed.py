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
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.events.files import UnusableFile
from nsm_pipeline.events.ledger import Content
from nsm_pipeline.events.reading import open_source
from nsm_pipeline.lake import EVENTS_WRITER, Lake, replacing

QUARANTINE = pa.schema(
    [
        ("row_number", pa.int64()),
        ("week", pa.date32()),
        ("occurred_at", pa.timestamp("us")),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)
# Creates the view `source` over a file, for some formats with raw text only where it is asked for.
Open = Callable[[duckdb.DuckDBPyConnection, Path, bool], None]
# DuckDB's name for the partition of rows without a week; here those that are set aside.
ASIDE = "__HIVE_DEFAULT_PARTITION__"
# Of a part with more event names the ledger keeps none.
MOST_NAMES = 200
COLUMNS = (
    "row_number, event_id, id_hash, content_hash, event_name, occurred_at, received_at, account_id, user_id, properties"
)


def land(
    connection: duckdb.DuckDBPyConnection, lake: Lake, file: Path, content_id: str, open_: Open = open_source
) -> Content:
    """Type and check every row of a file; write valid rows by UTC week and the others to quarantine.

    Raises UnusableFile where the file as a whole can't be read; nothing of it is landed then.
    """
    staging = lake.root / ".staging" / f"{content_id}-{uuid.uuid4().hex}"
    try:
        rows, staged = _stage(connection, file, staging, open_)
        aside = bool(staged.pop(ASIDE, None))
        parts: dict[date, int] = {}
        sent: dict[date, dict[str, int]] = {}
        for monday, written in sorted(staged.items()):
            week, target = date.fromisoformat(monday), lake.file("landed_events", monday, content_id)
            parts[week], names = _place(connection, written, target)
            if names is not None:
                sent[week] = names
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    kept_aside = _write_quarantine(connection, lake, content_id, parts) if aside else {}
    return Content(
        kind="events",
        bytes=file.stat().st_size,
        rows=rows,
        quarantined=sum(kept_aside.values()),
        parts=parts,
        sent=sent,
        quarantined_by_week={week: count for week, count in kept_aside.items() if week is not None},
    )


def _stage(
    connection: duckdb.DuckDBPyConnection, file: Path, folder: Path, open_: Open
) -> tuple[int, dict[str, list[Path]]]:
    """Rows of a file, and the files in `folder` that hold them by UTC week, those with a `reason` under ASIDE."""
    rows, staged = _write(connection, file, folder / "rows", open_, exact=False)
    if ASIDE in staged and ".csv" in file.name:
        return _write(connection, file, folder / "exact", open_, exact=True)  # for the raw text of the rows set aside
    return rows, staged


def _write(
    connection: duckdb.DuckDBPyConnection, file: Path, folder: Path, open_: Open, exact: bool
) -> tuple[int, dict[str, list[Path]]]:
    """One pass from the file to Parquet by week: the rows are held in memory once, and no more."""
    open_(connection, file, exact)
    connection.execute(_typed(connection))
    folder.mkdir(parents=True)
    try:
        (counted,) = connection.execute(
            f"""COPY (SELECT {COLUMNS}, CASE WHEN reason IS NULL THEN week END AS week FROM typed) TO $folder
            ({EVENTS_WRITER}, COMPRESSION lz4_raw, PARTITION_BY (week))""",
            {"folder": str(folder)},
        ).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        _read_all(connection)
        raise  # it can be read: what failed was the writing
    staged: dict[str, list[Path]] = {}
    for written in sorted(folder.glob("week=*/*"), key=lambda path: (len(path.name), path.name)):
        staged.setdefault(written.parent.name.removeprefix("week="), []).append(written)
    return int(counted[0]), staged


def _read_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Raises UnusableFile where the file behind `typed` can't be read to its end: Parquet's pages may be damaged."""
    try:
        connection.execute("SELECT count(reason), max(content_hash), max(id_hash), max(received_at) FROM typed")
    except duckdb.Error as error:
        raise UnusableFile(f"unreadable: {str(error).splitlines()[0][:300]}") from None


def _typed(connection: duckdb.DuckDBPyConnection) -> str:
    """SQL of the view `typed` over the view `source`: typed columns, and in `reason` what is wrong with a row."""
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

    def given(name: str) -> str:
        return f"{name} IS NOT NULL" if types[name] == "TIMESTAMP" else f"coalesce({name}, '') <> ''"

    def missing(name: str) -> str:
        # Trimming is slow: only what does not begin with a visible character is trimmed at all. A CASE, for what stands
        # on the two sides of an AND DuckDB asks in an order of its own.
        return f"CASE WHEN {name} >= '!' THEN false ELSE trim(coalesce({name}, '')) = '' END"

    return f"""CREATE OR REPLACE TEMP VIEW typed AS
        WITH parsed AS (SELECT row_number, event_id, event_name, account_id, nullif(user_id, '') AS user_id, properties,
            problem, raw, {instant("occurred_at")} AS occurred, {instant("received_at")} AS received,
            {given("occurred_at")} AS has_occurred, {given("received_at")} AS has_received FROM source)
        SELECT row_number::INTEGER AS row_number, event_id, hash(event_id) AS id_hash,
            hash(event_name, occurred, account_id, user_id, properties) AS content_hash, event_name,
            occurred AS occurred_at, received AS received_at, account_id, user_id, properties,
            date_trunc('week', occurred)::DATE AS week, raw,
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


def _place(
    connection: duckdb.DuckDBPyConnection, written: list[Path], target: Path
) -> tuple[int, dict[str, int] | None]:
    """Move a week's rows to their place; returns how many they are, in all and by event name, counted from what was
    written, not from what was to be written: the row identity rests on it."""
    whole = written[0]
    if len(written) > 1:  # DuckDB keeps so many files open and no more: beyond that a week's rows begin a second one
        whole = written[0].with_name("whole.parquet")
        connection.execute(
            f"""COPY (FROM read_parquet($files, hive_partitioning = false) ORDER BY row_number) TO $whole
            ({EVENTS_WRITER}, COMPRESSION lz4_raw)""",
            {"files": [str(path) for path in written], "whole": str(whole)},
        )
    counted = _count(whole)
    with replacing(target) as temporary:
        whole.replace(temporary)
    return counted


def _count(part: Path) -> tuple[int, dict[str, int] | None]:
    """Rows of a part, in all and by event name; no names where there are more than MOST_NAMES.

    From the dictionary that the names are written with, and the numbers that stand for them: no text is touched. More
    names than a dictionary takes (EVENTS_WRITER) are written without one, and not read.
    """
    with pa.OSFile(str(part)) as opened, pq.ParquetFile(opened, read_dictionary=["event_name"]) as file:
        about, groups = file.metadata, range(file.metadata.num_row_groups)
        place = about.schema.names.index("event_name")
        if not all(about.row_group(group).column(place).has_dictionary_page for group in groups):
            return int(about.num_rows), None
        column = file.read(columns=["event_name"], use_threads=False)["event_name"]
    names: Counter[str] = Counter()
    for chunk in column.chunks:
        counts = np.bincount(chunk.indices.to_numpy(), minlength=len(chunk.dictionary))
        names.update(dict(zip(chunk.dictionary.to_pylist(), counts.tolist(), strict=True)))
    return int(about.num_rows), dict(sorted(names.items())) if len(names) <= MOST_NAMES else None


def _write_quarantine(
    connection: duckdb.DuckDBPyConnection, lake: Lake, content_id: str, parts: dict[date, int]
) -> Counter[date | None]:
    """Rows that can't be used, with reason and raw text. A row without a readable time counts for the week in
    which most of its file's rows lie, so that no week's share of quarantined rows leaves it out."""
    usual = min(parts, key=lambda week: (-parts[week], week), default=None)
    found = connection.execute(
        """SELECT row_number::BIGINT AS row_number, coalesce(week, $usual::DATE) AS week, occurred_at, reason, raw
        FROM typed WHERE reason IS NOT NULL ORDER BY row_number""",
        {"usual": usual},
    )
    rows = found.to_arrow_table().cast(QUARANTINE)
    lake.write(rows, content_id, "quarantined_events", content_id)
    return Counter(rows["week"].to_pylist())
