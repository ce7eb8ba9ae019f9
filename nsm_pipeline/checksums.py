"""Checksums of stored files: every write leaves a line beside the file, so that a byte that changes later is found.

What belongs here: the journal of a folder, its lines, keeping it short. What does not: writing the files (`lake`),
what a wrong checksum means (`steps.proving_lake`).

A folder's journal is `.checksums`, a line per write: `name size crc32 check`, the last over the line's beginning. The
line is written before the file takes its place: whoever reads a file first and its journal second finds its line there.
A process killed in between leaves a line more than there are files, so a file is right if any of its name's last
lines says so. CRC-32 finds every change within four bytes with certainty, any other by four thousand million to one;
nothing here withstands somebody who writes lines himself: that is what certificates are for.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

JOURNAL = ".checksums"
LINE = re.compile(r"(.+) (?:(\d+) ([0-9a-f]{8})|gone) ([0-9a-f]{8})")
BUFFER = 1 << 16
# A journal is looked through whenever it has grown by so many bytes, and rewritten where half of it is out of date.
STEP = 1 << 14
# Runs side by side may all be about to put one file in its place: what the last so many of them wrote counts.
KEPT = 4


class Checksum(NamedTuple):
    """Size in bytes, and CRC-32."""

    size: int
    crc: int

    def __str__(self) -> str:
        return f"{self.size:,} bytes, crc32 {self.crc:08x}"


@dataclass(frozen=True)
class Journal:
    """What the journal of a folder says: by name the last checksums written, newest first (none for a file that was
    deleted), and the numbers of lines that cannot be read."""

    checksums: Mapping[str, Sequence[Checksum]]
    damaged: Sequence[int]


def checksum_of(path: Path) -> Checksum:
    """Checksum of a file's content. Raises OSError where it can't be read."""
    crc = size = 0
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while read := os.read(file, BUFFER):
            crc = zlib.crc32(read, crc)
            size += len(read)
    finally:
        os.close(file)
    return Checksum(size, crc)


def record(path: Path, checksum: Checksum) -> None:
    """Note what is about to take the place of `path`."""
    _append(path.parent, _line(path.name, checksum))


def discard(path: Path) -> None:
    """Delete a stored file, if it is there, and note that it was meant to be."""
    if path.exists():
        path.unlink(missing_ok=True)
        _append(path.parent, _line(path.name, None))


def move(path: Path, to: Path) -> None:
    """Rename a stored file; what was noted of it goes with it."""
    known = read_journal(path.parent).checksums.get(path.name)
    record(to, known[0] if known else checksum_of(path))
    path.replace(to)
    _append(path.parent, _line(path.name, None))


def read_journal(folder: Path) -> Journal:
    """The journal of a folder; an empty one where it has none."""
    try:
        content = (folder / JOURNAL).read_bytes()
    except FileNotFoundError:
        content = b""
    return _journal(content)


def rewrite(folder: Path) -> None:
    """Leave of a journal what is still of use: unreadable lines and those of deleted files go."""
    file, _ = _open(f"{folder}/{JOURNAL}")
    try:
        _replace(folder / JOURNAL, _short(_content(file)))
    finally:
        os.close(file)


def _line(name: str, checksum: Checksum | None) -> bytes:
    said = f"{name} {checksum.size} {checksum.crc:08x}" if checksum else f"{name} gone"
    return f"{said} {zlib.crc32(said.encode()):08x}\n".encode()


def _read_line(line: str) -> tuple[str, Checksum | None] | None:
    """Name and checksum (None: deleted) of a line; None for one that is not as it was written."""
    found = LINE.fullmatch(line)
    if found is None or zlib.crc32(line[: -len(found[4]) - 1].encode()) != int(found[4], 16):
        return None
    return found[1], Checksum(int(found[2]), int(found[3], 16)) if found[2] else None


def _journal(content: bytes) -> Journal:
    checksums: dict[str, list[Checksum]] = {}
    damaged = []
    lines = content.decode(errors="replace").split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        if (read := _read_line(line)) is None:
            damaged.append(number)
            continue
        name, checksum = read
        if checksum is None:
            checksums[name] = []
        else:
            before = checksums.get(name, ())
            checksums[name] = [checksum, *(one for one in before if one != checksum)][:KEPT]
    if lines[-1]:
        damaged.append(len(lines))
    return Journal(checksums, damaged)


def _open(path: str) -> tuple[int, int]:
    """A journal opened for appending, under a lock that goes when it is closed or the process dies; and its size.

    A journal that is also another home's (by a hard link) becomes one's own first.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            stat = os.fstat(file)
            is_still = os.stat(path).st_ino == stat.st_ino  # noqa: PTH116 (a run does this thousands of times)
            if is_still and stat.st_nlink == 1:
                return file, stat.st_size
            if is_still:
                _replace(Path(path), _content(file))
        except FileNotFoundError:
            pass  # deleted meanwhile, as a rewritten one is another file: opened again
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _append(folder: Path, line: bytes) -> None:
    path = f"{folder}/{JOURNAL}"
    file, size = _open(path)
    try:
        if size and os.pread(file, 1, size - 1) != b"\n":
            line = b"\n" + line  # after a power failure the last line may be cut off
        try:
            if os.write(file, line) < len(line):
                raise OSError(f"{path}: the disk is full; a line of {len(line)} bytes was not written.")
        except OSError:
            os.ftruncate(file, size)
            raise
        if size // STEP < (size + len(line)) // STEP and 2 * len(short := _short(_content(file))) <= size:
            _replace(Path(path), short)
    finally:
        os.close(file)


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _short(content: bytes) -> bytes:
    """A journal without lines that are unreadable, out of date or of deleted files."""
    found = sorted(_journal(content).checksums.items())
    return b"".join(_line(name, checksum) for name, checksums in found for checksum in reversed(checksums))


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{JOURNAL}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
