"""Ingest: what is new in the landing zone becomes landed rows by UTC week, quarantine and a ledger entry.

What belongs here: scanning, row validity, writing landed parts. What does not: file formats (`reading`),
which row of an event_id wins (`duplicates`).

Landed parts lie at `landed_events/<UTC Monday>/<content>.parquet`: named by content, so that writing one
again after a kill changes nothing, and by UTC week, so that no setting of the playbook moves them.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.events import accounts, duplicates
from nsm_pipeline.events.ledger import Content, Delivery, Kind, Ledger
from nsm_pipeline.events.reading import UnusableFile, open_source
from nsm_pipeline.home import Home
from nsm_pipeline.lake import Lake
from nsm_pipeline.weeks import Calendar

FOLDERS: dict[str, Kind] = {"usage_events": "events", "accounts": "accounts"}
QUARANTINE = pa.schema(
    [
        ("row_number", pa.int64()),
        ("week", pa.date32()),
        ("occurred_at", pa.timestamp("us")),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)
OnFile = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Arrival:
    """A path of the landing zone that is new or has changed since it was last read."""

    path: str
    kind: Kind
    signature: tuple[int, int, int]


def ledger_file(home: Home) -> Path:
    return home.lake / "ledger.json"


def load_ledger(home: Home) -> Ledger:
    return Ledger.load(ledger_file(home))


def arrivals(home: Home, ledger: Ledger) -> list[Arrival]:
    """Files of the landing zone that the ledger does not know as they are now, by path."""
    found = []
    for folder, kind in FOLDERS.items():
        for file in sorted((home.landing / folder).rglob("*")):
            if not file.is_file() or file.name.startswith((".", "_")) or file.suffix in (".tmp", ".part"):
                continue
            path = file.relative_to(home.landing).as_posix()
            known = ledger.deliveries.get(path)
            signature = _signature(file)
            if known is None or known.signature != signature:
                found.append(Arrival(path, kind, signature))
    return found


def _signature(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def ingest(home: Home, engine: Engine, calendar: Calendar, on_file: OnFile | None = None) -> Ledger:
    """Read what is new under the ingest lock and return the home's ledger as it is then.

    A killed ingest leaves the ledger as it was; what it had parsed is kept by content and not parsed again.
    """
    with home.lock("ingest"):
        lake = Lake(home.lake)
        ledger = _load_current(home)
        pending_file = home.lake / "ledger.pending.json"
        pending = Ledger.load(pending_file)
        if pending.version == ledger.version:
            ledger.contents = {**pending.contents, **ledger.contents}
        new = arrivals(home, ledger)
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
            _resolve_first_week(lake, ledger, calendar)
            ledger.save(ledger_file(home))
        pending_file.unlink(missing_ok=True)
        shutil.rmtree(home.lake / ".staging", ignore_errors=True)
        return ledger


def _load_current(home: Home) -> Ledger:
    """The ledger, emptied where this code would land rows in another way than the code that wrote it."""
    ledger = load_ledger(home)
    if ledger.version == duplicates.version():
        return ledger
    return Ledger(version=duplicates.version(), first_week=ledger.first_week)


def _read(home: Home, engine: Engine, ledger: Ledger, new: list[Arrival]) -> Iterator[tuple[Arrival, str, Content]]:
    lake = Lake(home.lake)

    def work(connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> tuple[Arrival, str, Content]:
        file = home.landing / arrival.path
        try:
            content_id = _content_id(file)
            known = ledger.contents.get(content_id)
            content = known or _read_content(connection, lake, file, content_id, arrival)
            grown = _signature(file) != arrival.signature
        except FileNotFoundError:
            grown, content_id = True, "gone"
        if grown:
            reason = "still growing: the file changed while it was read; it is read when it is whole"
            return (
                arrival,
                f"growing-{content_id}",
                Content(kind=arrival.kind, bytes=arrival.signature[0], problem=reason),
            )
        return arrival, content_id, content

    yield from engine.map(work, new)


def _read_content(
    connection: duckdb.DuckDBPyConnection, lake: Lake, file: Path, content_id: str, arrival: Arrival
) -> Content:
    try:
        if arrival.kind == "accounts":
            return accounts.read_snapshot(lake, file, content_id)
        return land(connection, lake, file, content_id)
    except UnusableFile as error:
        return Content(kind=arrival.kind, bytes=file.stat().st_size, problem=str(error))


def _content_id(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:20]


def _deliver(ledger: Ledger, arrival: Arrival, content_id: str, content: Content) -> None:
    before = ledger.deliveries.get(arrival.path)
    if before and before.content != content_id and ledger.contents[before.content].problem is None:
        ledger.replaced.append((arrival.path, before.content))
    ledger.contents[content_id] = content
    ledger.deliveries[arrival.path] = Delivery(kind=arrival.kind, content=content_id, signature=arrival.signature)


def _forget_unused(ledger: Ledger) -> None:
    used = {delivery.content for delivery in ledger.deliveries.values()} | {content for _, content in ledger.replaced}
    ledger.contents = {key: content for key, content in sorted(ledger.contents.items()) if key in used}


def _resolve_first_week(lake: Lake, ledger: Ledger, calendar: Calendar) -> None:
    """The first week with landed rows, fixed once: history that arrives later does not move the series' start."""
    week = ledger.earliest()
    if ledger.first_week is not None or week is None:
        return
    files = [str(lake.file("landed_events", *part)) for part in ledger.parts((week,))]
    (first,) = duckdb.sql("SELECT min(occurred_at) FROM read_parquet($files)", params={"files": files}).fetchall()[0]
    ledger.first_week = calendar.week_of_day(calendar.local_day(first))


def land(connection: duckdb.DuckDBPyConnection, lake: Lake, file: Path, content_id: str) -> Content:
    """Type and check every row of a file; write valid rows by UTC week and the others to quarantine.

    Raises UnusableFile where the file as a whole can't be read; nothing of it is landed then.
    """
    open_source(connection, file)
    connection.execute(_typed(connection))
    counts = connection.execute("SELECT count(*), count(reason) FROM typed").fetchone()
    assert counts is not None
    rows, quarantined = counts
    parts = _write_parts(connection, lake, content_id) if rows > quarantined else {}
    kept_aside = _write_quarantine(connection, lake, content_id, parts) if quarantined else {}
    connection.execute("DROP TABLE typed")
    return Content(
        kind="events",
        bytes=file.stat().st_size,
        rows=rows,
        quarantined=sum(kept_aside.values()),
        parts=parts,
        quarantined_by_week={week: count for week, count in kept_aside.items() if week is not None},
    )


def _typed(connection: duckdb.DuckDBPyConnection) -> str:
    types = dict(
        connection.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'source'").fetchall()
    )

    def instant(name: str) -> str:
        if types[name] == "TIMESTAMP":
            return name
        # A plain TIMESTAMP cast drops a zone offset silently, and the zoned one is slow: use it only where
        # there is an offset. Words like 'epoch' and 'infinity' are no times.
        return f"""CASE WHEN {name} < '0' OR {name} >= ':' THEN NULL
            WHEN ends_with({name}, 'Z') THEN try_cast({name} AS TIMESTAMP)
            ELSE timezone('UTC', try_cast({name} AS TIMESTAMPTZ)) END"""

    return f"""CREATE OR REPLACE TEMP TABLE typed AS
        WITH parsed AS (SELECT row_number, event_id, event_name, account_id, nullif(user_id, '') AS user_id, properties,
            problem, {instant("occurred_at")} AS occurred, {instant("received_at")} AS received,
            occurred_at IS NOT NULL AND occurred_at::VARCHAR <> '' AS has_occurred,
            received_at IS NOT NULL AND received_at::VARCHAR <> '' AS has_received FROM source)
        SELECT row_number::INTEGER AS row_number, event_id, hash(event_id) AS id_hash,
            hash(event_name, occurred, account_id, user_id, properties) AS content_hash, event_name,
            occurred AS occurred_at, received AS received_at, account_id, user_id, properties,
            date_trunc('week', occurred)::DATE AS week,
            CASE WHEN problem IS NOT NULL THEN problem
                WHEN trim(coalesce(event_id, '')) = '' THEN 'event_id is missing'
                WHEN trim(coalesce(event_name, '')) = '' THEN 'event_name is missing'
                WHEN trim(coalesce(account_id, '')) = '' THEN 'account_id is missing'
                WHEN NOT has_occurred THEN 'occurred_at is missing'
                WHEN occurred IS NULL THEN 'occurred_at is not a time'
                WHEN occurred < TIMESTAMP '2000-01-01' OR occurred >= TIMESTAMP '2200-01-01'
                    THEN 'occurred_at is not between 2000 and 2200'
                WHEN has_received AND received IS NULL THEN 'received_at is not a time'
                WHEN properties IS NULL THEN NULL
                WHEN NOT json_valid(properties) THEN 'properties are not readable as JSON'
                WHEN json_type(properties) = 'NULL' THEN NULL
                WHEN json_type(properties) <> 'OBJECT' THEN 'properties are not an object'
            END AS reason
        FROM parsed"""


def _write_parts(connection: duckdb.DuckDBPyConnection, lake: Lake, content_id: str) -> dict[date, int]:
    weeks = connection.execute(
        "SELECT week, count(*) FROM typed WHERE reason IS NULL GROUP BY week ORDER BY week"
    ).fetchall()
    staging = lake.root / ".staging" / f"{content_id}-{uuid.uuid4().hex}"
    staging.mkdir(parents=True)
    connection.execute(
        """COPY (SELECT * EXCLUDE (reason) FROM typed WHERE reason IS NULL) TO $folder
        (FORMAT parquet, PARTITION_BY (week), COMPRESSION lz4_raw, PARQUET_VERSION v2)""",
        {"folder": str(staging)},
    )
    parts: dict[date, int] = {}
    for week, _ in weeks:
        (written,) = (staging / f"week={week}").iterdir()
        # Counted from what was written, not from what was to be written: the row identity rests on it.
        parts[week] = pq.read_metadata(written).num_rows
        target = lake.file("landed_events", week, content_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        written.replace(target)
    shutil.rmtree(staging)
    return parts


def _write_quarantine(
    connection: duckdb.DuckDBPyConnection, lake: Lake, content_id: str, parts: dict[date, int]
) -> Counter[date | None]:
    """Rows that can't be used, with reason and raw text. A row without a readable time counts for the week in
    which most of its file's rows lie, so that no week's share of quarantined rows leaves it out."""
    usual = min(parts, key=lambda week: (-parts[week], week), default=None)
    found = connection.execute(
        """SELECT typed.row_number::BIGINT AS row_number, coalesce(typed.week, $usual::DATE) AS week,
            typed.occurred_at, typed.reason, source.raw
        FROM typed JOIN source USING (row_number) WHERE typed.reason IS NOT NULL ORDER BY typed.row_number""",
        {"usual": usual},
    )
    rows = found.to_arrow_table().cast(QUARANTINE)
    lake.write(rows, content_id, "quarantined_events", content_id)
    return Counter(rows["week"].to_pylist())
