"""Tables → the bytes of an extract's files: one Parquet file each, and the descriptor that names them all.

What belongs here: bytes, from rows alone: equal rows give equal bytes. What does not: where they lie and which of
them readers see (`extracts`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.lake import ROW_GROUP, WRITER
from nsm_pipeline.publishing.columns import ExtractTable
from nsm_pipeline.publishing.references import references_of
from nsm_pipeline.publishing.tables import EXTRACT, RESTATEMENTS

CONTRACT = "nsm-extract/2"
DESCRIPTOR = "datapackage.json"
MEASURED = ("bytes", "hash", "sha256", "rows")
"""Keys of a descriptor's resource that depend on the rows; the others follow from the schemas and the company."""


@dataclass(frozen=True)
class Rendered:
    """An extract's files by name, and the descriptor among them as text."""

    files: Mapping[str, bytes]
    descriptor: str

    @property
    def content(self) -> str:
        """What a version's id says of its content: 12 hex digits over the descriptor, which names every file's hash."""
        return sha256(self.descriptor.encode())[:12]


def conform(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Tables as EXTRACT declares them, in its order: columns, types, rows sorted by key; all but the ledger. Raises
    ArrowInvalid where they cannot be."""
    wanted = [declared for declared in EXTRACT if declared is not RESTATEMENTS and declared.name in tables]
    return {declared.name: _conformed(declared, tables[declared.name]) for declared in wanted}


def render(tables: Mapping[str, pa.Table], company: str, small_groups: int = 0) -> Rendered:
    """The files of an extract, from tables that conform. `small_groups`: the limit by which they are suppressed."""
    files = {f"{declared.name}.parquet": parquet_bytes(tables[declared.name]) for declared in EXTRACT}
    resources = [
        _resource(declared, files[f"{declared.name}.parquet"], tables[declared.name].num_rows) for declared in EXTRACT
    ]
    text = descriptor_text(
        {
            "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
            "name": "north-star-metrics",
            "title": f"North Star Metrics of {company}",
            "contract": CONTRACT,
            "small_groups": small_groups,
            "resources": resources,
        }
    )
    return Rendered({**files, DESCRIPTOR: text.encode()}, text)


def descriptor_text(descriptor: Mapping[str, object]) -> str:
    return json.dumps(descriptor, indent=1, ensure_ascii=False)


def parquet_bytes(table: pa.Table) -> bytes:
    """The bytes of a table's file; the same however the table is cut into pieces in memory."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks(), sink, row_group_size=ROW_GROUP, **WRITER)
    return bytes(sink.getvalue())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _conformed(declared: ExtractTable, table: pa.Table) -> pa.Table:
    table = table.select(declared.schema.names).cast(declared.schema)
    return table.sort_by([(name, "ascending") for name in declared.key]).combine_chunks()


def _resource(declared: ExtractTable, content: bytes, rows: int) -> dict[str, object]:
    fields = [
        {
            "name": column.name,
            "type": column.type,
            "description": column.description,
            **({"constraints": {"required": True}} if column.required else {}),
        }
        for column in declared.columns
    ]
    return {
        "name": declared.name,
        "path": f"{declared.name}.parquet",
        "description": declared.description,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": len(content),
        "hash": f"sha256:{sha256(content)}",
        "sha256": sha256(content),
        "rows": rows,
        "schema": {"fields": fields, "primaryKey": list(declared.key), **_foreign_keys(declared)},
    }


def _foreign_keys(declared: ExtractTable) -> dict[str, object]:
    found = [
        {"fields": list(one.columns), "reference": {"resource": one.table, "fields": list(one.key)}}
        for one in references_of(declared)
    ]
    return {"foreignKeys": found} if found else {}
