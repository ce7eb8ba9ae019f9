"""How late events arrive, by source, and the settling time that follows.

What belongs here: distributions of what was counted, and the proposal. What does not: counting (`steps.lateness`).

Delays are counted in whole hours up to three days and in whole days beyond, rounded up: a quantile is right to that. A
week has settled when SETTLED of its rows have come. Nothing is left out silently: imports are named, and what is
proposed is said with and without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

QUANTILES = (0.5, 0.9, 0.99, 0.999)
DAYS_AFTER = (0, 1, 3, 7, 14, 28, 56, 91, 182, 364)
SETTLED = 0.999
OLD_DAYS = 14
"""A row that comes later than this is old."""
IMPORT_ROWS = 100
IMPORT_SHARE = 0.5
"""A day is one of an import where so many old rows came, and they were so much of all that came."""


@dataclass(frozen=True)
class Arrived:
    """Rows of one name from one sender (empty: the landing contract). `hours`: their delay; `days`: whole days from the
    end of their week until they came, 0 within it; both None where nothing says when that was; `day`: that of old ones.
    """

    sender: str
    name: str
    hours: int | None
    days: int | None
    day: date | None
    rows: int


@dataclass(frozen=True)
class Lateness:
    """Of some rows: how many there are, of how many it is unknown, quantiles of the delay in hours, the share that had
    come by so many days after the end of its week, and in how many days SETTLED of them had."""

    rows: int
    unknown: int
    quantiles: tuple[tuple[float, int], ...]
    by_days: tuple[tuple[int, float], ...]
    settles_in: int


@dataclass(frozen=True)
class Import:
    """A day on which mostly old rows came."""

    day: date
    rows: int
    of: int
    names: tuple[str, ...]


def imports(arrived: Iterable[Arrived], received: dict[date, int]) -> list[Import]:
    """Days of imports; `received`: all rows that came, by day."""
    old: dict[date, Counter[str]] = {}
    for one in arrived:
        if one.day is not None:
            old.setdefault(one.day, Counter())[one.name] += one.rows
    return [
        Import(day, names.total(), received[day], tuple(name for name, _ in names.most_common()))
        for day, names in sorted(old.items())
        if names.total() >= IMPORT_ROWS and names.total() >= IMPORT_SHARE * received[day]
    ]


def by(arrived: Sequence[Arrived], key: Callable[[Arrived], str]) -> dict[str, Lateness]:
    """Lateness by a part of what arrived, in order of names."""
    return {
        name: lateness([one for one in arrived if key(one) == name]) for name in sorted({key(one) for one in arrived})
    }


def lateness(arrived: Sequence[Arrived]) -> Lateness:
    """The distribution of some rows' delays."""
    hours: Counter[int] = Counter()
    days: Counter[int] = Counter()
    unknown = 0
    for one in arrived:
        if one.hours is None or one.days is None:
            unknown += one.rows
        else:
            hours[one.hours] += one.rows
            days[one.days] += one.rows
    known = hours.total()
    if not known:
        return Lateness(unknown, unknown, (), (), 0)
    shares = tuple((limit, sum(rows for day, rows in days.items() if day <= limit) / known) for limit in DAYS_AFTER)
    quantiles = tuple((share, _quantile(hours, share)) for share in QUANTILES)
    return Lateness(known + unknown, unknown, quantiles, shares, _quantile(days, SETTLED))


def share_by(arrived: Iterable[Arrived], days: int) -> float:
    """The share of rows that had come by so many days after the end of their week."""
    known = [one for one in arrived if one.days is not None]
    rows = sum(one.rows for one in known)
    return sum(one.rows for one in known if one.days is not None and one.days <= days) / rows if rows else 1.0


def without(arrived: Iterable[Arrived], found: Iterable[Import]) -> list[Arrived]:
    """What arrived, without the old rows of imports."""
    days = {one.day for one in found}
    return [one for one in arrived if one.day not in days]


def _quantile(counts: Counter[int], share: float) -> int:
    """The smallest value that so much of all is at most."""
    needed, reached = share * counts.total(), 0
    for value, rows in sorted(counts.items()):
        reached += rows
        if reached >= needed - 1e-9 * counts.total():
            return value
    return max(counts)
