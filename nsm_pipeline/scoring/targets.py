"""Where a metric should be in every week: the path of its target.

What belongs here: from a declared target and published values to a number per week. What does not: whether the metric
is there (`scorecard`, `status`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from nsm_pipeline.playbook.models import Path, Target
from nsm_pipeline.weeks import WEEK


def path_of(target: Path, values: Mapping[date, float], weeks: Sequence[date]) -> dict[date, float]:
    """Where the target's path is, in those of `weeks` in which it is anywhere.

    `weeks`: first days of weeks, in order; `values`: the metric by complete week. Weeks may be missing in either.

    value and by: from the value of the week that holds `since` (else of the first of `weeks`) to `value` in the week
    that holds `by`, by equal steps (linear) or equal growth (compound); `value` after it.
    value alone: `value`, from the week of `since` on.
    no value, since: the value of the week of `since`, growing by growth_per_week.
    neither: the week before's value × (1 + growth_per_week), the habit; nowhere where that week has none.

    A path that begins at a value begins in the first week from `since` on that has one; where it grows by a factor, in
    the first that has one above 0. Before that it is nowhere.
    """
    if not weeks:
        return {}
    since = week_of(target.since, weeks) if target.since is not None else weeks[0]
    if target.value is not None and target.by is not None:
        end, start = week_of(target.by, weeks), _start(target, values, since)
        begin = end if start is None else min(start, end)
        ends = (begin, values.get(begin, target.value)), (end, target.value)
        return {week: _on_the_way(target.path, week, *ends) for week in weeks if week >= begin}
    if target.value is not None:
        return {week: target.value for week in weeks if week >= since}
    if not isinstance(target, Target):
        return {}
    factor = 1 + target.growth_per_week
    if target.since is None:
        return {week: values[week - WEEK] * factor for week in weeks if week - WEEK in values}
    start = _start(target, values, since)
    return {week: values[start] * factor ** _between(start, week) for week in weeks if start and week >= start}


def week_of(day: date, weeks: Sequence[date]) -> date:
    """The first day of the week that holds a day; `weeks`: first days of at least one week, which tell the weekday."""
    return day - (day - weeks[0]) % WEEK


def _start(target: Path, values: Mapping[date, float], since: date) -> date | None:
    """The first week from `since` on with a value at which the path can begin; None without one."""
    grows = target.value is None or target.path == "compound"
    return min((week for week, value in values.items() if week >= since and (value > 0 or not grows)), default=None)


def _between(first: date, last: date) -> int:
    return (last - first) // WEEK


def _on_the_way(path: str, week: date, start: tuple[date, float], end: tuple[date, float]) -> float:
    """Where a way from a value in one week to another value in a later one is in a week: exact at both ends."""
    if week >= end[0]:
        return end[1]
    share = _between(start[0], week) / _between(start[0], end[0])
    if path == "compound":
        return float(start[1] * (end[1] / start[1]) ** share)
    return start[1] + (end[1] - start[1]) * share
