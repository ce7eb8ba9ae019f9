"""The calendar of a sample: its weeks, seasons, delivery periods, and the weeks in which incidents lie.

Belongs here: everything that follows from dates alone. No randomness, no files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp
from typing import Literal

from nsm_pipeline.sample.spec import SampleSpec
from nsm_pipeline.weeks import utc_week

Layout = Literal["parquet", "csv", "jsonl"]

DAY = 86_400
EPOCH = date(1970, 1, 1)
JSONL_WEEKS = 2
CSV_WEEKS = 4
ROOM_FOR_INCIDENTS = 12  # weeks, with
ROWS_FOR_INCIDENTS = 50  # rows each: a listed incident must be there to be found
RENAME = date(2026, 1, 5)  # the packaged CI playbook knows this Monday
DUAL_RUN_WEEKS = 2
HOLIDAY_VOLUME = 0.65
SUMMER_DIP = 0.05


@dataclass(frozen=True)
class Period:
    """One delivery: rows received from ``start`` (a UTC day) for ``days`` days lie in one file."""

    week: int
    start: date
    days: int
    layout: Layout
    typed_times: bool

    @property
    def end_second(self) -> int:
        """The first second (since 1970, UTC) that no longer belongs to this period."""
        return seconds(self.start) + self.days * DAY


@dataclass(frozen=True)
class Timeline:
    """Weeks 0 … ``weeks`` - 1 from ``first_week``; the last one ends on ``as_of``, a Thursday.

    The incident weeks are indices, and None when the history is too short or too thin for incidents.
    ``cut_over`` is the week of the rename counted from the first one; it may lie outside the history.
    """

    weeks: int
    first_week: date
    as_of: date
    cut_over: int
    outage: int | None
    truncated: int | None
    conflicting: int | None
    redelivered: int | None
    bad_rows: date | None

    def monday(self, week: int) -> date:
        return self.first_week + timedelta(weeks=week)

    def days(self, week: int) -> int:
        """Days of the week that have happened: 7, or 4 for the week in progress."""
        return 7 if week < self.weeks - 1 else (self.as_of - self.monday(week)).days + 1

    def progress(self, week: int) -> float:
        """0 in the first week, 1 in the last."""
        return week / max(1, self.weeks - 1)

    def in_dual_run(self, week: int) -> bool:
        return self.cut_over <= week < self.cut_over + DUAL_RUN_WEEKS

    def season(self, week: int) -> float:
        """Volume of the week relative to an ordinary one: holidays and the summer dip."""
        monday = self.monday(week)
        if is_holiday_week(monday):
            return HOLIDAY_VOLUME
        from_midsummer = (monday.timetuple().tm_yday + 3 - 212) / 22
        return 1 - SUMMER_DIP * exp(-(from_midsummer**2))

    def periods(self) -> Iterator[Period]:
        """Deliveries in order: weekly Parquet, then weekly CSV, then daily JSON lines."""
        for week in range(self.weeks):
            monday, days = self.monday(week), self.days(week)
            if week >= self.weeks - JSONL_WEEKS:
                for day in range(days):
                    yield Period(week, monday + timedelta(days=day), 1, "jsonl", False)
            elif week >= self.weeks - JSONL_WEEKS - CSV_WEEKS:
                yield Period(week, monday, days, "csv", False)
            else:
                yield Period(week, monday, days, "parquet", typed_times=week < self.weeks // 2)


def seconds(day: date) -> int:
    """Seconds from 1970 to the start of a UTC day."""
    return (day - EPOCH).days * DAY


def is_holiday_week(monday: date) -> bool:
    """Whether the week contains 25 December or 1 January."""
    days = [monday + timedelta(days=n) for n in range(7)]
    return any((day.month, day.day) in {(12, 25), (1, 1)} for day in days)


def timeline(spec: SampleSpec) -> Timeline:
    """The calendar of a spec, incidents placed relative to the span."""
    last = utc_week(spec.end)
    first = last - timedelta(weeks=spec.weeks - 1)
    cut_over = (RENAME - first).days // 7
    outage = truncated = conflicting = redelivered = bad_rows = None

    def holiday(week: int) -> bool:
        return is_holiday_week(first + timedelta(weeks=week))

    if spec.weeks >= ROOM_FOR_INCIDENTS and spec.events >= ROWS_FOR_INCIDENTS * spec.weeks:
        newest = spec.weeks - JSONL_WEEKS - 1
        dual_run = range(cut_over, cut_over + DUAL_RUN_WEEKS)
        outage = _nearest(spec.weeks * 0.8, newest, lambda w: not holiday(w) and w not in dual_run)
        truncated = round(spec.weeks * 0.18)
        conflicting = round(spec.weeks * 0.28)
        redelivered = round(spec.weeks * 0.36)
        bad_rows = last - timedelta(days=5)
    return Timeline(
        weeks=spec.weeks,
        first_week=first,
        as_of=last + timedelta(days=3),
        cut_over=cut_over,
        outage=outage,
        truncated=truncated,
        conflicting=conflicting,
        redelivered=redelivered,
        bad_rows=bad_rows,
    )


def _nearest(wanted: float, newest: int, fits: Callable[[int], bool]) -> int:
    """The fitting week nearest to the wanted one; the later of two equally near."""
    weeks = [week for week in range(1, newest + 1) if fits(week)]
    return min(weeks, key=lambda week: (abs(week - round(wanted)), -week))
