"""Where event ids have landed: sorted hashes, each with the part that holds it, kept from ingest to ingest.

What belongs here: which ids stand in more than one landed row, and in which parts, without reading those parts again.
What does not: which of the rows stays (`duplicates`, which compares the ids themselves).

An entry is one number: the upper bits of a row's `id_hash` (its prefix) and, below them, its part's place in the
segment. Two ids share a prefix once in 2**40 pairs: what is found may be a little more than what is there, never less.
A segment is a file of entries over some parts, never changed; since parts are named by their content, it never goes out
of date. New parts become a new segment, together with every older one that is not larger: so there are few, and a row
is written again only a few times. All of it may be deleted at any time; it is then built from the landed parts.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsm_pipeline.checksums import discard
from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.lake import Lake, replacing

PLACE_BITS = 24
ROWS_PER_PASS = 12_000_000
ROWS_COMPARED = 1 << 20
VERSION, PARTS, CHECK = b"nsm.version", b"nsm.parts", b"nsm.check"
Hashes = npt.NDArray[np.uint64]
PartOf = tuple[date, str]
"""A landed part: its UTC week and content id."""


@dataclass(frozen=True)
class Repeated:
    """Prefixes that stand in more than one row, sorted, and the parts in which they do."""

    prefixes: Hashes
    parts: frozenset[PartOf]


@dataclass(frozen=True)
class Segment:
    """Entries over some parts, sorted within each chunk; all entries of a prefix are in one chunk."""

    file: Path
    parts: Sequence[PartOf]
    chunks: Sequence[Hashes]

    @property
    def rows(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)

    def find(self, prefixes: Hashes) -> Iterator[Hashes]:
        """Entries with one of some sorted prefixes."""
        for chunk in self.chunks:
            low = np.searchsorted(chunk, prefixes << PLACE_BITS)
            there = low < len(chunk)
            there[there] = chunk[low[there]] >> PLACE_BITS == prefixes[there]
            low, found = low[there], prefixes[there]
            many = np.searchsorted(chunk, (found << PLACE_BITS) | ((1 << PLACE_BITS) - 1), "right") - low
            yield chunk[np.repeat(low - (np.cumsum(many) - many), many) + np.arange(many.sum())]

    def repeated(self) -> Iterator[Hashes]:
        """Entries whose prefix another entry has as well; looks at every entry."""
        for chunk in self.chunks:
            for start in range(0, len(chunk) - 1, ROWS_COMPARED):
                some = chunk[start : start + ROWS_COMPARED + 1]
                (place,) = np.nonzero(some[1:] >> PLACE_BITS == some[:-1] >> PLACE_BITS)
                yield some[np.concatenate([place, place + 1])]


@dataclass(frozen=True)
class IdIndex:
    """The segments of a lake, to be used under the ingest lock. `version`: of the landed parts and their hashes."""

    lake: Lake
    version: str

    @property
    def folder(self) -> Path:
        return self.lake.root / ".ids"

    def repeated(self, engine: Engine, parts: Mapping[PartOf, int]) -> Repeated:
        """Whatever stands twice in some parts (given with their rows). Builds the index anew, from these alone."""
        for old in self.folder.glob("*.arrow"):
            discard(old)
        segment = self._build(engine, parts)
        entries = np.concatenate([np.empty(0, np.uint64), *segment.repeated()])
        return Repeated(np.unique(entries >> PLACE_BITS), _parts(segment, entries))

    def repeated_among(self, engine: Engine, parts: Mapping[PartOf, int], hashes: Hashes) -> Repeated:
        """What of some hashes stands twice in some parts. Brings the index up to these parts."""
        wanted = np.unique(hashes >> PLACE_BITS)
        found: list[tuple[Segment, Hashes]] = []
        for segment in self._segments(engine, parts):
            counts = np.array([part in parts for part in segment.parts])  # others are of contents that are gone
            for entries in segment.find(wanted):
                found.append((segment, entries[counts[_places(entries)]]))
        prefixes, rows = np.unique(
            np.concatenate([np.empty(0, np.uint64), *(entries >> PLACE_BITS for _, entries in found)]),
            return_counts=True,
        )
        prefixes = prefixes[rows > 1]
        hits = [_parts(one, entries[np.isin(entries >> PLACE_BITS, prefixes)]) for one, entries in found]
        return Repeated(prefixes, frozenset().union(*hits))

    def _segments(self, engine: Engine, parts: Mapping[PartOf, int]) -> list[Segment]:
        """Segments that together hold some parts; what is missing of them is built, what is of no more use deleted."""
        files = list(self.folder.glob("*.arrow"))
        stored = [segment for file in files if (segment := _read(file, self.version))]
        kept: list[Segment] = []
        covered: set[PartOf] = set()
        # After a kill a segment may still lie beside the larger one that has taken its place.
        for segment in sorted(stored, key=lambda one: (-one.rows, one.file)):
            if covered.isdisjoint(segment.parts) and 2 * sum(part in parts for part in segment.parts) > len(
                segment.parts
            ):
                kept.append(segment)
                covered.update(segment.parts)
        missing = {part: rows for part, rows in parts.items() if part not in covered}
        while missing and kept and kept[-1].rows <= sum(missing.values()):
            missing |= {part: parts[part] for part in kept.pop().parts if part in parts}
        if missing:
            kept.append(self._build(engine, missing))
        for file in set(files) - {segment.file for segment in kept}:
            discard(file)
        return kept

    def _build(self, engine: Engine, parts: Mapping[PartOf, int]) -> Segment:
        passes = max(engine.workers, -(-sum(parts.values()) // ROWS_PER_PASS))
        bounds = [number * (1 << 64) // passes for number in range(passes)] + [1 << 64]
        files = [str(self.lake.file("landed_events", *part)) for part in parts]
        jobs = [{"files": files, "low": low, "high": high - 1} for low, high in pairwise(bounds)]
        named = json.dumps([[str(week), content] for week, content in parts])
        schema = pa.schema([("entry", pa.uint64())], {VERSION: self.version, PARTS: named})
        file = self.folder / f"{uuid.uuid4().hex}.arrow"
        with (
            replacing(file) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, schema) as writer,
        ):
            for entries in engine.map(_entries_between, jobs):
                writer.write_batch(pa.record_batch([pa.array(entries)], schema), {CHECK: _check(entries)})
        segment = _read(file, self.version)
        assert segment is not None
        return segment


def _entries_between(connection: duckdb.DuckDBPyConnection, job: dict[str, object]) -> Hashes:
    """Entries of some files whose hashes lie in a range, sorted: in the engine that takes ten times as long."""
    read = connection.execute(
        f"""SELECT (id_hash >> {PLACE_BITS} << {PLACE_BITS}) | file_index::UBIGINT AS entry FROM read_parquet($files)
        WHERE id_hash BETWEEN $low::UBIGINT AND $high::UBIGINT""",
        job,
    )
    entries: Hashes = read.to_arrow_table()["entry"].to_numpy()
    return np.sort(entries)


def _places(entries: Hashes) -> npt.NDArray[np.int64]:
    return (entries & ((1 << PLACE_BITS) - 1)).astype(np.int64)


def _parts(segment: Segment, entries: Hashes) -> frozenset[PartOf]:
    return frozenset(segment.parts[place] for place in np.unique(_places(entries)))


def _read(file: Path, version: str) -> Segment | None:
    """A stored segment, its entries left on disk until they are looked at; None where it is of another version, or not
    whole (after a power failure a file may have its length and not its content)."""
    try:
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_file(mapped) as reader:
            about = reader.schema.metadata or {}
            if about.get(VERSION) != version.encode():
                return None
            read = [reader.get_batch_with_custom_metadata(number) for number in range(reader.num_record_batches)]
    except (pa.ArrowInvalid, OSError):
        return None
    chunks = [batch["entry"].to_numpy() for batch, _ in read]
    if any(said[CHECK].decode() != _check(chunk) for chunk, (_, said) in zip(chunks, read, strict=True)):
        return None
    return Segment(file, [(date.fromisoformat(week), key) for week, key in json.loads(about[PARTS])], chunks)


def _check(entries: Hashes) -> str:
    return str(np.bitwise_xor.reduce(entries))
