"""CSV event files: rows with exact numbers and raw text, also where a row has too many or too few fields.

What belongs here: CSV through Python's reader, which keeps going where DuckDB's would stop. What does not: the
other formats (`reading`), what makes a row valid (`landing`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from nsm_pipeline.events.files import KNOWN, OPTIONAL, REQUIRED, UnusableFile, exactly, open_bytes, require_columns

BATCH = 50_000
csv.field_size_limit(1 << 27)


def open_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """CSV through Python's reader: exact row numbers and raw text for rows with too many or few fields."""
    schema = pa.schema([("row_number", pa.int64()), *((name, pa.string()) for name in (*KNOWN, "problem", "raw"))])
    reader = pa.RecordBatchReader.from_batches(schema, _csv_batches(path, schema))
    connection.register("csv_rows", reader)
    try:
        connection.execute("CREATE OR REPLACE TEMP TABLE csv_source AS FROM csv_rows")
    except duckdb.Error:
        list(_csv_batches(path, schema))  # says by itself what is wrong with the file, if anything is
        raise
    finally:
        connection.unregister("csv_rows")
    connection.execute("CREATE OR REPLACE TEMP VIEW source AS FROM csv_source")


def open_plain_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """CSV through DuckDB's reader, ten times as fast, for a file of the known columns without a row that is broken:
    False where it has one, and then the exact reader above says what is wrong with it."""
    try:
        header, _ = csv_table(path)
        if not set(header) <= set(KNOWN) or not set(REQUIRED) <= set(header):
            return False
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in header)
        values = ", ".join(
            f"nullif({name}, '') AS {name}" if name in header else f"NULL::VARCHAR AS {name}" for name in KNOWN
        )
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE csv_source AS SELECT row_number() OVER () AS row_number, {values},
            NULL::VARCHAR AS problem, NULL::VARCHAR AS raw FROM read_csv($file, columns = {{{columns}}}, header = true,
            auto_detect = false, delim = ',', quote = '"', escape = '"', strict_mode = true, null_padding = false,
            ignore_errors = false, parallel = false, max_line_size = 4194304)""",
            {"file": exactly(path)},
        )
    except (duckdb.Error, UnusableFile):
        return False
    connection.execute("CREATE OR REPLACE TEMP VIEW source AS FROM csv_source")
    return True


def csv_table(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    """Header and rows of a small CSV file; blank lines are left out. Raises UnusableFile, also while rows are read."""
    rows = _records(path)
    header = next(rows, [])
    if repeated := [name for name in header if header.count(name) > 1]:
        raise UnusableFile(f"has the column '{repeated[0]}' twice")
    return header, rows


def _records(path: Path) -> Iterator[list[str]]:
    """The header, then every row that is no blank line. A last row that is short and has no line end is cut off."""
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="replace", newline="") as file:
        tail = _Tail(file)
        reader = csv.reader(tail, strict=True)
        width = None
        try:
            for row in reader:
                if not row:
                    continue
                width = width or len(row)
                if not tail.ended and len(row) != width:
                    raise UnusableFile(
                        "truncated: the last line ends early; the file is cut off or still being written"
                    )
                yield row
        except csv.Error as error:
            kind = "truncated: " if "end of data" in str(error) else ""
            raise UnusableFile(f"{kind}not readable as CSV near line {reader.line_num}: {error}") from None


def _csv_batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    header, rows = csv_table(path)
    require_columns(header)
    numbered = enumerate(rows, start=1)
    while batch := [{"row_number": number, **_csv_row(header, fields)} for number, fields in islice(numbered, BATCH)]:
        yield pa.RecordBatch.from_pylist(batch, schema)


class _Tail:
    """Lines of a text file, remembering whether the last one had its end."""

    def __init__(self, file: io.TextIOBase) -> None:
        self.file, self.ended = file, True

    def __iter__(self) -> Iterator[str]:
        for line in self.file:
            self.ended = line.endswith(("\n", "\r"))
            yield line


def _csv_row(header: list[str], fields: list[str]) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(("properties", *REQUIRED, *OPTIONAL, "problem", "raw"))
    row["raw"] = csv_text(fields)
    if problem := broken_row(header, fields):
        row["problem"] = problem
        return row
    extras: dict[str, object] = {}
    for name, value in zip(header, fields, strict=True):
        if name in KNOWN:
            row[name] = value or None
        elif value:
            extras[name] = value
    if extras:
        row["properties"] = _merged(extras, row["properties"])
    return row


def broken_row(header: list[str], fields: list[str]) -> str | None:
    """Why a row can't be read at all, None where it can."""
    if len(fields) != len(header):
        return f"has {len(fields)} fields where the header has {len(header)}"
    return "not UTF-8 text" if any("\ufffd" in value for value in fields) else None


def _merged(extras: dict[str, object], properties: object) -> str | None:
    """Further columns and the `properties` object as one; a broken object is left for the row's own check."""
    if properties is None:
        return json.dumps(extras)
    try:
        inner = json.loads(str(properties))
    except ValueError:
        return str(properties)
    return json.dumps({**extras, **inner}) if isinstance(inner, dict) else str(properties)


def csv_text(fields: list[str]) -> str:
    """A row as CSV text again."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
