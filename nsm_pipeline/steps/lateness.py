"""The step that counts how late landed rows came, once per landed file.

What belongs here: counting, and keeping the counts by UTC week and files. What does not: what follows from them
(`drift.lateness`). All landed rows count, second deliveries among them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from nsm_pipeline.drift.lateness import OLD_DAYS, Arrived
from nsm_pipeline.lake import digest, write_text
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import WEEK, utc_week

LATENESS_VERSION = 1
AWAITED = 4
EVENTS = "usage_events/"
Counted = dict[str, Any]


@dataclass(frozen=True)
class Arrivals:
    """Rows by sender, name and delay, and all rows by the UTC day on which they came."""

    arrived: Sequence[Arrived]
    received: dict[date, int]


def arrivals(opened: Open, weeks: Sequence[date] | None = None) -> Arrivals:
    """How late the rows of some UTC weeks came, or of all; only files that were not counted before are read."""
    senders = _senders(opened)
    parts: dict[date, list[str]] = {}
    for content in senders:
        for week in opened.ledger.contents[content].parts:
            if weeks is None or week in weeks:
                parts.setdefault(week, []).append(content)
    calendar = opened.calendar
    file = opened.home.lake / ".gathered" / "lateness.json"
    kept = _load(file, digest(LATENESS_VERSION, calendar.zone, calendar.starts_on))
    keys = {week: digest([(one, senders[one]) for one in found]) for week, found in parts.items()}
    new = [week for week in sorted(parts) if kept["weeks"].get(str(week), {}).get("key") != keys[week]]

    def count(connection: duckdb.DuckDBPyConnection, week: date) -> Counted:
        return {"key": keys[week], **_count(opened, connection, week, parts[week], senders)}

    for week, counted in zip(new, opened.engine.map(count, new), strict=True):
        kept["weeks"][str(week)] = counted
    if new:
        write_text(file, json.dumps(kept, default=str))
    return _joined([kept["weeks"][str(week)] for week in sorted(parts)])


def _senders(opened: Open) -> dict[str, str]:
    """Contents that count, with the landing folder whose sender delivered them: empty for the landing contract."""
    declared = opened.playbook.settings.landing
    found = {}
    for content, path in opened.ledger.active("events").items():
        folder = path.removeprefix(EVENTS).split("/")[0]
        found[content] = folder if folder in declared else ""
    return found


def _load(file: Any, key: str) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        kept = {}
    return kept if kept.get("key") == key else {"key": key, "weeks": {}}


def _count(
    opened: Open, connection: duckdb.DuckDBPyConnection, week: date, contents: Sequence[str], senders: dict[str, str]
) -> Counted:
    """Rows of a UTC week by sender, name, delay and day of arrival; see `Arrived`."""
    calendar = opened.calendar
    # The local weeks that end in or after a UTC week: two, where weeks do not start with Monday's UTC midnight.
    first = calendar.week_of_day(week)
    given = {
        "files": opened.usage.files([(week, content) for content in contents]),
        "senders": [senders[content] for content in contents],
        **{name: calendar.instant(first + n * WEEK) for n, name in enumerate(("begins", "ends", "next"))},
        "old": timedelta(days=OLD_DAYS) // timedelta(microseconds=1),
    }
    rows = connection.execute(
        """WITH rows AS (
            SELECT ($senders::VARCHAR[])[file_index::BIGINT + 1] AS sender, event_name, received_at::DATE AS day,
                greatest(0, epoch_us(received_at) - epoch_us(occurred_at)) AS late,
                greatest(0, epoch_us(received_at) - epoch_us(CASE WHEN occurred_at < $begins THEN $begins
                    WHEN occurred_at < $ends THEN $ends ELSE $next END)) AS after
            FROM read_parquet($files))
        SELECT sender, event_name,
            CASE WHEN late <= 259200000000 THEN (late + 3599999999) // 3600000000
                ELSE 24 * ((late + 86399999999) // 86400000000) END,
            (after + 86399999999) // 86400000000, CASE WHEN late > $old THEN day END, count(*)
        FROM rows GROUP BY ALL ORDER BY ALL""",
        given,
    ).fetchall()
    received = connection.execute(
        """SELECT received_at::DATE, count(*) FROM read_parquet($files) WHERE received_at IS NOT NULL
        GROUP BY 1 ORDER BY 1""",
        {"files": given["files"]},
    ).fetchall()
    return {"rows": [list(map(_plain, row)) for row in rows], "received": [list(map(_plain, row)) for row in received]}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, date) else value


def _joined(counted: Sequence[Counted]) -> Arrivals:
    rows: Counter[tuple[Any, ...]] = Counter()
    received: Counter[date] = Counter()
    for one in counted:
        for *key, count in one["rows"]:
            rows[tuple(key)] += count
        for day, count in one["received"]:
            received[date.fromisoformat(day)] += count
    arrived = [
        Arrived(sender, name, hours, days, date.fromisoformat(day) if day else None, count)
        for (sender, name, hours, days, day), count in rows.items()
    ]
    return Arrivals(arrived, dict(received))


def latest_weeks(opened: Open, count: int) -> list[date]:
    """The UTC weeks of the newest complete weeks, without the last AWAITED, whose late rows have not come yet."""
    return sorted({utc_week(week) for week in opened.complete_weeks[-count - AWAITED : -AWAITED]})
