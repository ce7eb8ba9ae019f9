"""What differs between what was shown before and what is shown now: one change per value.

What belongs here: differences of published tables, as values. What does not: what kind of change that is
(`restatements`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.publishing.deltas import matched, one_piece
from nsm_pipeline.publishing.tables import GROWTH, METRIC_KEY, RESTATEMENTS

Tables = Mapping[str, pa.Table]
Key = tuple[str, str, str, date, str, str]
METRIC_TABLES = ("north_star", "inputs", "counter_metrics", "outcomes")
GROWTH_NUMBERS = tuple(column.name for column in GROWTH.columns if column.type in ("number", "integer"))
STAGES = ("flash", "settling", "final")


@dataclass(frozen=True)
class Change:
    """One value that is not what was shown before; a row that was or is not there has neither value nor state, and one
    that was or is suppressed no value.

    `stage`: flash where the old value was; else the stage that the week has reached by now. `is_new`: nothing of the
    metric was shown before in that table, or of the week nothing but flash values. `is_suppressed`: on one side or both
    the row is there without its numbers.
    """

    use_case: str
    table: str
    metric: str
    week: date
    slice: str
    slice_value: str
    old: float | None
    new: float | None
    old_state: str | None
    new_state: str | None
    old_certificate: str | None
    new_certificate: str | None
    stage: str | None
    is_new: bool = False
    is_suppressed: bool = False

    @property
    def key(self) -> Key:
        return self.table, self.use_case, self.metric, self.week, self.slice, self.slice_value


def changes(before: Tables, after: Tables) -> list[Change]:
    """Every value of a week shown before that is another now, with rows that came or went; in the ledger's order.

    `before` holds the ledger so far as `restatements`: a week of which nothing is left was shown before, too.
    """
    stages = _stages(after)
    shown = _stages(before).keys() | _pairs(ledger_of(before))
    if not shown:
        return []
    known = {
        (name, row["use_case"], row["metric"]) for name in METRIC_TABLES for row in _distinct_metrics(before.get(name))
    }
    complete = _complete(before)

    def is_new(name: str, one: Mapping[str, Any]) -> bool:
        is_known = (name, one["use_case"], one["metric"]) in known and (one["use_case"], one["week"]) in complete
        return name in METRIC_TABLES and not is_known

    found = [
        Change(**{**one, "is_new": is_new(name, one)})
        for name in (*METRIC_TABLES, "growth")
        for one in _of_table(name, before.get(name), after[name], stages)
        if (one["use_case"], one["week"]) in shown
    ]
    order = {name: place for place, name in enumerate((*METRIC_TABLES, "growth"))}
    return sorted(found, key=lambda one: (one.use_case, order[one.table], *one.key[2:]))


def ledger_of(tables: Tables) -> pa.Table:
    """The ledger as a publication showed it; empty where it had none."""
    ledger = tables.get(RESTATEMENTS.name)
    if ledger is None:
        return RESTATEMENTS.schema.empty_table()
    return ledger.select(RESTATEMENTS.schema.names).cast(RESTATEMENTS.schema)


def _of_table(
    name: str, before: pa.Table | None, after: pa.Table, stages: Mapping[tuple[str, date], str | None]
) -> Iterator[dict[str, Any]]:
    before = after.schema.empty_table() if before is None else before
    if name != "growth":
        yield from _of_column(name, cells(before, "value"), cells(after, "value"), stages)
        return
    for column in GROWTH_NUMBERS if before.num_rows or after.num_rows else ():
        for one in _of_column(name, cells(before, column), cells(after, column), stages):
            if (one["old"], one["new"]) != (None, None):
                yield one


def cells(table: pa.Table, column: str) -> pa.Table:
    """One number column of a metric table or of growth, in the shape of a metric's rows."""
    count = table.num_rows

    def text(name: str, without: str | None) -> pa.Array | pa.ChunkedArray:
        return table[name] if name in table.column_names else pa.array([without] * count, pa.string())

    value = table[column].cast(pa.float64()) if column in table.column_names else pa.nulls(count, pa.float64())
    return pa.table(
        {
            "use_case": table["use_case"],
            "metric": text("metric", column),
            "week": table["week"],
            "slice": text("slice", "all"),
            "slice_value": text("slice_value", "all"),
            "value": value,
            "suppressed": text("suppressed", None).cast(pa.bool_()),
            "state": text("state", None),
            "stage": text("stage", None),
            "certificate": text("certificate_id", None),
        }
    )


def _of_column(
    name: str, before: pa.Table, after: pa.Table, stages: Mapping[tuple[str, date], str | None]
) -> Iterator[dict[str, Any]]:
    old, new = matched(before, after, METRIC_KEY)
    left, right = one_piece(before["value"]).take(old), one_piece(after["value"]).take(new)
    # Null where either side has no value: then they are equal where both rows are there and both have none.
    equal = pc.coalesce(pc.equal(left, right), pc.and_(pc.is_null(left), pc.is_null(right)))
    there = pc.and_(pc.is_valid(old), pc.is_valid(new))
    differ = pc.invert(pc.and_(equal, there))
    olds, news = before.take(old.filter(differ)), after.take(new.filter(differ))
    for mine, other in zip(olds.to_pylist(), news.to_pylist(), strict=True):
        key = {column: mine[column] if mine["week"] else other[column] for column in METRIC_KEY}
        week_stage = stages.get((key["use_case"], key["week"]))
        yield {
            **key,
            "table": name,
            "old": mine["value"],
            "new": other["value"],
            "old_state": mine["state"],
            "new_state": other["state"],
            "old_certificate": mine["certificate"],
            "new_certificate": other["certificate"],
            "is_suppressed": bool(mine["suppressed"] or other["suppressed"]),
            "stage": "flash" if mine["stage"] == "flash" else _latest(mine["stage"], other["stage"], week_stage),
        }


def _stages(tables: Tables) -> dict[tuple[str, date], str | None]:
    """Use cases and weeks of which something is shown, with the latest stage that one of their values has reached."""
    found: dict[tuple[str, date], str | None] = {}
    for name in (*METRIC_TABLES, "growth"):
        table = tables.get(name)
        if table is None:
            continue
        columns = [column for column in ("use_case", "week", "stage") if column in table.column_names]
        for row in table.group_by(columns, use_threads=False).aggregate([]).to_pylist():
            key, stage = (row["use_case"], row["week"]), row.get("stage")
            found[key] = _latest(found.get(key), stage)
    return found


def _latest(*stages: str | None) -> str | None:
    return max(stages, key=lambda one: STAGES.index(one) if one in STAGES else -1)


def _complete(tables: Tables) -> set[tuple[str, date]]:
    """Use cases and weeks of which more than flash values are shown, or once were."""
    ledger = ledger_of(tables)
    certified = pc.or_(pc.is_valid(ledger["old_certificate"]), pc.is_valid(ledger["new_certificate"]))
    found = _pairs(ledger.filter(certified))
    for name in METRIC_TABLES:
        table = tables.get(name)
        if table is not None:
            has_states = "state" in table.column_names
            found |= _pairs(table.filter(pc.not_equal(table["state"], "flash")) if has_states else table)
    return found


def _pairs(table: pa.Table) -> set[tuple[str, date]]:
    rows = table.group_by(["use_case", "week"], use_threads=False).aggregate([]).to_pylist()
    return {(row["use_case"], row["week"]) for row in rows}


def _distinct_metrics(table: pa.Table | None) -> list[dict[str, str]]:
    if table is None:
        return []
    found: list[dict[str, str]] = table.group_by(["use_case", "metric"], use_threads=False).aggregate([]).to_pylist()
    return found
