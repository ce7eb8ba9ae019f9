"""Making way for what is damaged to be built anew: refuted files are removed, and the next run finds them missing.

What belongs here: what may be removed, what was made from it, which landing files are read again. What does not:
building anything (a run does that), deciding what is refuted (`verification`).

Records cannot be made anew, so nothing of them is touched. A landed file goes only where the landing file that it came
from is still there.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from nsm_pipeline.checksums import JOURNAL, checksum_of, discard, read_journal, record, rewrite
from nsm_pipeline.events.accounts import snapshot_of
from nsm_pipeline.events.landing import ledger_file
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.lake import json_text, replacing, write_text
from nsm_pipeline.publishing.proving import prove_version
from nsm_pipeline.publishing.record import Record, number_of
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.proving_lake import BY_USE_CASE, BY_WEEK, LANDED
from nsm_pipeline.steps.proving_records import kept_versions, vouches_for_itself

ANEW = (0, 0, 0)
"""Signature of a delivery that is to be read again: no file has it."""


@dataclass
class Repaired:
    """Files that were removed, files of the extract that the log gave back, landing files that the next run reads
    again, and what only a backup can put right."""

    removed: list[str] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    landed_anew: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def repair(opened: Open, refuted: Collection[Path]) -> Repaired:
    """Remove refuted files that a run builds anew, and what was made from them; drop unreadable lines of journals.
    The next run publishes anew."""
    done = Repaired()
    home = opened.home
    with home.lock("ingest"):
        ledger = Ledger.load(ledger_file(home))
        gone: set[Path] = set()
        for path in sorted(refuted):
            if vouches_for_itself(home, path):
                record(path, checksum_of(path))  # whose line was damaged, not the file
            elif _may_go(opened, ledger, path, done):
                gone |= {path, *_made_from(opened, path)}
            else:
                done.left.append(path.relative_to(home.root).as_posix())
        for path in sorted(gone):
            if path.exists():
                discard(path)
                done.removed.append(path.relative_to(home.root).as_posix())
            if path.parent == home.lake / "definitions" and (said := opened.wordings.in_force(path.stem)) is not None:
                write_text(path, json_text(said))
        if any(path.relative_to(home.lake).parts[0] in LANDED for path in gone):
            ledger.settled = {}
            ledger.save(ledger_file(home))
    with home.lock("certificates"):
        _give_back(opened, done)
    discard(home.lake / "publication.json")
    for root in (home.lake, home.records):
        for journal in root.rglob(JOURNAL):
            if read_journal(journal.parent).damaged:
                rewrite(journal.parent)
    return done


def _give_back(opened: Open, done: Repaired) -> None:
    """Write damaged files of kept versions anew from the log of publications; remove versions that nobody published."""
    record = Record.of(opened.home)
    versions = record.versions()
    current = opened.home.extracts / "current"
    for version, folder in kept_versions(opened.home.extracts).items():
        if version in versions:
            faults = prove_version(folder).faults
            given = record.give_back(version).files if faults else {}
            for name in (fault.file for fault in faults):
                if name in given:
                    with replacing(folder / name, journal=False) as temporary:
                        temporary.write_bytes(given[name])
                else:
                    (folder / name).unlink()
                done.given_back.append((folder / name).relative_to(opened.home.root).as_posix())
        elif versions and number_of(version) >= number_of(versions[0]):
            if current.is_symlink() and current.readlink().name == version:
                current.unlink()
            shutil.rmtree(folder)
            done.removed.append(folder.relative_to(opened.home.root).as_posix())


def _may_go(opened: Open, ledger: Ledger, path: Path, done: Repaired) -> bool:
    """Whether a refuted file can be made anew; landing files that this takes are marked to be read again."""
    if not path.is_relative_to(opened.home.lake):
        return False
    table, *key = path.relative_to(opened.home.lake).with_suffix("").parts
    if table == "ledger":
        return False
    if table == "definitions":
        return opened.wordings.in_force(key[-1]) is not None
    if table not in LANDED or table in ("duplicates", "accounts"):
        return True
    sent = {name: one for name, one in ledger.deliveries.items() if key[-1] in (one.content, one.kept)}
    there = {name: one for name, one in sent.items() if (opened.home.landing / name).is_file()}
    for name, delivery in there.items():
        delivery.signature = ANEW
        done.landed_anew.append(name)
    return bool(there) or not sent


def _made_from(opened: Open, path: Path) -> Iterator[Path]:
    """Files that may have been made from a refuted one while it was damaged already."""
    lake = opened.lake
    table, *key = path.relative_to(opened.home.lake).with_suffix("").parts
    if table == "validations":
        yield opened.home.lake / "verdicts" / f"{key[0]}.json"
    elif table == "unmapped_events":
        yield lake.file("week_evidence", *key)  # by which a run knows whether both are up to date
    elif table == "usage_events":
        yield from (lake.file(one, *key) for one in BY_USE_CASE if one != table)
    elif table in ("landed_events", "duplicates", "accounts"):
        day = date.fromisoformat(key[0])
        for week in opened.weeks:
            snapshot = snapshot_of(opened.ledger, week)
            reads = snapshot is not None and snapshot[0] == day if table == "accounts" else False
            if reads or (table != "accounts" and day in opened.calendar.utc_weeks(week)):
                yield from (lake.file(one, name, week) for one in BY_USE_CASE for name in opened.plans)
                yield from (lake.file(one, week) for one in BY_WEEK)
    elif table == "landed_accounts":
        as_of = opened.ledger.contents[key[0]].as_of if key[0] in opened.ledger.contents else None
        if as_of in opened.ledger.snapshots:
            snapshot_file = lake.file("accounts", as_of, opened.ledger.snapshots[as_of])
            yield from (snapshot_file, *_made_from(opened, snapshot_file))
