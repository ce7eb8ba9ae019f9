"""The preview: what would be shown after a run, beside what is shown now; computed in a scratch home, by the run's own
steps.

What belongs here: running the steps there, comparing. What does not: the steps, which value is beyond tolerance
(`publishing.restatements`), showing it (`cli`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.compute as pc

from nsm_pipeline.certification.certificates import Certificate
from nsm_pipeline.home import Home
from nsm_pipeline.playbook.guardrails import guardrail_of
from nsm_pipeline.playbook.models import CounterMetric, UseCase
from nsm_pipeline.publishing.changes import Change, Tables, changes
from nsm_pipeline.publishing.rendering import conform
from nsm_pipeline.publishing.restatements import kinds
from nsm_pipeline.scoring.guardrails import colours
from nsm_pipeline.scoring.status import Colour
from nsm_pipeline.steps.certificates import WeekState, run_certificates
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.planning import Plan, as_it_would_be, make_plan
from nsm_pipeline.steps.publication import to_be_shown
from nsm_pipeline.steps.release import Release
from nsm_pipeline.steps.series import run_growth
from nsm_pipeline.steps.weekly import run_weeks

OnDone = Callable[[str, int, int], None]
"""Told of progress: what, how many of it are done, of how many."""


@dataclass(frozen=True)
class Value:
    """A value that would change; `kind` as in the restatement ledger."""

    change: Change
    kind: str

    @property
    def difference(self) -> float | None:
        old, new = self.change.old, self.change.new
        return None if old is None or new is None else new - old

    @property
    def share(self) -> float | None:
        """The difference as a share of the old value; None where there is none to divide by."""
        return None if self.difference is None or not self.change.old else self.difference / abs(self.change.old)


@dataclass(frozen=True)
class StateFlip:
    """A week whose state would be another one; `old` is None for a week that is not shown yet. `why`: the gates that
    fail, or what holds it."""

    use_case: str
    week: date
    old: str | None
    new: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class TargetFlip:
    """A week that would reach its goal and did not, or the other way round: attainment of the growth goal."""

    use_case: str
    week: date
    old: float
    new: float

    @property
    def reached(self) -> bool:
        return self.new >= 1


@dataclass(frozen=True)
class ColourFlip:
    """A counter-metric that would pass `warn` (yellow) or `breach` (red), or come back."""

    use_case: str
    metric: str
    week: date
    old: Colour
    new: Colour


@dataclass(frozen=True)
class Preview:
    """What a run would change in what is shown. `values`: totals and slices; `weeks`: how many are shown for the first
    time; `gone`: use cases that are shown and would not be."""

    plan: Plan
    values: tuple[Value, ...]
    states: tuple[StateFlip, ...]
    targets: tuple[TargetFlip, ...]
    colours: tuple[ColourFlip, ...]
    restated: tuple[tuple[str, date], ...]
    new_weeks: int
    gone: tuple[str, ...]

    def of_metrics(self, slices: bool) -> list[Value]:
        """Changed values of metrics: totals, or with every slice."""
        return [one for one in self.values if one.change.table != "growth" and (slices or one.change.slice == "all")]


class Unheld(Release):
    """As if everything that has passed its gates had been approved, and a reason given."""

    def held(self, candidate: Certificate, candidate_id: str) -> str | None:  # noqa: ARG002
        return None


def make_preview(home: Home, as_of: date | None, playbook: Path | None, on_done: OnDone = lambda *_: None) -> Preview:
    """What a run on a home would change, under its own definitions or another folder's. Nothing of it is changed."""

    def on_file(done: int, of: int, _: str) -> None:
        on_done("landing files", done, of)

    with as_it_would_be(home, as_of, playbook, scratch=True, on_file=on_file) as (opened, before):
        plan = make_plan(opened, before, home)
        _build(opened, on_done)
        opened = Open.of(opened.home, opened.playbook, opened.engine, opened.ledger)
        states = run_certificates(opened)
        release = Release.of(opened)
        shown: Tables = release.shown.tables if release.shown is not None else {}
        _, tables = to_be_shown(opened, Unheld.of(opened))
        return _compared(plan, opened, shown, conform(tables), states)


def _build(opened: Open, on_done: OnDone) -> None:
    """Every stale week, and growth, as a run does."""
    weeks = opened.stale_weeks()
    tables = [(name, table) for name, plan in opened.plans.items() for table in plan.tables]
    for number, _ in enumerate(run_weeks(opened, weeks, list(opened.plans), tables), start=1):
        on_done("weeks", number, len(weeks))
    for name in opened.plans:
        run_growth(opened, name)


def _compared(plan: Plan, opened: Open, before: Tables, after: Tables, states: Sequence[WeekState]) -> Preview:
    found = changes(before, after)
    labelled = kinds(found, before, opened.playbook.settings.certification.tolerance)
    values = [Value(change, kind) for change, kind in zip(found, labelled, strict=True)]
    shown = _states_shown(before)
    use_cases = opened.playbook.use_cases
    return Preview(
        plan=plan,
        values=tuple(values),
        states=tuple(_state_flips(shown, states)),
        targets=tuple(_target_flips(values)),
        colours=tuple(flip for name in use_cases for flip in _colour_flips(use_cases[name], before, after)),
        restated=tuple(sorted(_restated(values))),
        new_weeks=len({state.week for state in states} - {week for _, week in shown}),
        gone=tuple(sorted({name for name, _ in shown} - set(use_cases))),
    )


def _restated(values: Sequence[Value]) -> set[tuple[str, date]]:
    """Weeks that need a reason. Growth follows the values it is made from, and needs none of its own."""
    found = (one.change for one in values if one.kind == "restatement" and one.change.table != "growth")
    return {(one.use_case, one.week) for one in found}


def _states_shown(before: Tables) -> dict[tuple[str, date], str]:
    certificates = before.get("certificates")
    rows = certificates.select(["use_case", "week", "state"]).to_pylist() if certificates is not None else []
    return {(row["use_case"], row["week"]): row["state"] for row in rows}


def _state_flips(shown: Mapping[tuple[str, date], str], states: Sequence[WeekState]) -> Iterator[StateFlip]:
    for state in states:
        old = shown.get((state.use_case, state.week))
        if old != state.state:
            yield StateFlip(state.use_case, state.week, old, state.state, state.reasons)


def _target_flips(values: Sequence[Value]) -> Iterator[TargetFlip]:
    """Of complete weeks that have an attainment before and after."""
    for value in values:
        one = value.change
        if (one.table, one.metric) != ("growth", "attainment") or one.old is None or one.new is None:
            continue
        if (one.old >= 1) != (one.new >= 1) and one.new_state != "flash":
            yield TargetFlip(one.use_case, one.week, one.old, one.new)


def _colour_flips(use_case: UseCase, before: Tables, after: Tables) -> Iterator[ColourFlip]:
    """Of weeks that are shown already; also where a week's value stays and the median that it is held to does not."""
    name = use_case.use_case
    shown = {week for one, week in _states_shown(before) if one == name}
    for counter in use_case.counter_metrics:
        old, new = (_colours(use_case, counter, tables) for tables in (before, after))
        for week in sorted(shown & {*old, *new}):
            sides = old.get(week, "no_colour"), new.get(week, "no_colour")
            if sides[0] != sides[1]:
                yield ColourFlip(name, counter.metric, week, *sides)


def _colours(use_case: UseCase, counter: CounterMetric, tables: Tables) -> dict[date, Colour]:
    """A counter-metric's colour by week, as published."""
    table = tables.get("counter_metrics")
    if table is None:
        return {}
    wanted = {"use_case": use_case.use_case, "metric": counter.metric, "slice": "all"}
    for column, value in wanted.items():
        table = table.filter(pc.equal(table[column], value))
    rows = table.select(["week", "value", "state"]).to_pylist()
    settled = {row["week"]: row["value"] for row in rows if row["state"] != "flash" and row["value"] is not None}
    return colours(guardrail_of(use_case, counter), {row["week"]: row["value"] for row in rows}, settled)
