"""What is known of every week, gathered in one file: opening a thousand small files takes longer than reading them.

What belongs here: which weeks' rows still hold and which are read anew. What does not: what the rows mean.

A gathered file holds rows by week, each week with the signature of the weekly file that its rows were made from: a week
whose file is another one by now is read anew, and the others are taken as they are. So it may be deleted at any time,
belong to an older state or be written by two runs at once; what is returned follows from the weekly files alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa

from nsm_pipeline.lake import replacing, signature_of

ABOUT = b"nsm.gathered"
Signature = tuple[int, int, int]
Kept = dict[date, tuple[Signature, int, int]]
"""Per week the weekly file's signature, and where its rows begin and end among all that are gathered."""


def gathered(
    store: Path,
    key: str,
    files: Mapping[date, str],
    schema: pa.Schema,
    read: Callable[[Mapping[date, str]], Mapping[date, pa.Table]],
) -> pa.Table:
    """Rows (of `schema`) of some weeks in their order; weeks without a file are left out.

    `read` makes rows from weekly files, at once for all that are new; `key` says in which way it does, so that rows
    made in another way do not count. `store`: the gathered file.
    """
    signatures: dict[date, Signature] = {}
    for week, file in files.items():
        try:
            signatures[week] = signature_of(file)
        except FileNotFoundError:
            continue
    kept, rows = _load(store, key, schema)
    new = {
        week: files[week] for week, signature in signatures.items() if week not in kept or kept[week][0] != signature
    }
    if new:
        parts, end = [rows], rows.num_rows
        for week, found in read(new).items():
            parts.append(_as(schema, found))
            kept[week] = (signatures[week], end, end := end + found.num_rows)
        kept, rows = _in_order(kept, pa.concat_tables(parts))
        _save(store, key, kept, rows)
    return _of_weeks(rows, [kept[week] for week in signatures])


def _as(schema: pa.Schema, rows: pa.Table) -> pa.Table:
    """Rows cast where they have to be: column by column that takes longer than reading them."""
    return rows if rows.schema.equals(schema) else rows.cast(schema)


def _of_weeks(rows: pa.Table, weeks: Iterable[tuple[Signature, int, int]]) -> pa.Table:
    """Rows of some weeks, in one piece. What lies side by side is taken at once: years of weeks are mostly one part."""
    bounds: list[tuple[int, int]] = []
    for _, start, end in weeks:
        if bounds and bounds[-1][1] == start:
            bounds[-1] = (bounds[-1][0], end)
        else:
            bounds.append((start, end))
    parts = (rows.slice(start, end - start) for start, end in bounds)
    return pa.concat_tables([rows.schema.empty_table(), *parts]).combine_chunks()


def _in_order(kept: Kept, rows: pa.Table) -> tuple[Kept, pa.Table]:
    """The same by week, without rows of weeks that were replaced."""
    ordered: Kept = {}
    end = 0
    for week, (signature, first, last) in sorted(kept.items()):
        ordered[week] = (signature, end, end := end + last - first)
    return ordered, _of_weeks(rows, [kept[week] for week in ordered])


def _load(store: Path, key: str, schema: pa.Schema) -> tuple[Kept, pa.Table]:
    try:
        with pa.OSFile(str(store)) as opened, pa.ipc.open_file(opened) as reader:
            rows = reader.read_all()
    except (pa.ArrowInvalid, OSError):
        return {}, schema.empty_table()
    about = json.loads((rows.schema.metadata or {}).get(ABOUT, b"{}"))
    rows = rows.replace_schema_metadata(None)
    if about.get("key") != key or rows.schema != schema:
        return {}, schema.empty_table()
    kept: Kept = {}
    end = 0
    for week, (*signature, count) in about["weeks"].items():
        kept[date.fromisoformat(week)] = (tuple(signature), end, end := end + count)
    return kept, rows


def _save(store: Path, key: str, kept: Kept, rows: pa.Table) -> None:
    weeks = {str(week): [*signature, end - start] for week, (signature, start, end) in kept.items()}
    stamped = rows.schema.with_metadata({ABOUT: json.dumps({"key": key, "weeks": weeks})})
    with (
        replacing(store) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, stamped) as writer,
    ):
        writer.write_table(rows.replace_schema_metadata(stamped.metadata))
