"""Events that collapse against what is usual for the season.

What belongs here: levels, seasons and the test. What does not: why an event collapsed (`renames`).

Usual is the median of the LEVEL weeks before, without weeks that have collapsed themselves. The season is what all
events together did in the same weeks of the year before; without a year before, the turn of the year alone is known to
be quiet. An event has collapsed where fewer than half of the expected rows came, and that is no chance: by SURE
standard deviations of counts that vary as much as this event's do. Rows of up to TOGETHER weeks are taken together, so
that an event of a few rows a week is seen as well. A week is judged by what was known when the last of these had ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from statistics import median

from nsm_pipeline.weeks import WEEK

LEVEL = 8
LEVEL_AFTER = 4
COLLAPSED = 0.5
SURE = 4.0
TOGETHER = 3
GONE = 0.05
ENOUGH = 20
"""Where next to nothing is left of so many expected rows, no chance is asked about."""
RELEARN = 8
"""After so many weeks down, what comes is taken as the new level."""
YEAR_END = 0.3
"""At the turn of the year, as long as no year before is known, a week may fall to this share of what is usual."""
HALF_OF_SQUARES = 0.455
"""The median of a squared standard normal number: turns a median of squares into a variance."""

OF_A_MEDIAN = 1.57
"""The variance of a median of normal numbers, times that of their mean."""

Counts = Mapping[date, float]


@dataclass(frozen=True)
class Collapse:
    """An event (or all, `event` empty) from `week` to `last` (ongoing where that is the newest week judged).

    `noticed`: the last week that was needed to see it; `rows` and `expected`: of the weeks up to then."""

    event: str
    week: date
    last: date
    noticed: date
    rows: float
    expected: float

    @property
    def share(self) -> float:
        return self.rows / self.expected


@dataclass
class _Level:
    """What is usual, as of one week."""

    seen: list[float] = field(default_factory=list)

    @property
    def usual(self) -> float:
        return median(self.seen[-LEVEL:]) if len(self.seen) >= LEVEL_AFTER else 0.0

    @property
    def spread(self) -> float:
        """How many times the variance of counts is that of chance alone; 1 at least. From changes between neighbours,
        which a trend or a step moves little."""
        recent = self.seen[-LEVEL - 1 :]
        squares = [(b - a) ** 2 / (a + b) for a, b in pairwise(recent) if a + b]
        return max(1.0, median(squares or [0.0]) / HALF_OF_SQUARES)


def collapses(
    event: str, counts: Counts, weeks: Sequence[date], season: Counts, until: date | None = None
) -> list[Collapse]:
    """Every collapse of one event's weekly counts; `season`: share of the usual that a week is expected to have;
    `until`: the week in which the event ends by its declaration, from which nothing is expected."""
    found: list[Collapse] = []
    level = _Level()
    down: list[date] = []
    begun = False
    for place, week in enumerate(weeks):
        if until is not None and week + WEEK > until:
            break
        count = counts.get(week, 0)
        begun = begun or count > 0
        if not begun:
            continue
        if down:
            if count < COLLAPSED * level.usual * season.get(week, 1.0):
                down.append(week)
                found[-1] = _extended(found[-1], week)
                if len(down) >= RELEARN:
                    level, down = _Level([counts.get(one, 0) for one in down]), []
                continue
            down = []
        collapse = _collapse(event, counts, weeks[place : place + TOGETHER], season, level, until)
        if collapse is not None:
            found.append(collapse)
            down = [week]
        else:
            level.seen.append(count)
    return found


def _collapse(
    event: str, counts: Counts, weeks: Sequence[date], season: Counts, level: _Level, until: date | None
) -> Collapse | None:
    """Whether an event collapses with the first of some weeks, seen with as few of them as possible."""
    rows = expected = 0.0
    for place, week in enumerate(weeks):
        if until is not None and week + WEEK > until:
            return None
        count, usual = counts.get(week, 0), level.usual * season.get(week, 1.0)
        if count >= COLLAPSED * usual:
            return None
        rows, expected = rows + count, expected + usual
        if count <= GONE * usual and usual >= ENOUGH:
            return Collapse(event, weeks[0], weeks[0], week, rows, expected)
        # The level is no more than a median of a few weeks, and its error is the same in each of those judged by it.
        known = min(len(level.seen), LEVEL)
        variance = level.spread * expected * (1 + OF_A_MEDIAN * (place + 1) / known) if known else 0.0
        if usual and expected - rows >= SURE * variance**0.5:
            return Collapse(event, weeks[0], weeks[0], week, rows, expected)
    return None


def _extended(collapse: Collapse, week: date) -> Collapse:
    return Collapse(collapse.event, collapse.week, week, collapse.noticed, collapse.rows, collapse.expected)


def seasons(totals: Counts, weeks: Sequence[date]) -> dict[date, float]:
    """Per week the share of the usual that all events together are expected to have: the least of the three weeks
    around the same one of the year before, as holidays move; never more than all of it, and nothing that a
    collapse of that time would excuse."""
    found: dict[date, float] = {}
    ratios: dict[date, float] = {}
    level = _Level()
    for week in weeks:
        before = [ratios[week - back * WEEK] for back in (51, 52, 53) if week - back * WEEK in ratios]
        found[week] = min([1.0, *before]) if before else YEAR_END if is_year_end(week) else 1.0
        count, usual = totals.get(week, 0), level.usual
        collapsed = count < COLLAPSED * usual * found[week]
        if usual and not collapsed:
            ratios[week] = count / usual
        if not collapsed or not usual:
            level.seen.append(count)
    return found


def is_year_end(week: date) -> bool:
    """Whether a week holds a day from Christmas Eve to New Year's Day."""
    days = [week + n * date.resolution for n in range(7)]
    return any((day.month, day.day) >= (12, 24) or (day.month, day.day) == (1, 1) for day in days)


def shared_fall(event: str, collapse: Collapse, counts: Mapping[str, Counts], weeks: Sequence[date]) -> bool:
    """Whether the other events fell as much in the weeks of a collapse: then it is not this event's own."""
    others = {name: found for name, found in counts.items() if name != event}
    before = [week for week in weeks if week < collapse.week][-LEVEL:]
    during = [week for week in weeks if collapse.week <= week <= collapse.noticed]
    usual = sum(median([found.get(week, 0) for week in before]) for found in others.values()) if before else 0.0
    rows = sum(found.get(week, 0) for found in others.values() for week in during)
    return (
        bool(usual)
        and rows < usual * len(during)
        and collapse.rows >= COLLAPSED * collapse.expected * rows / (usual * len(during))
    )
