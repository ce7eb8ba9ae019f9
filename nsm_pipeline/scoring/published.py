"""One use case's published rows, looked up by metric and week: what every table of this room is made from.

What belongs here: reading the extract's tables. What does not: judging them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.playbook.models import UseCase

METRIC_TABLES = ("north_star", "inputs", "counter_metrics", "outcomes")


@dataclass(frozen=True)
class Number:
    """One published number: of a metric, a week, and a slice or all of it. `entities`: accounts behind it."""

    value: float | None
    numerator: float | None
    denominator: float | None
    entities: int | None
    state: str
    stage: str
    certificate_id: str | None


KEY = ("metric", "week", "slice", "slice_value")
FIELDS = tuple(Number.__dataclass_fields__)


@dataclass(frozen=True)
class Published:
    """`totals`: numbers by metric and week, weeks in order; `slices`: by metric and attribute, then by week, then by
    value; `growth`: rows of the table growth by week, in order; `current`: the week in progress."""

    use_case: UseCase
    current: date
    totals: Mapping[str, Mapping[date, Number]]
    slices: Mapping[tuple[str, str], Mapping[date, Mapping[str, Number]]]
    growth: Mapping[date, Mapping[str, Any]]

    @classmethod
    def of(cls, use_case: UseCase, tables: Mapping[str, pa.Table], current: date) -> Published:
        """From the extract's tables by name; those of METRIC_TABLES that are there, and growth."""
        name = use_case.use_case
        totals: dict[str, dict[date, Number]] = {}
        slices: dict[tuple[str, str], dict[date, dict[str, Number]]] = {}
        for table in METRIC_TABLES:
            for metric, week, slice_, slice_value, *number in _columns(tables, table, name, KEY + FIELDS):
                if slice_ == "all":
                    totals.setdefault(metric, {})[week] = Number(*number)
                else:
                    by_week = slices.setdefault((metric, slice_), {})
                    by_week.setdefault(week, {})[slice_value] = Number(*number)
        growth = {row["week"]: row for row in _rows(tables, "growth", name)}
        return cls(use_case, current, totals, slices, growth)

    def values(self, metric: str) -> dict[date, float]:
        """A metric's totals by complete week, where there is a value."""
        numbers = self.totals.get(metric, {})
        return {
            week: number.value for week, number in numbers.items() if week < self.current and number.value is not None
        }

    @property
    def north_star(self) -> str:
        return self.use_case.north_star.metric

    @property
    def last_complete(self) -> date | None:
        """The newest complete week of which the North Star is published."""
        return max(self.values(self.north_star), default=None)


def _rows(tables: Mapping[str, pa.Table], table: str, name: str) -> list[dict[str, Any]]:
    if table not in tables:
        return []
    return sorted(_of_use_case(tables[table], name).to_pylist(), key=lambda row: row["week"])


def _columns(tables: Mapping[str, pa.Table], table: str, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Some columns' values, row by row in order of weeks: rows as dictionaries take three times as long."""
    if table not in tables:
        return []
    rows = _of_use_case(tables[table], name)
    found = zip(*(rows[column].to_pylist() for column in columns), strict=True)
    return sorted(found, key=itemgetter(columns.index("week")))


def _of_use_case(rows: pa.Table, name: str) -> pa.Table:
    return rows.filter(pc.equal(rows["use_case"], name))
