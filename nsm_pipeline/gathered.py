"""What is known of every week, gathered in one file: opening a thousand small files takes longer than reading them.

What belongs here: which weeks' rows still hold and which are read anew. What does not: what the rows mean.

A gathered file holds rows by week, each week with the signature of the weekly file that its rows were made from: a week
whose file is another one by now is read anew, and the others are taken as they are. So it may be deleted at any time,
belong to an older state or be written by two runs at once; what is returned follows from the weekly files alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa

from nsm_pipeline.lake import replacing, signature_of

ABOUT = b"nsm.gathered"
Signature = tuple[int, int, int]
Kept = dict[date, tuple[Signature, pa.Table]]


def gathered(
    store: Path,
    key: str,
    files: Mapping[date, Path],
    schema: pa.Schema,
    read: Callable[[Mapping[date, Path]], Mapping[date, pa.Table]],
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
    kept = _load(store, key, schema)
    new = {
        week: files[week] for week, signature in signatures.items() if week not in kept or kept[week][0] != signature
    }
    if new:
        kept |= {week: (signatures[week], _as(schema, rows)) for week, rows in read(new).items()}
        _save(store, key, schema, kept)
    return pa.concat_tables([schema.empty_table(), *(kept[week][1] for week in signatures)]).combine_chunks()


def _as(schema: pa.Schema, rows: pa.Table) -> pa.Table:
    """Rows cast where they have to be: column by column that takes longer than reading them."""
    return rows if rows.schema.equals(schema) else rows.cast(schema)


def _load(store: Path, key: str, schema: pa.Schema) -> Kept:
    try:
        with pa.memory_map(str(store)) as mapped, pa.ipc.open_file(mapped) as reader:
            rows = reader.read_all()
    except (pa.ArrowInvalid, OSError):
        return {}
    about = json.loads((rows.schema.metadata or {}).get(ABOUT, b"{}"))
    rows = rows.replace_schema_metadata(None)
    if about.get("key") != key or rows.schema != schema:
        return {}
    kept: Kept = {}
    start = 0
    for week, (*signature, count) in about["weeks"].items():
        kept[date.fromisoformat(week)] = (tuple(signature), rows.slice(start, count))
        start += count
    return kept


def _save(store: Path, key: str, schema: pa.Schema, kept: Kept) -> None:
    weeks = {str(week): [*signature, rows.num_rows] for week, (signature, rows) in sorted(kept.items())}
    stamped = schema.with_metadata({ABOUT: json.dumps({"key": key, "weeks": weeks})})
    with (
        replacing(store) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, stamped) as writer,
    ):
        every = pa.concat_tables([schema.empty_table(), *(kept[week][1] for week in sorted(kept))])
        writer.write_table(every.combine_chunks().replace_schema_metadata(stamped.metadata))
