"""What every metric kind means, said slowly in plain Python: the reference that the engine is held against.

Written only for tests, from docs/playbook.md and not from the engine. It loops where the engine queries.
"""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from nsm_pipeline.playbook.metric_models import Metric, Step
from nsm_pipeline.playbook.models import UseCase

Row = dict[str, Any]
Within = Callable[[Row], bool]
UNITS = {"": 1, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
OPS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}
SEVEN = timedelta(days=7)
ATTRIBUTES = ("plan", "segment", "seats", "created_on")


@dataclass(frozen=True)
class Cell:
    """One row of a metric table."""

    value: float | None
    numerator: float | None
    denominator: float | None
    entities: int


@dataclass(frozen=True)
class World:
    """Everything that happened: events (event, at, account_id, user_id, properties), account snapshots by day."""

    use_case: UseCase
    events: Sequence[Row]
    snapshots: Mapping[date, Sequence[Row]]
    zone: str
    meaning: Mapping[str | None, Within]

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC).replace(tzinfo=None)

    def accounts(self, week: date) -> dict[str, Row]:
        """The newest snapshot up to the week's end (the midnight after it); else the oldest there is."""
        days = [day for day in self.snapshots if day <= week + SEVEN]
        day = max(days) if days else min(self.snapshots, default=None)
        return {} if day is None else {row["account_id"]: row for row in self.snapshots[day]}

    def as_of(self, week: date) -> Week:
        known = self.accounts(week)
        nobody = {**dict.fromkeys(ATTRIBUTES), "is_internal": False}
        rows = [{**nobody, **known.get(row["account_id"], {}), **row} for row in self.events]
        return Week(self, week, rows, list(known.values()))


@dataclass(frozen=True)
class Week:
    """All events as seen from one week: with its accounts' attributes, whenever they happened."""

    world: World
    week: date
    rows: Sequence[Row]
    known: Sequence[Row]

    def cell(self, metric: Metric, within: Within = lambda _: True) -> Cell:
        """The metric's row over events and accounts that are `within` a slice."""
        if metric.ratio is not None:
            return self._ratio(metric, within)
        if metric.formula is not None:
            return self._formula(metric, within)
        return getattr(self, f"_{metric.kind}")(metric, within)  # type: ignore[no-any-return]

    # --- events of a window

    def between(self, start: datetime, end: datetime, metric: Metric, step: Step, within: Within) -> list[Row]:
        return [
            row
            for row in self.rows
            if start <= row["at"] < end
            and row["event"] in step.events
            and (metric.include_internal or not row["is_internal"])
            and self.world.meaning[metric.where](row)
            and self.world.meaning[step.where](row)
            and within(row)
        ]

    @property
    def starts(self) -> datetime:
        return self.world.midnight(self.week)

    @property
    def ends(self) -> datetime:
        return self.world.midnight(self.week + SEVEN)

    def inside(self, metric: Metric, within: Within) -> list[Row]:
        start = self.world.midnight(self.week + SEVEN - timedelta(days=metric.window.days))
        return self.between(start, self.ends, metric, Step(events=metric.count or metric.of or ("",)), within)

    # --- one kind after the other

    def _count(self, metric: Metric, within: Within) -> Cell:
        rows = self.inside(metric, within)
        return Cell(len(rows), len(rows), None, accounts_of(rows))

    def _count_distinct(self, metric: Metric, within: Within) -> Cell:
        rows = self.inside(metric, within)
        found = len(set(present(rows, column(str(metric.count_distinct)))))
        return Cell(found, found, None, accounts_of(rows))

    def _sum(self, metric: Metric, within: Within) -> Cell:
        rows = self.inside(metric, within)
        found = sum(present(rows, str(metric.sum)))
        return Cell(found, found, None, accounts_of(rows))

    def _average(self, metric: Metric, within: Within) -> Cell:
        rows = self.inside(metric, within)
        values = present(rows, str(metric.average))
        return Cell(statistics.fmean(values) if values else None, sum(values), len(values), accounts_of(rows))

    def _typical(self, metric: Metric, within: Within, aggregate: Callable[[list[float]], float]) -> Cell:
        rows = self.inside(metric, within)
        values = present(rows, str(getattr(metric, metric.kind)))
        return Cell(aggregate(values) if values else None, None, len(values), accounts_of(rows))

    def _median(self, metric: Metric, within: Within) -> Cell:
        return self._typical(metric, within, statistics.median)

    def _quantile(self, metric: Metric, within: Within) -> Cell:
        return self._typical(metric, within, lambda values: float(np.quantile(values, metric.q)))

    def _minimum(self, metric: Metric, within: Within) -> Cell:
        return self._typical(metric, within, min)

    def _maximum(self, metric: Metric, within: Within) -> Cell:
        return self._typical(metric, within, max)

    def _count_entities(self, metric: Metric, within: Within) -> Cell:
        rows = self.inside(metric, within)
        found = sum(self._passes(metric, mine) for mine in by_entity(rows, metric).values())
        return Cell(found, found, None, accounts_of(rows))

    def _passes(self, metric: Metric, rows: Sequence[Row]) -> bool:
        if not rows:
            return False
        having = metric.having
        if having is None:
            return True
        own: float = len(rows)
        if having.how == "sum":
            own = sum(present(rows, having.column))
        elif having.how == "distinct":
            own = len(set(present(rows, column(having.column))))
        bound = having.number
        if having.per:
            if not rows[0][having.per] or rows[0][having.per] < 0:
                return False
            bound *= rows[0][having.per]
        return bool(OPS[having.op](own, bound))

    def _attribute(self, metric: Metric, within: Within) -> Cell:
        activity = Step(events=self.world.use_case.active_events, where=self.world.use_case.activity.where)
        everybody = metric.model_copy(update={"include_internal": True, "where": None})
        active = {
            row["account_id"] for row in self.between(self.starts, self.ends, everybody, activity, lambda _: True)
        }
        rows = [
            row
            for row in self.known
            if (metric.over == "all" or row["account_id"] in active)
            and (metric.include_internal or not row["is_internal"])
            and self.world.meaning[metric.where](row)
            and within(row)
        ]
        values = present(rows, str(metric.attribute))
        if metric.aggregate == "average":
            found = statistics.fmean(values) if values else None
        else:
            found = len(values) if metric.aggregate == "count" else sum(values)
        return Cell(found, found, None, len(rows))

    def _ratio(self, metric: Metric, within: Within) -> Cell:
        assert metric.ratio is not None
        sides = [
            self.world.use_case.metrics[side] if isinstance(side, str) else side
            for side in (metric.ratio.numerator, metric.ratio.denominator)
        ]
        above, below = (self.cell(side, within) for side in sides)
        value = above.value / below.value if above.value is not None and below.value else None
        if any(is_quotient(side) for side in sides):
            return Cell(value, None, None, min(above.entities, below.entities))
        behind = next((c for side, c in ((sides[1], below), (sides[0], above)) if side.kind != "attribute"), above)
        return Cell(value, above.value, below.value, behind.entities)

    def _formula(self, metric: Metric, within: Within) -> Cell:
        names = [name for name in self.world.use_case.metrics if name in str(metric.formula)]
        cells = {name: self.cell(self.world.use_case.metrics[name], within) for name in names}
        entities = min(cell.entities for cell in cells.values())
        try:
            value = eval(str(metric.formula), {}, {name: cell.value for name, cell in cells.items()})
        except (TypeError, ZeroDivisionError):
            value = None
        return Cell(value, None, None, entities)

    # --- what entities do after, or since, something

    def _conversion(self, metric: Metric, within: Within) -> Cell:
        starts = self._starts(metric, within)
        done = 0
        for entity, rows in starts.items():
            thens = self._thens(metric, entity, within)
            done += any(self._in_time(metric, row, then) for row in rows for then in thens)
        return quotient(done, len(starts), first_accounts(starts))

    def _time_between(self, metric: Metric, within: Within) -> Cell:
        starts, seconds = self._starts(metric, within), []
        for entity, rows in starts.items():
            first = min(rows, key=lambda row: row["at"])
            after = [then["at"] for then in self._thens(metric, entity, within) if self._in_time(metric, first, then)]
            if after:
                seconds.append((min(after) - first["at"]).total_seconds())
        value = None
        if seconds and metric.aggregate == "average":
            value = statistics.fmean(seconds)
        elif seconds:
            value = float(np.quantile(seconds, metric.q if metric.aggregate == "quantile" else 0.5))
        value = None if value is None else value / UNITS[metric.unit]
        return Cell(value, len(seconds), len(starts), first_accounts(starts))

    def _starts(self, metric: Metric, within: Within) -> dict[Any, list[Row]]:
        """Beginnings in the week by entity."""
        if metric.begins_when_created:
            return {row["account_id"]: [row] for row in self._created(metric, within)}
        assert metric.start is not None
        return by_entity(self.between(self.starts, self.ends, metric, metric.start, within), metric)

    def _created(self, metric: Metric, within: Within) -> list[Row]:
        return [
            {**row, "at": self.world.midnight(row["created_on"])}
            for row in self.known
            if row["created_on"] is not None
            and self.week <= row["created_on"] < self.week + SEVEN
            and (metric.include_internal or not row["is_internal"])
            and self.world.meaning[metric.where](row)
            and within(row)
        ]

    def _thens(self, metric: Metric, entity: Any, within: Within) -> list[Row]:
        assert metric.to is not None
        rows = self.between(datetime.min, datetime.max, metric, metric.to, within)
        return by_entity(rows, metric).get(entity, [])

    def _in_time(self, metric: Metric, start: Row, then: Row) -> bool:
        assert metric.within is not None
        if metric.begins_when_created:
            return bool(start["at"] <= then["at"] < self._until(metric, start))
        return bool(start["at"] < then["at"] <= start["at"] + metric.within.length)

    def _until(self, metric: Metric, start: Row) -> datetime:
        assert metric.within is not None
        days, hours = divmod(metric.within.hours, 24)
        if metric.begins_when_created and not hours:
            return self.world.midnight(start["created_on"] + timedelta(days=days))
        return start["at"] + metric.within.length  # type: ignore[no-any-return]

    def _cohort(self, metric: Metric, within: Within) -> Cell:
        assert metric.start is not None
        if metric.begins_when_created:
            began = {row["account_id"]: row for row in self._created(metric, within)}
        else:
            everybody = metric.model_copy(update={"include_internal": True})
            ever = self.between(datetime.min, datetime.max, everybody, metric.start, lambda _: True)
            first = {
                entity: min(rows, key=lambda row: (row["at"], row["account_id"]))
                for entity, rows in by_entity(ever, metric).items()
            }
            began = {
                entity: row
                for entity, row in first.items()
                if self.starts <= row["at"] < self.ends
                and within(row)
                and (metric.include_internal or not row["is_internal"])
            }
        done = 0
        for entity, start in began.items():
            if metric.to is None:
                done += 1
                continue
            until = self._until(metric, start)
            thens = [row for row in self._thens(metric, entity, within) if start["at"] <= row["at"] < until]
            done += self._passes(metric, thens)
        found = quotient(done, len(began), accounts_of(began.values()))
        return found if metric.shown_as == "share" else Cell(done, done, len(began), found.entities)

    def _retention(self, metric: Metric, within: Within) -> Cell:
        step = Step(events=metric.of or ())
        now = self._present(metric, step, 0, within)
        then = self._present(metric, step, metric.weeks, within)
        return quotient(len(now.keys() & then.keys()), len(then), first_accounts(then, now))

    def _present(self, metric: Metric, step: Step, weeks_ago: int, within: Within) -> dict[Any, list[Row]]:
        week = self.week - weeks_ago * SEVEN
        rows = self.between(self.world.midnight(week), self.world.midnight(week + SEVEN), metric, step, within)
        return by_entity(rows, metric)

    def _lifecycle(self, metric: Metric, within: Within) -> Cell:
        use_case = self.world.use_case
        step = Step(events=metric.of or use_case.active_events, where=None if metric.of else use_case.activity.where)
        now, before = self._present(metric, step, 0, within), self._present(metric, step, 1, within)
        created = {row["account_id"]: row["created_on"] for row in self.known}
        everybody = metric.model_copy(update={"include_internal": True})
        ever = by_entity(self.between(datetime.min, datetime.max, everybody, step, lambda _: True), metric)

        def is_it(entity: Any) -> bool:
            if metric.lifecycle == "churned":
                return entity not in now
            if metric.by == "created_on":
                day = created.get(entity)
                return day is not None and (day >= self.week) == (metric.lifecycle == "new")
            if metric.lifecycle == "retained":
                return entity in before
            new = min(row["at"] for row in ever[entity]) >= self.starts
            return new if metric.lifecycle == "new" else not new and entity not in before

        of = before if metric.lifecycle == "churned" else now
        found = sum(is_it(entity) for entity in of)
        return Cell(found, found, None, first_accounts(of, before if of is now else now))


def present(rows: Iterable[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if row.get(name) is not None]


def column(name: str) -> str:
    return {"account": "account_id", "user": "user_id"}.get(name, name)


def by_entity(rows: Iterable[Row], metric: Metric) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        entity = row.get(column(metric.counted_entity))
        if entity is not None:
            found.setdefault(entity, []).append(row)
    return found


def accounts_of(rows: Iterable[Row]) -> int:
    return len({row["account_id"] for row in rows})


def first_accounts(of: Mapping[Any, Sequence[Row]], also: Mapping[Any, Sequence[Row]] | None = None) -> int:
    """Accounts behind entities, each of which counts for one: the first by name of those it was seen in."""
    return len(
        {min(row["account_id"] for row in (*rows, *(also or {}).get(entity, ()))) for entity, rows in of.items()}
    )


def quotient(above: int, below: int, entities: int) -> Cell:
    return Cell(above / below if below else None, above, below, entities)


def is_quotient(metric: Metric) -> bool:
    return metric.kind in ("average", "conversion", "retention") or (
        metric.kind == "cohort" and metric.shown_as == "share"
    )
