"""Writing an extract: a new version beside the old ones, complete and on record before anybody can see it, then one
rename.

What belongs here: the order of writing, switching, old versions. What does not: which rows are published
(`steps.publication`), the bytes of files (`rendering`), the log (`record`, `recording`).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.home import Home
from nsm_pipeline.publishing.record import TWIN, Publication, Record, number_of
from nsm_pipeline.publishing.recording import Shown, prepare, settle, to_disk
from nsm_pipeline.publishing.rendering import Rendered, conform, render, sha256
from nsm_pipeline.publishing.restatements import Explain, continued, unexplained
from nsm_pipeline.publishing.tables import RESTATEMENTS

KEEP = 10
Derive = Callable[[Mapping[str, pa.Table]], Mapping[str, pa.Table]]


def write_extract(
    home: Home,
    tables: Mapping[str, pa.Table],
    company: str,
    at: datetime,
    explain: Explain = unexplained,
    tolerance: float = 0.0,
    derive: Derive = lambda _: {},
    small_groups: int = 0,
) -> str:
    """Publish tables (by name, as EXTRACT declares them, without the ledger) at an instant; returns the version's id.

    `explain`, `tolerance`: for the restatement ledger, which is continued here; `derive`: tables that follow from the
    others and the ledger; `small_groups`: the limit by which slices are suppressed already. Where the newest version
    already has these bytes, it stays. Call it under the publishing lock. A kill at any moment leaves `current` at a
    complete version that is on record; what was half-written is removed by the next call.
    """
    root, record = home.extracts, Record.of(home)
    versions = root / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    settle(record)
    newest = record.newest()
    _sweep(root, newest)
    shown = last_shown(home)
    number = _next_number(root, newest)
    before = shown.tables if shown else {}
    ready = conform(tables)
    ready[RESTATEMENTS.name] = continued(before, ready, number, at, explain, tolerance)
    ready |= conform(derive(ready))
    rendered = render(ready, company, small_groups)
    last = newest.version if newest else current_version(root)
    version = last if last and last.endswith(f"-{rendered.content}") else f"{number:06d}-{rendered.content}"
    if newest is None or newest.version != version:
        _stage(versions, version, rendered)
        prepare(record, version, at, rendered, ready, shown)
    elif current_version(root) == version:
        return version
    else:  # what was shown last is not where readers look for it any more
        _stage(versions, version, rendered)
    _switch(root, version)
    settle(record)
    _drop_old(versions, version)
    return version


def current_version(root: Path) -> str | None:
    """Name of the version that `current` points to, None before the first and where that version was lost."""
    link = root / "current"
    return link.readlink().name if link.is_symlink() and link.is_dir() else None


def last_shown(home: Home) -> Shown | None:
    """What readers saw last, None where nothing was ever published. A version from before there was a log counts."""
    record = Record.of(home)
    newest, current = record.newest(), current_version(home.extracts)
    if current and (newest is None or number_of(current) > newest.number):
        files = sorted((home.extracts / "versions" / current).glob("*.parquet"))
        return Shown(None, {file.stem: pq.read_table(file) for file in files})
    if newest is None:
        return None
    kept = _still_there(home.extracts / "versions" / newest.version, newest)
    return Shown(newest, kept or record.tables(newest.version))


def _still_there(folder: Path, publication: Publication) -> dict[str, pa.Table] | None:
    """The tables of a version from its own files, where every one of them is what was published."""
    found = {}
    for name, kept in ((name, kept) for name, kept in publication.tables.items() if kept.how != TWIN):
        try:
            content = (folder / f"{name}.parquet").read_bytes()
        except FileNotFoundError:
            return None
        if sha256(content) != kept.sha256:
            return None
        found[name] = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)  # read_table loads far more
    return found


def _next_number(root: Path, newest: Publication | None) -> int:
    names = [path.name for path in (root / "versions").iterdir()] + ([newest.version] if newest else [])
    return max(map(number_of, names), default=0) + 1


def _stage(versions: Path, version: str, rendered: Rendered) -> None:
    """Write a version's folder, whole and on disk before it has its name."""
    staging = versions / f".{uuid.uuid4().hex}"
    staging.mkdir()
    try:
        for name, content in rendered.files.items():
            (staging / name).write_bytes(content)
            to_disk(staging / name)
        to_disk(staging)
        if (versions / version).exists():
            (versions / version).rename(versions / f".{uuid.uuid4().hex}")
        staging.rename(versions / version)
        to_disk(versions)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(root: Path, newest: Publication | None) -> None:
    """Remove what a kill left behind: half-written files, and versions that nobody was shown."""
    versions = root / "versions"
    for leftover in [*versions.glob(".*"), *root.glob(".current*")]:
        shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
    current = current_version(root)
    shown = [name for name in (current, newest.version if newest else None) if name is not None]
    for path in versions.iterdir() if shown else ():
        if number_of(path.name) > max(map(number_of, shown)):
            shutil.rmtree(path)


def _switch(root: Path, version: str) -> None:
    link = root / f".current-{uuid.uuid4().hex}"
    link.symlink_to(Path("versions") / version)
    link.replace(root / "current")
    to_disk(root)


def _drop_old(versions: Path, current: str) -> None:
    names = sorted(path.name for path in versions.iterdir() if not path.name.startswith("."))
    for name in names[:-KEEP]:
        if name != current:
            shutil.rmtree(versions / name)
