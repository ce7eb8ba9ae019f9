"""A scratch home that begins as the real one is: what would come of a change is tried there and thrown away.

What belongs here: making, keeping apart and sweeping scratch homes. What does not: what is done in one.

It lies in the lake, where no table is looked for (`.overlays/<random name>`), and its lake is made of hard links to the
real files: writers replace files and never change them, so a write in the one is not seen in the other, and since a
link has the size, time and number of its file, what is known of the one (fingerprints, gathered rows) holds for the
other. Landing zone and playbook are the real ones: nothing writes there.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.lake import forget
from nsm_pipeline.steps.opening import OPENED

FOLDER = ".overlays"
HELD = "held.lock"
# Of the lake's hidden folders: what is derived from files and as good for a link. Locks and half-written files are not.
TAKEN = frozenset({".gathered", ".ids"})


@dataclass(frozen=True)
class Overlay(Home):
    """A scratch home of its own, but for the landing zone and the playbook that it is made from."""

    real: Home
    definitions: Path

    @property
    def landing(self) -> Path:
        return self.real.landing

    @property
    def playbook(self) -> Path:
        return self.definitions


@contextmanager
def overlay(home: Home, playbook: Path | None = None) -> Iterator[Home]:
    """A scratch home with everything that a home holds, gone when the block ends; `playbook`: another folder of
    definitions than the home's. Raises UserError where that is none.

    Any number may exist at once. What a killed process has left is removed by the next one.
    """
    definitions = folder_of(playbook) if playbook is not None else home.playbook
    root = home.lake / FOLDER / uuid.uuid4().hex
    held = FileLock(root / HELD)
    with home.lock("overlays"):
        _sweep(home)
        root.mkdir(parents=True)
        held.acquire()
    scratch = Overlay(root, home, definitions)
    try:
        _link(home.lake, scratch.lake)
        _link(home.records, scratch.records)
        _link(home.extracts, scratch.extracts)
        yield scratch
    finally:
        OPENED.pop(scratch, None)
        forget(root)
        with home.lock("overlays"):
            held.release()
            _remove(root)


def folder_of(playbook: Path) -> Path:
    """Where a folder of definitions lies. Raises UserError where it is none."""
    if not playbook.is_dir():
        raise UserError(f"--playbook: found '{playbook}'; a folder with definitions is needed.")
    return playbook.resolve()


def _sweep(home: Home) -> None:
    """Remove scratch homes whose process is gone: the operating system has freed their lock."""
    folder = home.lake / FOLDER
    for left in folder.iterdir() if folder.is_dir() else ():
        lock = FileLock(left / HELD, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        lock.release()
        _remove(left)


def _remove(root: Path) -> None:
    shutil.rmtree(root)
    if not any(root.parent.iterdir()):
        root.parent.rmdir()


def _link(source: Path, target: Path) -> None:
    """Link a folder's files, first those that say which of the others count: another run may add to it meanwhile."""
    try:
        with os.scandir(source) as found:
            entries = list(found)
    except FileNotFoundError:
        return
    target.mkdir(parents=True)
    for entry in entries:
        if not entry.is_dir() and not entry.name.startswith("."):
            _link_file(entry.path, f"{target}/{entry.name}")
    for entry in entries:
        if not entry.is_dir():
            continue
        if entry.is_symlink() and entry.name == "current":
            (target / entry.name).symlink_to(Path(entry.path).readlink())
        elif not entry.name.startswith(".") or entry.name in TAKEN:
            _link(Path(entry.path), target / entry.name)


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        return  # replaced or removed since it was listed: to this home it is missing, and built again where it counts
    except OSError:
        Path(target).symlink_to(source)  # a disk of its own, or a file system without hard links
