"""The SQL of one metric, for people: what the engine is asked for its value of each week.

What belongs here: collecting the statements of `windows`, `journeys` and `weekly`, in the order in which they run. What
does not: making them, running them.

A run asks all metrics of a use case in one pass, so that each event is told once of every filter. What is shown here is
the same pass with one metric in it: the same code compiles it, and it gives the same number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlglot

from nsm_pipeline.metrics.measures import Part, Plan
from nsm_pipeline.metrics.numbers import Columns
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.metrics.windows import WINDOW_EVENTS, WindowQueries
from nsm_pipeline.playbook.formulas import canonical_formula
from nsm_pipeline.playbook.models import NorthStar, UseCase


@dataclass(frozen=True)
class Statement:
    """One statement, laid out; `does`: what for. `answers`: whether its rows hold columns of the value."""

    does: str
    sql: str
    answers: bool = False


@dataclass(frozen=True)
class MetricSql:
    """A metric's statements in order, and how its value of a week comes of the columns of those that answer."""

    statements: tuple[Statement, ...]
    value: str

    def text(self) -> str:
        """As one script: every statement below a line that says what it does, the value last."""
        said = [f"-- {one.does}\n{one.sql};" for one in self.statements]
        return "\n\n".join([*said, f"-- {self.value}"])


def statements_of(use_case: UseCase, metric: str, attributes: Mapping[str, str]) -> MetricSql:
    """The statements of one metric's total per week, were it the only one. They read `usage` (the week's events),
    `events` (those of the weeks around), `snapshot` (its accounts), `targets` and `days` (weeks and local midnights),
    `history` (all events there are)."""
    alone = {"north_star": NorthStar(metric=metric), "inputs": (), "counter_metrics": (), "outcomes": ()}
    unsliced = {name: one.model_copy(update={"slices": ()}) for name, one in use_case.metrics.items()}
    plan = UseCasePlan(use_case.model_copy(update={**alone, "metrics": unsliced}), attributes)
    weekly = WeeklyMetrics(plan)
    found = tuple(Statement(one.does, pretty(one.sql), one.answers) for one in _statements(weekly))
    return MetricSql(found, f"value of the week = {_value(plan.plans[0], weekly.names)}")


def pretty(sql: str) -> str:
    """A statement laid out over lines; what it says stays the same."""
    return str(sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0])


def _statements(weekly: WeeklyMetrics) -> Iterator[Statement]:
    if weekly.week.plain or weekly.week.counting:
        yield from _window(weekly.week)
    if weekly.attributes:
        yield Statement("the week's accounts, and which of them are active", weekly.sql_known)
        yield Statement("their attributes", weekly.sql_attributes, answers=True)
    for window in weekly.windows:
        yield Statement(
            f"events of the {window.days} days that end with the week",
            f"CREATE OR REPLACE TEMP VIEW {WINDOW_EVENTS} AS {weekly.sql_window(window.days)}",
        )
        yield from _window(window)
    for journey in weekly.journeys:
        if journey.journey.reads_history:
            sql, _ = journey.sql_began()
            yield Statement("everybody's first event ever", f"CREATE OR REPLACE TEMP TABLE began AS {sql}")
        yield Statement("what became of each of them", f"CREATE OR REPLACE TEMP TABLE outcomes AS {journey.sql_rows}")
        yield Statement("how many, and what they add up to", journey.sql_total, answers=True)


def _window(window: WindowQueries) -> Iterator[Statement]:
    yield Statement(
        "which events count, for which part (_in…)", f"CREATE OR REPLACE TEMP TABLE flagged AS {window.sql_flagged}"
    )
    if window.plain:
        yield Statement("what they add up to", window.sql_totals, answers=True)
    for sql in window.sql_entities:
        yield Statement("how many different ones they are", sql, answers=True)


def _value(plan: Plan, names: Columns) -> str:
    if plan.formula is not None:
        below = ", ".join(f"{one.metric} = {_value(one, names)}" for one in plan.operands)
        return f"{canonical_formula(plan.formula)}, where {below}"
    if plan.divides:
        return f"{_column(plan.numerator, names)} / {_column(plan.denominator, names)}"
    return _column(plan.value, names)


def _column(part: Part | None, names: Columns) -> str:
    return "" if part is None else names[part]
