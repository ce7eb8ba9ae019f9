"""The weekly step: usage events, and per use case account_weeks and a table of metrics per role.

What belongs here: which tables of which weeks are built, and storing them. What does not: the computation itself.

Weeks are built in one pass: their metrics are computed while their events are at hand, before the next use case's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.metrics.numbers import Numbers
from nsm_pipeline.metrics.plans import ADOPTION
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.playbook.models import Role
from nsm_pipeline.steps.adoption import adoption_rows
from nsm_pipeline.steps.beyond import far_numbers, reach_of
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import WEEK

ROWS_AT_ONCE = 800_000
TableOf = tuple[str, str]
"""A use case and one of its plan's tables."""


@dataclass(frozen=True)
class WeekDone:
    """What was made of one week: whether usage events or evidence were built, and the tables that were, by name."""

    week: date
    usage: bool
    tables: Mapping[TableOf, pa.Table]


@dataclass(frozen=True)
class WeekToDo:
    """What is to be built of one week: usage events (and evidence), and tables by use case; `later` are those of them
    that also read beyond the week, `adopting` the use cases whose accounts get colours. Weeks with an equal `kind` may
    be built together."""

    week: date
    build: frozenset[str]
    tables: Mapping[str, tuple[str, ...]]
    alike: tuple[object, ...] | None
    rows: int
    later: Mapping[str, Sequence[Role]] = field(default_factory=dict)
    adopting: tuple[str, ...] = ()

    @property
    def kind(self) -> object:
        return self.build, sorted(self.tables.items()), self.alike

    @property
    def passes(self) -> int:
        """How many passes over weeks it takes after the first."""
        return bool(self.later) + bool(self.adopting)

    def is_near(self, name: str) -> bool:
        """Whether any table of a use case is computed from the week itself, at least in part."""
        return bool(set(self.tables.get(name, ())) - {ADOPTION})


def run_weeks(
    opened: Open, weeks: Sequence[date], usage: Collection[str], tables: Collection[TableOf], force: bool = False
) -> Iterator[WeekDone]:
    """Build some weeks' usage events (of the use cases in `usage`) and `tables`; up-to-date ones stay unless forced, or
    asked to be built anew.

    Usage events that a table needs and that are out of date are built as well, whether asked for or not, also those
    of other weeks: a table's fingerprint says that it was made from them.
    """
    todo = _with_beside(opened, {week: _to_do(opened, week, usage, tables, force) for week in weeks})
    near = sorted({name for one in todo.values() for name in one.tables if one.is_near(name)})
    metrics = {name: WeeklyMetrics(opened.plans[name]) for name in near}
    waiting = {week: one for week in weeks if (one := todo[week]).passes}
    begun, asked = _Begun(), set(weeks)
    work = partial(_build, opened, metrics, begun)
    held: dict[date, WeekDone] = {}
    for done in opened.engine.map(work, batches([todo[week] for week in sorted(todo)], opened.engine.workers)):
        held |= {one.week: one for one in done if one.week in waiting}
        yield from (one for one in done if one.week in asked and one.week not in waiting)
    left = Counter({week: one.passes for week, one in waiting.items()})
    for week, made in chain(_finish(opened, metrics, waiting, begun), _adopt(opened, waiting)):
        left[week] -= 1
        held[week] = replace(held[week], tables={**held[week].tables, **made})
        if not left[week]:
            yield held.pop(week)


def _wide(opened: Open, name: str, tables: Collection[str]) -> list[Role]:
    """Those of some tables that hold metrics which read beyond their week."""
    return [role for role in opened.plans[name].roles if role in tables and opened.reach(name, role).stored]


def _to_do(opened: Open, week: date, usage: Collection[str], tables: Collection[TableOf], force: bool) -> WeekToDo:
    anew = {name for name in opened.plans if (name, week) in opened.anew}
    stale = {*opened.usage.stale(week), *anew, *((EVIDENCE,) if anew else ())}
    wanted = {*usage, EVIDENCE} if usage else set()
    todo: dict[str, tuple[str, ...]] = {}
    for name, table in tables:
        if force or table in opened.stale_tables(name, week):
            todo[name] = (*todo.get(name, ()), table)
    build = (wanted if force else wanted & stale) | (todo.keys() & stale)
    later = {name: roles for name, found in todo.items() if (roles := _wide(opened, name, found))}
    adopting = tuple(name for name, found in todo.items() if ADOPTION in found)
    alike, rows = opened.usage.alike(week), opened.usage.rows(week)
    return WeekToDo(week, frozenset(build), todo, alike, rows, later, adopting)


def _with_beside(opened: Open, todo: Mapping[date, WeekToDo]) -> dict[date, WeekToDo]:
    """What is to do, and the usage events of other weeks that it reads and that are out of date."""
    needed: dict[date, set[str]] = {}
    for one in todo.values():
        reading = {name: [*one.later.get(name, ()), ADOPTION] for name in one.adopting}
        for name, tables in {**one.later, **reading}.items():
            for week in opened.weeks_read(reach_of(opened, name, tables), one.week):
                needed.setdefault(week, set()).add(name)
    found = dict(todo)
    for week, names in needed.items():
        stale = frozenset(name for name in names if opened.usage.is_stale(name, week))
        if stale:
            nothing = WeekToDo(week, frozenset(), {}, opened.usage.alike(week), opened.usage.rows(week))
            one = found.get(week, nothing)
            found[week] = replace(one, build=one.build | stale)
    return found


def batches(weeks: Sequence[WeekToDo], workers: int = 1) -> Iterator[list[WeekToDo]]:
    """Consecutive weeks that are built together: alike, few enough for the memory, and about equally many rows for
    every one of some workers, none of which should wait for the others in the end."""
    every, largest = sum(week.rows for week in weeks), max((week.rows for week in weeks), default=0)
    rounds = -(-every // max(1, workers * ROWS_AT_ONCE))
    most = min(ROWS_AT_ONCE, every // max(1, rounds * workers) + largest // 2)
    batch: list[WeekToDo] = []
    for week in weeks:
        if batch and not (
            week.alike is not None
            and week.kind == batch[-1].kind
            and week.week == batch[-1].week + WEEK
            and sum(one.rows for one in batch) + week.rows <= most
        ):
            yield batch
            batch = []
        batch.append(week)
    if batch:
        yield batch


class _Begun:
    """Numbers of tables that wait for what lies beyond their week, by use case; filled by several workers."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, date], Numbers] = {}

    def keep(self, name: str, week: date, numbers: Numbers) -> None:
        self._numbers[name, week] = numbers

    def take(self, name: str, week: date) -> Numbers:
        return self._numbers.pop((name, week))


def _build(
    opened: Open,
    metrics: Mapping[str, WeeklyMetrics],
    begun: _Begun,
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[WeekToDo],
) -> list[WeekDone]:
    """Build a batch; what it made, by week."""
    first, weeks = batch[0], [one.week for one in batch]
    made: dict[date, dict[TableOf, pa.Table]] = {week: {} for week in weeks}

    def compute(name: str) -> None:
        if not first.is_near(name):
            return
        numbers, account_weeks = metrics[name].near(connection, weeks)
        later = first.later.get(name, ())
        now = [role for role in opened.plans[name].roles if role in first.tables[name] and role not in later]
        for week in weeks:
            computed: dict[Any, pa.Table] = dict(metrics[name].tables(week, numbers, now))
            if "account_weeks" in first.tables[name]:
                computed["account_weeks"] = account_weeks[week]
            if later:
                begun.keep(name, week, numbers.only([week]))
            made[week].update(_store(opened, name, week, computed))

    for name in first.build - {EVIDENCE}:
        opened.wordings.keep(name, first.week, ["usage_events"])
    if first.build:
        opened.usage.run(connection, weeks, first.build, compute)
    for name in [name for name in first.tables.keys() - first.build if first.is_near(name)]:
        opened.usage.load(connection, opened.playbook.use_cases[name], weeks, metrics[name].near_columns)
        compute(name)
    return [WeekDone(week, bool(first.build), made[week]) for week in weeks]


def _finish(
    opened: Open,
    metrics: Mapping[str, WeeklyMetrics],
    waiting: Mapping[date, WeekToDo],
    begun: _Begun,
) -> Iterator[tuple[date, dict[TableOf, pa.Table]]]:
    """Add what lies beyond the weeks and store the tables that waited for it."""
    weeks = {week: one.later for week, one in sorted(waiting.items()) if one.later}
    names = {name for later in weeks.values() for name in later}
    if not names:
        return
    for week, far in far_numbers(opened, {name: metrics[name] for name in sorted(names)}, list(weeks)):
        made: dict[TableOf, pa.Table] = {}
        for name, roles in weeks[week].items():
            numbers = begun.take(name, week)
            numbers.update(far[name])
            made.update(_store(opened, name, week, metrics[name].tables(week, numbers, roles)))
        yield week, made


def _adopt(opened: Open, waiting: Mapping[date, WeekToDo]) -> Iterator[tuple[date, dict[TableOf, pa.Table]]]:
    """Colour the accounts of those weeks that wait for it."""
    for week, found in adoption_rows(opened, {week: one.adopting for week, one in waiting.items() if one.adopting}):
        made: dict[TableOf, pa.Table] = {}
        for name, rows in found.items():
            made.update(_store(opened, name, week, {ADOPTION: rows}))
        yield week, made


def _store(opened: Open, name: str, week: date, tables: Mapping[Any, pa.Table]) -> dict[TableOf, pa.Table]:
    opened.wordings.keep(name, week, tables)
    for table, rows in tables.items():
        made_from = opened.made_from(table, name, week)
        opened.lake.write(rows, opened.fingerprint(table, name, week), table, name, week, made_from=made_from)
    return {(name, table): rows for table, rows in tables.items()}
