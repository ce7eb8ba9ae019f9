"""One landing file → a DuckDB view `source` of untyped rows: formats, and what makes a whole file unusable.

What belongs here: Parquet and JSON lines. What does not: CSV (`csv_rows`), a file's completeness (`files`),
what makes a row valid or where it goes (`landing`).

`source` has one row per row of the file: row_number (from 1; a JSON line's is its line), event_id, event_name,
occurred_at, received_at (text, or TIMESTAMP as the file has it), account_id, user_id, properties (JSON text),
problem (text where the row is unreadable, else null), raw (text of the row; JSON of it in Parquet).
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa

from nsm_pipeline.events.csv_rows import open_csv, open_plain_csv
from nsm_pipeline.events.files import (
    EVENT_SUFFIXES,
    KNOWN,
    OPTIONAL,
    REQUIRED,
    UnusableFile,
    check_whole,
    exactly,
    open_bytes,
    require_columns,
    suffix_of,
)


def open_source(connection: duckdb.DuckDBPyConnection, path: Path, exact: bool = False) -> None:
    """Create the view `source` over one file. Raises UnusableFile."""
    check_whole(path)
    suffix = suffix_of(path)
    if suffix is None:
        raise UnusableFile(f"unknown format '{path.name}'; accepted endings: {', '.join(EVENT_SUFFIXES)}")
    try:
        if suffix == ".parquet":
            _open_parquet(connection, path)
        elif suffix.startswith(".csv"):
            if exact or not open_plain_csv(connection, path):
                open_csv(connection, path)
        else:
            _open_json_lines(connection, path)
    except duckdb.Error as error:
        raise UnusableFile(f"unreadable: {str(error).splitlines()[0][:300]}") from None


def quoted(name: str) -> str:
    """A column's name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    relation = connection.read_parquet(exactly(path), file_row_number=True)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    types.pop("file_row_number")
    require_columns(list(types))

    def text(name: str) -> str:
        return f"{quoted(name)}::VARCHAR" if name in types else "NULL::VARCHAR"

    def instant(name: str) -> str:
        if types.get(name) == "TIMESTAMP WITH TIME ZONE":
            # The instant's own number, where it has one: `timezone` asks the calendar for every row.
            column = quoted(name)
            return f"""CASE WHEN isfinite({column}) THEN make_timestamp(epoch_us({column}))
                ELSE timezone('UTC', {column}) END"""
        if types.get(name, "").startswith("TIMESTAMP") or types.get(name) == "DATE":
            return f"{quoted(name)}::TIMESTAMP"
        return text(name)

    properties = "NULL::VARCHAR"
    if "properties" in types:
        properties = "properties" if types["properties"] in ("VARCHAR", "JSON") else "to_json(properties)"
    if extras := [name for name in types if name not in KNOWN]:
        packed = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in extras)
        # A broken object is left as it is, for the row's own check.
        properties = f"""CASE WHEN json_valid(coalesce({properties}, '{{}}')) THEN json_merge_patch(
            to_json(struct_pack({packed})), try_cast(coalesce({properties}, '{{}}') AS JSON))::VARCHAR
            ELSE {properties} END"""
    everything = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in types)
    # A temporary view like the other formats': a permanent one would stay hidden behind an earlier file's.
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW source AS SELECT file_row_number + 1 AS row_number,
        {text("event_id")} AS event_id, {text("event_name")} AS event_name,
        {instant("occurred_at")} AS occurred_at, {instant("received_at")} AS received_at,
        {text("account_id")} AS account_id, {text("user_id")} AS user_id,
        ({properties})::VARCHAR AS properties, NULL::VARCHAR AS problem,
        to_json(struct_pack({everything}))::VARCHAR AS raw
        FROM read_parquet('{exactly(path).replace("'", "''")}', file_row_number = true)"""
    )


def _open_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    read_lines(connection, path)
    wanted = json.dumps({**dict.fromkeys((*REQUIRED, *OPTIONAL), "VARCHAR"), "properties": "JSON"})
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE parsed AS SELECT row_number, line,
            CASE WHEN damaged THEN 'damaged' WHEN valid THEN json_type(line) ELSE 'broken' END AS shape,
            unnest(CASE WHEN valid THEN json_transform(line, '{wanted}') END)
        FROM (SELECT *, NOT damaged AND json_valid(line) AS valid FROM lines
            WHERE CASE WHEN starts_with(line, '{{') THEN true ELSE trim(line, E' \\t\\r') <> '' END)"""
    )
    keys = connection.execute("SELECT DISTINCT unnest(json_keys(line)) FROM parsed WHERE shape = 'OBJECT'").fetchall()
    properties = "properties"
    if any(key not in KNOWN for (key,) in keys):
        drop = json.dumps(dict.fromkeys(KNOWN))
        properties = f"""CASE WHEN coalesce(json_type(properties), 'NULL') IN ('OBJECT', 'NULL') THEN json_merge_patch(
            json_merge_patch(line::JSON, '{drop}'::JSON), coalesce(nullif(properties::VARCHAR, 'null'), '{{}}')::JSON)
            ELSE properties END"""
    columns = ", ".join((*REQUIRED, *OPTIONAL))
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW source AS SELECT row_number, {columns},
            CASE WHEN shape = 'OBJECT' THEN ({properties})::VARCHAR END AS properties,
            CASE shape WHEN 'OBJECT' THEN NULL WHEN 'broken' THEN 'not readable as JSON'
                WHEN 'damaged' THEN 'not UTF-8 text' ELSE 'not a JSON object' END AS problem,
            line AS raw FROM parsed"""
    )


def read_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the table `lines` (row_number, damaged, line) over a text file."""
    lines = """CREATE OR REPLACE TEMP TABLE lines AS
        SELECT row_number() OVER () AS row_number, false AS damaged,
            CASE WHEN starts_with(line, '\ufeff') THEN ltrim(line, '\ufeff') ELSE line END AS line
        FROM read_csv(?, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false,
        auto_detect = false, max_line_size = 4194304, parallel = false)"""
    try:
        connection.execute(lines, [exactly(path)])
    except duckdb.Error:
        # Bytes that are not UTF-8 stop DuckDB's reader for the whole file: read it line by line, so that
        # only the damaged rows are set aside.
        _decode_lines(connection, path)


def _decode_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    numbers, lines, damaged = [], [], []
    with open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            text = raw.decode("utf-8", errors="replace")
            numbers.append(number)
            lines.append(text.rstrip("\r\n").lstrip("\ufeff"))
            damaged.append("\ufffd" in text)
    columns = [pa.array(numbers, pa.int64()), pa.array(lines, pa.string()), pa.array(damaged, pa.bool_())]
    table = pa.table(columns, names=["row_number", "line", "damaged"])
    connection.register("decoded", table)
    connection.execute("CREATE OR REPLACE TEMP TABLE lines AS FROM decoded")
    connection.unregister("decoded")
