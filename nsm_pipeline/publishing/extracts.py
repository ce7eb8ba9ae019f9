"""Writing an extract: a new version beside the old ones, complete before anybody can see it, then one rename.

What belongs here: files, descriptor, switching, old versions. What does not: which rows are published
(`steps.publication`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.lake import WRITER
from nsm_pipeline.publishing.tables import EXTRACT, ExtractTable

KEEP = 10
CONTRACT = "nsm-extract/1"


def write_extract(root: Path, tables: Mapping[str, pa.Table], company: str) -> str:
    """Publish tables (by name, as EXTRACT declares them) under `root`; returns the version's id.

    Where the newest version already has these bytes, it stays. Call it under the publishing lock. A kill at any
    moment leaves `current` at a complete version; what was half-written is removed by the next call.
    """
    versions = root / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    for leftover in [*versions.glob(".*"), *root.glob(".current*")]:
        shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
    staging = versions / f".{uuid.uuid4().hex}"
    staging.mkdir()
    try:
        descriptor = _write_files(staging, tables, company)
        content = hashlib.sha256(descriptor.encode()).hexdigest()[:12]
        existing = sorted(path.name for path in versions.iterdir() if not path.name.startswith("."))
        current = current_version(root)
        if current is not None and current.endswith(f"-{content}"):
            return current
        number = max((int(name.split("-")[0]) for name in existing), default=0) + 1
        version = f"{number:06d}-{content}"
        staging.rename(versions / version)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _switch(root, version)
    _drop_old(versions, version)
    return version


def current_version(root: Path) -> str | None:
    """Name of the version that `current` points to, None before the first and where that version was lost."""
    link = root / "current"
    return link.readlink().name if link.is_symlink() and link.is_dir() else None


def _write_files(folder: Path, tables: Mapping[str, pa.Table], company: str) -> str:
    resources = []
    for declared in EXTRACT:
        file = folder / f"{declared.name}.parquet"
        table = tables[declared.name].select(declared.schema.names).cast(declared.schema)
        order = [(name, "ascending") for name in declared.key]
        pq.write_table(table.sort_by(order), file, **WRITER)
        _flush(file)
        resources.append(_resource(declared, file, table.num_rows))
    descriptor = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "north-star-metrics",
        "title": f"North Star Metrics of {company}",
        "contract": CONTRACT,
        "resources": resources,
    }
    text = json.dumps(descriptor, indent=1, ensure_ascii=False)
    file = folder / "datapackage.json"
    file.write_text(text, encoding="utf-8")
    _flush(file)
    return text


def _resource(declared: ExtractTable, file: Path, rows: int) -> dict[str, object]:
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
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
        "path": file.name,
        "description": declared.description,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": len(content),
        "hash": f"sha256:{sha256}",
        "sha256": sha256,
        "rows": rows,
        "schema": {"fields": fields, "primaryKey": list(declared.key)},
    }


def _flush(file: Path) -> None:
    """To disk before the switch: a power failure must not leave `current` at empty files."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _switch(root: Path, version: str) -> None:
    link = root / f".current-{uuid.uuid4().hex}"
    link.symlink_to(Path("versions") / version)
    link.replace(root / "current")


def _drop_old(versions: Path, current: str) -> None:
    names = sorted(path.name for path in versions.iterdir() if not path.name.startswith("."))
    for name in names[:-KEEP]:
        if name != current:
            shutil.rmtree(versions / name)
