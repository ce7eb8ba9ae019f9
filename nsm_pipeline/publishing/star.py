"""The rows of the star's dimensions, for whatever the other tables refer to, and of the data dictionary.

What belongs here: playbook, weeks and schemas → rows. What does not: what metrics mean (`dictionary`), foreign keys
(`references`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.columns import ExtractTable
from nsm_pipeline.publishing.dictionary import row_of, title_of
from nsm_pipeline.publishing.references import METRIC, references_of
from nsm_pipeline.publishing.star_tables import DATA_DICTIONARY, USE_CASES, WEEKS
from nsm_pipeline.publishing.tables import DECLARED, METRIC_DICTIONARY

Row = dict[str, Any]
MIDDLE, LAST = timedelta(days=3), timedelta(days=6)


def star(
    use_cases: Mapping[str, UseCase],
    tables: Mapping[str, pa.Table],
    weeks: Iterable[date],
    current: date,
    stage: Callable[[date], str],
) -> dict[str, pa.Table]:
    """Dimensions and data dictionary by name, complete for the extract's other tables.

    `weeks`: of the series; those of the tables come to them. `current`: the week in progress; `stage`: a week's.
    """
    named = {USE_CASES.name: use_case_rows(use_cases.values())}
    found = {**tables, **named}
    ours = (USE_CASES.name, WEEKS.name, DATA_DICTIONARY.name)
    every = {*weeks, *(week for (week,) in _referred(found, WEEKS.name))}
    return {
        **named,
        WEEKS.name: week_rows(every, current, stage),
        METRIC_DICTIONARY.name: _whole_dictionary(use_cases, found),
        DATA_DICTIONARY.name: data_dictionary({*tables, *ours}),
    }


def use_case_rows(use_cases: Iterable[UseCase]) -> pa.Table:
    """use_cases: one row each."""
    rows = [
        {
            "use_case": one.use_case,
            "title": one.title,
            "status": one.status,
            "owner": one.owner.name,
            "contact": one.owner.contact,
            "review_by": one.review_by,
            "game": one.game,
            "vision": one.vision or None,
            "value_moment": one.value_moment or None,
            "north_star": one.north_star.metric,
            "formula": one.formula,
            "outcomes": ", ".join(one.outcomes) or None,
            "slices": ", ".join(one.slices) or None,
        }
        for one in use_cases
    ]
    return pa.Table.from_pylist(rows, USE_CASES.schema)


def week_rows(weeks: Iterable[date], current: date, stage: Callable[[date], str]) -> pa.Table:
    """weeks: one row each. A week is of its fourth day's month, as an ISO week is of its Thursday's year."""
    rows = []
    for week in sorted(weeks):
        middle = week + MIDDLE
        iso = middle.isocalendar()
        rows.append(
            {
                "week": week,
                "last_day": week + LAST,
                "iso_year": iso.year,
                "iso_week": iso.week,
                "year": middle.year,
                "quarter": (middle.month + 2) // 3,
                "month": middle.month,
                "is_complete": week < current,
                "stage": stage(week),
            }
        )
    return pa.Table.from_pylist(rows, WEEKS.schema)


def data_dictionary(names: Collection[str]) -> pa.Table:
    """data_dictionary: one row per column of some of the extract's tables."""
    rows = [row for declared in DECLARED if declared.name in names for row in _columns(declared)]
    return pa.Table.from_pylist(rows, DATA_DICTIONARY.schema)


def _columns(declared: ExtractTable) -> Iterator[Row]:
    explained: dict[str, list[str]] = {}
    for reference in references_of(declared):
        for name, key in zip(reference.columns, reference.key, strict=True):
            explained.setdefault(name, []).append(f"{reference.table}.{key}")
    for position, column in enumerate(declared.columns, start=1):
        yield {
            "table": declared.name,
            "column": column.name,
            "position": position,
            "type": column.type,
            "description": column.description,
            "required": column.required or column.name in declared.key,
            "is_key": column.name in declared.key,
            "refers_to": ", ".join(explained.get(column.name, ())) or None,
        }


def _whole_dictionary(use_cases: Mapping[str, UseCase], tables: Mapping[str, pa.Table]) -> pa.Table:
    """metric_dictionary with what else is referred to: metrics without a role that a formula names, and those of
    certified values whose definition is gone."""
    known = tables[METRIC_DICTIONARY.name]
    there = set(zip(*(known[name].to_pylist() for name in METRIC), strict=True))
    missing = sorted(_referred(tables, METRIC_DICTIONARY.name) - there)
    rows = [_without_role(use_cases[use_case], metric) for use_case, metric in missing if use_case in use_cases]
    return pa.concat_tables([known, pa.Table.from_pylist(rows, METRIC_DICTIONARY.schema)])


def _without_role(use_case: UseCase, name: str) -> Row:
    if name in use_case.metrics:
        return row_of(use_case, name, "none", None)
    return {
        "use_case": use_case.use_case,
        "use_case_title": use_case.title,
        "metric": name,
        "title": title_of(name, None),
        "description": "",
        "role": "none",
        "kind": "removed",
        "definition": "no longer in the playbook",
        "unit": "",
        "better": "higher",
        "owner": use_case.owner.name,
        "status": "removed",
        "is_outcome": False,
    }


def _referred(tables: Mapping[str, pa.Table], dimension: str) -> set[tuple[Any, ...]]:
    """The keys of a dimension that some tables refer to."""
    found: set[tuple[Any, ...]] = set()
    for declared in (one for one in DECLARED if one.name in tables):
        for reference in references_of(declared):
            if reference.table == dimension:
                keys = tables[declared.name].group_by(list(reference.columns), use_threads=False).aggregate([])
                found.update(tuple(row[name] for name in reference.columns) for row in keys.to_pylist())
    return {key for key in found if None not in key}
