"""Times as senders write them → instants: local clocks by the zone's rules, and SQL for each way of writing.

What belongs here: one time. What does not: whose time it is (`mapping`).

The rules come from the same database as the calendar's weeks, not from DuckDB's own copy, which is of another age and
takes the later of two readings of an hour that happens twice; here it is the earlier one, as in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST, END = datetime(1999, 12, 1, tzinfo=UTC), datetime(2200, 2, 1, tzinfo=UTC)
STEP = timedelta(days=5)
FIRST_YEAR, LAST_YEAR = 1999, 2200
# Text with a time and, behind it, a zone; text of a day or a time without one.
ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*( ?UTC|[Zz]|[+-]\d\d(:?\d\d){0,2})$"
NAIVE = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?$"
MICROSECONDS = {"epoch_seconds": 1_000_000, "epoch_milliseconds": 1000, "epoch_microseconds": 1,
                "local_epoch_seconds": 1_000_000}  # fmt: skip
# What a number too large for a time becomes: out of range, and refused as such.
BEYOND = "TIMESTAMP '9999-01-01'"


@lru_cache(maxsize=64)
def offsets(zone: str) -> tuple[tuple[datetime, int], ...]:
    """From which local time (naive) on a zone is how many microseconds ahead of UTC, from 2000 to 2200.

    A local time that happens twice is read as the first of the two; one that a clock leaps over as before the leap.
    """
    tz = ZoneInfo(zone)

    def ahead(instant: datetime) -> timedelta:
        return instant.astimezone(tz).utcoffset() or timedelta()

    rules = [(datetime(1, 1, 1), ahead(FIRST))]
    instant = FIRST
    while instant < END:
        later = instant + STEP
        if ahead(later) != rules[-1][1]:
            change = _change(ahead, instant, later)
            before, after = rules[-1][1], ahead(change)
            rules.append(((change + max(before, after)).replace(tzinfo=None), after))
            later = change  # there may be a second one within the step
        instant = later
    return tuple((start, offset // timedelta(microseconds=1)) for start, offset in rules)


def _change(ahead: Callable[[datetime], timedelta], before: datetime, after: datetime) -> datetime:
    """The first second after `before` at which the offset is another one."""
    low, high = before, after
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if ahead(middle) == ahead(before) else (low, middle)
    return high


@lru_cache(maxsize=64)
def rules_by_year(zone: str) -> list[list[list[int]]]:
    """A zone's rules for each local year from FIRST_YEAR: (since, ahead) in microseconds, what is in force first."""
    rules = [((since - datetime(1970, 1, 1)) // timedelta(microseconds=1), ahead) for since, ahead in offsets(zone)]
    years = []
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        first, end = ((datetime(y, 1, 1) - datetime(1970, 1, 1)) // timedelta(microseconds=1) for y in (year, year + 1))
        before = [rule for rule in rules if rule[0] <= first][-1]
        years.append([list(rule) for rule in rules if rule == before or first < rule[0] < end])
    return years


def by_rules_sql(local: str, rules: str) -> str:
    """SQL of the instant of a local time by `rules_by_year`: of its year's few rules the last that has begun. (A join
    with the rules would have to sort the file.)"""
    year = f"least(greatest(year({local}), {FIRST_YEAR}), {LAST_YEAR}) - {FIRST_YEAR - 1}"
    ahead = f"list_filter(({rules})[{year}], lambda rule: rule[1] <= epoch_us({local}))[-1][2]"
    return f"CASE WHEN {local} IS NOT NULL THEN make_timestamp(epoch_us({local}) - {ahead}) END"


def zoned_sql(text: str, times: str) -> str:
    """SQL of the instant (naive UTC) that a text says by itself; null where it needs a zone or is no time."""
    if times != "iso":
        return "NULL::TIMESTAMP" if times.startswith("local_") else _epoch_sql(text, MICROSECONDS[times])
    # A plain TIMESTAMP cast drops a zone offset silently, and the zoned one is slow: only where there is an offset.
    return f"""CASE WHEN NOT regexp_matches({text}, '{ZONED}') THEN NULL
        WHEN {text}[-1] IN ('Z', 'z') THEN try_cast({text} AS TIMESTAMP)
        WHEN ends_with({text}, 'UTC') THEN try_cast(rtrim({text}[:-4]) AS TIMESTAMP)
        ELSE timezone('UTC', try_cast({text} AS TIMESTAMPTZ)) END"""


def local_sql(text: str, times: str) -> str:
    """SQL of the local time that a text says without a zone; null where it says one, or is no time."""
    if times != "iso":
        return _epoch_sql(text, MICROSECONDS[times]) if times.startswith("local_") else "NULL::TIMESTAMP"
    return f"CASE WHEN regexp_matches({text}, '{NAIVE}') THEN try_cast({text} AS TIMESTAMP) END"


def _epoch_sql(text: str, microseconds: int) -> str:
    number = f"try_cast({text} AS DECIMAL(30, 6))"
    return f"""CASE WHEN abs({number}) < {10**17 // microseconds}
        THEN make_timestamp(({number} * {microseconds})::BIGINT) WHEN {number} IS NOT NULL THEN {BEYOND} END"""
