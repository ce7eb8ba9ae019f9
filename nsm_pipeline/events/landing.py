"""Ingest: what is new in the landing zone becomes landed rows by UTC week, quarantine and a ledger entry.

What belongs here: scanning, what a path delivers, the ledger. What does not: file formats (`reading`), a file's
rows (`landed`), which row of an event_id wins (`duplicates`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from pathlib import Path

import duckdb

from nsm_pipeline.checksums import discard
from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.events import accounts, duplicates
from nsm_pipeline.events.files import UnusableFile, suffix_of
from nsm_pipeline.events.landed import land
from nsm_pipeline.events.ledger import Content, Delivery, Kind, Ledger
from nsm_pipeline.events.senders.declared import Reading, Readings
from nsm_pipeline.events.senders.mapping import open_sent
from nsm_pipeline.home import Home
from nsm_pipeline.lake import Lake, SeenFiles, once_per_file
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.weeks import Calendar

FOLDERS: dict[str, Kind] = {"usage_events": "events", "accounts": "accounts"}
OnFile = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Arrival:
    """A path of the landing zone that is new or has changed, itself or in how it is read, since it was last read.

    `reading`: how its folder's files are read, None for the landing contract."""

    path: str
    kind: Kind
    signature: tuple[int, int, int]
    reading: Reading | None = None

    @property
    def meaning(self) -> str:
        return self.reading.meaning if self.reading else ""


def ledger_file(home: Home) -> Path:
    return home.lake / "ledger.json"


# Every step of a run opens the home anew; the ledger of years is a long text.
LEDGERS: SeenFiles[Ledger] = {}


def load_ledger(home: Home) -> Ledger:
    """The home's ledger, to be read and not changed: who asks twice may get the same one."""
    return once_per_file(LEDGERS, ledger_file(home), Ledger.load) or Ledger()


def arrivals(home: Home, ledger: Ledger, playbook: Playbook) -> list[Arrival]:
    """Files of the landing zone that the ledger does not know as they are now and are to be read now, by path."""
    readings = Readings.of(playbook.settings.landing)
    found = []
    for folder, kind in FOLDERS.items():
        for file in sorted((home.landing / folder).rglob("*")):
            if not file.is_file() or file.name.startswith((".", "_")) or file.suffix in (".tmp", ".part"):
                continue
            path = file.relative_to(home.landing).as_posix()
            known = ledger.deliveries.get(path)
            arrival = Arrival(path, kind, _signature(file), readings.of_file(path))
            if (
                known is None
                or known.signature != arrival.signature
                or ledger.contents[known.content].reading != arrival.meaning
            ):
                found.append(arrival)
    return found


def _signature(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def ingest(home: Home, engine: Engine, playbook: Playbook, on_file: OnFile | None = None) -> Ledger:
    """Read what is new under the ingest lock and return the home's ledger as it is then, as `load_ledger` does.

    A killed ingest leaves the ledger as it was; what it had parsed is kept by content and not parsed again.
    """
    with home.lock("ingest"):
        lake = Lake(home.lake)
        ledger = _load_current(home)
        pending_file = home.lake / "ledger.pending.json"
        pending = Ledger.load(pending_file)
        if pending.version == ledger.version:
            ledger.contents = {**pending.contents, **ledger.contents}
        new = arrivals(home, ledger, playbook)
        for number, (arrival, content_id, content) in enumerate(_read(home, engine, ledger, new), start=1):
            _deliver(ledger, arrival, content_id, content)
            if on_file:
                on_file(number, len(new), arrival.path)
            if number % 25 == 0:
                pending.version, pending.contents = ledger.version, ledger.contents
                pending.save(pending_file)
        if new or ledger.settled != ledger.active("events"):
            _forget_unused(ledger)
            duplicates.settle(lake, engine, ledger)
            accounts.settle(lake, ledger)
            _resolve_first_week(lake, ledger, playbook.calendar)
            ledger.save(ledger_file(home))
        discard(pending_file)
        shutil.rmtree(home.lake / ".staging", ignore_errors=True)
        return load_ledger(home)


def _load_current(home: Home) -> Ledger:
    """The ledger, emptied where this code would land rows in another way than the code that wrote it."""
    ledger = Ledger.load(ledger_file(home))
    if ledger.version == duplicates.version():
        return ledger
    return Ledger(version=duplicates.version(), first_week=ledger.first_week)


def _read(home: Home, engine: Engine, ledger: Ledger, new: list[Arrival]) -> Iterator[tuple[Arrival, str, Content]]:
    lake = Lake(home.lake)

    def work(connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> tuple[Arrival, str, Content]:
        file = home.landing / arrival.path
        try:
            content_id = _content_id(file, arrival)
            known = ledger.contents.get(content_id)
            if known is not None and _is_landed(lake, content_id, known):
                content = known
            else:
                content = _read_content(connection, lake, file, content_id, arrival)
            grown = _signature(file) != arrival.signature
        except FileNotFoundError:
            grown, content_id = True, "gone"
        if grown:
            reason = "still growing: the file changed while it was read; it is read when it is whole"
            return (
                arrival,
                f"growing-{content_id}",
                Content(kind=arrival.kind, bytes=arrival.signature[0], problem=reason, reading=arrival.meaning),
            )
        return arrival, content_id, content

    yield from engine.map(work, new)


def _is_landed(lake: Lake, content_id: str, content: Content) -> bool:
    """Whether everything of a content lies in the lake; somebody may have deleted a part that was damaged."""
    files = [lake.file("landed_events", week, content_id) for week in content.parts]
    if content.quarantined:
        files.append(lake.file(f"quarantined_{content.kind}", content_id))
    if content.kind == "accounts" and content.problem is None:
        files.append(lake.file("landed_accounts", content_id))
    return all(file.is_file() for file in files)


def _read_content(
    connection: duckdb.DuckDBPyConnection, lake: Lake, file: Path, content_id: str, arrival: Arrival
) -> Content:
    try:
        if arrival.kind == "accounts":
            return accounts.read_snapshot(lake, file, content_id)
        if arrival.reading is None:
            return land(connection, lake, file, content_id)
        content = land(connection, lake, file, content_id, partial(open_sent, reading=arrival.reading))
        return content.model_copy(update={"reading": arrival.meaning})
    except UnusableFile as error:
        problem = str(error)
        return Content(kind=arrival.kind, bytes=file.stat().st_size, problem=problem, reading=arrival.meaning)


def _content_id(file: Path, arrival: Arrival) -> str:
    """Digest of the bytes and of how they are read: the same bytes under another ending, another day's folder of
    accounts, or another entry in the settings, are another content."""
    with file.open("rb") as opened:
        read = hashlib.file_digest(opened, "sha256")
    if arrival.kind == "accounts":
        how = f"accounts {accounts.day_folder(file)} {file.suffix}"
    elif arrival.reading is not None:
        ending = next((ending for ending in (".gz", ".zip") if file.name.endswith(ending)), "")
        how = f"events {arrival.meaning} {_format(arrival.reading, file)} {ending}"
    else:
        how = f"events {(suffix_of(file) or file.suffix).replace('.ndjson', '.jsonl')}"
    read.update(how.encode())
    return read.hexdigest()[:20]


def _format(reading: Reading, file: Path) -> str:
    try:
        return reading.format_of(file)
    except UnusableFile:
        return f"unknown {file.name}"


def _deliver(ledger: Ledger, arrival: Arrival, content_id: str, content: Content) -> None:
    before = ledger.deliveries.get(arrival.path)
    usable = ledger.used(before) if before else None
    # Rows of the earlier content stay while the file can't be used, but not once the settings read it otherwise:
    # what counts would then depend on what the settings once were.
    keeps = content.problem is not None and usable is not None and ledger.contents[usable].reading == content.reading
    if usable not in (None, content_id) and not keeps:
        ledger.replaced.append((arrival.path, str(usable)))
    ledger.contents[content_id] = content
    ledger.deliveries[arrival.path] = Delivery(
        kind=arrival.kind,
        content=content_id,
        signature=arrival.signature,
        kept=usable if keeps else None,
    )


def _forget_unused(ledger: Ledger) -> None:
    used = {content for _, content in ledger.replaced}
    for delivery in ledger.deliveries.values():
        used |= {delivery.content, *([delivery.kept] if delivery.kept else [])}
    ledger.contents = {key: content for key, content in sorted(ledger.contents.items()) if key in used}


def _resolve_first_week(lake: Lake, ledger: Ledger, calendar: Calendar) -> None:
    """The first week with landed rows, fixed once: history that arrives later does not move the series' start."""
    week = ledger.earliest()
    if ledger.first_week is not None or week is None:
        return
    files = [str(lake.file("landed_events", *part)) for part in ledger.parts((week,))]
    with duckdb.connect() as own:
        (first,) = own.execute("SELECT min(occurred_at) FROM read_parquet($files)", {"files": files}).fetchall()[0]
    ledger.first_week = calendar.week_of(first.replace(tzinfo=UTC))
