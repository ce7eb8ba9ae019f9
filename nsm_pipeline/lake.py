"""Where the pipeline's tables live: one Parquet file per table and key, written atomically.

What belongs here: paths, atomic writes, fingerprints in Parquet metadata, reads. What does not: checksums, what a
table means. A file carries the fingerprint of everything it was made from, so staleness is a comparison; weekly
files also carry what they were made from, as the document whose digest the fingerprint is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline import checksums

T = TypeVar("T")
SeenFiles = dict[str, tuple[tuple[int, int, int], T | None]]
Document = dict[str, Any]
FINGERPRINT = b"nsm.fingerprint"
MADE_FROM = b"nsm.made_from"
FOOTER = 32_768
# A key and a value of 16 bytes as Thrift's compact protocol has them.
STAMP = re.compile(FINGERPRINT.replace(b".", rb"\.") + rb"\x18\x10([0-9a-f]{16})")
WRITER = {
    "compression": "snappy",
    "version": "2.6",
    "data_page_version": "1.0",
    "write_statistics": True,
    "write_page_checksum": True,
}
ROW_GROUP = 131072
EVENTS_ROW_GROUP = 122_880
# Options of DuckDB's COPY for millions of events. Dictionaries only of what has few values, and no Bloom filters:
# nobody looks up one row, and a dictionary of ids that is tried and given up takes a tenth to a fifth of the time.
EVENTS_WRITER = f"""FORMAT parquet, PARQUET_VERSION v2, ROW_GROUP_SIZE {EVENTS_ROW_GROUP}, WRITE_BLOOM_FILTER false,
    STRING_DICTIONARY_PAGE_SIZE_LIMIT 65536, DICTIONARY_SIZE_LIMIT 4096"""


def digest(*parts: object) -> str:
    """Short stable hash of JSON-like values: 16 hex digits of SHA-256."""
    return digest_of_text(_compact(parts))


def digest_of_text(text: str) -> str:
    """The digest of values that are JSON already."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def stamps(fingerprint: str, made_from: Document | None = None) -> dict[str, str]:
    """A file's Parquet metadata. The fingerprint stands last: before it, the document may be as long as it likes and
    the fingerprint is still found in the footer's last bytes."""
    said = {} if made_from is None else {MADE_FROM.decode(): _compact(made_from)}
    return {**said, FINGERPRINT.decode(): fingerprint}


@contextmanager
def replacing(path: Path, journal: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, else vanishes.

    Its checksum is noted first; `journal`: False for files outside a lake, which are people's own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        if journal:
            checksums.record(path, checksums.checksum_of(temporary))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, journal: bool = True) -> tuple[int, int, int]:
    """Write a text file atomically, and return its signature; `journal` as of `replacing`."""
    with replacing(path, journal) as temporary:
        temporary.write_text(text, encoding="utf-8")
        return signature_of(temporary)


def json_text(document: Mapping[str, object]) -> str:
    """A document as JSON with one of its members, sorted by name, per line: indented throughout it would take ten
    times as long to write."""
    lines = [f"{json.dumps(key)}: {json.dumps(document[key], sort_keys=True, default=str)}" for key in sorted(document)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


# Fingerprints by path, for as long as the file stays the same one: every step opens the home anew.
FOOTERS: SeenFiles[str] = {}
# Small tables that this process has written, and their fingerprints: a run reads each of them several times, and
# opening a file takes longest.
WRITTEN: SeenFiles[tuple[str, pa.Table]] = {}
SMALL = 16_384
# Whatever is known of files, by identity: so that a lake that is gone can be forgotten.
SEEN: dict[int, SeenFiles[Any]] = {id(WRITTEN): WRITTEN}
RECALLED: set[Path] = set()
REMEMBERED = ".gathered/fingerprints"


def once_per_file(seen: SeenFiles[T], path: Path | str, read: Callable[[Path], T | None]) -> T | None:
    """What `read` makes of a file, read once for as long as the file stays the same one; None where it is missing."""
    name = str(path)
    try:
        signature = signature_of(name)
    except FileNotFoundError:
        return None
    SEEN[id(seen)] = seen
    known = seen.get(name)
    if known is None or known[0] != signature:
        known = seen[name] = (signature, read(Path(path)))
    return known[1]


def note(seen: SeenFiles[T], path: Path, signature: tuple[int, int, int], value: T) -> None:
    """Keep what is known of a file that this process has written, as if it had been read."""
    SEEN[id(seen)] = seen
    seen[str(path)] = (signature, value)


def recall(root: Path) -> None:
    """Take over the fingerprints that an earlier process has read from the files of a lake, once per process."""
    if root in RECALLED:
        return
    RECALLED.add(root)
    try:
        known = json.loads((root / REMEMBERED).read_bytes())
    except (FileNotFoundError, ValueError):
        return
    for name, (*signature, fingerprint) in known.items():
        FOOTERS.setdefault(f"{root}/{name}", (tuple(signature), fingerprint))


def remember(root: Path) -> None:
    """Keep the fingerprints of a lake's files for the processes to come: each holds while its file stays the same."""
    start = f"{root}/"
    named = [(path.removeprefix(start), it) for path, it in list(FOOTERS.items()) if path.startswith(start)]
    # Not those of a scratch home, which lies in a hidden folder.
    write_text(root / REMEMBERED, json.dumps({name: (*it[0], it[1]) for name, it in named if name[0] != "."}))


def forget(root: Path) -> None:
    """Forget whatever is known of the files below a folder."""
    RECALLED.difference_update([known for known in RECALLED if known.is_relative_to(root)])
    start = f"{root}/"
    for seen in (FOOTERS, *SEEN.values()):
        for path in [path for path in list(seen) if path.startswith(start)]:
            del seen[path]


def signature_of(path: Path | str) -> tuple[int, int, int]:
    """What tells a file from the one that replaces it; the same before and after a rename."""
    stat = os.stat(path)  # noqa: PTH116 (a run over years asks this tens of thousands of times)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def stored_fingerprint(path: Path) -> str | None:
    """A file's fingerprint, None where it has none or cannot be read: from the footer's bytes where they say it as our
    writers do, since a run over years reads thousands of footers."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - FOOTER))
        if found := STAMP.search(file.read()):
            return found[1].decode()
    value = _metadata(path).get(FINGERPRINT)
    return value.decode() if value else None


def _metadata(path: Path) -> dict[bytes, bytes]:
    """What a Parquet file says of itself; nothing where it is missing or unreadable."""
    try:
        return pq.read_metadata(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return {}


def _encode(sink: pa.NativeFile, data: pa.Table, said: dict[str, str]) -> None:
    # Not as metadata of the schema: Arrow stores its schema once more, and a document would be in it.
    plain = data.replace_schema_metadata(None)
    with pq.ParquetWriter(sink, plain.schema, **WRITER) as writer:
        writer.write_table(plain, row_group_size=ROW_GROUP)
        writer.add_key_value_metadata(said)


@dataclass(frozen=True)
class Lake:
    """Tables under one root: `<root>/<table>/<key>/…/<key>.parquet`. Keys come from checked names and dates."""

    root: Path

    def file(self, table: str, *key: object) -> Path:
        return Path(self.name(table, *key))

    def name(self, table: str, *key: object) -> str:
        """The path of one file as text: a run over years asks for tens of thousands of them, and pathlib takes ten
        times as long."""
        return f"{'/'.join((str(self.root), table, *map(str, key)))}.parquet"

    def write(
        self, data: pa.Table, fingerprint: str, table: str, *key: object, made_from: Document | None = None
    ) -> Path:
        """Replace one file of a table; equal rows, fingerprint and document (whose digest it is) give equal bytes."""
        path = self.file(table, *key)
        with replacing(path) as temporary:
            with pa.OSFile(str(temporary), "wb") as file:
                _encode(file, data, stamps(fingerprint, made_from))
            signature = signature_of(temporary)
        FOOTERS[str(path)] = (signature, fingerprint)
        if data.nbytes <= SMALL:
            WRITTEN[str(path)] = (signature, (fingerprint, data.replace_schema_metadata(None)))
        return path

    def fingerprint(self, table: str, *key: object) -> str | None:
        """Fingerprint of a stored file; None where it is missing or unreadable (it is then rebuilt)."""
        return once_per_file(FOOTERS, self.name(table, *key), stored_fingerprint)

    def made_from(self, table: str, *key: object) -> Document | None:
        """What a stored file says it was made from; None where it is missing, or unreadable, or says nothing."""
        said = _metadata(self.file(table, *key)).get(MADE_FROM)
        return None if said is None else dict(json.loads(said))

    def read(self, table: str, *key: object) -> pa.Table:
        """Rows of one file. Raises FileNotFoundError where it does not exist."""
        if (written := self._written(table, *key)) is not None:
            return written[1]
        with pa.OSFile(str(self.file(table, *key))) as opened, pq.ParquetFile(opened) as file:
            return file.read(use_threads=False).replace_schema_metadata(None)

    def read_made_from(self, fingerprint: str, table: str, *key: object) -> pa.Table | None:
        """Rows of one file if that very file carries the fingerprint; None where it does not or is missing.

        Another run may replace the file at any time: the fingerprint and the rows come from one opened file, or from
        one that this process has written and that lies there still.
        """
        try:
            if (written := self._written(table, *key)) is not None:
                return written[1] if written[0] == fingerprint else None
            with pa.OSFile(str(self.file(table, *key))) as opened, pq.ParquetFile(opened) as file:
                if (file.metadata.metadata or {}).get(FINGERPRINT) != fingerprint.encode():
                    return None
                return file.read(use_threads=False).replace_schema_metadata(None)
        except FileNotFoundError:
            return None

    def _written(self, table: str, *key: object) -> tuple[str, pa.Table] | None:
        """Fingerprint and rows of a small file that this process has written, while it is that very file; None where
        it is not. Raises FileNotFoundError."""
        name = self.name(table, *key)
        signature, written = WRITTEN.get(name, (None, None))
        return written if written is not None and signature_of(name) == signature else None

    def exists(self, table: str, *key: object) -> bool:
        return self.file(table, *key).is_file()

    def files(self, table: str, *key: object) -> list[Path]:
        """All files of a table below a key, in order of their names; temporary files left out."""
        folder = self.root.joinpath(table, *map(str, key))
        return sorted(path for path in folder.glob("**/*.parquet") if not path.name.startswith("."))
