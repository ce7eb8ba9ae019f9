"""What a home's small tables say about its definitions: events by name, values of metrics, widths of slices.

What belongs here: the summary that rules are given. What does not: reading it (`steps.sightings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

LATELY = 8


@dataclass(frozen=True)
class EventSeen:
    """A declared event in the data: rows and weeks; of the last LATELY complete weeks, rows and missing values."""

    rows: int = 0
    first_week: date | None = None
    last_week: date | None = None
    rows_lately: int = 0
    missing_lately: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class NameSeen:
    """A name as sent that nothing declares, or not for the time at which it came."""

    rows: int
    first_week: date
    last_week: date


@dataclass(frozen=True)
class UseCaseSeen:
    """One use case in the data.

    `events`: those that some stored week knows; one declared since is not among them. `values`: per metric the totals
    of complete weeks that no critical gate withholds. `widths`: per slice the most values in one complete week.
    `complete_weeks`: how many there are in the series.
    """

    events: Mapping[str, EventSeen] = field(default_factory=dict)
    values: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    complete_weeks: int = 0


@dataclass(frozen=True)
class Seen:
    """The whole home: use cases by name, undeclared names, and how many weeks are not built as declared now."""

    use_cases: Mapping[str, UseCaseSeen]
    unmapped: Mapping[str, NameSeen] = field(default_factory=dict)
    weeks: int = 0
    stale_weeks: int = 0
