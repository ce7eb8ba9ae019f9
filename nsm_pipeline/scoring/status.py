"""Colours: a value against its target or its own past, and a metric with its guardrail as one status.

What belongs here: from numbers to a colour and plain words. What does not: where targets and thresholds come from
(`targets`, `playbook.guardrails`), tables (`scorecard`, `guardrails`, `tree`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any, Literal

from nsm_pipeline.playbook.guardrails import BREACH, WARN
from nsm_pipeline.scoring.published import Published
from nsm_pipeline.weeks import WEEK

Colour = Literal["green", "yellow", "red", "no_colour"]
Better = Literal["higher", "lower"]
Row = dict[str, Any]

WITHIN = 0.05
"""How far short of its target a value is yellow, as a share of the target; red beyond."""
TREND_WEEKS = 8
"""Weeks of the trailing median that a metric without a target is held to."""
ROUNDING = 1e-9
"""Shares closer than this are equal: a path of equal growth does not end on a whole number."""
SEVERITY: Mapping[Colour, int] = {"green": 0, "no_colour": 1, "yellow": 2, "red": 3}

METRIC_WORDS: Mapping[Colour, str] = {
    "green": "on course",
    "yellow": "slightly behind",
    "red": "behind",
    "no_colour": "not known",
}
GUARD_WORDS: Mapping[Colour, str] = {
    "green": "quality holds",
    "yellow": "guardrail at risk",
    "red": "and quality suffers",
    "no_colour": "guardrail not known",
}
IN_PROGRESS = "in progress"
UNGUARDED = "no guardrail"


@dataclass(frozen=True)
class Trailing:
    """What the weeks before a week say: `reference`, their median, None where fewer than half of them have a value;
    `known` of `weeks` weeks have one."""

    reference: float | None
    known: int
    weeks: int


def trailing(values: Mapping[date, float], week: date, weeks: int = TREND_WEEKS) -> Trailing:
    """The median of the `weeks` weeks before a week; nothing of the week itself or later counts."""
    before = [values[day] for place in range(1, weeks + 1) if (day := week - place * WEEK) in values]
    return Trailing(median(before) if 2 * len(before) >= weeks else None, len(before), weeks)


def worse_by(value: float, reference: float, better: Better) -> float:
    """How much worse a value is than a reference, as a share of it; below 0 where it is better. Worse than 0 is worse
    by more than any share."""
    difference = reference - value if better == "higher" else value - reference
    if difference == 0:
        return 0.0
    return difference / abs(reference) if reference else math.copysign(math.inf, difference)


def of_target(value: float | None, target: float | None, better: Better) -> Colour:
    """Green at the target or better, yellow up to 5 % short of it, red beyond."""
    if value is None or target is None:
        return "no_colour"
    short = worse_by(value, target, better) - ROUNDING
    return "green" if short <= 0 else "yellow" if short <= WITHIN else "red"


def of_trend(value: float | None, reference: float | None, better: Better) -> Colour:
    """Without a target: yellow from 3 % worse than its own trailing median on, red from 5 % on."""
    if value is None or reference is None:
        return "no_colour"
    worse = worse_by(value, reference, better) + ROUNDING
    return "red" if worse >= BREACH else "yellow" if worse >= WARN else "green"


def worst(colours: Iterable[Colour]) -> Colour:
    """The most severe; what is not known is worse than green, and so is nothing at all."""
    return max(colours, key=SEVERITY.__getitem__, default="no_colour")


def joint(status: Colour, guard: Colour) -> tuple[Colour, str]:
    """A metric and its guardrail as one colour, and in words. Green only where both are known to be; a guardrail that
    is not known makes a green metric yellow, since nobody knows at what price it is green."""
    if (status, guard) == ("green", "green"):
        return "green", "healthy growth"
    if (status, guard) == ("green", "red"):
        return "red", "growth at a cost"
    if (status, guard) == ("no_colour", "no_colour"):
        return "no_colour", METRIC_WORDS[status]
    colour = "yellow" if (status, guard) == ("green", "no_colour") else worst((status, guard))
    return colour, f"{METRIC_WORDS[status]}, {GUARD_WORDS[guard]}"


def in_words(status: Colour, guard: Colour, in_progress: bool) -> str:
    """The words of `joint`; of a week in progress, which a metric's target says nothing about yet, the guardrail's."""
    return f"{IN_PROGRESS}, {GUARD_WORDS[guard]}" if in_progress else joint(status, guard)[1]


def statuses(published: Published, targets: Mapping[str, Mapping[date, float]]) -> dict[tuple[str, date], Colour]:
    """Colour of the North Star, every input and outcome, by metric and published week: by its target path in `targets`
    (by metric and week), else by its trend; a metric with a path has no colour before it begins. The North Star is
    judged by its path alone. No colour while the week or the metric's window is in progress."""
    use_case = published.use_case
    names = dict.fromkeys((published.north_star, *(item.metric for item in use_case.inputs), *use_case.outcomes))
    found: dict[tuple[str, date], Colour] = {}
    for name in names:
        better = use_case.metrics[name].better
        settled = settled_values(published, name)
        path = targets.get(name, {} if name == published.north_star else None)
        for week in published.totals.get(name, {}):
            value = settled.get(week)
            if path is not None:
                found[name, week] = of_target(value, path.get(week), better)
            else:
                found[name, week] = of_trend(value, trailing(settled, week).reference, better)
    return found


def settled_values(published: Published, metric: str) -> dict[date, float]:
    """A metric's values by complete week, those left out whose own window is still open."""
    numbers = published.totals.get(metric, {})
    return {week: value for week, value in published.values(metric).items() if numbers[week].state != "flash"}


def fill(published: Published, scorecard_rows: Sequence[Row], guardrail_rows: Sequence[Row]) -> list[Row]:
    """Rows of the scorecard with status, guardrail_status, joint_status and joint_words, from their value and target
    and the rows of GUARDRAILS that protect the North Star in the same week."""
    better = published.use_case.metrics[published.north_star].better
    guards: dict[date, list[Colour]] = {}
    for row in guardrail_rows:
        if row["protects"] == published.north_star:
            guards.setdefault(row["week"], []).append(row["status"])
    is_guarded = any(item.protects == published.north_star for item in published.use_case.counter_metrics)
    filled = []
    for row in scorecard_rows:
        in_progress = row["state"] == "flash"
        status: Colour = "no_colour" if in_progress else of_target(row["value"], row["target"], better)
        guard = worst(guards.get(row["week"], ()))
        colour, words = joint(status, guard)[0], in_words(status, guard, in_progress)
        if not is_guarded:
            words = f"{IN_PROGRESS if in_progress else METRIC_WORDS[status]}, {UNGUARDED}"
        filled.append(
            {**row, "status": status, "guardrail_status": guard, "joint_status": colour, "joint_words": words}
        )
    return filled
