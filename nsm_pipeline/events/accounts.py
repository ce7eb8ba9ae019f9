"""Account snapshots: landing files → one table per `as_of` day, and which snapshot a week sees.

What belongs here: reading and typing snapshots. What does not: joining them to events (`usage`).

`accounts/<as_of>/<digest>.parquet`: account_id, plan, segment (text), seats (integer), is_internal (boolean),
created_on (date), and any further column as text. One row per account.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.events.csv_rows import csv_table
from nsm_pipeline.events.files import UnusableFile, check_whole
from nsm_pipeline.events.ledger import Content, Ledger
from nsm_pipeline.lake import Lake, digest
from nsm_pipeline.weeks import WEEK

STANDARD = pa.schema(
    [
        ("account_id", pa.string()),
        ("plan", pa.string()),
        ("segment", pa.string()),
        ("seats", pa.int64()),
        ("is_internal", pa.bool_()),
        ("created_on", pa.date32()),
    ]
)
QUARANTINE = pa.schema([("row_number", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])
BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "t": True, "f": False, "yes": True, "no": False}


def read_snapshot(lake: Lake, file: Path, content_id: str) -> Content:
    """Land one snapshot file; rows with an unreadable value are set aside with the reason. Raises UnusableFile."""
    as_of = _as_of(file)
    check_whole(file)
    names, rows = _rows(file)
    if "account_id" not in names:
        raise UnusableFile(f"has no column 'account_id'; its columns: {', '.join(names)}")
    extras = [name for name in names if name not in STANDARD.names]
    good: list[dict[str, object]] = []
    bad: list[dict[str, object]] = []
    for number, row in enumerate(rows, start=1):
        typed, reason = _typed(row, extras, names)
        if reason is None:
            good.append(typed)
        else:
            bad.append({"row_number": number, "reason": reason, "raw": repr(row)})
    schema = pa.schema([*STANDARD, *((name, pa.string()) for name in extras)])
    lake.write(pa.Table.from_pylist(good, schema), content_id, "landed_accounts", content_id)
    if bad:
        lake.write(pa.Table.from_pylist(bad, QUARANTINE), content_id, "quarantined_accounts", content_id)
    return Content(
        kind="accounts", bytes=file.stat().st_size, rows=len(good) + len(bad), quarantined=len(bad), as_of=as_of
    )


def settle(lake: Lake, ledger: Ledger) -> None:
    """One table per as_of day over its files; of several rows of one account the first path's first row stays."""
    by_day: dict[date, list[str]] = {}
    for content_id in ledger.active("accounts"):
        if (as_of := ledger.contents[content_id].as_of) is not None:
            by_day.setdefault(as_of, []).append(content_id)
    snapshots: dict[date, str] = {}
    for as_of, contents in sorted(by_day.items()):
        fingerprint = digest(contents)
        if not lake.exists("accounts", as_of, fingerprint):
            tables = [lake.read("landed_accounts", content_id) for content_id in contents]
            whole = pa.concat_tables(tables, promote_options="default")
            first: dict[str, int] = {}
            for place, account in enumerate(whole["account_id"].to_pylist()):
                first.setdefault(account, place)
            table = whole.take(pa.array(first.values(), pa.int64())).sort_by("account_id")
            lake.write(table, fingerprint, "accounts", as_of, fingerprint)
        _count_repeated(lake, ledger, contents)
        snapshots[as_of] = fingerprint
    ledger.snapshots = snapshots


def _count_repeated(lake: Lake, ledger: Ledger, contents: list[str]) -> None:
    seen: set[str] = set()
    for content_id in contents:
        accounts = lake.read("landed_accounts", content_id)["account_id"].to_pylist()
        ledger.contents[content_id].duplicates = len(accounts) - len(set(accounts) - seen)
        seen.update(accounts)


def snapshot_of(ledger: Ledger, week: date) -> tuple[date, str] | None:
    """The newest snapshot at or before a week's end (the next week's first midnight), else the oldest; None
    where there is none at all."""
    days = sorted(ledger.snapshots)
    if not days:
        return None
    chosen = max((day for day in days if day <= week + WEEK), default=days[0])
    return chosen, ledger.snapshots[chosen]


def day_folder(file: Path) -> str | None:
    """The innermost folder `as_of=…` that a file lies in."""
    return next((part for part in reversed(file.parts[:-1]) if part.startswith("as_of=")), None)


def _as_of(file: Path) -> date:
    folder = day_folder(file)
    if folder is None:
        raise UnusableFile("lies in no folder as_of=YYYY-MM-DD, so its day is unknown")
    try:
        return date.fromisoformat(folder.removeprefix("as_of="))
    except ValueError:
        raise UnusableFile(f"found the folder '{folder}'; as_of=YYYY-MM-DD is needed") from None


def _rows(file: Path) -> tuple[list[str], list[dict[str, object] | list[str]]]:
    """Column names and rows of a file; a row that has not the header's fields as a list."""
    if file.name.endswith(".parquet"):
        try:
            table = pq.read_table(file, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise UnusableFile(f"unreadable: {str(error).splitlines()[0]}") from None
        return table.column_names, list(table.to_pylist())
    if not file.name.endswith(".csv"):
        raise UnusableFile(f"unknown format '{file.name}'; accepted endings: .parquet, .csv")
    header, rows = csv_table(file)
    return header, [dict(zip(header, row, strict=True)) if len(row) == len(header) else row for row in rows]


def _typed(
    row: dict[str, object] | list[str], extras: list[str], names: list[str]
) -> tuple[dict[str, object], str | None]:
    if isinstance(row, list):
        return {}, f"has {len(row)} fields where the header has {len(names)}"
    typed: dict[str, object] = {name: _text(row.get(name)) for name in (*extras, "account_id", "plan", "segment")}
    if typed["account_id"] is None:
        return {}, "account_id is missing"
    try:
        seats, internal, created = row.get("seats"), row.get("is_internal"), row.get("created_on")
        typed["seats"] = None if seats in (None, "") else int(float(str(seats)))
        typed["is_internal"] = False if internal in (None, "") else BOOLEANS[str(internal).strip().lower()]
        typed["created_on"] = None if created in (None, "") else date.fromisoformat(str(created)[:10])
    except (ValueError, KeyError, OverflowError) as error:
        return {}, f"seats, is_internal or created_on is unreadable: {error}"
    return typed, None


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)
