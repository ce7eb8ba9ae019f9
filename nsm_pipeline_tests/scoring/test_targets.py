"""Target paths: numbers worked out by hand, and what holds for every path."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.playbook.models import Path, Target
from nsm_pipeline.scoring.targets import path_of

FIRST = date(2026, 1, 5)  # a Monday
numbers = st.floats(min_value=0.01, max_value=1e6)
ways = st.sampled_from(["linear", "compound"])


def week(number: int) -> date:
    return FIRST + timedelta(weeks=number)


WEEKS = [week(number) for number in range(9)]
VALUES = dict(zip(WEEKS[:8], [100.0, 110, 105, 120, 0, 130, 140, 150], strict=True))


def test_linear_from_the_first_published_week() -> None:
    """From 100 to 180 in the week that holds 2026-02-05, the fourth after: 20 a week; constant afterwards."""
    path = path_of(Target(value=180, by=date(2026, 2, 5)), VALUES, WEEKS)
    assert list(path.values()) == [100, 120, 140, 160, 180, 180, 180, 180, 180]


def test_compound_from_a_declared_week() -> None:
    """From 110 in the week of Friday, 16 January, to 990 two weeks later: × 3 a week. No target before it."""
    target = Target(value=990, by=week(3), since=date(2026, 1, 16), path="compound")
    path = path_of(target, VALUES, WEEKS)
    assert list(path) == WEEKS[1:]
    assert list(path.values()) == pytest.approx([110, 330, 990, 990, 990, 990, 990, 990])


def test_a_level_holds_from_its_week_on() -> None:
    assert path_of(Path(value=0.9), VALUES, WEEKS) == dict.fromkeys(WEEKS, 0.9)
    assert path_of(Path(value=0.9, since=week(6)), VALUES, WEEKS) == dict.fromkeys(WEEKS[6:], 0.9)


def test_growth_from_a_week_compounds() -> None:
    path = path_of(Target(growth_per_week=0.5, since=week(3)), VALUES, WEEKS)
    assert path == {week(3): 120, week(4): 180, week(5): 270, week(6): 405, week(7): 607.5, week(8): 911.25}


def test_the_habit_grows_from_each_week_to_the_next() -> None:
    """114 → 170 × 1.07 as in thoughtbot's article; nowhere in the first week and after one that is not published."""
    values = {week(0): 114.0, week(1): 170.0, week(2): 197.0, week(4): 198.0}
    path = path_of(Target(), values, [week(0), week(1), week(2), week(4), week(5)])
    assert path == {week(1): 114 * 1.07, week(2): 170 * 1.07, week(5): 198 * 1.07}


def test_a_path_begins_where_there_is_a_value_to_begin_at() -> None:
    """No value in week 0 and 1; growth by a factor cannot begin at the 0 of week 4."""
    late = {when: value for when, value in VALUES.items() if when >= week(2)}
    assert list(path_of(Target(value=205, by=week(4)), late, WEEKS).items())[:3] == [
        (week(2), 105), (week(3), 155), (week(4), 205),
    ]  # fmt: skip
    assert min(path_of(Target(growth_per_week=0.1, since=week(4)), VALUES, WEEKS)) == week(5)
    assert min(path_of(Target(value=900, by=week(7), since=week(4), path="compound"), VALUES, WEEKS)) == week(5)
    assert path_of(Target(value=900, by=week(7), since=week(4)), VALUES, WEEKS)[week(4)] == 0


def test_a_path_without_a_beginning_is_its_end_alone() -> None:
    assert path_of(Target(value=205, by=week(4)), {}, WEEKS) == dict.fromkeys(WEEKS[4:], 205)
    assert path_of(Target(value=205, by=week(4)), {week(6): 1.0}, WEEKS) == dict.fromkeys(WEEKS[4:], 205)
    assert path_of(Target(value=205, since=week(7), by=week(20)), {week(6): 1.0}, WEEKS) == {}
    assert path_of(Target(growth_per_week=0.1, since=week(4)), {}, WEEKS) == {}
    assert path_of(Target(), VALUES, []) == {}


def test_weeks_may_start_on_any_day() -> None:
    """Weeks of a Sunday: Saturday 2026-01-17 lies in the week of the 11th."""
    sundays = [when - timedelta(days=1) for when in WEEKS]
    path = path_of(Target(value=2, by=date(2026, 1, 17)), {sundays[0]: 0.0}, sundays)
    assert [path[when] for when in sundays[:3]] == [0, 2, 2]


@given(start=numbers, end=numbers, length=st.integers(1, 150), path=ways)
def test_ends_are_exact_and_the_way_never_turns_back(start: float, end: float, length: int, path: str) -> None:
    weeks = [week(number) for number in range(length + 3)]
    target = Target.model_validate({"value": end, "by": week(length), "path": path})
    found = list(path_of(target, {weeks[0]: start}, weeks).values())
    assert found[0] == start
    assert found[length:] == [end] * 3
    towards = 1 if end >= start else -1
    assert all((after - before) * towards >= -1e-9 * max(start, end) for before, after in pairwise(found))


@given(start=numbers, end=numbers, length=st.integers(1, 150))
def test_equal_growth_and_equal_steps(start: float, end: float, length: int) -> None:
    weeks = [week(number) for number in range(length + 1)]
    steps = list(path_of(Target(value=end, by=weeks[-1]), {weeks[0]: start}, weeks).values())
    assert [b - a for a, b in pairwise(steps)] == pytest.approx([(end - start) / length] * length, abs=1e-6)
    factors = list(path_of(Target(value=end, by=weeks[-1], path="compound"), {weeks[0]: start}, weeks).values())
    assert [b / a for a, b in pairwise(factors)] == pytest.approx([(end / start) ** (1 / length)] * length)


@given(growth=st.floats(-0.5, 0.5), values=st.dictionaries(st.sampled_from(WEEKS), numbers))
def test_the_habit_is_the_goal_of_each_week(growth: float, values: dict[date, float]) -> None:
    path = path_of(Target(growth_per_week=growth), values, WEEKS)
    assert path == {after: values[before] * (1 + growth) for before, after in pairwise(WEEKS) if before in values}
