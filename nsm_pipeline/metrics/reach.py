"""How far beyond its own week a metric reads.

What belongs here: days back, hours ahead, all of history, of one part or of several together. What does not: which
weeks those are (`steps.opening`).
"""

from __future__ import annotations

from dataclasses import dataclass

from nsm_pipeline.metrics.measures import WEEK_DAYS, Measure, Part


@dataclass(frozen=True)
class Reach:
    """How far metrics read: local days back from the week's end, hours past it, all of history. `stored`: whether they
    read anything but the week as it is built, and so need a second pass over stored events."""

    days: int = 7
    hours: int = 0
    history: bool = False
    stored: bool = False

    @property
    def weeks_back(self) -> int:
        return -(-self.days // 7) - 1

    def __or__(self, other: Reach) -> Reach:
        days, hours = max(self.days, other.days), max(self.hours, other.hours)
        return Reach(days, hours, self.history or other.history, self.stored or other.stored)


def reach_of(part: Part) -> Reach:
    """How far one part of a metric reads."""
    if isinstance(part, Measure):
        return Reach(part.scope.days, stored=part.scope.days != WEEK_DAYS)
    journey = part.journey
    back = journey.weeks if journey.kind in ("retention", "lifecycle") else 0
    return Reach(7 + 7 * back, journey.hours, journey.reads_history, stored=True)
