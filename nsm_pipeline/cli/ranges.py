"""Weeks and use cases as they are given on the command line.

What belongs here: reading them, and saying what is wrong. What does not: commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.weeks import Calendar, span


def known_use_case(name: str, known: Iterable[str]) -> str:
    """The name itself. Raises UserError where no use case has it."""
    names = list(known)
    if name not in names:
        raise UserError(f"--use-case: found '{name}'; {nearest(name, names)}")
    return name


def week_range(weeks: str, calendar: Calendar) -> tuple[date, date]:
    """First and last week of `A..B`, or of one. Raises UserError."""
    parts = weeks.split("..") if ".." in weeks else [weeks, weeks]
    try:
        first, last = (date.fromisoformat(part) for part in parts)
    except ValueError:
        raise UserError(
            f"--weeks: found '{weeks}'; YYYY-MM-DD..YYYY-MM-DD is needed, both first days of weeks."
        ) from None
    for day in (first, last):
        if calendar.week_of_day(day) != day:
            raise UserError(f"--weeks: found {day}, on which no week starts; nearest: {calendar.week_of_day(day)}.")
    if first > last:
        raise UserError(f"--weeks: found '{weeks}', which ends before it starts.")
    return first, last


def weeks_within(opened: Open, ends: tuple[date, date]) -> list[date]:
    """The weeks of a range. Raises UserError where the home does not have them."""
    for week in ends:
        if week not in opened.weeks:
            known = f"{opened.weeks[0]}..{opened.weeks[-1]}" if opened.weeks else "none yet"
            raise UserError(f"--weeks: found {week}, which is outside this home's weeks, {known}.")
    return list(span(*ends))
