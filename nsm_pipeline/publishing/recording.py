"""Adding to the log of publications, so that a kill between any two steps loses nothing and shows nothing false.

What belongs here: how a publication is kept (whole, as changes, as before), and the order of writing. What does not:
reading it (`record`). Everything here is called under the publishing lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.checksums import discard, move
from nsm_pipeline.lake import digest, replacing, write_text
from nsm_pipeline.publishing.deltas import applied, delta, rows_digest
from nsm_pipeline.publishing.packing import Part, packed
from nsm_pipeline.publishing.record import (
    CONFIRMED,
    FACTS,
    PENDING,
    TWIN,
    Kept,
    Publication,
    Record,
    facts_text,
    shapes_of,
)
from nsm_pipeline.publishing.rendering import MEASURED, Rendered, descriptor_text, sha256, table_of

WHOLE_EVERY = 32
# Small files: no dictionaries and no statistics, since nobody looks for one row, and no second copy of the schema.
WRITER = {
    "compression": "zstd",
    "compression_level": 9,
    "use_dictionary": False,
    "version": "2.6",
    "write_statistics": False,
    "store_schema": False,
    "write_page_checksum": True,
}


@dataclass(frozen=True)
class Shown:
    """What readers saw last: its tables, and the log's entry; None where it was published before there was a log."""

    publication: Publication | None
    tables: Mapping[str, pa.Table]


def settle(record: Record) -> None:
    """Confirm a pending publication that readers were switched to, and drop what was never shown."""
    for file in record.folder.glob(".*.tmp"):
        file.unlink()
    for file in record.folder.glob(f"*{PENDING}"):
        if record.is_current(file.stem):
            confirm(record, file.stem)
        else:
            discard(file)


def prepare(
    record: Record,
    version: str,
    at: datetime,
    rendered: Rendered,
    tables: Mapping[str, pa.Table],
    shown: Shown | None,
) -> None:
    """Write a publication as pending, on disk before this returns. `tables` are what `rendered` was made from."""
    template = _template_text(rendered)
    key = digest(template)
    file = record.template_file(key)
    if not file.is_file():
        write_text(file, template)
        to_disk(file)
    last = shown.publication if shown else None
    since_whole = 0 if last is None else (last.since_whole + 1) % WHOLE_EVERY
    kept, parts = _kept(record, rendered, tables, shown if since_whole else None)
    rows = packed(parts)
    publication = Publication(
        version=version,
        at=at,
        before=last.version if last else None,
        since_whole=since_whole,
        template=key,
        descriptor=sha256(rendered.descriptor.encode()),
        parts=rows_digest(rows),
        tables=kept,
    )
    with replacing(record.folder / f"{version}{PENDING}") as temporary:
        with pq.ParquetWriter(temporary, rows.schema, **WRITER) as writer:
            writer.write_table(rows)
            writer.add_key_value_metadata({FACTS: facts_text(publication)})
        to_disk(temporary)
    to_disk(record.folder)


def confirm(record: Record, version: str) -> None:
    """Say that readers were switched to a pending publication."""
    move(record.folder / f"{version}{PENDING}", record.folder / f"{version}{CONFIRMED}")
    to_disk(record.folder)


def to_disk(path: Path) -> None:
    """A file's content, or a folder's names, to disk: what is done next must not survive a power failure alone."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _template_text(rendered: Rendered) -> str:
    document = json.loads(rendered.descriptor)
    for resource in document["resources"]:
        resource.update(dict.fromkeys(MEASURED))
    return descriptor_text(document)


def _kept(
    record: Record, rendered: Rendered, tables: Mapping[str, pa.Table], shown: Shown | None
) -> tuple[dict[str, Kept], list[Part]]:
    """How each table is kept, and the rows to keep; whole where `shown` is None."""
    document = json.loads(rendered.descriptor)
    shapes = shapes_of(document)
    last = shown.publication if shown else None
    before = record.shapes(last) if last else {}
    kept, parts = {}, []
    for resource in document["resources"]:
        name, table = resource["name"], tables[table_of(resource)]
        rows = rows_digest(table)
        if name not in shapes:
            how, mine = TWIN, []
        elif shown is None or last is None or before.get(name) != shapes[name]:
            how, mine = "whole", [Part(name, table)]
        elif last.tables[name].digest == rows:
            how, mine = "same", []
        else:
            how, mine = _changes(name, shown.tables[name], table, shapes[name].key, rows)
        kept[name] = Kept(how, resource["sha256"], resource["bytes"], resource["rows"], rows)
        parts.extend(mine)
    return kept, parts


def _changes(name: str, before: pa.Table, after: pa.Table, key: tuple[str, ...], rows: str) -> tuple[str, list[Part]]:
    change = delta(before, after, key)
    # Rows that share a key, or have none, cannot be told apart by it: then the table is kept whole.
    if rows_digest(applied(before, change, key)) != rows:
        return "whole", [Part(name, after)]
    return "changes", [Part(name, change.rows), Part(name, change.gone, gone=True)]
