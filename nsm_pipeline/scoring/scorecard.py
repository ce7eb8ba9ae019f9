"""The scorecard: the North Star of every published week beside its target, goals, expectation and forecast.

What belongs here: rows of SCORECARD. What does not: target paths (`targets`), expectation and forecast (`seasons`), the
four columns of status (`status`), which stay without a colour here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from nsm_pipeline.playbook.models import Target
from nsm_pipeline.scoring.published import Published
from nsm_pipeline.scoring.seasons import FARTHEST, Expected, outlook, verdict
from nsm_pipeline.scoring.targets import path_of, week_of
from nsm_pipeline.weeks import WEEK

Row = dict[str, Any]
AS_GROWTH = ("active", "new", "retained", "resurrected", "churned", "new_by_creation", "retained_by_creation",
             "state", "stage", "certificate_id")  # fmt: skip
BY_CREATION = {"activity": "", "creation": "_by_creation"}
AHEAD = 13  # weeks, where no target says how far to look
NO_STATUS = {"status": "no_colour", "guardrail_status": "no_colour", "joint_status": "no_colour", "joint_words": ""}


def scorecard_rows(published: Published) -> list[Row]:
    """Rows of SCORECARD of a use case, one per row of its growth table, in order; statuses without a colour."""
    use_case = published.use_case
    target = use_case.north_star.target
    weeks = list(published.growth)
    values = complete_values(published.growth)
    paths = path_of(target, values, weeks)
    newest = max(values, default=None)
    ahead = _ahead(target, newest, weeks) if newest else None
    expected = outlook(values, max(weeks[-1], ahead)) if ahead else {}
    return [
        {
            "use_case": use_case.use_case,
            "week": week,
            "metric": published.north_star,
            "unit": use_case.metrics[published.north_star].unit,
            **_growth(row, target.growth_per_week),
            "target": paths.get(week),
            "target_value": target.value,
            "target_by": target.by,
            "attainment": share(row["value"], paths.get(week)),
            **_goals(row, published.growth.get(week - WEEK), target.growth_per_week, use_case.north_star.goals_by),
            **{column: row[column] for column in AS_GROWTH},
            "quick_ratio": quick_ratio(row),
            **_expectation(row, expected.get(week)),
            **_forecast(ahead if week == newest else None, expected),
            **NO_STATUS,
        }
        for week, row in published.growth.items()
    ]


def complete_values(growth: Mapping[date, Mapping[str, Any]]) -> dict[date, float]:
    """The North Star by complete week, where it has a value: neither the week in progress nor a window still open."""
    return {week: row["value"] for week, row in growth.items() if row["complete"] and row["value"] is not None}


def share(part: float | None, whole: float | None) -> float | None:
    """part ÷ whole; None where either is missing or whole is 0."""
    return part / whole if part is not None and whole else None


def quick_ratio(row: Mapping[str, Any]) -> float | None:
    """Accounts won over accounts lost: (new + resurrected) ÷ churned."""
    if row["new"] is None or row["resurrected"] is None:
        return None
    return share(row["new"] + row["resurrected"], row["churned"])


def _growth(row: Mapping[str, Any], habit: float) -> Row:
    growth, mean = row["growth"], row["mean_growth_13_weeks"]
    return {
        "value": row["value"],
        "previous_value": row["previous_value"],
        "growth": growth,
        "habit": habit,
        "growth_above_habit": None if growth is None else growth - habit,
        "mean_growth_13_weeks": mean,
        "growth_above_mean": None if growth is None or mean is None else growth - mean,
    }


def _goals(row: Mapping[str, Any], before: Mapping[str, Any] | None, habit: float, by: str) -> Row:
    """Goals as Croak and Frechette set them (thoughtbot, "North Star Metric"): last week's total, retained and new
    times 1 + habit, and this week's numbers over them. None where last week is not published."""
    found: Row = {"goals_by": by}
    for goal, column in (
        ("total", "value"),
        ("retained", f"retained{BY_CREATION[by]}"),
        ("new", f"new{BY_CREATION[by]}"),
    ):
        last = before[column] if before is not None else None
        found[f"goal_{goal}"] = None if last is None else last * (1 + habit)
        found[f"progress_{goal}"] = share(row[column], found[f"goal_{goal}"])
    return found


def _expectation(row: Mapping[str, Any], expected: Expected | None) -> Row:
    return {
        "expected": expected.value if expected else None,
        "expected_low": expected.low if expected else None,
        "expected_high": expected.high if expected else None,
        "has_season": expected.has_season if expected else False,
        "verdict": verdict(row["value"], expected, row["complete"]),
    }


def _ahead(target: Target, newest: date, weeks: Sequence[date]) -> date:
    """The week to forecast: that by which the target should be reached, where it is to come, but at most FARTHEST weeks
    after the newest complete one; else the 13th after it."""
    by = week_of(target.by, weeks) if target.by is not None else None
    return min(by, newest + FARTHEST * WEEK) if by is not None and by > newest else newest + AHEAD * WEEK


def _forecast(week: date | None, expected: Mapping[date, Expected]) -> Row:
    found = expected.get(week) if week else None
    return {
        "forecast_week": week if found else None,
        "forecast": found.value if found else None,
        "forecast_low": found.low if found else None,
        "forecast_high": found.high if found else None,
    }
