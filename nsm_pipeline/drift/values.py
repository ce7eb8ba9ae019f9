"""Properties that shift: missing more often, other values than ever before, numbers of another size.

What belongs here: the tests over weekly facts of one property of one event. What does not: where the facts come from
(`events.quality`), and why a property shifted.

A week is compared with the BEFORE weeks before it, of which AFTER must have been seen. Only what none of them has shown
counts: sets of values and sizes, not shares, which move by themselves. Weeks of few rows are taken together with
the TOGETHER - 1 after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from nsm_pipeline.drift.findings import Kind

BEFORE = 8
AFTER = 4
TOGETHER = 3
ROWS = 20
"""Rows (or values) on which a shift has to be seen."""
MISSING_MORE = 0.10
USUAL_SHARE = 0.05
COMMON_SHARE = 0.10
LARGER = 8.0
"""So many times larger or smaller than in every week before: more than growth, less than between units."""
RELEARN = 8


@dataclass(frozen=True)
class Week:
    """One property in one week: rows of its event, how many lack it; of `sampled` rows with a value the count of each
    value (None where they are many), and the median of numbers."""

    week: date
    rows: int
    missing: int
    sampled: int
    values: Mapping[str, int] | None
    middle: float | None


@dataclass(frozen=True)
class Shift:
    """A property from `week` to `last`; `noticed`: the week with which it was seen; `text` says what."""

    kind: Kind
    week: date
    last: date
    noticed: date
    text: str
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


Seen = tuple[str, tuple[str, ...], tuple[str, ...]]
Test = Callable[[Sequence[Week], Sequence[Week]], Seen | None]


def shifts(weeks: Sequence[Week]) -> list[Shift]:
    """Every shift of one property, in order of weeks."""
    tests: dict[Kind, Test] = {"missing": _missing, "values": _values, "scale": _scale}
    found = [shift for kind, test in tests.items() for shift in _episodes(kind, test, weeks)]
    return sorted(found, key=lambda shift: (shift.week, shift.kind))


def _episodes(kind: Kind, test: Test, weeks: Sequence[Week]) -> list[Shift]:
    """Shifts by one test: weeks that go on like a shifted one belong to it, and are no measure for later ones until
    there are RELEARN of them."""
    found: list[Shift] = []
    before: list[Week] = []
    shifted: list[Week] = []
    for place, week in enumerate(weeks):
        if not week.rows:
            continue
        seen, needed = _first(test, before[-BEFORE:], weeks[place : place + TOGETHER])
        if seen is None:
            before, shifted = [*before, week], []
            continue
        text, gone, new = seen
        if shifted:
            found[-1] = Shift(kind, found[-1].week, week.week, *_rest(found[-1]))
        else:
            found.append(Shift(kind, week.week, week.week, needed, text, gone, new))
        shifted.append(week)
        if len(shifted) >= RELEARN:
            before, shifted = shifted, []
    return found


def _rest(shift: Shift) -> tuple[date, str, tuple[str, ...], tuple[str, ...]]:
    return shift.noticed, shift.text, shift.gone, shift.new


def _first(test: Test, before: Sequence[Week], weeks: Sequence[Week]) -> tuple[Seen | None, date]:
    """What a test sees in the first of some weeks, with as few of the others as it needs."""
    if len(before) >= AFTER:
        for count in range(1, len(weeks) + 1):
            if (seen := test(before, weeks[:count])) is not None:
                return seen, weeks[count - 1].week
            if sum(week.rows for week in weeks[:count]) >= 4 * ROWS:
                break  # enough to have seen it
    return None, weeks[0].week


def _missing(before: Sequence[Week], now: Sequence[Week]) -> Seen | None:
    rows, missing = sum(week.rows for week in now), sum(week.missing for week in now)
    usual = max(week.missing / week.rows for week in before)
    share = missing / rows
    if rows < ROWS or share < usual + MISSING_MORE or missing - usual * rows < ROWS / 2:
        return None
    if any(week.missing < (usual + MISSING_MORE) * week.rows for week in now):
        return None
    return f"missing in {share:.0%} of rows, before in at most {usual:.0%}", (), ()


def _values(before: Sequence[Week], now: Sequence[Week]) -> Seen | None:
    if any(week.values is None for week in (*before, *now)):
        return None
    listed = [week.values or {} for week in now]
    sampled = sum(week.sampled for week in now)
    if sampled < ROWS or any(week.sampled < 1 for week in before):
        return None
    counts = {value: sum(one.get(value, 0) for one in listed) for value in {v for one in listed for v in one}}
    known = {value for week in before for value in week.values or {}}
    missed = {value for value in known if not counts.get(value)}
    least = {value: min((week.values or {}).get(value, 0) / week.sampled for week in before) for value in missed}
    gone = [value for value in missed if least[value] >= USUAL_SHARE and least[value] * sampled >= ROWS]
    new = [
        value
        for value, count in counts.items()
        if value not in known
        and count >= ROWS
        and all(one.get(value, 0) >= COMMON_SHARE * week.sampled for one, week in zip(listed, now, strict=True))
    ]
    if not gone and not new:
        return None
    return _said(sorted(gone), sorted(new), counts, sampled), tuple(sorted(gone)), tuple(sorted(new))


def _said(gone: Sequence[str], new: Sequence[str], counts: Mapping[str, int], sampled: int) -> str:
    said = []
    if gone:
        said.append(f"{', '.join(map(repr, gone))} no longer {'comes' if len(gone) == 1 else 'come'}")
    if new:
        said.append("new: " + ", ".join(f"{value!r} in {counts[value] / sampled:.0%} of rows" for value in new))
    return "; ".join(said)


def _scale(before: Sequence[Week], now: Sequence[Week]) -> Seen | None:
    middles = [week.middle for week in before if week.middle is not None and week.sampled >= ROWS / 4]
    current = [week.middle for week in now if week.middle is not None]
    sampled = sum(week.sampled for week in now)
    if len(middles) < AFTER or len(current) < len(now) or sampled < ROWS or min(middles) <= 0 or min(current) <= 0:
        return None
    if min(current) >= LARGER * max(middles) or max(current) <= min(middles) / LARGER:
        times = median(current) / median(middles)
        said = f"{times:,.4g} times as large" if times > 1 else f"{1 / times:,.4g} times smaller"
        return f"its median is {said}: {median(current):,.4g}, before {median(middles):,.4g}", (), ()
    return None
