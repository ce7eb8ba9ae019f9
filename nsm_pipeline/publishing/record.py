"""The log of everything that was ever published, as its readers know it: every version, given back to the byte.

What belongs here: reading files below `records/publications`, what counts as shown. What does not: writing them
(`recording`), what readers of the extract see now (`extracts`), why a number changed (`restatements`).

One file per publication, `<version>.parquet`: in its metadata when, the hash of every file, how each table was kept; as
rows what changed since the publication before, of all tables together. Every 32nd holds whole tables, and so does any
for a table whose columns are new, so that giving back reads a bounded number of files. Descriptors differ in hashes
and counts alone, and are kept once without them.

A publication is written as `<version>.pending` before readers are switched to it and renamed after. A pending one
counts where `extracts/current` points to its version; otherwise it was never shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.lake import digest
from nsm_pipeline.publishing.columns import TYPES
from nsm_pipeline.publishing.deltas import Delta, applied, rows_digest
from nsm_pipeline.publishing.packing import unpacked
from nsm_pipeline.publishing.rendering import DESCRIPTOR, PARQUET, descriptor_text, form_of, sha256, table_of

CONFIRMED, PENDING = ".parquet", ".pending"
TWIN = "twin"
FACTS = b"nsm.publication"


@dataclass(frozen=True)
class Kept:
    """One file of a publication: how its rows are kept (`whole`, as `changes`, or `same` as before; `twin`: by another
    file of the same table), and what it was: hash, bytes, rows, and a digest of the rows themselves."""

    how: str
    sha256: str
    bytes: int
    rows: int
    digest: str


@dataclass(frozen=True)
class Publication:
    """One publication as the log has it. `at`: UTC; `before`: the version shown until then, None for the first;
    `since_whole`: publications since all tables were kept whole; `template`, `descriptor`: digests of its
    datapackage.json without and with what was measured; `parts`: digest of the rows kept."""

    version: str
    at: datetime
    before: str | None
    since_whole: int
    template: str
    descriptor: str
    parts: str
    tables: Mapping[str, Kept]

    @property
    def number(self) -> int:
        return number_of(self.version)


@dataclass(frozen=True)
class Shape:
    """Columns and key of a table as a descriptor declares them."""

    schema: pa.Schema
    key: tuple[str, ...]

    @property
    def key_schema(self) -> pa.Schema:
        return pa.schema([self.schema.field(name) for name in self.key])


@dataclass(frozen=True)
class GivenBack:
    """A version's files by name. `rewritten`: tables whose rows are the published ones, but not their bytes, since
    the Parquet library writes them differently now."""

    files: Mapping[str, bytes]
    rewritten: tuple[str, ...]


def number_of(version: str) -> int:
    """The number of a version, from its id."""
    return int(version.split("-")[0])


def instant_text(instant: datetime) -> str:
    """An instant as ISO-8601 in UTC; texts sort as the instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def shapes_of(descriptor: Mapping[str, Any]) -> dict[str, Shape]:
    """Columns and key of each table that a descriptor declares, in its order."""
    return {
        resource["name"]: Shape(
            pa.schema([(field["name"], TYPES[field["type"]]) for field in resource["schema"]["fields"]]),
            tuple(resource["schema"]["primaryKey"]),
        )
        for resource in descriptor["resources"]
        if form_of(resource).format == PARQUET.format
    }


@dataclass(frozen=True)
class Record:
    """The log of one home. `current`: the link that says what readers see."""

    folder: Path
    current: Path

    @classmethod
    def of(cls, home: Home) -> Record:
        return cls(home.records / "publications", home.extracts / "current")

    def versions(self) -> list[str]:
        """Every version that was shown, in order."""
        found = {file.stem for file in self.folder.glob(f"*{CONFIRMED}") if not file.name.startswith(".")}
        found |= {file.stem for file in self.folder.glob(f"*{PENDING}") if self.is_current(file.stem)}
        return sorted(found, key=number_of)

    def is_current(self, version: str) -> bool:
        return self.current.is_symlink() and self.current.readlink().name == version

    def newest(self) -> Publication | None:
        versions = self.versions()
        return self.publication(versions[-1]) if versions else None

    def shown_at(self, instant: datetime) -> Publication | None:
        """What was current at an instant: the newest publication that is not later; None before the first."""
        publications = (self.publication(version) for version in reversed(self.versions()))
        return next((one for one in publications if one.at <= instant), None)

    def publication(self, version: str) -> Publication:
        """What the log says of a version. Raises UserError where its file is missing or cannot be read."""
        with _reading(self._file(version)), self._open(version) as file, pq.ParquetFile(file) as opened:
            kept = (opened.metadata.metadata or {})[FACTS].decode()
            claimed, text = kept.split(" ", 1)
            if digest(text) != claimed:
                raise ValueError("its description of the publication has been changed")
        facts = json.loads(text)
        tables = {name: Kept(**one) for name, one in facts.pop("tables").items()}
        return Publication(**{**facts, "at": datetime.fromisoformat(facts["at"])}, tables=tables)

    def parts(self, publication: Publication) -> pa.Table:
        """What is kept of a publication's rows, of all its tables together, as `packing` has them."""
        version = publication.version
        with _reading(self._file(version)), self._open(version) as file, pq.ParquetFile(file) as opened:
            parts = opened.read(use_threads=False)
            if rows_digest(parts) != publication.parts:
                raise ValueError("its rows have been changed")
        return parts

    def tables(self, version: str) -> dict[str, pa.Table]:
        """The tables of a version, in the order of its descriptor, sorted by key. Raises UserError where the log is
        damaged: it gives back what was published, or nothing."""
        publication = self.publication(version)
        shapes = self.shapes(publication)
        found = self._replayed(publication, shapes)
        for name, table in found.items():
            if rows_digest(table) != publication.tables[name].digest:
                raise UserError(
                    f"{self.folder}: the rows kept of {name} up to version {version} are not those that were "
                    "published; a file of this folder has been changed. Restore the folder from a backup."
                )
        return {name: found[name] for name in shapes}

    def _replayed(self, publication: Publication, shapes: Mapping[str, Shape]) -> dict[str, pa.Table]:
        """Each table from the last time it was kept whole, with the changes since."""
        found: dict[str, pa.Table] = {}
        changes: dict[str, list[Delta]] = {name: [] for name in shapes}
        at = publication
        while True:
            parts = self.parts(at)
            for name in shapes.keys() - found.keys():
                shape = shapes[name]
                if at.tables[name].how == "whole":
                    found[name] = unpacked(parts, name, shape.schema)
                elif at.tables[name].how == "changes":
                    gone = unpacked(parts, name, shape.key_schema, gone=True)
                    changes[name].append(Delta(unpacked(parts, name, shape.schema), gone))
            if len(found) == len(shapes) or at.before is None:
                break
            at = self.publication(at.before)
        for name, shape in shapes.items():
            for change in reversed(changes[name]):
                found[name] = applied(found[name], change, shape.key)
        return found

    def give_back(self, version: str) -> GivenBack:
        """A version's files as they were published, to the byte unless it says otherwise."""
        publication = self.publication(version)
        tables = self.tables(version)
        files, differ = {}, []
        for resource in self._template(publication)["resources"]:
            content = files[resource["path"]] = form_of(resource).content(tables[table_of(resource)])
            if sha256(content) != publication.tables[resource["name"]].sha256:
                differ.append(resource["name"])
        return GivenBack({**files, DESCRIPTOR: self.descriptor(publication).encode()}, tuple(differ))

    def descriptor(self, publication: Publication) -> str:
        """The text of a publication's datapackage.json."""
        document = self._template(publication)
        for resource in document["resources"]:
            kept = publication.tables[resource["name"]]
            resource["hash"] = f"sha256:{kept.sha256}"
            resource.update(bytes=kept.bytes, sha256=kept.sha256, rows=kept.rows)
        text = descriptor_text(document)
        if sha256(text.encode()) != publication.descriptor:
            raise UserError(
                f"{self.template_file(publication.template)}: found another descriptor than the one published with "
                f"version {publication.version}. Restore the file from a backup."
            )
        return text

    def shapes(self, publication: Publication) -> dict[str, Shape]:
        return shapes_of(self._template(publication))

    def template_file(self, digest: str) -> Path:
        return self.folder / "descriptors" / f"{digest}.json"

    def _template(self, publication: Publication) -> dict[str, Any]:
        file = self.template_file(publication.template)
        with _reading(file):
            document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return document

    def _file(self, version: str) -> Path:
        return self.folder / f"{version}{CONFIRMED}"

    def _open(self, version: str) -> pa.OSFile:
        """The opened file of a publication. It may be confirmed while it is looked for: then it is neither, once."""
        for suffix in (CONFIRMED, PENDING, CONFIRMED):
            try:
                return pa.OSFile(str(self.folder / f"{version}{suffix}"))
            except FileNotFoundError:
                continue
        raise FileNotFoundError


def facts_text(publication: Publication) -> bytes:
    """What a publication's file says of it, under a digest."""
    facts = {**asdict(publication), "at": instant_text(publication.at)}
    text = json.dumps(facts, separators=(",", ":"))
    return f"{digest(text)} {text}".encode()


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What goes wrong while a file of the log is read, as one paragraph."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        found = "it is missing" if isinstance(error, FileNotFoundError) else str(error).split("\n")[0]
        raise UserError(
            f"{file}: what was published cannot be read from it: {found}. It is part of the log of publications, "
            "which cannot be made anew. Restore it from a backup."
        ) from None
