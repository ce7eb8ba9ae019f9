"""Dagster's view of the calendar: weekly partitions from the first week to the one in progress.

What belongs here: partitions and the weeks a run is for. What does not: the calendar itself (`weeks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

import dagster as dg

from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import WEEK, span, utc_now

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"


def weekly_partitions(opened: Open) -> dg.WeeklyPartitionsDefinition:
    """Weeks by their first day, in the playbook's zone. Before anything has landed: the week in progress alone."""
    calendar = opened.calendar
    current = calendar.current()
    # Dagster goes by the wall clock; an as_of home may lie before or after it, so its end is counted from there.
    ahead = max(0, (current - calendar.week_of(utc_now())).days // WEEK.days)
    return dg.WeeklyPartitionsDefinition(
        start_date=datetime.combine(opened.first_week or current, time()),
        end_date=datetime.combine(current + WEEK, time()) if calendar.as_of else None,
        timezone=calendar.zone,
        day_offset=(calendar.starts_on + 1) % 7,
        end_offset=1 + ahead,
    )


def weeks_of_run(tags: Mapping[str, str], weeks: list[date]) -> list[date]:
    """The weeks a run was launched for; all of them for a run without partitions."""
    if start := tags.get(RANGE_START):
        return list(span(date.fromisoformat(start), date.fromisoformat(tags[RANGE_END])))
    if one := tags.get(PARTITION):
        return [date.fromisoformat(one)]
    return weeks


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags of one run over a range of weeks, as Dagster's own single-run backfill sets them."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
