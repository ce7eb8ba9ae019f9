"""The calendar: weeks, their bounds as instants, and the only place that asks the clock.

What belongs here: arithmetic on weeks in a playbook's time zone. What does not: which weeks are stale
(`planning`), or Dagster's view of them (`orchestration.partitions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

WEEK = timedelta(days=7)
# Not `localtime`: it is another zone on every machine.
ZONES = frozenset(available_timezones() - {"localtime"})
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def utc_now() -> datetime:
    """The wall clock. No other module asks for the time."""
    return datetime.now(UTC)


def utc_week(day: date) -> date:
    """Monday of the day's UTC week: the week by which landed rows lie, whatever the playbook's zone."""
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True)
class Calendar:
    """Weeks of one installation: time zone, first day of the week and, for historic homes, a frozen today.

    `as_of` is a day; now is then its last instant, so that a week whose Sunday is `as_of` is still the
    week in progress (it closes with the Monday after).
    """

    zone: str = "UTC"
    starts_on: int = 0
    as_of: date | None = None

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def now(self) -> datetime:
        """The present instant (UTC): the wall clock, or the last microsecond of `as_of`."""
        if self.as_of is None:
            return utc_now()
        midnight = datetime.combine(self.as_of + timedelta(days=1), time(), self.tz)
        return midnight.astimezone(UTC) - timedelta(microseconds=1)

    def today(self) -> date:
        """The present local day."""
        return self.now().astimezone(self.tz).date()

    def week_of(self, instant: datetime) -> date:
        """First day of the week whose bounds hold an instant.

        The bounds decide, not the local date: where a clock is set back over midnight, a day goes on for an hour
        after the next one, and its week, has begun.
        """
        week = self.week_of_day(instant.astimezone(self.tz).date())
        naive = instant.astimezone(UTC).replace(tzinfo=None)
        start, end = self.bounds(week)
        return week - WEEK if naive < start else week + WEEK if naive >= end else week

    def week_of_day(self, day: date) -> date:
        """First day of the week that holds a local day."""
        return day - timedelta(days=(day.weekday() - self.starts_on) % 7)

    def current(self) -> date:
        """The week in progress."""
        return self.week_of(self.now())

    def last_complete(self) -> date:
        """The newest week that has ended."""
        return self.current() - WEEK

    def bounds(self, week: date) -> tuple[datetime, datetime]:
        """Start (inclusive) and end (exclusive) of a week as naive UTC instants, as landed rows carry them."""
        return self.instant(week), self.instant(week + WEEK)

    def closes(self, week: date, hours: int) -> datetime:
        """When a window that reaches some hours past a week's end has closed (naive UTC); whole days may be local."""
        end = week + WEEK
        return max(self.instant(end) + timedelta(hours=hours), self.instant(end + timedelta(days=hours // 24)))

    def has_passed(self, instant: datetime) -> bool:
        """Whether a naive UTC instant lies in the past."""
        return instant <= self.now().replace(tzinfo=None)

    def instant(self, day: date) -> datetime:
        """The first instant of a local day, naive UTC: midnight, the first of two, or where the clock leapt over it."""
        return datetime.combine(day, time(), self.tz).astimezone(UTC).replace(tzinfo=None)

    def is_utc_week(self, week: date) -> bool:
        """Whether a week is exactly one of those by which landed rows lie. A week of London that ends in summer time
        lies within one, but is an hour shorter."""
        return self.bounds(week) == (datetime.combine(week, time()), datetime.combine(week + WEEK, time()))

    def utc_weeks(self, week: date) -> tuple[date, ...]:
        """The UTC weeks that overlap a local week: one or two."""
        start, end = self.bounds(week)
        first, last = utc_week(start.date()), utc_week((end - timedelta(microseconds=1)).date())
        return tuple(span(first, last))

    def next_start(self, day: date) -> date:
        """The day itself if a week starts on it, else the next day on which one does (for messages)."""
        return day if self.week_of_day(day) == day else self.week_of_day(day) + WEEK


def span(first: date, last: date) -> Iterator[date]:
    """Weeks from `first` to `last`, both included."""
    week = first
    while week <= last:
        yield week
        week += WEEK
