"""Damage to a home's files, as disks and people do it, and what `nsm verify` says of it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homes import Said, here

from nsm_pipeline.home import Home
from nsm_pipeline.lake import forget
from nsm_pipeline.steps.opening import OPENED

NEW_HOME = {".locks", ".overlays", ".spill"}


def verify(home: Path, *arguments: object) -> Said:
    """`nsm verify` as a new process would run it: nothing is remembered of the files."""
    forget(home)
    OPENED.pop(Home(home), None)
    return here("verify", "--home", home, *arguments)


def findings(home: Path, *arguments: object) -> list[dict[str, Any]]:
    said = verify(home, "--json", *(arguments or ("--sample", 0)))
    assert said.code in (0, 3), said
    document = said.json
    found = [*document["refuted"], *document["unproven"]]
    assert (said.code == 3) == bool(found) == (not document["holds"])
    return found


def named(home: Path, *arguments: object) -> set[str]:
    """What is refuted or not proved, by name."""
    return {one["what"] for one in findings(home, *arguments)}


def files(home: Path, pattern: str) -> list[Path]:
    """Files below a home, those of runs of Dagster and of locks left out."""
    return sorted(path for path in home.glob(pattern) if path.is_file() and not NEW_HOME & set(path.parts))


def flip(file: Path, chance: random.Random) -> str:
    """Change one byte, leaving the file's times as they were; returns what was done."""
    stat, content = file.stat(), bytearray(file.read_bytes())
    place, by = chance.randrange(len(content)), chance.randrange(1, 256)
    content[place] ^= by
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return f"{file}: byte {place} of {len(content)}, xor {by:#04x}"


@contextmanager
def damaged(*files: Path) -> Iterator[None]:
    """Puts files back as they were."""
    before = [(file, file.read_bytes(), file.stat()) for file in files]
    try:
        yield
    finally:
        for file, content, stat in before:
            file.write_bytes(content)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
