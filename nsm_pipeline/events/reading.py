"""One landing file → a DuckDB view `source` of untyped rows: formats, and what makes a whole file unusable.

What belongs here: Parquet, JSON lines, CSV, gzip; completeness of a file. What does not: what makes a row
valid, or where it goes (`landing`).

`source` has one row per row of the file: row_number (from 1; a JSON line's is its line), event_id, event_name,
occurred_at, received_at (text, or TIMESTAMP as the file has it), account_id, user_id, properties (JSON text),
problem (text where the row is unreadable, else null), raw (text of the row; null in Parquet).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from nsm_pipeline.errors import nearest

REQUIRED = ("event_id", "event_name", "occurred_at", "account_id")
OPTIONAL = ("user_id", "received_at")
KNOWN = (*REQUIRED, *OPTIONAL, "properties")
EVENT_SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".csv", ".jsonl.gz", ".ndjson.gz", ".csv.gz")
CSV_BATCH = 50_000
csv.field_size_limit(1 << 27)


class UnusableFile(Exception):
    """The file as a whole can't be used now; the message is the reason kept in the ledger."""


def suffix_of(path: Path) -> str | None:
    """The accepted ending of a file's name, None for a name that is not taken."""
    return next(
        (suffix for suffix in sorted(EVENT_SUFFIXES, key=len, reverse=True) if path.name.endswith(suffix)), None
    )


def check_whole(path: Path) -> None:
    """Raise UnusableFile for a file that is empty, cut off or not of the format its name says."""
    if path.stat().st_size == 0:
        raise UnusableFile("the file is empty")
    if path.name.endswith(".gz"):
        _check_gzip(path)
    elif path.name.endswith(".parquet"):
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(-min(4, path.stat().st_size), io.SEEK_END)
            if head != b"PAR1":
                raise UnusableFile("not a Parquet file: it does not start with PAR1")
            if file.read(4) != b"PAR1":
                raise UnusableFile(
                    "truncated: the Parquet footer is missing; the file is cut off or still being written"
                )


def _check_gzip(path: Path) -> None:
    decoder = zlib.decompressobj(wbits=31)
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                while chunk:
                    decoder.decompress(chunk)
                    chunk = decoder.unused_data
                    if chunk:  # a gzip file may hold several members one after another
                        decoder = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        raise UnusableFile(f"not readable as gzip: {error}") from None
    if not decoder.eof:
        raise UnusableFile("truncated: the gzip stream ends early; the file is cut off or still being written")


def open_source(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the view `source` over one file. Raises UnusableFile."""
    check_whole(path)
    suffix = suffix_of(path)
    if suffix is None:
        raise UnusableFile(f"unknown format '{path.name}'; accepted endings: {', '.join(EVENT_SUFFIXES)}")
    try:
        if suffix == ".parquet":
            _open_parquet(connection, path)
        elif suffix.startswith(".csv"):
            _open_csv(connection, path)
        else:
            _open_json_lines(connection, path)
    except duckdb.Error as error:
        raise UnusableFile(f"unreadable: {str(error).splitlines()[0][:300]}") from None


def _require(columns: list[str]) -> None:
    for name in REQUIRED:
        if name not in columns:
            raise UnusableFile(f"has no column '{name}'; {nearest(name, columns).replace('Accepted', 'Its columns')}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    relation = connection.read_parquet(str(path), file_row_number=True)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    types.pop("file_row_number")
    _require(list(types))

    def text(name: str) -> str:
        return f"{_quoted(name)}::VARCHAR" if name in types else "NULL::VARCHAR"

    def instant(name: str) -> str:
        if types.get(name) == "TIMESTAMP WITH TIME ZONE":
            return f"timezone('UTC', {_quoted(name)})"
        if types.get(name, "").startswith("TIMESTAMP") or types.get(name) == "DATE":
            return f"{_quoted(name)}::TIMESTAMP"
        return text(name)

    properties = "NULL::VARCHAR"
    if "properties" in types:
        properties = "properties" if types["properties"] in ("VARCHAR", "JSON") else "to_json(properties)"
    if extras := [name for name in types if name not in KNOWN]:
        packed = ", ".join(f"{_quoted(name)} := {_quoted(name)}" for name in extras)
        properties = f"json_merge_patch(to_json(struct_pack({packed})), coalesce({properties}, '{{}}')::JSON)"
    everything = ", ".join(f"{_quoted(name)} := {_quoted(name)}" for name in types)
    relation.select(
        f"""file_row_number + 1 AS row_number, {text("event_id")} AS event_id, {text("event_name")} AS event_name,
        {instant("occurred_at")} AS occurred_at, {instant("received_at")} AS received_at,
        {text("account_id")} AS account_id, {text("user_id")} AS user_id,
        ({properties})::VARCHAR AS properties, NULL::VARCHAR AS problem,
        to_json(struct_pack({everything}))::VARCHAR AS raw"""
    ).create_view("source", replace=True)


def _open_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    _check_last_line(path)
    lines = """CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () AS row_number, line, false AS damaged
        FROM read_csv(?, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false,
        auto_detect = false, max_line_size = 67108864, parallel = false)"""
    try:
        connection.execute(lines, [str(path)])
    except duckdb.Error:
        # Bytes that are not UTF-8 stop DuckDB's reader for the whole file: read it line by line, so that
        # only the damaged rows are set aside.
        _decode_lines(connection, path)
    fields = ", ".join(f"'$.{name}'" for name in (*REQUIRED, *OPTIONAL))
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE parsed AS SELECT row_number, line, damaged,
            CASE WHEN damaged THEN 'damaged' WHEN json_valid(line) THEN json_type(line) ELSE 'broken' END AS shape,
            CASE WHEN NOT damaged AND json_valid(line) THEN json_extract_string(line, [{fields}]) END AS fields,
            CASE WHEN NOT damaged AND json_valid(line) THEN json_extract(line, '$.properties') END AS properties,
        FROM lines WHERE trim(line, E' \\t\\r') <> ''"""
    )
    keys = connection.execute("SELECT DISTINCT unnest(json_keys(line)) FROM parsed WHERE shape = 'OBJECT'").fetchall()
    properties = "properties"
    if any(key not in KNOWN for (key,) in keys):
        drop = json.dumps(dict.fromkeys(KNOWN))
        properties = f"""CASE WHEN coalesce(json_type(properties), 'NULL') IN ('OBJECT', 'NULL') THEN json_merge_patch(
            json_merge_patch(line::JSON, '{drop}'::JSON), coalesce(nullif(properties::VARCHAR, 'null'), '{{}}')::JSON)
            ELSE properties END"""
    columns = ", ".join(f"fields[{place}] AS {name}" for place, name in enumerate((*REQUIRED, *OPTIONAL), start=1))
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW source AS SELECT row_number, {columns},
            CASE WHEN shape = 'OBJECT' THEN ({properties})::VARCHAR END AS properties,
            CASE shape WHEN 'OBJECT' THEN NULL WHEN 'broken' THEN 'not readable as JSON'
                WHEN 'damaged' THEN 'not UTF-8 text' ELSE 'not a JSON object' END AS problem,
            line AS raw FROM parsed"""
    )


def _check_last_line(path: Path) -> None:
    """A last line without its end that does not parse means: cut off, or still being written."""
    last = b""
    with _open_bytes(path) as file:
        if not path.name.endswith(".gz"):
            file.seek(max(0, path.stat().st_size - (1 << 24)))
        while chunk := file.read(1 << 20):
            last = chunk if b"\n" in chunk else last + chunk
            last = last if last.endswith(b"\n") else last[last.rfind(b"\n") + 1 :]
    if not last.endswith(b"\n"):
        try:
            json.loads(last)
        except ValueError:
            raise UnusableFile(
                "truncated: the last line ends early; the file is cut off or still being written"
            ) from None


def _open_bytes(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _decode_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    numbers, lines, damaged = [], [], []
    with _open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            text = raw.decode("utf-8", errors="replace")
            numbers.append(number)
            lines.append(text.rstrip("\r\n"))
            damaged.append("\ufffd" in text)
    table = pa.table({"row_number": pa.array(numbers, pa.int64()), "line": lines, "damaged": damaged})
    connection.register("decoded", table)
    connection.execute("CREATE OR REPLACE TEMP TABLE lines AS FROM decoded")
    connection.unregister("decoded")


def _open_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
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


def _csv_batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", errors="replace", newline="") as file:
        tail = _Tail(file)
        reader = csv.reader(tail, strict=True)
        try:
            header = next(reader)
            _require(header)
            batch: list[dict[str, object]] = []
            for number, fields in enumerate((row for row in reader if row), start=1):
                row = _csv_row(header, fields)
                batch.append({"row_number": number, **row})
                if len(batch) == CSV_BATCH:
                    yield pa.RecordBatch.from_pylist(batch[:-1], schema)
                    batch = batch[-1:]
            if batch and not tail.ended and str(batch[-1]["problem"] or "").startswith("has "):
                raise UnusableFile("truncated: the last line ends early; the file is cut off or still being written")
        except csv.Error as error:
            kind = "truncated: " if "end of data" in str(error) else ""
            raise UnusableFile(f"{kind}not readable as CSV near line {reader.line_num}: {error}") from None
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
    if len(fields) != len(header) or any("\ufffd" in value for value in fields):
        count = f"has {len(fields)} fields where the header has {len(header)}"
        row["problem"] = count if len(fields) != len(header) else "not UTF-8 text"
        row["raw"] = _csv_text(fields)
        return row
    extras: dict[str, object] = {}
    for name, value in zip(header, fields, strict=True):
        if name in KNOWN:
            row[name] = value or None
        elif value:
            extras[name] = value
    if extras:
        row["properties"] = _merged(extras, row["properties"])
    row["raw"] = _csv_text(fields)
    return row


def _merged(extras: dict[str, object], properties: object) -> str | None:
    """Further columns and the `properties` object as one; a broken object is left for the row's own check."""
    if properties is None:
        return json.dumps(extras)
    try:
        inner = json.loads(str(properties))
    except ValueError:
        return str(properties)
    return json.dumps({**extras, **inner}) if isinstance(inner, dict) else str(properties)


def _csv_text(fields: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
