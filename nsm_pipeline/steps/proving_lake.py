"""Whether the files of the lake and the records are as they were written.

What belongs here: every file against its checksum, files that are missing or cannot be read, what to do about each.
What does not: journals (`checksums`), numbers (`proving_numbers`).

A file is read first and its journal second: the line of a file comes before the file does, so a run at the same time
raises no alarm. A file without any line was written before checksums were kept, or by somebody else: it is not proved.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nsm_pipeline.checksums import JOURNAL, Checksum, Journal, checksum_of, read_journal
from nsm_pipeline.events.ledger import Kind
from nsm_pipeline.lake import FINGERPRINT, stored_fingerprint
from nsm_pipeline.metrics.plans import ADOPTION
from nsm_pipeline.playbook.models import ROLES
from nsm_pipeline.publishing.record import PENDING
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.proof import BACKUP, REPAIR, Advance, Proof

CACHES = frozenset({".gathered", ".ids"})
BY_USE_CASE = ("usage_events", "event_quality", "account_weeks", *ROLES, ADOPTION)
BY_WEEK = ("week_evidence", "unmapped_events")
LANDED = ("landed_events", "landed_accounts", "quarantined_events", "quarantined_accounts", "duplicates", "accounts")
STAMPED = frozenset({*BY_USE_CASE, *BY_WEEK, "growth", *LANDED} - {"landed_events"})
KINDS: tuple[Kind, ...] = ("events", "accounts")
TRIES, PAUSE = 4, 0.05
REWRITE = "move lake/ aside, then nsm run: it is built anew from landing/, with equal bytes and checksums"
Seen = dict[Path, Checksum | OSError]


def prove_files(opened: Open, proof: Proof, advance: Advance) -> None:
    """Compare every stored file with its checksum."""
    home = opened.home.root
    listed = dict(_listed(opened.home.lake, opened.home.records))
    seen = _checksums([path for paths in listed.values() for path in paths], opened.engine.workers, advance)
    journals = {folder: read_journal(folder) for folder in listed}
    _settle(seen, journals)
    unproven: dict[str, list[str]] = defaultdict(list)
    for path, found in sorted(seen.items()):
        expected = journals[path.parent].checksums.get(path.name, ())
        name = path.relative_to(home).as_posix()
        if not expected and isinstance(found, Checksum):
            unproven["/".join(name.split("/")[:2])].append(name)
            if journals[path.parent].damaged:  # its line may be one of those
                proof.damaged.add(path)
        elif found not in expected:
            wanted = " or ".join(map(str, expected)) or "a readable file"
            _refute(path, _said(found), wanted, opened, proof)
        elif (problem := _problem(path, opened.home.lake)) is not None:
            _refute(path, problem, "a file that can be read", opened, proof)
        else:
            proof.files["proved"] += 1
    for what, names in unproven.items():
        proof.files["without a checksum"] += len(names)
        said = f"{len(names):,} files without a checksum, such as {names[0]}"
        proof.leave(what, said, "a checksum of each, noted when it was written", REWRITE)
    for folder, journal in sorted(journals.items()):
        _prove_journal(folder, journal, home, proof)
    for path in _gone({*_written(journals, opened.home.lake), *_of_ledger(opened)} - seen.keys()):
        _refute(path, "no such file", "a file", opened, proof)


def _refute(path: Path, found: str, expected: str, opened: Open, proof: Proof) -> None:
    proof.files["missing" if not path.exists() else "refuted"] += 1
    proof.damaged.add(path)
    proof.refute(path.relative_to(opened.home.root).as_posix(), found, expected, mend_of(path, opened))


def _listed(*roots: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Folders with their stored files; locks, scratch homes and half-written files are none."""
    for root in roots:
        for folder, folders, names in os.walk(root):
            top = Path(folder) == root
            folders[:] = sorted(name for name in folders if not name.startswith(".") or (top and name in CACHES))
            yield Path(folder), [Path(folder, name) for name in sorted(names) if not name.startswith(".")]


def _checksums(paths: list[Path], workers: int, advance: Advance) -> Seen:
    found: Seen = {}
    with ThreadPoolExecutor(workers) as pool:
        for done, (path, one) in enumerate(zip(paths, pool.map(_read, paths), strict=True), start=1):
            if not isinstance(one, FileNotFoundError):
                found[path] = one
            if done % 64 == 0 or done == len(paths):
                advance("files", done, len(paths))
    return found


def _read(path: Path) -> Checksum | OSError:
    try:
        return checksum_of(path)
    except OSError as error:
        return error


def _settle(seen: Seen, journals: dict[Path, Journal]) -> None:
    """Read files and journals again where they disagree: a run may just have replaced both."""
    for _ in range(TRIES):
        wrong = [
            path for path, found in seen.items() if found not in journals[path.parent].checksums.get(path.name, ())
        ]
        if not wrong:
            return
        time.sleep(PAUSE)
        for path in wrong:
            if isinstance(found := _read(path), FileNotFoundError):
                del seen[path]
            else:
                seen[path] = found
        journals.update({folder: read_journal(folder) for folder in {path.parent for path in wrong}})


def _gone(paths: Collection[Path]) -> list[Path]:
    """Those files that stay away: a run notes a file just before it puts it in its place."""
    gone = sorted(path for path in paths if not path.exists())
    for _ in range(TRIES if gone else 0):
        time.sleep(PAUSE)
        gone = [path for path in gone if not path.exists()]
    return gone


def _said(found: Checksum | OSError) -> str:
    return str(found) if isinstance(found, Checksum) else f"a file that cannot be read ({found.strerror})"


def _problem(path: Path, lake: Path) -> str | None:
    """Why a file that is as it was written is of no use all the same."""
    if path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            return f"JSON that cannot be read ({error})"
        except FileNotFoundError:
            return None
    if path.suffix == ".parquet" and path.is_relative_to(lake) and path.relative_to(lake).parts[0] in STAMPED:
        try:
            if stored_fingerprint(path) is None:
                return f"no {FINGERPRINT.decode()} in its metadata"
        except FileNotFoundError:
            return None
    return None


def _prove_journal(folder: Path, journal: Journal, home: Path, proof: Proof) -> None:
    if journal.damaged:
        name = (folder / JOURNAL).relative_to(home).as_posix()
        lines = ", ".join(map(str, journal.damaged[:5])) + ("…" if len(journal.damaged) > 5 else "")
        proof.refute(name, f"line {lines}, which cannot be read", "lines as they were written", "nsm verify --repair")


def _written(journals: Mapping[Path, Journal], lake: Path) -> Iterator[Path]:
    """Files that were written once and not deleted since, where the ledger does not say which of them count."""
    for folder, journal in journals.items():
        top = folder.relative_to(lake).parts[:1] if folder.is_relative_to(lake) else ()
        if top and (top[0] in CACHES or top[0] in LANDED):
            continue
        yield from (
            folder / name
            for name, checksums in journal.checksums.items()
            if checksums and not name.endswith(PENDING)  # of a publication that was never shown, or has its name now
        )


def _of_ledger(opened: Open) -> Iterator[Path]:
    """Files that the ledger counts on."""
    ledger, lake = opened.ledger, opened.lake
    for kind in KINDS:
        for key in ledger.active(kind):
            content = ledger.contents[key]
            yield from (lake.file("landed_events", day, key) for day in content.parts)
            if kind == "accounts":
                yield lake.file("landed_accounts", key)
            if content.quarantined:
                yield lake.file(f"quarantined_{kind}", key)
    yield from (lake.file("duplicates", *key) for key in ledger.losers.items())
    yield from (lake.file("accounts", *key) for key in ledger.snapshots.items())


def mend_of(path: Path, opened: Open) -> str:
    """What to do about a stored file that is damaged or gone."""
    if not path.is_relative_to(opened.home.lake):
        return BACKUP
    table, *key = path.relative_to(opened.home.lake).with_suffix("").parts
    if table in BY_USE_CASE and len(key) == 2:
        return f"nsm backfill --use-case {key[0]} --weeks {key[1]}..{key[1]}"
    if table in BY_WEEK and len(key) == 1:
        return f"nsm backfill --weeks {key[0]}..{key[0]}"
    if table == "ledger":
        return "put it back from a backup, or delete it: nsm run then reads all of landing/ anew"
    if table in ("landed_events", "landed_accounts", "quarantined_events", "quarantined_accounts"):
        names = [name for name, one in opened.ledger.deliveries.items() if key[-1] in (one.content, one.kept)]
        return f"{REPAIR} (it is landed anew from landing/{names[0]})" if names else f"{REPAIR}"
    return REPAIR
