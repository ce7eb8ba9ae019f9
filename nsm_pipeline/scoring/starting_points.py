"""Where to look after a guardrail has moved: which slices, how much of it, and since when.

What belongs here: the words of `starting_points`. What does not: whether there is a breach (`guardrails`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median

from nsm_pipeline.playbook.guardrails import WARN, Guardrail
from nsm_pipeline.scoring.published import Number, Published
from nsm_pipeline.scoring.status import TREND_WEEKS, Better, settled_values, trailing, worse_by
from nsm_pipeline.weeks import WEEK

EXPLAINS = 0.5
"""Share of a movement from which on a slice explains it."""
SHOWN = 3


@dataclass(frozen=True)
class _Moved:
    """A slice that got worse: its value, its own trailing median, the share of the total's movement that is its (None
    where slices do not make up the total), and the first week of the run in which it has been worse."""

    label: str
    value: float
    reference: float
    worse: float
    share: float | None
    since: date

    @property
    def words(self) -> str:
        share = "" if self.share is None else f"{self.share:.0%} of it: "
        return f"{self.label} ({share}{self.value:.4g} against {self.reference:.4g}, since {self.since})"


def starting_points(published: Published, metric: str, rail: Guardrail, week: date) -> str:
    """Which slices of a counter-metric moved most in the bad direction, against their own median of the same weeks as
    the total, and since which week; and that none explains the movement where none makes up half of it."""
    weeks = rail.weeks or TREND_WEEKS
    value = published.totals[metric][week].value
    usual = trailing(settled_values(published, metric), week, weeks).reference
    attributes = sorted(attribute for name, attribute in published.slices if name == metric)
    if not attributes:
        return "not sliced: look at what changed in this week"
    assert value is not None
    bad = 0.0 if usual is None else _bad(value - usual, rail.better)
    moved = [one for name in attributes for one in _slices(published, (metric, name), rail, week, bad)]
    moved.sort(key=lambda one: (-(one.share if one.share is not None else one.worse), one.label))
    listed = ", ".join(one.words for one in moved[:SHOWN])
    if usual is not None and bad <= 0:
        return f"a level, not a movement: no worse than its median of {weeks} weeks" + (f"; {listed}" if listed else "")
    if not moved:
        return f"no slice of {', '.join(attributes)} got worse by itself"
    if any(one.share is not None and one.share >= EXPLAINS for one in moved):
        return listed
    if all(one.share is None for one in moved):
        return f"worst, slices do not make up the total: {listed}"
    return f"no slice explains half of it: it got worse across {', '.join(attributes)}; most: {listed}"


def _bad(change: float, better: Better) -> float:
    """A change in the bad direction as a number above 0."""
    return change if better == "lower" else -change


def _slices(published: Published, key: tuple[str, str], rail: Guardrail, week: date, total: float) -> Iterator[_Moved]:
    """Slices that got worse by more than the warning's width. Suppressed ones have no value and are left out."""
    weeks, by_week = rail.weeks or TREND_WEEKS, published.slices[key]
    width = rail.warn if rail.weeks is not None and rail.warn is not None else WARN
    whole = published.totals[key[0]].get(week)
    for value, number in sorted(by_week.get(week, {}).items()):
        values = {day: found.value for day, slices in by_week.items() if (found := slices.get(value)) is not None}
        known = {day: one for day, one in values.items() if one is not None and day <= week}
        reference = trailing(known, week, weeks).reference
        if number.value is None or reference is None:
            continue
        worse = worse_by(number.value, reference, rail.better)
        if worse >= width:
            effect = _bad(number.value - reference, rail.better) * _weight(number, whole)
            share = effect / total if total > 0 and _adds(whole) else None
            since = _since(known, week, weeks, rail.better, width)
            yield _Moved(f"{key[1]} {value}", number.value, reference, worse, share, since)


def _adds(whole: Number | None) -> bool:
    return whole is not None and whole.numerator is not None


def _weight(number: Number, whole: Number | None) -> float:
    """How much of a slice's movement is the total's: its share of what is divided by, or all of it for a count."""
    if whole is None or not whole.denominator or number.denominator is None or number.value == number.numerator:
        return 1.0
    return number.denominator / whole.denominator


def _since(known: Mapping[date, float], week: date, weeks: int, better: Better, width: float) -> date:
    """The first week of the unbroken run up to a week in which a slice was worse than the median that it has now."""
    reference = median(known[day] for place in range(1, weeks + 1) if (day := week - place * WEEK) in known)
    first = week
    while first - WEEK in known and worse_by(known[first - WEEK], reference, better) >= width:
        first -= WEEK
    return first
