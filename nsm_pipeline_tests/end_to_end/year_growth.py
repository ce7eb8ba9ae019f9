"""Growth of a series, said again in plain Python.

What belongs here: arithmetic over published values, and who was new, stayed, came back or left. What does not: which
values are published (`year_published`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from year_rules import CREATED, WEEK

TARGET = 0.07
ACCOUNTS = ("active", "new", "retained", "resurrected", "churned", "new_by_creation", "retained_by_creation",
            "unknown_creation")  # fmt: skip
NUMBERS = ("value", "previous_value", "growth", "mean_growth_13_weeks", *ACCOUNTS, "goal", "attainment")
Accounts = dict[str, float | None]


def growth_of(values: Mapping[date, float | None], current: date) -> dict[date, dict[str, float | None]]:
    """Numbers of growth by week, without accounts, of the weeks that are published."""
    found: dict[date, dict[str, float | None]] = {}
    grown: list[float | None] = []
    for week, value in sorted(values.items()):
        previous = values.get(week - WEEK)
        growth = value / previous - 1 if week < current and value is not None and previous else None
        recent = [one for one in grown[-13:] if one is not None]
        goal = None if previous is None else previous * (1 + TARGET)
        found[week] = {
            "value": value,
            "previous_value": previous,
            "growth": growth,
            "mean_growth_13_weeks": sum(recent) / len(recent) if recent else None,
            "goal": goal,
            "attainment": value / goal if value is not None and goal else None,
        }
        grown.append(growth)
    return found


def lifecycle(active: Sequence[tuple[date, set[str]]]) -> list[Accounts]:
    """Accounts of each of some consecutive weeks, by who had an order in it."""
    found: list[Accounts] = []
    before: set[str] = set()
    ever: set[str] = set()
    for week, now in active:
        created = {account: CREATED.get(int(account[1:]), date(2024, 3, 1)) for account in now}
        unknown = sum(day is None for day in created.values())
        fresh = sum(day is not None and day >= week for day in created.values())
        counts = (
            len(now), len(now - ever), len(now & before), len((now & ever) - before), len(before - now),
            fresh, len(now) - fresh - unknown, unknown,
        )  # fmt: skip
        found.append(dict(zip(ACCOUNTS, map(float, counts), strict=True)))
        before, ever = now, ever | now
    return found
