"""Whether a version of the extract is, byte for byte, what was published.

What belongs here: a version's files against its descriptor, the descriptor against the version's name. What does not:
whether its numbers are right (`steps.proving_numbers`).

The name of a version holds the hash of its descriptor, and the descriptor the hash of every file: who changes one byte
has to change a name that people know.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DESCRIPTOR = "datapackage.json"
VERSION = re.compile(r"\d+-([0-9a-f]{12})")


@dataclass(frozen=True)
class Fault:
    """A file of a version that is not what was published."""

    file: str
    found: str
    expected: str


@dataclass
class VersionProof:
    """Files of a version that are as they were published, and what is wrong with the others. `rows`: of each table, as
    the descriptor has them."""

    whole: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


def prove_version(folder: Path) -> VersionProof:
    """Compare a version's files with its descriptor and the descriptor with its name. Raises FileNotFoundError where
    the whole folder is gone."""
    proof = VersionProof()
    there = {path.name for path in folder.iterdir()}
    if DESCRIPTOR not in there:
        proof.faults.append(Fault(DESCRIPTOR, "no such file", "the version's descriptor"))
        return proof
    content = (folder / DESCRIPTOR).read_bytes()
    named = VERSION.fullmatch(folder.name)
    expected = named[1] if named else "a name of a number and 12 hex digits"
    found = hashlib.sha256(content).hexdigest()[:12]
    if found != expected:
        proof.faults.append(Fault(DESCRIPTOR, f"sha256 {found}…", f"{expected}…, as the version's name says"))
    else:
        proof.whole.append(DESCRIPTOR)
    resources = dict(_resources(content))
    for name, (size, sha256, rows) in resources.items():
        proof.rows[name] = rows
        if (fault := _fault(folder, name, size, sha256)) is not None:
            proof.faults.append(fault)
        else:
            proof.whole.append(name)
    for name in sorted(there - {DESCRIPTOR} - resources.keys()):
        proof.faults.append(Fault(name, "a file", "only what the descriptor lists"))
    return proof


def small_groups_of(folder: Path) -> int:
    """The limit by which a version's slices are suppressed, from its descriptor; 0 for one from before there was any,
    or that cannot be read."""
    try:
        found = json.loads((folder / DESCRIPTOR).read_bytes()).get("small_groups", 0)
    except (OSError, ValueError, AttributeError):
        return 0
    return found if isinstance(found, int) else 0


def _resources(content: bytes) -> Iterator[tuple[str, tuple[int, str, int]]]:
    """Name, bytes, sha256 and rows of each resource of a descriptor; none of one that cannot be read."""
    try:
        document = json.loads(content)
    except ValueError:
        return
    listed = document.get("resources") if isinstance(document, Mapping) else None
    for one in listed if isinstance(listed, list) else ():
        path, size, sha256, rows = (one.get(key) for key in ("path", "bytes", "sha256", "rows"))
        if isinstance(path, str) and path == Path(path).name and isinstance(size, int) and isinstance(rows, int):
            yield path, (size, str(sha256), rows)


def _fault(folder: Path, name: str, size: int, sha256: str) -> Fault | None:
    expected = f"{size:,} bytes, sha256 {sha256[:12]}…"
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        return Fault(name, error.strerror or "an unreadable file", expected)
    found = hashlib.sha256(content).hexdigest()
    if (len(content), found) == (size, sha256):
        return None
    return Fault(name, f"{len(content):,} bytes, sha256 {found[:12]}…", expected)
