"""One landing file as bytes: which endings are taken, whether it is whole, how it is opened.

What belongs here: completeness, gzip, the columns every event file must have. What does not: rows (`reading`).
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from nsm_pipeline.errors import nearest

REQUIRED = ("event_id", "event_name", "occurred_at", "account_id")
OPTIONAL = ("user_id", "received_at")
KNOWN = (*REQUIRED, *OPTIONAL, "properties")
LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
EVENT_SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".csv", ".jsonl.gz", ".ndjson.gz", ".csv.gz")

BLOCK = 1 << 20


class UnusableFile(Exception):
    """The file as a whole can't be used now; the message is the reason kept in the ledger."""


def suffix_of(path: Path) -> str | None:
    """The accepted ending of a file's name, None for a name that is not taken."""
    return next(
        (suffix for suffix in sorted(EVENT_SUFFIXES, key=len, reverse=True) if path.name.endswith(suffix)), None
    )


def exactly(path: Path) -> str:
    """A path as a pattern that matches that path alone: to DuckDB `*`, `?` and `[` in a name are wildcards."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def check_whole(path: Path) -> None:
    """Raise UnusableFile for a file that is empty, cut off or not of the format its name says."""
    if path.stat().st_size == 0:
        raise UnusableFile("the file is empty")
    if path.name.endswith(LINES):
        check_lines(path)
    elif path.name.endswith(".gz"):
        check_gzip(path)
    elif path.name.endswith(".parquet"):
        check_parquet(path)


def check_parquet(path: Path) -> None:
    """Raise UnusableFile for a Parquet file without its head or its footer."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-min(4, path.stat().st_size), io.SEEK_END)
        if head != b"PAR1":
            raise UnusableFile("not a Parquet file: it does not start with PAR1")
        if file.read(4) != b"PAR1":
            raise UnusableFile("truncated: the Parquet footer is missing; the file is cut off or still being written")


def check_gzip(path: Path) -> None:
    """Raise UnusableFile for a file that is no gzip, or whose stream ends early."""
    for _ in _unpacked(path):
        pass


def check_lines(path: Path) -> None:
    """Raise UnusableFile for lines of JSON, as gzip or not, that are cut off: a last line without its end that does not
    parse is one, or is still being written."""
    last = b""
    for chunk in _unpacked(path) if path.name.endswith(".gz") else _end_of(path):
        last = chunk if b"\n" in chunk else last + chunk
        last = last if last.endswith(b"\n") else last[last.rfind(b"\n") + 1 :]
    if last and not last.endswith(b"\n"):
        try:
            json.loads(last)
        except (ValueError, RecursionError):
            raise UnusableFile(
                "truncated: the last line ends early; the file is cut off or still being written"
            ) from None


def _unpacked(path: Path) -> Iterator[bytes]:
    """What a gzip file holds, to its end. Raises UnusableFile where it has none."""
    decoder = zlib.decompressobj(wbits=31)
    try:
        with path.open("rb") as file:
            while chunk := file.read(BLOCK // 8):
                while chunk:
                    yield decoder.decompress(chunk)
                    chunk = decoder.unused_data
                    if chunk:  # a gzip file may hold several members one after another
                        decoder = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        raise UnusableFile(f"not readable as gzip: {error}") from None
    if not decoder.eof:
        raise UnusableFile("truncated: the gzip stream ends early; the file is cut off or still being written")


def _end_of(path: Path) -> Iterator[bytes]:
    """The last of a file's bytes, more than any line is long."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16 * BLOCK))
        while chunk := file.read(BLOCK):
            yield chunk


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where its name ends with .gz."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.name.endswith(".gz") else path.open("rb")


def require_columns(columns: list[str]) -> None:
    for name in REQUIRED:
        if name not in columns:
            raise UnusableFile(f"has no column '{name}'; {nearest(name, columns).replace('Accepted', 'Its columns')}")
