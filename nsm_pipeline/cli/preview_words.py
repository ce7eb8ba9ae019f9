"""A preview in words: what the terminal and the report for a pull request both say.

What belongs here: sentences and numbers as text. What does not: colours, tables, Markdown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from nsm_pipeline.cli.planning import counted
from nsm_pipeline.errors import printable
from nsm_pipeline.steps.previewing import Preview, StateFlip, TargetFlip, Value
from nsm_pipeline.weeks import WEEK

GOOD = ("certified", "flash")


def figure(value: float | None) -> str:
    """A value as it is; of one with a fraction the first digits."""
    if value is None:
        return "–"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def signed(value: float | None) -> str:
    if value is None:
        return "–"
    return ("+" if value > 0 else "−" if value < 0 else "") + figure(abs(value))


def share(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:+.1%}" if abs(value) >= 0.001 else f"{value:+.2%}"


@dataclass(frozen=True)
class Summary:
    """A metric's changed totals: in how many weeks, from when to when, and the largest change as a share."""

    use_case: str
    metric: str
    weeks: int
    first: date
    last: date
    final: int
    largest: Value


def summaries(values: Iterable[Value]) -> list[Summary]:
    """Changed totals by metric, in the order in which they come."""
    by_metric: dict[tuple[str, str], list[Value]] = {}
    for one in values:
        if one.change.slice == "all":
            by_metric.setdefault((one.change.use_case, one.change.metric), []).append(one)
    found = []
    for (use_case, metric), mine in by_metric.items():
        weeks = [one.change.week for one in mine]
        final = sum(one.kind == "restatement" for one in mine)
        largest = max(mine, key=lambda one: abs(one.share or 0.0))
        found.append(Summary(use_case, metric, len(weeks), min(weeks), max(weeks), final, largest))
    return found


def largest_text(summary: Summary) -> str:
    """The largest change of a metric, with its week."""
    one = summary.largest
    return f"{figure(one.change.old)} → {figure(one.change.new)} ({share(one.share)}) in {one.change.week}"


def headline(preview: Preview) -> str:
    """What would change in what is shown, in one sentence."""
    totals = preview.of_metrics(slices=False)
    metrics = {(one.change.use_case, one.change.metric) for one in totals}
    parts = []
    if totals:
        weeks = {one.change.week for one in totals}
        of = f"{counted(len(metrics), 'metric')} in {counted(len(weeks), 'week')}"
        parts.append(f"{counted(len(totals), 'value')} of {of} would change")
    elif preview.of_metrics(slices=True):
        parts.append("no total would change, values of slices would")
    lost = [flip for flip in preview.states if flip.old in GOOD and flip.new not in GOOD]
    won = [flip for flip in preview.states if flip.old not in (None, *GOOD) and flip.new in GOOD]
    held = {(flip.use_case, flip.week) for flip in lost if flip.new == "held"}
    if len(lost) > len(held):
        parts.append(f"{counted(len(lost) - len(held), 'week')} would be withheld")
    if held:
        parts.append(f"{counted(len(held), 'week')} would be held")
    if won:
        parts.append(f"{counted(len(won), 'week')} would be certified at last")
    if preview.new_weeks:
        parts.append(f"{counted(preview.new_weeks, 'new week')} would be shown")
    parts += [f"use case {name} would no longer be shown" for name in preview.gone]
    return ("; ".join(parts) or "no published value would change") + "."


def state_line(flip: StateFlip) -> str:
    why = f": {printable('; '.join(flip.why))}" if flip.why else ""
    return f"{flip.use_case} {flip.week}: {flip.old or 'not shown yet'} → {flip.new}{why}"


def target_line(flip: TargetFlip) -> str:
    word = "would reach its goal" if flip.reached else "would miss its goal"
    return f"{flip.use_case} {flip.week}: {word} (attained {flip.old:.0%} → {flip.new:.0%})"


def ranges(weeks: Iterable[date]) -> Iterator[str]:
    """Weeks as ranges for --weeks."""
    ordered = sorted(set(weeks))
    first = None
    for place, week in enumerate(ordered):
        first = first or week
        if place + 1 == len(ordered) or ordered[place + 1] != week + WEEK:
            yield str(first) if first == week else f"{first}..{week}"
            first = None


def next_steps(preview: Preview) -> list[str]:
    """What to type, with why, to have it."""
    plan = preview.plan
    if plan.is_empty:
        return []
    steps = []
    if plan.playbook != plan.home / "playbook":
        steps.append(f"put the definitions of {plan.playbook} into {plan.home / 'playbook'}")
    if preview.restated:
        weeks = Counter(name for name, _ in preview.restated)
        final = ", ".join(f"{counted(count, 'final week')} of {name}" for name, count in sorted(weeks.items()))
        steps.append(
            f'nsm run --restate --reason "…"   ({final} would change beyond {100 * plan.rules.tolerance:.4g}%)'
        )
    else:
        steps.append("nsm run")
    if plan.rules.approval == "required":
        for name in plan.use_cases:
            mine = [one.week for one in plan.stale if one.use_case == name and one.stage != "flash"]
            steps += [f"nsm approve --use-case {name} --weeks {weeks} --by … --note …" for weeks in ranges(mine)]
    return steps
