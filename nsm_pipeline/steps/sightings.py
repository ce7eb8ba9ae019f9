"""The step that says what a home's small tables know of its definitions, for linting.

What belongs here: reading the evidence, quality and metric tables of all weeks. What does not: judging them
(`linting`). Usage events are never read, so this takes as long for a million as for a thousand of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.events.evidence import UNMAPPED
from nsm_pipeline.events.quality import QUALITY
from nsm_pipeline.linting.seen import LATELY, EventSeen, NameSeen, Seen, UseCaseSeen
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.series import load_verdicts, read_weeks, without

QUALITY_BY_WEEK = QUALITY.append(pa.field("week", pa.date32()))


def sightings(opened: Open) -> Seen | None:
    """What the stored weeks say; None where no week has been built."""
    weeks = [week for week in opened.weeks if opened.lake.exists("week_evidence", week)]
    if not weeks:
        return None
    unmapped = read_weeks(opened, "unmapped_events", None, weeks, UNMAPPED).to_pylist()
    use_cases = {name: _use_case(opened, use_case) for name, use_case in opened.playbook.use_cases.items()}
    return Seen(use_cases, _names(unmapped), len(opened.weeks), len(opened.stale_weeks()))


def _names(rows: Iterable[dict[str, Any]]) -> dict[str, NameSeen]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["event_name"]].append(row)
    return {
        name: NameSeen(sum(r["rows"] for r in mine), min(r["week"] for r in mine), max(r["week"] for r in mine))
        for name, mine in found.items()
    }


def _use_case(opened: Open, use_case: UseCase) -> UseCaseSeen:
    name = use_case.use_case
    complete = opened.complete_weeks
    quality = read_weeks(opened, "event_quality", name, opened.weeks, QUALITY_BY_WEEK)
    roles = opened.plans[name].roles
    rows = pa.concat_tables([read_weeks(opened, role, name, complete, METRIC_ROWS) for role in roles])
    rows = without(rows, {week: found for week in complete if (found := opened.waiting(name, week))})
    # Only what is looked at: making Python's values of years of rows takes longest.
    is_total = pc.equal(rows["slice"], "all")
    totals = rows.filter(is_total).select(["metric", "week", "value"]).to_pylist()
    verdicts = load_verdicts(opened, name)
    withheld = {week for week in complete if verdicts is not None and verdicts.failed(week)}
    return UseCaseSeen(
        _events(
            quality.select(["week", "event", "property", "rows", "missing"]).to_pylist(),
            use_case,
            frozenset(complete[-LATELY:]),
        ),
        _values(totals, withheld),
        _widths(rows.filter(pc.invert(is_total))),
        len(complete),
    )


def _events(rows: Iterable[dict[str, Any]], use_case: UseCase, late: frozenset[date]) -> dict[str, EventSeen]:
    """Declared events by name; those that no stored week knows are left out."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["event"]].append(row)
    return {name: _event(found[name], late) for name in use_case.events if name in found}


def _event(rows: list[dict[str, Any]], late: frozenset[date]) -> EventSeen:
    events = [row for row in rows if row["property"] is None and row["rows"]]
    missing: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["property"] is not None and row["week"] in late:
            missing[row["property"]] += row["missing"]
    return EventSeen(
        sum(row["rows"] for row in events),
        min((row["week"] for row in events), default=None),
        max((row["week"] for row in events), default=None),
        sum(row["rows"] for row in events if row["week"] in late),
        dict(missing),
    )


def _values(totals: Iterable[dict[str, Any]], withheld: set[date]) -> dict[str, dict[date, float]]:
    found: dict[str, dict[date, float]] = defaultdict(dict)
    for row in totals:
        values = found[row["metric"]]
        if row["value"] is not None and row["week"] not in withheld:
            values[row["week"]] = row["value"]
    return dict(found)


def _widths(sliced: pa.Table) -> dict[str, int]:
    """Per slice the most values that a metric had in one week."""
    by_week = sliced.group_by(["slice", "metric", "week"], use_threads=False)
    values = by_week.aggregate([("slice_value", "count_distinct")])
    most = values.group_by("slice", use_threads=False).aggregate([("slice_value_count_distinct", "max")])
    return dict(zip(*(most[column].to_pylist() for column in ("slice", "slice_value_count_distinct_max")), strict=True))
