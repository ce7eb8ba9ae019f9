"""A sender's file → the view `records`: one row per row of the file, as JSON.

What belongs here: formats, and what makes a whole file unusable. What does not: which part of a record is what
(`mapping`).

`records`: row_number (from 1; a line's number where the file has lines), record (JSON, null where the row is
unreadable), problem (why), raw (text of the row; JSON of it in Parquet).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from nsm_pipeline.errors import nearest
from nsm_pipeline.events.csv_rows import BATCH, broken_row, csv_table, csv_text
from nsm_pipeline.events.files import UnusableFile, check_gzip, check_lines, check_parquet, exactly
from nsm_pipeline.events.reading import quoted, read_lines
from nsm_pipeline.events.senders.declared import Reading
from nsm_pipeline.events.senders.snowplow import open_snowplow
from nsm_pipeline.playbook.senders import steps

RECORDS = pa.schema([("row_number", pa.int64()), *((name, pa.string()) for name in ("record", "problem", "raw"))])
BLANK = "line = '' OR trim(line, E' \\t\\r') = ''"


def open_records(connection: duckdb.DuckDBPyConnection, path: Path, reading: Reading, exact: bool) -> None:
    """Create `records` over one file. `exact`: with the raw text of every CSV row. Raises UnusableFile."""
    kind = reading.format_of(path)
    _check_whole(path, kind)
    if kind == "parquet":
        _open_parquet(connection, path, reading)
    elif kind == "csv":
        if exact or not _open_plain_csv(connection, path, reading):
            _open_csv(connection, path, reading)
    elif kind == "snowplow":
        open_snowplow(connection, path)
    else:
        _open_json_lines(connection, path)
    if kind in ("parquet", "csv"):
        connection.execute("CREATE OR REPLACE TEMP VIEW records AS FROM sent_rows")


def _check_whole(path: Path, kind: str) -> None:
    if path.stat().st_size == 0:
        raise UnusableFile("the file is empty")
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise UnusableFile("a zip archive: unpack it, and deliver the files in it")
    if kind == "parquet":
        check_parquet(path)
    elif kind == "json_lines":
        check_lines(path)
    elif path.name.endswith(".gz"):
        check_gzip(path)


def _open_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    read_lines(connection, path)
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW records AS SELECT row_number,
            CASE WHEN shape = 'OBJECT' THEN line END AS record,
            CASE shape WHEN 'OBJECT' THEN NULL WHEN 'broken' THEN 'not readable as JSON'
                WHEN 'damaged' THEN 'not UTF-8 text' ELSE 'not a JSON object' END AS problem,
            line AS raw
        FROM (SELECT *, CASE WHEN damaged THEN 'damaged' WHEN json_valid(line) THEN json_type(line) ELSE 'broken' END
            AS shape FROM lines WHERE NOT ({BLANK}))"""
    )


def _require(reading: Reading, columns: list[str]) -> None:
    """A file with columns lacks a needed one as a whole, not row by row."""
    needed = {name: reading.texts[name] for name in ("event_id", "event_name", "account_id")}
    looked = {name: place.paths for name, place in needed.items() if place}
    looked["occurred_at"] = reading.fields.occurred_at.source if reading.fields.occurred_at else ()
    for name, paths in looked.items():
        first = [steps(path)[0] for path in paths]
        if first and not set(first) & set(columns):
            known = nearest(first[0], columns).replace("Accepted", "Its columns")
            raise UnusableFile(f"has no column '{first[0]}' for {name}; {known}")


def _record_sql(columns: Mapping[str, str], nested: Collection[str]) -> str:
    """SQL of a record from columns by name and SQL value; text of `nested` ones is read as JSON where it is that."""

    def value(name: str, sql: str) -> str:
        if name not in nested:
            return sql
        looks = f"ltrim({sql})[1] IN ('{{', '[') AND json_valid({sql})"
        return f"CASE WHEN {looks} THEN {sql}::JSON ELSE to_json({sql}) END"

    packed = ", ".join(f"{quoted(name)} := {value(name, sql)}" for name, sql in columns.items())
    return f"to_json(struct_pack({packed}))::VARCHAR"


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path, reading: Reading) -> None:
    relation = connection.read_parquet(exactly(path), file_row_number=True)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    types.pop("file_row_number")
    _require(reading, list(types))
    columns = {name: quoted(name) for name in types}
    nested = [name for name in reading.nested if types.get(name) == "VARCHAR"]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE sent_rows AS SELECT file_row_number + 1 AS row_number,
            {_record_sql(columns, nested)} AS record, NULL::VARCHAR AS problem, {_record_sql(columns, ())} AS raw
        FROM read_parquet($file, file_row_number = true)""",
        {"file": exactly(path)},
    )


def _open_plain_csv(connection: duckdb.DuckDBPyConnection, path: Path, reading: Reading) -> bool:
    """CSV through DuckDB's reader, without raw text; False for a file with a row that is broken."""
    header, _ = csv_table(path)
    _require(reading, header)
    columns = ", ".join("'" + name.replace("'", "''") + "': 'VARCHAR'" for name in header)
    values = {name: f"nullif({quoted(name)}, '')" for name in header}
    try:
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE sent_rows AS SELECT row_number() OVER () AS row_number,
                {_record_sql(values, reading.nested)} AS record, NULL::VARCHAR AS problem, NULL::VARCHAR AS raw
            FROM read_csv($file, columns = {{{columns}}}, header = true, auto_detect = false, delim = ',', quote = '"',
                escape = '"', strict_mode = true, null_padding = false, ignore_errors = false, parallel = false,
                max_line_size = 4194304)""",
            {"file": exactly(path)},
        )
    except duckdb.Error:
        return False
    return True


def _open_csv(connection: duckdb.DuckDBPyConnection, path: Path, reading: Reading) -> None:
    rows = pa.RecordBatchReader.from_batches(RECORDS, _csv_batches(path, reading))
    connection.register("csv_records", rows)
    try:
        connection.execute("CREATE OR REPLACE TEMP TABLE sent_rows AS FROM csv_records")
    except duckdb.Error:
        list(_csv_batches(path, reading))  # says by itself what is wrong with the file, if anything is
        raise
    finally:
        connection.unregister("csv_records")


def _csv_batches(path: Path, reading: Reading) -> Iterator[pa.RecordBatch]:
    header, rows = csv_table(path)
    _require(reading, header)
    numbered = enumerate(rows, start=1)
    while batch := [{"row_number": n, **_csv_record(header, fields, reading)} for n, fields in islice(numbered, BATCH)]:
        yield pa.RecordBatch.from_pylist(batch, RECORDS)


def _csv_record(header: list[str], fields: list[str], reading: Reading) -> dict[str, str | None]:
    raw, problem = csv_text(fields), broken_row(header, fields)
    if problem:
        return {"record": None, "problem": problem, "raw": raw}
    record = {
        name: _looked_into(value) if name in reading.nested else value or None
        for name, value in zip(header, fields, strict=True)
    }
    return {"record": json.dumps(record), "problem": None, "raw": raw}


def _looked_into(value: str) -> object:
    if value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value or None
