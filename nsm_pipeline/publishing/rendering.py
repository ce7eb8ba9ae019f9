"""Tables → the bytes of an extract's files: one Parquet file each, some as CSV too, and the descriptor that names all.

What belongs here: bytes, from rows alone: equal rows give equal bytes. What does not: where they lie and which of
them readers see (`extracts`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.lake import ROW_GROUP, WRITER
from nsm_pipeline.publishing.columns import Column, ExtractTable
from nsm_pipeline.publishing.csv_text import csv_bytes
from nsm_pipeline.publishing.references import references_of
from nsm_pipeline.publishing.score_tables import SCORECARD
from nsm_pipeline.publishing.tables import EXTRACT, ON_REQUEST, RESTATEMENTS

CONTRACT = "nsm-extract/2"
DESCRIPTOR = "datapackage.json"
IN_CSV = (SCORECARD,)
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
    """Tables as they are declared, in that order: columns, types, rows sorted by key; all but the ledger. Raises
    ArrowInvalid where they cannot be."""
    wanted = [
        declared for declared in (*EXTRACT, *ON_REQUEST) if declared is not RESTATEMENTS and declared.name in tables
    ]
    return {declared.name: _conformed(declared, tables[declared.name]) for declared in wanted}


def render(tables: Mapping[str, pa.Table], company: str, small_groups: int = 0) -> Rendered:
    """The files of an extract, from tables that conform: all of EXTRACT, and those on request that are there.
    `small_groups`: the limit by which they are suppressed."""
    files, resources = {}, []
    for declared in (*EXTRACT, *(one for one in ON_REQUEST if one.name in tables)):
        for form in (PARQUET, CSV) if declared in IN_CSV else (PARQUET,):
            content = form.content(tables[declared.name])
            files[form.path(declared.name)] = content
            resources.append(_resource(declared, form, content, tables[declared.name].num_rows))
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


@dataclass(frozen=True)
class Form:
    """How a table is written to a file; its resource is called as the table and `suffix`. `has_empty_text`: whether it
    knows an empty text from a missing one."""

    content: Callable[[pa.Table], bytes]
    format: str
    mediatype: str
    has_empty_text: bool
    suffix: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    def path(self, table: str) -> str:
        return f"{table}.{self.format}"


PARQUET = Form(parquet_bytes, "parquet", "application/vnd.apache.parquet", True)
CSV = Form(csv_bytes, "csv", "text/csv", False, "_csv", {"encoding": "utf-8"})


def form_of(resource: Mapping[str, Any]) -> Form:
    """How the file of a descriptor's resource is written."""
    return CSV if resource["format"] == CSV.format else PARQUET


def table_of(resource: Mapping[str, Any]) -> str:
    """The table that a descriptor's resource is of."""
    name: str = resource["name"]
    return name.removesuffix(form_of(resource).suffix)


def _resource(declared: ExtractTable, form: Form, content: bytes, rows: int) -> dict[str, object]:
    schema = {
        "fields": [_field(declared, column, form) for column in declared.columns],
        "primaryKey": list(declared.key),
        **_foreign_keys(declared),
        "missingValues": [] if form.has_empty_text else [""],
    }
    return {
        "name": f"{declared.name}{form.suffix}",
        "path": form.path(declared.name),
        "description": declared.description,
        "format": form.format,
        "mediatype": form.mediatype,
        **form.more,
        "bytes": len(content),
        "hash": f"sha256:{sha256(content)}",
        "sha256": sha256(content),
        "rows": rows,
        "schema": schema,
    }


def _field(declared: ExtractTable, column: Column, form: Form) -> dict[str, object]:
    may_be_empty = column.type == "string" and column.name not in declared.key and not form.has_empty_text
    constraints = {"constraints": {"required": True}} if column.required and not may_be_empty else {}
    return {"name": column.name, "type": column.type, "description": column.description, **constraints}


def _foreign_keys(declared: ExtractTable) -> dict[str, object]:
    found = [
        {"fields": list(one.columns), "reference": {"resource": one.table, "fields": list(one.key)}}
        for one in references_of(declared)
    ]
    return {"foreignKeys": found} if found else {}
