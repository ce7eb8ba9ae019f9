"""The step that says, per declared source, what it has sent: from landed rows, once per state of the landing zone.

What belongs here: counting by source. What does not: copies of one fact (`copies`), drift. Second deliveries count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from nsm_pipeline.drift.pasting import properties
from nsm_pipeline.lake import digest, write_text
from nsm_pipeline.playbook.models import Source
from nsm_pipeline.steps.opening import Open

SOURCES_VERSION = 1
EVER = (datetime(1, 1, 1), datetime(9999, 12, 31))


@dataclass(frozen=True)
class SourceSent:
    """One declared source of an event: rows landed under its name while it is in force, from how many accounts, and
    the first and last week; both weeks are None where it has sent nothing."""

    use_case: str
    event: str
    name: str
    since: date | None
    until: date | None
    preferred: bool
    mapping: dict[str, object]
    rows: int
    accounts: int
    first_week: date | None
    last_week: date | None


def sources_sent(opened: Open) -> list[SourceSent]:
    """Every declared source with what it has sent, in the order of the playbook."""
    declared = [
        (name, event_name, source)
        for name, use_case in opened.playbook.use_cases.items()
        for event_name, event in use_case.events.items()
        for source in event.sources
    ]
    facts = _facts(opened, [source for _, _, source in declared])
    return [
        SourceSent(
            name,
            event,
            source.name,
            source.since,
            source.until,
            source.preferred,
            properties(source.properties),
            *facts[_key(source)],
        )
        for name, event, source in declared
    ]


Facts = tuple[int, int, date | None, date | None]


def _key(source: Source) -> str:
    return f"{source.since} {source.until} {source.name}"


def _facts(opened: Open, sources: Sequence[Source]) -> dict[str, Facts]:
    """Rows, accounts, first and last week by source, kept until files land or sources change."""
    wanted = {_key(source): source for source in sources}
    files = opened.usage.files(
        (week, content) for content in opened.ledger.active("events") for week in opened.ledger.contents[content].parts
    )
    calendar = opened.calendar
    key = digest(SOURCES_VERSION, files, sorted(wanted), calendar.zone, calendar.starts_on)
    store = opened.home.lake / ".gathered" / "sources.json"
    try:
        kept = json.loads(store.read_bytes())
    except (FileNotFoundError, ValueError):
        kept = {}
    if kept.get("key") != key:
        kept = {"key": key, "sources": _count(opened, files, wanted) if files else {}}
        write_text(store, json.dumps(kept, default=str))
    found: dict[str, Facts] = dict.fromkeys(wanted, (0, 0, None, None))
    for name, (rows, accounts, first, last) in kept["sources"].items():
        found[name] = (rows, accounts, date.fromisoformat(str(first)), date.fromisoformat(str(last)))
    return found


def _count(opened: Open, files: Sequence[str], wanted: dict[str, Source]) -> dict[str, tuple[int, int, date, date]]:
    calendar = opened.calendar
    given = {
        "files": list(files),
        "names": [source.name for source in wanted.values()],
        "since": [calendar.instant(one.since) if one.since else EVER[0] for one in wanted.values()],
        "until": [calendar.instant(one.until) if one.until else EVER[1] for one in wanted.values()],
    }

    def ask(connection: duckdb.DuckDBPyConnection, _: None) -> list[tuple[int, int, int, datetime, datetime]]:
        # By account first: a grouping can spill to disk.
        return connection.execute(
            """WITH sources AS (
                SELECT unnest($names::VARCHAR[]) AS name, unnest($since::TIMESTAMP[]) AS since,
                    unnest($until::TIMESTAMP[]) AS until, unnest(range(len($names))) AS place),
            accounts AS (
                SELECT place, account_id, count(*) AS rows, min(occurred_at) AS first, max(occurred_at) AS last
                FROM read_parquet($files) JOIN sources
                    ON event_name = name AND occurred_at >= since AND occurred_at < until
                GROUP BY ALL)
            SELECT place, sum(rows)::BIGINT, count(*), min(first), max(last) FROM accounts GROUP BY place""",
            given,
        ).fetchall()

    (rows,) = opened.engine.map(ask, [None])
    names = list(wanted)
    return {
        names[place]: (count, accounts, calendar.week_of(_utc(first)), calendar.week_of(_utc(last)))
        for place, count, accounts, first, last in rows
    }


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)
